"""The agent loop: the coordinator's callbacks, filled with worktrees, agents and the gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from pytest_malagate.agents.attempts import Attempts, Case, Terms
from pytest_malagate.agents.bases import Bases
from pytest_malagate.agents.claims import Claims
from pytest_malagate.agents.lease import RENEW_SECONDS, Lease, unmergeable
from pytest_malagate.agents.names import safe_name
from pytest_malagate.agents.process import undisturbed
from pytest_malagate.agents.steps import Step, StepKind, Tell
from pytest_malagate.agents.worktrees import branch_of
from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.coordinator import IssueExecutionCoordinator
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.issues import Issue, IssueProvider
from pytest_malagate.coordinate.outcomes import IssueOutcome, Refused, RunResult
from pytest_malagate.errors import MachineryError, MalagateError
from pytest_malagate.local import Place
from pytest_malagate.queue.model import Entry
from pytest_malagate.queue.serial import SerialGate

AGENTS = "agents"
"""The directory below malagate-out that holds the records of each issue."""

_MEANT = ("added", "completed", "escalated")


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an issue ended. `branch` holds its work, `records` its agents' output and verdicts."""

    issue: str
    outcome: IssueOutcome
    branch: str
    records: Path


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the loop was called. `holder` is who claims; claims are renewed every `renew` seconds."""

    holder: str
    terms: Terms
    keep_worktrees: bool = False
    renew: float = RENEW_SECONDS


class AgentLoop:
    """Runs agents on a provider's issues until the coordinator comes to its end.

    `completed` are ids that are done already, see `tasks_completed`; `claims` are those of this
    loop alone. Steps and events are told in the event loop's thread. Nothing is merged: a
    completed issue's branch is for a person.
    """

    def __init__(  # noqa: PLR0913 - what it drives and where it tells
        self,
        place: Place,
        gate: SerialGate,
        provider: IssueProvider,
        config: CoordinatorConfig,
        bases: Bases,
        settings: Settings,
        *,
        tell: Tell,
        on_event: Callable[[Event], None],
        said: Callable[[str, str], None] | None = None,
        completed: Iterable[str] = (),
        claims: Claims | None = None,
    ) -> None:
        self._place, self._gate, self._bases, self._settings = place, gate, bases, settings
        self._claims = claims or Claims(gate, settings.holder, place.out / AGENTS)
        self._tell, self._said = tell, said
        self._leases: dict[str, Lease] = {}
        self._ending = False
        self.ended: dict[str, Ended] = {}
        self._coordinator = IssueExecutionCoordinator(
            provider,
            config,
            spawn=self._spawn,
            finalize=self._finalize,
            on_event=on_event,
            completed=completed,
        )

    async def run(self) -> RunResult:
        """Runs to the end. Whatever way it ends, no agent is left and no claim is held."""
        try:
            return await self._coordinator.run()
        finally:
            await undisturbed(self._give_all_back())

    def unmergeable(self) -> str | None:
        """Why what was completed must not be merged now, by the freezes that stand."""
        return unmergeable(self._gate)

    def interrupt(self, *, cancel: bool = False) -> None:
        """First: agents that work may end theirs, and no attempt begins. Again: they are ended."""
        self._ending = True
        self._coordinator.interrupt(cancel=cancel)

    # --- the coordinator's callbacks ---

    async def _spawn(self, issue: Issue) -> asyncio.Task[IssueOutcome] | Refused:
        if issue.id.startswith("-") or "\0" in issue.id:
            # As an argument it would be an option of the agent's.
            return Refused(kind="failed", reason="an issue's id must not begin with -")
        try:
            base = await self._bases.current()
            why = await self._bases.missing(issue.blocked_by, base)
        except MalagateError as error:
            why = str(error)
        if why is not None:
            return Refused(kind="waiting", reason=why)
        lease = await self._claims.take(
            issue.id, on_end=lambda why: self._step("stopping", issue.id, why)
        )
        if isinstance(lease, Refused):
            return lease
        if lease.resumed:
            self._step("resumed", issue.id, "a loop that was killed had begun it")
        self._leases[issue.id] = lease
        return asyncio.create_task(self._work(issue, lease, base))

    async def _finalize(self, issue: Issue, outcome: IssueOutcome) -> bool:
        name = safe_name(issue.id)
        branch, lease = branch_of(name), self._leases.pop(issue.id)
        try:
            await undisturbed(asyncio.to_thread(self._settle, lease, name, outcome))
            self.ended[issue.id] = Ended(
                issue=issue.id, outcome=outcome, branch=branch, records=self._records(name)
            )
            if outcome.state == "completed":
                await self._tell_branch(issue.id, branch)
                if not self._settings.keep_worktrees:
                    await self._tidy(issue.id, name)
        finally:
            self._claims.release(lease)
        return False

    async def _tell_branch(self, issue: str, branch: str) -> None:
        why = await asyncio.to_thread(self.unmergeable)
        merge = f"git merge {branch}"
        words = merge if why is None else f"do not merge yet: {why} (then: {merge})"
        self._step("branch", issue, words, branch=branch)

    async def _tidy(self, issue: str, name: str) -> None:
        try:
            await self._bases.discard(name)
        except MachineryError as error:
            self._step("warning", issue, f"its worktree stays: {error}")

    def _settle(self, lease: Lease, name: str, outcome: IssueOutcome) -> None:
        """Raises MachineryError; then the claim runs out by itself."""
        where = branch_of(name)
        if outcome.state == "released":
            lease.give_back()
            return
        # Whatever comes next of this task is its first attempt again.
        self._place.attempts.clear(lease.task)
        if outcome.state == "completed":
            lease.finish("completed", f"{where} at {outcome.detail}")
        else:
            lease.finish("escalated", f"{outcome.detail} (work on {where})")

    # --- one issue ---

    async def _work(self, issue: Issue, lease: Lease, base: str) -> IssueOutcome:
        keeper = asyncio.create_task(lease.keep(now=time.time, every=self._settings.renew))
        try:
            return await self._attempts(issue, lease, base)
        except MalagateError as error:
            return IssueOutcome(state="failed", detail=str(error))
        finally:
            keeper.cancel()

    async def _attempts(self, issue: Issue, lease: Lease, base: str) -> IssueOutcome:
        name = safe_name(issue.id)
        directory = self._records(name)
        worktree = await self._bases.checkout(name, base, directory / "base")
        judged_by = await self._bases.known(worktree.base)
        case = Case(
            issue=issue,
            task=lease.task,
            worktree=worktree,
            rule=judged_by.rule,
            baseline=judged_by.baseline,
            directory=directory,
        )
        said = self._said
        attempts = Attempts(
            case,
            lease,
            self._settings.terms,
            self._place.attempts,
            self._bases,
            tell=self._tell,
            over=lambda: self._ending,
            said=None if said is None else lambda words: said(issue.id, words),
        )
        return await attempts.run()

    def _records(self, name: str) -> Path:
        return self._place.out / AGENTS / name

    async def _give_all_back(self) -> None:
        """Claims that nobody finalized (the run itself broke), and our places in the queue."""
        for trouble in await asyncio.to_thread(self._claims.close):
            self._step("warning", None, trouble)
        self._leases.clear()

    def _step(
        self, kind: StepKind, issue: str | None, detail: str, *, branch: str | None = None
    ) -> None:
        self._tell(Step(kind=kind, issue=issue, detail=detail, at=time.time(), branch=branch))


def tasks_completed(ledger: Iterable[Entry]) -> frozenset[str]:
    """The tasks that a loop completed and that nobody has added to the queue again since."""
    last: dict[str, str] = {}
    for entry in ledger:
        if entry.task is not None and entry.kind in _MEANT:
            last[entry.task] = entry.kind
    return frozenset(task for task, kind in last.items() if kind == "completed")
