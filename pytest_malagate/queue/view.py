"""One look at a repository's queue and freezes, and all that can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import msgspec

from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.answers import (
    Admission,
    FreezeReading,
    SerialRules,
    Status,
    next_step,
)
from pytest_malagate.queue.freezing import code_of, held_up, read_freezes
from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.places import place_of, waiting_list
from pytest_malagate.queue.store import Session

replace = msgspec.structs.replace


class View:
    """A moment of one repository. It holds as long as the session that it looks through.

    `serial`: one task at a time is the rule here. `problem`: the store could not be read at all,
    and there is no session; then all is frozen, or with the freeze layer off nothing is held up.
    """

    def __init__(
        self,
        session: Session | None,
        rules: SerialRules,
        *,
        serial: bool,
        warnings: tuple[str, ...] = (),
        problem: MachineryError | None = None,
        how: How | None = None,
    ) -> None:
        self._how = how or How()
        self._session, self._rules, self._serial = session, rules, serial
        self._warnings, self._problem = warnings, problem
        self._readings: dict[str | None, FreezeReading] = {}

    def freezes(self, branch: str | None = None) -> FreezeReading:
        """The freezes that stand. Fails closed."""
        if branch not in self._readings:
            self._readings[branch] = self._read(branch)
        return self._readings[branch]

    def _read(self, branch: str | None) -> FreezeReading:
        if self._session is None:
            off = not self._rules.freeze_enabled
            if off:
                return FreezeReading()
            return FreezeReading(problem=str(self._problem), code=code_of(self._problem))
        return read_freezes(self._session, self._rules, branch)

    def admission(self, task: str, *, landing: bool = True, branch: str | None = None) -> Admission:
        """May this task's change go on, landing or not? Never raises for a store that fails."""
        reading = self.freezes(branch)
        if not reading.frozen:
            return self._place(task)
        running = self._is_active(task)
        if running and reading.leaves_running(landing):
            return self._place(task)
        return held_up(reading, stop=running and reading.mode == "hard")

    @cached_property
    def active(self) -> tuple[Task, ...]:
        """The active tasks by ticket. Raises MachineryError."""
        return tuple(self._asked().tasks("active"))

    @cached_property
    def waiting(self) -> tuple[Task, ...]:
        """The tasks that wait, by ticket. Raises MachineryError."""
        return tuple(self._asked().tasks("waiting"))

    def status(self, flags: Status, now: Callable[[], float]) -> Status:
        """`flags` with what stands here. Raises MachineryError."""
        active, reading, moment = self.active, self.freezes(), now()
        waiting = waiting_list(self.waiting, active, reading, serial=self._serial)
        return replace(
            flags,
            active=active[0].task if active else None,
            active_tasks=active,
            waiting=waiting,
            frozen=reading.frozen,
            freezes=reading.freezes,
            next=next_step(active, waiting, reading, moment, self._how),
            warnings=(*flags.warnings, *self._overdue(reading, moment)),
            problem=reading.problem,
            problem_code=reading.code,
        )

    def _overdue(self, reading: FreezeReading, now: float) -> Iterator[str]:
        """Freezes that have stood for long. They end by a person's word, and not by themselves."""
        for freeze in reading.freezes:
            if self._rules.asks_after(now - freeze.at):
                days = int((now - freeze.at) // 86400)
                stood = f"{days} days" if days > 1 else f"{int((now - freeze.at) // 3600)} hours"
                how = self._how.clear(freeze.id)
                yield f"freeze {freeze.id} has stood for {stood}: if it is over, {how}"

    def _asked(self) -> Session:
        if self._session is None:
            raise self._problem or MachineryError("the store could not be read")
        return self._session

    def _is_active(self, task: str) -> bool:
        try:
            known = self._asked().task(task)
        except MachineryError:
            return False
        return known is not None and known.state == "active"

    def _place(self, task: str) -> Admission:
        """Fails open: a queue that cannot be read lets everybody pass."""
        try:
            session = self._asked()
            if not self._serial:
                return Admission(admitted=True, warnings=self._warnings)
            return replace(place_of(session, task), warnings=self._warnings)
        except MachineryError as error:
            text = f"the queue could not be asked ({error}); it holds nobody up"
            return Admission(admitted=True, warnings=(*self._warnings, text))
