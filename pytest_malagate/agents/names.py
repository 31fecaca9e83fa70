"""Names that an issue's id may be given where a path, a branch or a task needs one.

An id is hostile: it may hold blanks, newlines, `..` or a shell's command.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence

from pytest_malagate.errors import UsageError
from pytest_malagate.gate.commit import is_task_id

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_LONGEST = 60
_FIELD = re.compile(r"\{(issue|attempt)\}")


def safe_name(issue: str) -> str:
    """A name for a directory and the last part of a branch; other ids have other names.

    An id that is fit stays as it is; of another one the fit characters are kept, and a digest
    of the whole tells it from its like.
    """
    if len(issue) <= _LONGEST and _SAFE.fullmatch(issue) and not issue.endswith(".lock"):
        return issue
    digest = hashlib.sha256(issue.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    kept = re.sub(r"[^A-Za-z0-9]+", "-", issue).strip("-")[:40].strip("-")
    return f"{kept or 'issue'}-{digest}"


def task_of_issue(issue: str) -> str:
    """The id of the issue's task in the queue and in commits: its own, if it can be one."""
    return issue if is_task_id(issue) and issue.isprintable() else safe_name(issue)


def command_template(command: str) -> tuple[str, ...]:
    """A command line as words. Raises UsageError for an empty one and an unclosed quotation."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"--command {command!r}: {error}") from error
    if not words:
        raise UsageError("--command needs a command, such as './agent.sh {issue}'")
    return words


def filled(template: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The template with `{issue}` and `{attempt}` replaced, each inside its own word.

    Once: what an issue's id holds is not looked at again. Other braces stay as they are.
    """
    return [_FIELD.sub(lambda found: values[found[1]], word) for word in template]
