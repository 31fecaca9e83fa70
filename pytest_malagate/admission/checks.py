"""The checks of a reconciler on GitHub: what is not as it ought to be, and how it is put right.

Each finds without writing, and repairs through the ordinary way: the gate is asked by its own
workflow, the queue by its own rules. What no rule may decide is only told.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import msgspec

from pytest_malagate.admission.claimed_runs import runs_of_claim
from pytest_malagate.admission.outlook import QUESTIONS, Outlook, Upkept, in_turn, landed, moment
from pytest_malagate.admission.starting import SETTLE_SECONDS, Started, Starter
from pytest_malagate.errors import UsageError
from pytest_malagate.github.control import ACTIVE, READY
from pytest_malagate.github.issues import add_labels, issue_of, take_off
from pytest_malagate.github.records import IssueEvent
from pytest_malagate.github.store import issue_number
from pytest_malagate.queue.model import Task, abandoned
from pytest_malagate.reconcile.checks import Finding
from pytest_malagate.reconcile.claims import LapsedClaims

replace = msgspec.structs.replace

ACTOR = "malagate-reconcile"


class OrphanedClaims:
    """Active tasks whose run has ended, or is not there. The queue's own step takes them further.

    One request for each claim that is the starter's, the oldest first.
    """

    name = "orphaned-claims"

    def __init__(self, outlook: Outlook, starter: Starter, *, workflow: str, holder: str) -> None:
        self._outlook, self._starter = outlook, starter
        self._workflow, self._holder = workflow, holder

    def find(self) -> Iterable[Finding]:
        """One finding a task. Raises GitHubError."""
        held = [task for task in self._outlook.tasks if self._is_ours(task)]
        for task in held[:QUESTIONS]:
            problem = self._problem(task)
            if problem is not None:
                yield Finding(
                    item=task.task,
                    problem=problem,
                    remedy="the queue's next step ends it, or starts it again",
                    repair=partial(self._repair, task),
                )

    def _is_ours(self, task: Task) -> bool:
        return (
            task.state == "active"
            and task.stage == "work"
            and task.claim is not None
            and task.claim.holder == self._holder
        )

    def _problem(self, task: Task) -> str | None:
        if task.claim is None:
            return None
        runs = runs_of_claim(self._outlook.client, self._workflow, task.claim.id, task.claim.at)
        if runs.counts is not None:
            ended = runs.counts.status == "completed"
            return f"run {runs.counts.id} has ended as {runs.counts.conclusion}" if ended else None
        if self._outlook.now() - max(task.claim.at, task.changed_at) < SETTLE_SECONDS:
            return None
        return "its run was cancelled before it began" if runs.evicted else "it has no run"

    def _repair(self, seen: Task) -> bool:
        """True if the task is not any more as it was seen."""
        answer = self._starter.start(seen.task)
        if isinstance(answer, Started):
            return True
        return self._outlook.gate.task(seen.task) != seen


class VanishedHolders:
    """Claims whose lease has ended, as on any store; nothing is asked where there are none."""

    name = LapsedClaims.name

    def __init__(self, outlook: Outlook, *, actor: str = ACTOR) -> None:
        gate = outlook.gate
        self._outlook = outlook
        self._claims = LapsedClaims(gate, gate.ledger, actor=actor, now=outlook.now)

    def find(self) -> Iterable[Finding]:
        """See `LapsedClaims`."""
        now, tasks = self._outlook.now(), self._outlook.tasks
        if any(abandoned(task, now) for task in tasks):
            return self._claims.find()
        return ()


class LandedWork:
    """Tasks whose issue was closed, or whose pull request was merged: they are finished.

    Those that are active, and those in front of the ones that wait: who waits in front may land
    though nobody has claimed it, and holds up all others until it is taken out.
    """

    name = "landed"

    def __init__(self, outlook: Outlook, *, actor: str = ACTOR) -> None:
        self._outlook, self._actor = outlook, actor

    def find(self) -> Iterable[Finding]:
        """One finding a task; for the requests see `landed`. Raises GitHubError."""
        for task in self._outlook.tasks[:QUESTIONS]:  # those that are active come first
            why = landed(self._outlook, task)
            if why is not None:
                yield Finding(
                    item=task.task,
                    problem=f"it {'is active' if task.state == 'active' else 'waits'}, and {why}",
                    remedy="it is finished, so that the next task has its turn",
                    repair=partial(self._repair, task),
                )
            elif task.state == "waiting":
                return

    def _repair(self, seen: Task) -> bool:
        try:
            self._outlook.gate.finish(seen.task, self._actor, seen=seen)
        except UsageError:
            return False  # it was moved meanwhile
        return True


class MissingIssues:
    """Tasks whose issue was deleted or transferred. They are taken out of the queue.

    Those that the list of ready issues shows are there; only others are asked for.
    """

    name = "missing-issues"

    def __init__(self, outlook: Outlook, *, actor: str = ACTOR) -> None:
        self._outlook, self._actor = outlook, actor
        self._after: int | None = None

    def left(self, before: Upkept) -> Upkept:
        """What the next sweep goes by."""
        if self._after is None:
            return before
        return replace(before, places={**before.places, self.name: self._after})

    def find(self) -> Iterable[Finding]:
        """One finding a task. Raises GitHubError."""
        outlook = self._outlook
        self._after = outlook.kept.places.get(self.name, 0)
        tasks = {issue_number(task.task): task for task in outlook.tasks}
        unseen = [number for number in tasks if number is not None and not self._is_listed(number)]
        for number in in_turn(unseen, lambda one: one, self._after, QUESTIONS):
            self._after = number
            if outlook.issue(number) is None:
                yield Finding(
                    item=f"#{number}",
                    problem="it is in the queue, and its issue is gone (deleted, or moved)",
                    remedy="it is taken out of the queue",
                    repair=partial(self._repair, number, tasks[number]),
                )

    def _is_listed(self, number: int) -> bool:
        return number in self._outlook.ready or number in self._outlook.active

    def _repair(self, number: int, seen: Task) -> bool:
        if issue_of(self._outlook.client, number) is not None:
            return False
        try:
            self._outlook.gate.finish(seen.task, self._actor, seen=seen)
        except UsageError:
            return False
        return True


class LabelsAgainstLedger:
    """Issues whose labels say other than the ledger. The labels are put right, never the ledger.

    A person who takes the ready label off withdraws the task, which is the sweep's to see: it is
    put back only where the queue's own writer took it off.
    """

    name = "labels"

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook

    def find(self) -> Iterable[Finding]:
        """One finding an issue, and one request for each. Raises GitHubError."""
        outlook = self._outlook
        states = {issue_number(task.task): task.state for task in outlook.tasks}
        ready, active = outlook.ready, outlook.active
        numbers = {number for number in states if number is not None} | set(active)
        odd = [n for n in sorted(numbers) if _odd(states.get(n), n in ready, n in active)]
        for number in odd[:QUESTIONS]:
            issue = outlook.issue(number)  # the lists lag
            state = states.get(number)
            if issue is None or (issue.state != "open" and (state or not issue.has_label(ACTIVE))):
                continue
            problem = _odd(state, issue.has_label(READY), issue.has_label(ACTIVE))
            if problem:
                yield Finding(
                    item=f"#{number}",
                    problem=problem,
                    remedy="its labels are made to say what the ledger says",
                    repair=partial(self._repair, number),
                )

    def _repair(self, number: int) -> bool:
        state = self._state(number)
        if state == "active":
            return self._is_active(number)
        return self._waits(number) if state == "waiting" else self._not_active(number)

    def _state(self, number: int) -> str | None:
        task = self._outlook.gate.task(f"#{number}")
        return task.state if task is not None else None

    def _not_active(self, number: int) -> bool:
        issue = issue_of(self._outlook.client, number)
        if issue is None or not issue.has_label(ACTIVE):
            return False
        take_off(self._outlook.client, number, ACTIVE)
        return True

    def _is_active(self, number: int) -> bool:
        issue = issue_of(self._outlook.client, number)
        if issue is None or issue.state != "open":
            return False
        missing, stale = not issue.has_label(ACTIVE), issue.has_label(READY)
        if missing:
            add_labels(self._outlook.client, number, [ACTIVE])
        if stale and not self._asked_anew(number):
            take_off(self._outlook.client, number, READY)
            return True
        return missing

    def _waits(self, number: int) -> bool:
        issue = issue_of(self._outlook.client, number)
        if issue is None or issue.state != "open":
            return False
        if issue.has_label(ACTIVE):
            take_off(self._outlook.client, number, ACTIVE)
            return True
        last = self._last(number)
        by_us = last is not None and last.actor is not None and last.event == "unlabeled"
        if not by_us or last is None or last.actor is None:
            return False
        if last.actor.login != self._outlook.writer:
            return False
        add_labels(self._outlook.client, number, [READY])
        return True

    def _asked_anew(self, number: int) -> bool:
        """Whether somebody else than the queue's writer put the ready label on last."""
        last = self._last(number)
        if last is None or last.event != "labeled" or last.actor is None:
            return False
        return last.actor.login != self._outlook.writer and self._newer(number, last)

    def _newer(self, number: int, event: IssueEvent) -> bool:
        task = self._outlook.gate.task(f"#{number}")
        claimed = task.claim.at if task is not None and task.claim is not None else 0.0
        return moment(event.created_at) > claimed

    def _last(self, number: int) -> IssueEvent | None:
        """What was done last to the ready label of an issue; None where that is not known."""
        pages = self._outlook.client.pages(
            f"/issues/{number}/events", list[IssueEvent], limit=10, whole=True
        )
        about = [
            event
            for page in pages
            for event in page
            if event.label is not None and event.label.name.lower() == READY
        ]
        return max(about, key=lambda event: event.id, default=None)


def _odd(state: str | None, ready: bool, active: bool) -> str:
    """What is wrong with the labels of a task in a state; empty if nothing is."""
    if state == "active":
        if not active:
            return f"it is active, and bears no {ACTIVE}"
        return f"it is active, and bears {READY}" if ready else ""
    if active:
        return f"it bears {ACTIVE}, and is not active"
    return f"it waits, and bears no {READY}" if state == "waiting" and not ready else ""
