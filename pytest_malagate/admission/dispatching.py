"""A coordinator's agents that are workflow runs: each claimed in the queue, started once, awaited.

Claims and starts are the `Starter`'s, under its own holder. So whatever this process leaves behind
when it is cancelled, dies or runs out of time is what any later step of the queue looks after: the
run goes on, and its end is seen by whoever looks next.

An issue is completed when its run has succeeded. If a pull request came of it, its task waits for
the gate, and where only one may be active nothing else starts until that has landed: the run of the
coordinator ends with `waiting`, and the next one goes on.

Failure directions. Nothing is started where a freeze, the claim or a run cannot be told. A look at
the runs that fails is done again: it ends no work.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from pytest_malagate.admission.providing import Apart
from pytest_malagate.admission.starting import AT_GATE, Nothing, Started, Starter
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome, Refused
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.client import Client
from pytest_malagate.github.dispatch import CLOCK_SKEW
from pytest_malagate.github.records import Run, RunsPage
from pytest_malagate.queue.model import Claim, Task
from pytest_malagate.queue.serial import LEASE_SECONDS, SerialGate
from pytest_malagate.report.text import plain

POLL_SECONDS = 30.0
"""The time between two looks at the runs."""

TURN_SECONDS = 60.0
"""How long one refusal for want of a turn answers for the others."""

_AT_WORK = frozenset({"start.at-work", "start.settling", "start.uncertain"})
"""Codes that mean: the task has our claim, and a run that is there or may turn up."""

Sleep = Callable[[float], Awaitable[None]]


LEASE_LOOK = LEASE_SECONDS / 8
"""How often the queue is shown that a run is still at work, so that its lease goes on."""


@dataclass(slots=True)
class _Followed:
    claim: Claim
    until: float
    lease_at: float
    outcome: asyncio.Future[IssueOutcome]


class DispatchSpawner:
    """See `coordinate.outcomes.Spawn`: starts `workflow` for an issue, ends when its run has.

    `starter` starts that very workflow. `add`: an issue that is not in the queue gets a ticket.
    `timeout` is how many seconds a run is awaited; then its issue is released, and the run goes
    on. `now` is in seconds since the epoch. For one event loop.

    One request for all runs at each poll, as long as none of them has ended.
    """

    def __init__(  # noqa: PLR0913 - what it drives, and its settings by name
        self,
        gate: SerialGate,
        starter: Starter,
        client: Client,
        *,
        workflow: str,
        actor: str,
        add: bool = False,
        timeout: float = 6 * 3600.0,
        poll_seconds: float = POLL_SECONDS,
        apart: Apart | None = None,
        now: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._gate, self._starter, self._client = gate, starter, client
        self._workflow, self._actor, self._add = workflow, actor, add
        self._timeout, self._poll, self._apart = timeout, poll_seconds, apart or Apart()
        self._now, self._sleep = now, sleep
        self._followed: dict[str, _Followed] = {}
        self._watching: asyncio.Task[None] | None = None
        self._held_up: tuple[float, str] | None = None

    async def __call__(self, issue: Issue) -> asyncio.Task[IssueOutcome] | Refused:
        """Starts it, or says why not. Raises MachineryError."""
        if (refused := self._known_refusal(issue.id)) is not None:
            return refused
        begun = await self._apart(self._begun, issue.id)
        if isinstance(begun, Refused):
            return begun
        self._held_up = None
        if begun.claim is None:  # it was given back meanwhile
            return Refused(kind="waiting", reason=f"{issue.id} was given back")
        outcome = asyncio.get_running_loop().create_future()
        now = self._now()
        self._followed[issue.id] = _Followed(
            begun.claim, now + self._timeout, now + LEASE_LOOK, outcome
        )
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return asyncio.create_task(self._awaited(issue.id, outcome))

    async def _awaited(self, name: str, outcome: asyncio.Future[IssueOutcome]) -> IssueOutcome:
        try:
            return await outcome
        finally:
            self._followed.pop(name, None)
            self._held_up = None  # a turn may have come
            if not self._followed and self._watching is not None:
                self._watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._watching

    # --- the start ---

    def _known_refusal(self, name: str) -> Refused | None:
        """What the queue said to another issue a moment ago, and would say to this one.

        Not if it named this one: that may be the one whose turn it is.
        """
        if self._held_up is None or self._now() - self._held_up[0] >= TURN_SECONDS:
            return None
        return (
            None if name in self._held_up[1] else Refused(kind="waiting", reason=self._held_up[1])
        )

    def _begun(self, name: str) -> Task | Refused:
        """The active task whose run is there or on its way, or why there is none."""
        if self._add and self._gate.task(name) is None:
            self._gate.add(name, self._actor)
        answer = self._starter.start(name)
        if isinstance(answer, Nothing) and answer.code not in _AT_WORK:
            return self._refused(name, answer)
        task = self._gate.task(name)
        if task is None or task.state != "active":
            return Refused(kind="waiting", reason=f"{name} was given back")
        return task

    def _refused(self, name: str, answer: Nothing) -> Refused:
        """A claim that is ours stays: it is the task's place, and the next step starts it.

        What is said of this task alone says nothing of the others, whose turn it may be now.
        """
        if answer.code == "start.refused":
            return Refused(kind="failed", reason=answer.why)
        of_all = answer.code.startswith("freeze.") or answer.code == "queue.waiting"
        if of_all and not answer.why.startswith(f"{name} "):
            self._held_up = (self._now(), answer.why)
        return Refused(kind="waiting", reason=answer.why)

    # --- the end ---

    async def _watch(self) -> None:
        """Looks at all runs, again and again, until none is followed."""
        while self._followed:
            await self._sleep(self._poll)
            try:
                ended = await self._apart(self._look, dict(self._followed))
            except MachineryError:
                ended = {}  # open: work that cannot be seen is not over; its time-out bounds it
            except Exception as error:  # noqa: BLE001 - closed: whoever waits must not wait for ever
                ended = {name: _failed(repr(error)) for name in self._followed}
            for name, followed in list(self._followed.items()):
                outcome = ended.get(name) or self._timed_out(followed)
                if outcome is not None and not followed.outcome.done():
                    followed.outcome.set_result(outcome)

    def _timed_out(self, followed: _Followed) -> IssueOutcome | None:
        if self._now() < followed.until:
            return None
        text = "its run was not awaited any longer; it goes on, and the queue looks after it"
        return IssueOutcome(state="released", detail=text)

    def _look(self, followed: dict[str, _Followed]) -> dict[str, IssueOutcome]:
        """What has ended. Raises MachineryError."""
        runs = self._runs(min(one.claim.at for one in followed.values()))
        ended = {}
        for name, one in followed.items():
            of_claim = [run for run in runs if one.claim.id in run.display_title]
            at_work = any(run.status != "completed" for run in of_claim)
            if at_work and self._now() < one.lease_at:
                continue
            one.lease_at = self._now() + LEASE_LOOK
            outcome = self._settled(name, one.claim, of_claim)
            if outcome is not None:
                ended[name] = outcome
        return ended

    def _runs(self, since: float) -> list[Run]:
        """Every run of the workflow since then, the oldest first: one request for each 100."""
        begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since - CLOCK_SKEW))
        pages = self._client.pages(
            f"/actions/workflows/{quote(self._workflow, safe='')}/runs",
            RunsPage,
            whole=True,
            event="workflow_dispatch",
            created=f">={begin}",
        )
        found = {run.id: run for page in pages for run in page.workflow_runs}
        return [found[number] for number in sorted(found)]

    def _settled(self, name: str, claim: Claim, runs: list[Run]) -> IssueOutcome | None:
        """Lets the queue take what happened to a task into account; None while it is at work."""
        task = self._gate.task(name)
        if task is not None and task.state == "active" and _is_of(task, claim):
            try:
                answer = self._starter.start(name)
            except UsageError as error:
                return IssueOutcome(state="released", detail=str(error))
            if isinstance(answer, Started):
                return None  # again, with the same claim
            if answer.code == AT_GATE:
                return IssueOutcome(state="completed", detail=plain(answer.why, 300))
            if answer.code != "start.ended":
                return None
            task = self._gate.task(name)
        elif task is not None and task.state == "active":
            text = f"{name} was taken over: the claim counts no more"
            return IssueOutcome(state="released", detail=text)
        return _ended(name, task, runs)


def _ended(name: str, task: Task | None, runs: list[Run]) -> IssueOutcome:
    """How a task came to an end, by its runs and by what the queue made of them."""
    good = [run for run in runs if run.conclusion == "success"]
    if good and task is not None and task.state == "waiting":
        return IssueOutcome(state="released", detail=f"{name} was given back: it waits again")
    if good:
        return IssueOutcome(state="completed", detail=f"run {good[0].id} has succeeded")
    if task is not None and task.state == "finished" and not runs:
        return IssueOutcome(state="released", detail=f"{name} was finished by somebody else")
    conclusions = ", ".join(plain(f"run {run.id}: {run.conclusion}", 80) for run in runs[-3:])
    return _failed(conclusions or f"no run of {name} was ever seen")


def _is_of(task: Task, claim: Claim) -> bool:
    return task.claim is not None and task.claim.id == claim.id


def _failed(detail: str) -> IssueOutcome:
    return IssueOutcome(state="failed", detail=plain(detail, 300))
