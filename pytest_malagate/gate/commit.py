"""Which commit belongs to a task, and whether it is fresh.

A commit names its task in one of these places, and nowhere else. `ID` stands for the id as a whole
token, in the case that the task has: none of `A-Z a-z 0-9 _ . -` may stand directly beside it, so
`x-1` is found neither in `x-10` nor in `x-1.2`, and `x.1` not in `xA1`.

    ID: text    ID text    ID           the start of the subject
    [ID] text   (ID) text               the same in brackets, a colon behind them or not
    fix(ID): text    feat(ID)!: text    the scope of a conventional commit
    text (ID)   text (ID) (#12)         parentheses at the end; a squash merge adds its number
    Task: ID                            a trailer: Task, Issue, Fixes, Closes or Resolves, in any
                                        case, whose value is the id alone, a `#` before it or not

An id of digits only may carry a `#` (`#12: text`), and must carry it where just a space follows:
`12 tests fixed` is prose. Anything else in the body or inside the subject is prose too. A revert is
no commit for the task: its subject begins with `Revert "` or has the type `revert`, or a line of
its body begins with `This reverts commit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

TRAILER_KEYS = frozenset({"task", "issue", "fixes", "closes", "resolves"})
"""The keys, in lower case, of the trailers that may name a commit's task."""

_TASK_ID = re.compile(r"(?=.*[^\W_])[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
_REVERT = re.compile(r'Revert "|revert(\([^()]*\))?!?:', re.IGNORECASE)


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One commit, as git tells it.

    `hash` is never abbreviated. `time` is the committer's time in seconds since the epoch.
    `subject` is the message's first line, `trailers` are git's own, in their order; both are
    bounded in length and free of control characters. `reverts` says that the body calls itself a
    revert. `parents` counts them: 0 for a root. `files` is None until somebody asked git for them
    (and if git could not tell).
    """

    hash: str
    time: int
    subject: str
    trailers: tuple[tuple[str, str], ...] = ()
    reverts: bool = False
    parents: int = 1
    files: tuple[str, ...] | None = None


class CommitFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What a task's commits come to.

    `commit` is the newest that is fresh. `stale` is the newest of all if none is fresh, else None.
    `matches` are all commits of the task, in the order they were given.
    """

    commit: Commit | None = None
    stale: Commit | None = None
    matches: tuple[Commit, ...] = ()


def is_task_id(task: str) -> bool:
    """Whether a text can be a task's id.

    That is 1 to 200 characters, no white space, no controls, and a letter or a digit among them.
    """
    return _TASK_ID.fullmatch(task) is not None


def is_for_task(commit: Commit, task: str) -> bool:
    """Whether a commit names a task by the grammar above. False for what can be no task's id."""
    if not is_task_id(task) or commit.reverts or _REVERT.match(commit.subject):
        return False
    if _subject_pattern(task).search(commit.subject):
        return True
    bare = task.removeprefix("#")
    return any(
        key.lower() in TRAILER_KEYS and value.strip().removeprefix("#") == bare
        for key, value in commit.trailers
    )


def judge_commits(commits: Iterable[Commit], task: str, baseline: int | None) -> CommitFinding:
    """Finds the task's commits and the newest that is fresh.

    A commit is stale if its time is before `baseline` (seconds since the epoch); an equal time is
    fresh, and without a baseline every commit is. All matches are looked at, so an older fresh
    commit counts even where a stale one comes first. Of equal times the one given first is newer.
    """
    matches = tuple(commit for commit in commits if is_for_task(commit, task))
    fresh = [commit for commit in matches if baseline is None or commit.time >= baseline]
    if fresh:
        return CommitFinding(commit=_newest(fresh), matches=matches)
    return CommitFinding(stale=_newest(matches) if matches else None, matches=matches)


def _newest(commits: Iterable[Commit]) -> Commit:
    return max(commits, key=lambda commit: commit.time)


@lru_cache(maxsize=64)
def _subject_pattern(task: str) -> re.Pattern[str]:
    number = task.isascii() and task.isdigit()
    token = ("#?" if number else "") + re.escape(task)
    spaced = ("#" if number else "") + re.escape(task)
    return re.compile(
        rf"^{token}(?::[ \t]|:$)"
        rf"|^{spaced}(?:[ \t]|$)"
        rf"|^(?:\[{token}\]|\({token}\)):?(?:[ \t]|$)"
        rf"|^[A-Za-z][A-Za-z0-9_-]*\({token}\)!?:(?:[ \t]|$)"
        rf"|[ \t]\({token}\)(?:[ \t]+\(\#[0-9]+\))?[ \t]*$"
    )
