"""What a reconciler's sweep looks at on GitHub, read once and shared by all of its checks.

Nothing here writes. What is listed may lag, and is a hint: whoever repairs something asks for the
one thing itself again. Every list is read whole or not at all, and questions about single things
have a budget; those that were not asked are asked by the next sweep, which begins behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import msgspec

from pytest_malagate.admission.landing import task_of
from pytest_malagate.admission.own_pulls import ended_of, open_one
from pytest_malagate.github.client import Client
from pytest_malagate.github.control import ACTIVE, READY
from pytest_malagate.github.issues import issue_of, labelled
from pytest_malagate.github.pulls import open_pulls
from pytest_malagate.github.records import Account, Issue, Pull, StatusAnswer, Value
from pytest_malagate.github.statuses import GATE
from pytest_malagate.github.store import GitHubStore, issue_number
from pytest_malagate.github.sweep_memory import read_memory
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Verdict

T = TypeVar("T")

QUESTIONS = 30
"""Single things that one check may ask about in one sweep."""


class Upkept(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What one sweep leaves for the next, beside the sweep's memory: hints, never authority.

    `place` is the reconciler's cursor; `places` are, by check, the number it ended at; `run` is the
    newest run that was looked at for having been evicted; `judged` are pull requests, each with the
    beginning of the head that has a verdict, `asked` those for which the gate was asked, each with
    the time in seconds since the epoch.
    """

    place: str = ""
    places: dict[str, int] = msgspec.field(default_factory=dict)
    run: int = 0
    judged: dict[int, str] = msgspec.field(default_factory=dict)
    asked: dict[int, float] = msgspec.field(default_factory=dict)


def read_upkept(text: str) -> Upkept:
    """What was kept; nothing if there is none, or if it is damaged."""
    try:
        return msgspec.json.decode(text, type=Upkept) if text else Upkept()
    except (msgspec.DecodeError, UnicodeError):
        return Upkept()


def write_upkept(kept: Upkept) -> str:
    """The text of it."""
    return msgspec.json.encode(kept).decode()


class SetStatus(StatusAnswer, frozen=True, kw_only=True):
    """A commit status with who set it."""

    creator: Account | None = None


class Outlook:
    """One sweep's view of a repository. `now` is in seconds since the epoch.

    `trusted` are the logins whose `malagate/gate` counts; None: whoever writes the ledger.
    Every property may raise GitHubError.
    """

    def __init__(
        self,
        gate: SerialGate,
        store: GitHubStore,
        *,
        now: Callable[[], float],
        trusted: Iterable[str] | None = None,
    ) -> None:
        self.gate, self.store, self.now = gate, store, now
        self.client: Client = store.client(gate.repository)
        self._trusted = None if trusted is None else frozenset(trusted)
        self._asked: dict[int, Issue | None] = {}

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Those that wait or are active, as the sweep began."""
        return self._look[0]

    @cached_property
    def kept(self) -> Upkept:
        """What the sweep before left."""
        return self._look[1]

    @cached_property
    def writer(self) -> str:
        """Who writes the ledger."""
        return self._look[2]

    @cached_property
    def _look(self) -> tuple[tuple[Task, ...], Upkept, str]:
        with self.store.reading(self.gate.repository) as session:
            tasks = (*session.tasks("active"), *session.tasks("waiting"))
            kept = read_upkept(read_memory(session.control.memory).reconciled)
            return tasks, kept, session.control.writer

    @cached_property
    def pulls(self) -> tuple[Pull, ...]:
        """The open pull requests, the oldest first."""
        return open_pulls(self.client)

    @cached_property
    def ready(self) -> dict[int, Issue]:
        """The open issues and pull requests that ask for a place, by number."""
        return {one.number: one for one in labelled(self.client, READY)}

    @cached_property
    def active(self) -> dict[int, Issue]:
        """Those that show that it is their turn. Closed ones, too: a process may have died after
        it had ended a task and before it took the label off."""
        return {one.number: one for one in labelled(self.client, ACTIVE, state="all")}

    def issue(self, number: int) -> Issue | None:
        """An issue as it is: not listed, so it does not lag. Asked once a sweep."""
        if number not in self._asked:
            self._asked[number] = issue_of(self.client, number)
        return self._asked[number]

    # --- pull requests and verdicts ---

    def pulls_of(self, task: Task) -> tuple[Pull, ...]:
        """The open pull requests of a task: the one that it is, or those of its branches."""
        queued = {one.task for one in self.tasks}
        return tuple(pull for pull in self.pulls if task_of(pull, queued.__contains__) == task.task)

    def verdict(self, pull: Pull) -> SetStatus | None:
        """The newest `malagate/gate` on a pull request's head that somebody trusted has set.

        Anybody who may write here can set a status of any name, so it counts who did.
        """
        path = f"/commits/{pull.head.sha}/statuses"
        trusted = self._trusted if self._trusted is not None else frozenset({self.writer})
        newest = self.client.get(path, list[SetStatus], per_page=100)
        return next(
            (
                one
                for one in newest
                if one.context == GATE and one.creator is not None and one.creator.login in trusted
            ),
            None,
        )


class GateJudge:
    """What the gate said of a task's pull request, read and never asked for anew.

    Only a verdict on the present head counts, and only on the task's only pull request.
    """

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook

    def __call__(self, task: Task) -> Verdict:
        """Raises GitHubError."""
        if task.stage == "landing":
            return self._landed(task)
        found = self._outlook.pulls_of(task)
        if len(found) != 1:
            return Verdict(green=False, why=_not_one(task, found))
        status = self._outlook.verdict(found[0])
        name = f"#{found[0].number} at {found[0].head.sha[:12]}"
        if status is None:
            return Verdict(green=False, why=f"{name} is not judged")
        return Verdict(green=status.state == "success", why=f"{name}: {status.state}")

    def _landed(self, task: Task) -> Verdict:
        why = landed(self._outlook, task)
        return Verdict(green=why is not None, why=why or f"{task.task} has not landed")


def landed(outlook: Outlook, task: Task) -> str | None:
    """Why a task's work is over, in words: its issue was closed, or its pull request merged.

    Its own pull requests decide as everywhere (see `own_pulls`). One request for an issue that the
    list does not show, and what `ended_of` takes where no pull request of it is open. None if it
    is not over; GitHubError where that cannot be told.
    """
    number = issue_number(task.task)
    if number is None:
        return None
    # The list is enough for one that waits: that it was closed meanwhile, the next sweep sees.
    listed = outlook.ready.get(number) if task.state == "waiting" else None
    issue = listed or outlook.issue(number)
    if issue is None:
        return None
    if issue.state != "open" and moment(issue.closed_at) >= _begun(task):
        merged = (issue.pull_request or {}).get("merged_at")
        return f"#{number} was {'merged' if merged else 'closed'}"
    if issue.pull_request is not None:
        return None
    queued = {one.task for one in outlook.tasks}.__contains__
    if open_one(outlook.pulls, task.task, queued) is not None:
        return None
    pull = ended_of(outlook.client, task.task, queued, _begun(task))
    merged = pull is not None and pull.state == "merged"
    return f"pull request #{pull.number} of it was merged" if pull and merged else None


def _begun(task: Task) -> float:
    """Since when what is closed or merged is this task's doing: it may have been used before.

    What waits may have been given back, by somebody who knew what was merged by then.
    """
    return (task.changed_at if task.state == "waiting" else task.added_at) - 1.0


def _not_one(task: Task, found: Sequence[Pull]) -> str:
    if not found:
        return f"{task.task} has no open pull request"
    numbers = ", ".join(f"#{pull.number}" for pull in found)
    return f"{task.task} has several open pull requests: {numbers}"


def in_turn(items: Iterable[T], number: Callable[[T], int], after: int, most: int) -> list[T]:
    """At most so many of the items, from the first behind `after`, round the end."""
    ordered = sorted(items, key=number)
    behind = [item for item in ordered if number(item) > after]
    return [*behind, *(item for item in ordered if number(item) <= after)][:most]


def moment(text: str | None) -> float:
    """A time of GitHub's in seconds since the epoch; 0 where there is none."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return 0.0


class KeptCursor:
    """The reconciler's cursor in the control issue: see `reconcile.rounds.Cursor`.

    What is saved is only remembered: `Upkeep` keeps it, with all else that a sweep leaves.
    """

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self.saved: str | None = None

    def load(self) -> str:
        """What the sweep before left. Raises MachineryError."""
        return self._outlook.kept.place

    def save(self, place: str) -> None:
        """Never raises."""
        self.saved = place
