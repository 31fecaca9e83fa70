"""The policy as the base has it, and how a change alters it.

A change is judged by the rule that was there before it, so that it cannot loosen that rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pytest_malagate.errors import UsageError
from pytest_malagate.policy import Policy, parse_policy
from pytest_malagate.repository import Repository

POLICY_FILES = ("malagate.yaml", "pyproject.toml")
_LISTED = 10
_DEFAULT = Policy()


def policy_at(repository: Repository, root: Path, commit: str) -> Policy:
    """The policy of `root` in a commit; the default policy if that commit has none.

    Raises PolicyError for one that is wrong, GitError if git fails.
    """
    prefix = root.resolve().relative_to(repository.root.resolve())
    files = {name: repository.file_at(commit, (prefix / name).as_posix()) for name in POLICY_FILES}
    return policy_of_files(files, commit)


def policy_of_files(files: Mapping[str, bytes | None], commit: str) -> Policy:
    """The policy that the files of a commit hold; the default policy if none of them is there.

    Raises PolicyError for one that is wrong, UsageError for two policies.
    """
    found = {
        name: parse_policy(data, file=f"{commit[:12]}:{name}")
        for name, data in files.items()
        if data is not None
    }
    chosen = [policy for policy in found.values() if policy.digest != _DEFAULT.digest]
    if len(chosen) > 1:
        raise UsageError(f"{commit[:12]} holds a policy in each of {' and '.join(found)}")
    return next(iter([*chosen, *found.values()]), _DEFAULT)


def rule_changes(base: Policy, working: Policy) -> tuple[str, ...]:
    """What the working tree's policy says otherwise than the base's, one entry a key."""
    if base.digest == working.digest:
        return ()
    before, after = dict(_leaves(base)), dict(_leaves(working))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    changes = [f"{key}: {_shown(before, key)} -> {_shown(after, key)}" for key in keys]
    return tuple(changes[:_LISTED]) or ("the order of its entries",)


def _leaves(policy: Policy) -> Iterator[tuple[str, Any]]:
    tree = msgspec.to_builtins(policy)
    for key in ("file", "digest", "unjudged", "explicit"):
        tree.pop(key, None)
    tree["validations"] = {entry["name"]: entry for entry in tree.get("validations", ())}
    yield from _walk("", tree)


def _walk(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _walk(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def _shown(leaves: dict[str, Any], key: str) -> str:
    return str(leaves[key])[:80] if key in leaves else "absent"
