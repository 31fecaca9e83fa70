"""Which task a pull request belongs to: a fact of its own, never a word in its text."""

from __future__ import annotations

import re
from collections.abc import Callable

from pytest_malagate.github.records import Pull

BRANCH = "malagate/"
"""How the branch of a task's work begins, in the repository itself."""

_NUMBERED = re.compile(r"([1-9][0-9]{0,8})(?![0-9])")


def task_of(pull: Pull, is_queued: Callable[[str], bool]) -> str:
    """The task whose turn decides: that which its branch names, or the pull request itself.

    The branch goes first: what an agent opened for a task is the task's, though somebody asks for
    a place for it, too. Each would wait for the other else. A branch counts only in the same
    repository: whoever made it may write there. `is_queued` says of a task whether it waits or is
    active.
    """
    named = _named(pull.head.ref, is_queued) if _is_ours(pull) else None
    return named or f"#{pull.number}"


def _named(ref: str, is_queued: Callable[[str], bool]) -> str | None:
    """The task in the queue that a branch of this repository names."""
    if not ref.startswith(BRANCH):
        return None
    rest = ref.removeprefix(BRANCH)
    number = _NUMBERED.match(rest)
    named = [rest, *([f"#{number[1]}"] if number else [])]
    return next((task for task in named if is_queued(task)), None)


def is_part(pull: Pull, task: str) -> bool:
    """True if it goes into a branch of that very task: merged there, nothing of it has landed."""
    return _named(pull.base.ref, task.__eq__) is not None


def _is_ours(pull: Pull) -> bool:
    head, base = pull.head.repo, pull.base.repo
    return head is not None and base is not None and head.id == base.id
