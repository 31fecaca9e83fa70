"""Which task a pull request belongs to: a fact of its own, never a word in its text."""

from __future__ import annotations

import re
from collections.abc import Callable

from pytest_malagate.github.records import Pull

BRANCH = "malagate/"
"""How the branch of a task's work begins, in the repository itself."""

_NUMBERED = re.compile(r"([1-9][0-9]{0,8})(?![0-9])")


def task_of(pull: Pull, is_queued: Callable[[str], bool]) -> str:
    """The task whose turn decides: the pull request's own ticket, its branch's task, or itself.

    A branch counts only in the same repository: whoever made it may write there. `is_queued` says
    of a task whether it waits or is active.
    """
    own = f"#{pull.number}"
    if is_queued(own) or not _is_ours(pull) or not pull.head.ref.startswith(BRANCH):
        return own
    rest = pull.head.ref.removeprefix(BRANCH)
    number = _NUMBERED.match(rest)
    named = [rest, *([f"#{number[1]}"] if number else [])]
    return next((task for task in named if is_queued(task)), own)


def _is_ours(pull: Pull) -> bool:
    head, base = pull.head.repo, pull.base.repo
    return head is not None and base is not None and head.id == base.id
