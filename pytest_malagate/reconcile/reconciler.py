"""The reconciler: nothing stays stuck because an event was lost.

A sweep has two halves. It looks at every active task that has stood in its stage for longer than
its grace, asks the gate without leaving a trace, and lets the ordinary handler advance what is
green. And it asks its checks what else is not as it ought to be, and repairs what can be repaired.
It is level-triggered: how many events were lost, doubled or late makes no difference to it, and
two of them at once do what one does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.model import Stage, Task, lapsed
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Budget, Found, Look, Sweep, Totals, Unblocked
from pytest_malagate.reconcile.checks import Check
from pytest_malagate.reconcile.config import ReconcileConfig
from pytest_malagate.reconcile.rounds import Allowance, Cursor
from pytest_malagate.reconcile.sweeping import Sweeper
from pytest_malagate.reconcile.tasks import Handler, Judge, Parts, Working
from pytest_malagate.reconcile.worker import Worker
from pytest_malagate.repository.git import printable

LOGGER = logging.getLogger("pytest_malagate.reconcile")


class Reconciler:
    """Sweeps over one repository's tasks. Safe to share among threads: sweeps do not overlap.

    `judge` says what the gate would say; `handlers` are, by stage, what the events call. `working`
    says whether somebody is at a task (default: its lease has not ended). `notify` is told once of
    each task that was advanced. `cursor` keeps where a sweep with a budget ended (default: in this
    object). `now` is in seconds since the epoch, `timer` measures a budget of seconds.

    The log has one line of level INFO for each advance, each repair and each finding that is new,
    and one of level WARNING for each item that could not be handled.
    """

    def __init__(  # noqa: PLR0913 - what a host plugs in, each by its name
        self,
        gate: SerialGate,
        *,
        judge: Judge,
        handlers: Mapping[Stage, Handler],
        config: ReconcileConfig | None = None,
        working: Working | None = None,
        checks: Sequence[Check] = (),
        notify: Callable[[Unblocked], object] | None = None,
        cursor: Cursor | None = None,
        now: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        log: logging.Logger | None = None,
    ) -> None:
        self.config = config or ReconcileConfig()
        self._checks = tuple(checks)
        names = [check.name for check in self._checks]
        if len(set(names)) < len(names):
            raise UsageError(f"two checks of a reconciler have one name: {', '.join(names)}")
        self._gate, self._notify, self._timer, self._now = gate, notify, timer, now
        self._cursor: Cursor = cursor or _InMemory()
        self._log = log or LOGGER
        self._parts = Parts(
            gate=gate,
            judge=judge,
            handlers=handlers,
            config=self.config,
            working=working or self._leased,
            now=now,
            log=self._log,
        )
        self._sweeping = threading.Lock()
        self._totals = Totals()
        self._told: frozenset[tuple[str, str, str]] = frozenset()
        self._worker = Worker(self._sweep_in_background)

    @property
    def totals(self) -> Totals:
        """What it did since it was made."""
        return self._totals

    def sweep(self, *, dry_run: bool = False, budget: Budget | int | None = None) -> Sweep:
        """One sweep. `dry_run` says what it would do and why, and writes nothing.

        `budget` bounds it (a number: so many items); the next begins where it ended. Raises
        MachineryError if the tasks cannot be read; nothing else that fails ends a sweep.
        """
        return self._sweep(dry_run=dry_run, budget=budget)

    def start(self, period: float) -> None:
        """Sweeps now and every `period` seconds, in one daemon thread however often it is called.

        A sweep that fails is logged, and the next one comes. Raises UsageError for a period that
        is not positive, or longer than a thread can wait.
        """
        number = isinstance(period, (int, float)) and not isinstance(period, bool)
        if not (number and 0 < period <= threading.TIMEOUT_MAX):
            raise UsageError("a reconciler's period must be a positive number of seconds")
        self._worker.start(period)

    def stop(self) -> None:
        """Ends the thread, after the item that it is at, and waits for it. It may be started anew.

        Called from the thread itself (by a handler, say) it does not wait.
        """
        self._worker.stop()

    # --- one sweep ---

    def _sweep_in_background(self) -> None:
        try:
            self._sweep(dry_run=False, budget=None, stopped=self._worker.is_stopping)
        except Exception as error:  # noqa: BLE001 - closed: nothing was advanced; sweeps go on
            self._log.warning("a sweep failed: %s", printable(str(error) or repr(error), 300))

    def _sweep(
        self,
        *,
        dry_run: bool,
        budget: Budget | int | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Sweep:
        config = self.config
        if config.off is not None:
            return Sweep(off=config.off, dry_run=dry_run, warnings=config.warnings)
        bounds = budget if isinstance(budget, Budget) else Budget(items=budget)
        with self._sweeping:
            warnings: list[str] = list(config.warnings)
            tasks = self._gate.tasks() if config.tasks else ()
            place = self._load(warnings)
            sweeper = Sweeper(
                self._parts,
                dry_run=dry_run,
                allowance=Allowance(bounds, self._timer),
                cursor=place,
                stopped=stopped,
            )
            active = [task for task in tasks if task.state == "active"]
            done = sweeper.run(active, self._checks if config.labels else ())
            if not dry_run:
                self._tell(done, warnings)
                self._save(place, done.next_cursor, warnings)
                self._totals = self._totals.after(done)
        return msgspec.structs.replace(done, warnings=tuple(warnings))

    def _leased(self, task: Task) -> bool:
        return not lapsed(task, self._now())

    # --- what others are told ---

    def _tell(self, done: Sweep, warnings: list[str]) -> None:
        for look in done.advanced:
            name = printable(look.task, 60)
            self._log.info(
                "%s advanced from %s to %s: it had stood there for %.0f s",
                *(name, look.stage, look.to, look.stood),
            )
            self._announce(look, warnings)
        for found in done.repaired:
            self._log.info("%s: repaired: %s", *_words(found))
        unrepaired = [found for found in done.findings if not found.repaired]
        for found in unrepaired:
            if _key(found) not in self._told:
                self._log.info("%s: found: %s", *_words(found))
        if not done.next_cursor:  # all was looked at: what is not there any more may be told again
            self._told = frozenset()
        self._told |= {_key(found) for found in unrepaired}

    def _announce(self, look: Look, warnings: list[str]) -> None:
        if self._notify is None or not self.config.notify or look.to is None:
            return
        unblocked = Unblocked(
            repository=self._gate.repository,
            task=look.task,
            stage=look.stage,
            to=look.to,
            at=self._now(),
            stood=look.stood,
        )
        try:
            self._notify(unblocked)
        except Exception as error:  # noqa: BLE001 - open: the task has advanced, told or not
            self._warn(f"nobody could be told that {look.task} advanced: {error}", warnings)

    # --- the cursor ---

    def _load(self, warnings: list[str]) -> str:
        try:
            return self._cursor.load()
        except MachineryError as error:
            self._warn(f"{error}; the sweep begins at the start", warnings)
            return ""

    def _save(self, before: str, place: str, warnings: list[str]) -> None:
        if place == before:
            return
        try:
            self._cursor.save(place)
        except MachineryError as error:
            self._warn(f"{error}; the next sweep begins where this one did", warnings)

    def _warn(self, text: str, warnings: list[str]) -> None:
        text = printable(text, 300)
        warnings.append(text)
        self._log.warning("%s", text)


class _InMemory:
    """A cursor that lasts as long as its reconciler."""

    def __init__(self) -> None:
        self._place = ""

    def load(self) -> str:
        return self._place

    def save(self, place: str) -> None:
        self._place = place


def _key(found: Found) -> tuple[str, str, str]:
    return (found.check, found.item, found.problem)


def _words(found: Found) -> tuple[str, str]:
    return printable(found.item, 60), printable(found.problem, 300)
