"""The policy of the base, and what the change does to it.

A change's own policy is read only to be compared.
"""

from __future__ import annotations

import re

from pytest_malagate.action.binding import Bound
from pytest_malagate.action.subjects import Judged
from pytest_malagate.base_policy import POLICY_FILES, policy_of_files, rule_changes
from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import Client
from pytest_malagate.github.contents import file_at, first_at
from pytest_malagate.policy import Policy, PolicyError

_LOCAL_STEP = re.compile(r"^\.github/|(^|/)action\.ya?ml$")
# `./` is the workspace, `$/` this repository at the workflow's own commit; nothing behind it is the
# action at the root.
_LOCAL_USE = re.compile(r"""^[\s-]*uses:\s*['"]?[.$]/([^\s'"#]*)""", re.MULTILINE)
_ROOT_ACTION = ("action.yml", "action.yaml")


def base_policy(client: Client, ref: str, path: str) -> Policy:
    """The policy that judges: the one of the base, at `ref`.

    `path` is the input `policy`; without it malagate.yaml, and pyproject.toml where there is no
    such file. Raises PolicyError for a policy that is wrong, UsageError for a path that is not
    there, GitHubError.
    """
    if path:
        text = file_at(client, path, ref)
        if text is None:
            raise UsageError(f"input policy: {path} is not in the base {ref[:12]}")
        return policy_of_files({path: text.encode()}, ref)
    found = first_at(client, POLICY_FILES, ref)
    return policy_of_files({found[0]: found[1].encode()}, ref) if found else Policy()


def changes_to_rule(
    client: Client, subject: Judged, bound: Bound, policy: Policy, path: str
) -> tuple[str, ...]:
    """What the change would make of the policy, in words. Raises GitHubError."""
    if subject.base == subject.head or bound.commit is None:
        return ()
    names = (path,) if path else POLICY_FILES
    suspects = [name for name in names if bound.touched is None or name in bound.touched]
    if not suspects:
        return ()
    files = {name: file_at(client, name, bound.commit) for name in suspects}
    present = {name: text.encode() for name, text in files.items() if text is not None}
    try:
        own = policy_of_files(present, bound.commit)
    except PolicyError as error:
        return (f"the change's own policy is not valid: {error}",)
    except UsageError as error:
        return (str(error),)
    source = _base_name(policy.file) if policy.file else None
    if source is None or source in suspects:
        return rule_changes(policy, own)
    if own.digest != Policy().digest:  # the file that holds the policy is untouched
        return (f"a second policy is added in {', '.join(present)}",)
    return ()


def testing_workflow(client: Client, subject: Judged, bound: Bound) -> str | None:
    """The file that decided what was run and recorded, where the change could edit it.

    That is the run's own workflow file; or a local action or a reusable workflow that this file
    uses, if the change touches one. Raises GitHubError.
    """
    run = subject.run
    if subject.trust != "workflow" or subject.pull is None or run is None or bound.tip is None:
        return None
    if bound.touched is None or run.file in bound.touched:
        return run.file
    if not any(_LOCAL_STEP.search(path) for path in bound.touched):
        return run.file
    text = file_at(client, run.file, bound.tip) or ""
    used = [found.rstrip("/") for found in _LOCAL_USE.findall(text)]
    edited = (path for path in bound.touched for use in used if _belongs(path, use))
    return next(edited, run.file)


def _belongs(path: str, use: str) -> bool:
    """True for a file of the action, or the workflow, that a step uses."""
    if not use:
        return path in _ROOT_ACTION
    return path == use or path.startswith(f"{use}/")


def _base_name(file: str) -> str:
    """`malagate.yaml` of `abc123:malagate.yaml`."""
    return file.partition(":")[2] or file
