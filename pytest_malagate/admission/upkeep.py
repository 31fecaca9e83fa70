"""The reconciler of a repository on GitHub: nothing stays stuck because an event was lost.

The sweep of the queue (`Sweeper`) has gone before: it gives tickets, clears freezes and writes
statuses. This looks at what is left: tasks whose gate is green, and whatever the checks know of.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import msgspec

from pytest_malagate.admission.checks import (
    ACTOR,
    LabelsAgainstLedger,
    LandedWork,
    MissingIssues,
    OrphanedClaims,
    VanishedHolders,
)
from pytest_malagate.admission.outlook import (
    GateJudge,
    KeptCursor,
    Outlook,
    Upkept,
    write_upkept,
)
from pytest_malagate.admission.run_checks import (
    AmbiguousHeads,
    EvictedRuns,
    UnjudgedPulls,
    WedgedGroups,
)
from pytest_malagate.admission.starting import HOLDER, Starter
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.github.sweep_memory import read_memory
from pytest_malagate.queue.model import Person, Stage, Task, Value, lapsed
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Budget, Sweep, Unblocked
from pytest_malagate.reconcile.checks import Check
from pytest_malagate.reconcile.config import ReconcileConfig
from pytest_malagate.reconcile.reconciler import Reconciler
from pytest_malagate.reconcile.tasks import Handler

replace = msgspec.structs.replace


class UpkeepSettings(Value, frozen=True, kw_only=True):
    """What the caller knows of the repository.

    gate_workflow: the file name of the gate's workflow, to be started for a pull request that has
        no verdict; None: it is only told. `ref` is the branch that it is started on.
    agent_workflow: that of the workflow that works on tasks, whose claims have `holder`.
    own_workflows: those whose evicted runs are made up for by a tick.
    own_run: the run that asks.
    trusted: the logins whose gate statuses count; None: whoever writes the ledger.
    """

    ref: str
    gate_workflow: str | None = None
    agent_workflow: str | None = None
    own_workflows: tuple[str, ...] = ()
    holder: str = HOLDER
    own_run: int | None = None
    trusted: tuple[str, ...] | None = None
    actor: str = ACTOR


class Upkeep:
    """Reconciles one repository. `now` is in seconds since the epoch.

    `starter` takes claims of `agent_workflow` further, if there is one. `tick` is a sweep of the
    queue, which makes up for evicted runs.
    """

    def __init__(  # noqa: PLR0913 - what it works on, and what a host plugs in by name
        self,
        gate: SerialGate,
        store: GitHubStore,
        settings: UpkeepSettings,
        *,
        config: ReconcileConfig | None = None,
        starter: Starter | None = None,
        tick: Callable[[], object] | None = None,
        notify: Callable[[Unblocked], object] | None = None,
        now: Callable[[], float] = time.time,
        log: logging.Logger | None = None,
    ) -> None:
        self._gate, self._store, self._settings = gate, store, settings
        self._config, self._starter = config or ReconcileConfig(), starter
        self._tick, self._notify, self._now, self._log = tick, notify, now, log

    def sweep(self, *, dry_run: bool = False, budget: Budget | int | None = None) -> Sweep:
        """One sweep. Raises MachineryError if the queue cannot be read.

        `dry_run` says what it would do and why, and writes nothing.
        """
        settings, now = self._settings, self._now
        outlook = Outlook(self._gate, self._store, now=now, trusted=settings.trusted)
        checks, cursor = self._checks(outlook), KeptCursor(outlook)
        reconciler = Reconciler(
            self._gate,
            judge=GateJudge(outlook),
            handlers=ordinary_handlers(self._gate, settings.actor),
            config=self._config,
            working=lambda task: at_work(task, now()),
            checks=checks,
            notify=self._notify,
            cursor=cursor,
            now=now,
            log=self._log,
        )
        done = reconciler.sweep(dry_run=dry_run, budget=budget)
        if not dry_run and done.off is None:
            self._keep(outlook.kept, checks, cursor)
        return done

    def _checks(self, outlook: Outlook) -> tuple[Check, ...]:
        settings = self._settings
        checks: list[Check] = [
            LandedWork(outlook, actor=settings.actor),
            MissingIssues(outlook, actor=settings.actor),
            LabelsAgainstLedger(outlook),
            AmbiguousHeads(outlook),
            UnjudgedPulls(
                outlook,
                workflow=settings.gate_workflow,
                ref=settings.ref,
                grace=self._config.grace("gate"),
            ),
            EvictedRuns(outlook, ours=settings.own_workflows, tick=self._tick),
            WedgedGroups(outlook, own_run=settings.own_run),
            VanishedHolders(outlook, actor=settings.actor),
        ]
        if self._starter is not None and settings.agent_workflow is not None:
            workflow, holder = settings.agent_workflow, settings.holder
            checks.append(OrphanedClaims(outlook, self._starter, workflow=workflow, holder=holder))
        return tuple(checks)

    def _keep(self, before: Upkept, checks: Iterable[Check], cursor: KeptCursor) -> None:
        """Leaves what the next sweep goes by, if that has changed. Raises GitHubError."""
        after = before if cursor.saved is None else replace(before, place=cursor.saved)
        for check in checks:
            if isinstance(check, UnjudgedPulls | MissingIssues | EvictedRuns):
                after = check.left(after)
        if after == before:
            return
        with self._store.reading(self._gate.repository) as session:
            memory = read_memory(session.control.memory)
            kept = replace(memory, reconciled=write_upkept(after))
            self._store.keep(self._gate.repository, session, kept)


def at_work(task: Task, now: float) -> bool:
    """Whether its holder is at work: only at the stage `work`, while the lease lasts."""
    return task.stage == "work" and not lapsed(task, now)


def ordinary_handlers(gate: SerialGate, actor: str) -> dict[Stage, Handler]:
    """What an event would have done about a task whose gate is green, or that has landed.

    Each names the task as it was seen, so one that anybody touched meanwhile is left alone.
    """

    def to_review(task: Task) -> Task:
        return gate.advance(task.task, "review", Person(name=actor), seen=task)

    def to_the_end(task: Task) -> Task:
        return gate.finish(task.task, actor, seen=task)

    return {"gate": to_review, "landing": to_the_end}
