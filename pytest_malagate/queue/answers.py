"""What the serial gate is told, and what it answers."""

from __future__ import annotations

from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import MODES, Freeze, FreezeMode, Task, Value, abandoned


class SerialRules(Value, frozen=True, kw_only=True):
    """What the policy says: `serial` and `freeze`. `ask_after` is in seconds, None for never."""

    enabled: bool = True
    repos: tuple[str, ...] = ()
    freeze_enabled: bool = True
    mode: FreezeMode = "pause"
    clear_needs: str = "maintain"
    ask_after: float | None = 86400.0

    def asks_after(self, seconds: float) -> bool:
        """True if a freeze that has stood for so long, or in silence, is to be asked about."""
        return self.ask_after is not None and seconds >= self.ask_after


class Admission(Value, frozen=True, kw_only=True):
    """May it go on? `code` is the reason's code where it may not (`freeze.…`, `queue.…`).

    `position` counts the tasks before it: 0 is the one whose turn it is, None where the queue
    says nothing. `stop` is true where what runs has to end. `cause` names the trouble that made it
    impossible to tell. `warnings` are for the log.
    """

    admitted: bool
    code: str | None = None
    reason: str = ""
    position: int | None = None
    stop: bool = False
    cause: str | None = None
    warnings: tuple[str, ...] = ()


class Claimed(Value, frozen=True, kw_only=True):
    """What a claim came to: the task, or why there is none."""

    task: Task | None = None
    refused: Admission | None = None
    warnings: tuple[str, ...] = ()


class Waiting(Value, frozen=True, kw_only=True):
    """A task that waits: `position` 1 is the next."""

    task: str
    position: int
    reason: str


class Status(Value, frozen=True, kw_only=True):
    """Why does my task not move? `active` is the task whose turn it is.

    `ledger_ok` is None where nobody asked for it. `problem` says what could not be read; then the
    lists are empty and `frozen` is true. `problem_code` is the kind of trouble, if it has a name.
    """

    repository: str
    enabled: bool
    freeze_enabled: bool
    active: str | None = None
    active_tasks: tuple[Task, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    frozen: bool = False
    freezes: tuple[Freeze, ...] = ()
    ledger_ok: bool | None = None
    next: str = ""
    problem: str | None = None
    problem_code: str | None = None
    warnings: tuple[str, ...] = ()


class FreezeReading(Value, frozen=True, kw_only=True):
    """The freezes that stand, or why they could not be read (`code`: which kind of trouble)."""

    freezes: tuple[Freeze, ...] = ()
    problem: str | None = None
    code: str | None = None

    @property
    def frozen(self) -> bool:
        """True, too, where nobody knows."""
        return bool(self.freezes) or self.problem is not None

    @property
    def mode(self) -> FreezeMode:
        """The strictest of them; of what could not be read, `pause`."""
        modes = [freeze.mode for freeze in self.freezes] + (["pause"] if self.problem else [])
        return max(modes, key=MODES.index, default="drain")

    def leaves_running(self, landing: bool) -> bool:
        """Whether running work is left alone: `drain` lets it land, `pause` only go on.

        Nobody knows the mode of a freeze that could not be read, so it stops all (closed).
        """
        if self.problem is not None:
            return False
        return self.mode == "drain" or (self.mode == "pause" and not landing)

    def words(self) -> str:
        """Why, in one line."""
        if self.problem is not None:
            return f"it could not be read whether the repository is frozen: {self.problem}"
        first = self.freezes[0]
        more = f" (and {len(self.freezes) - 1} more)" if len(self.freezes) > 1 else ""
        return f"frozen by {first.actor}: {first.reason}{more}"


NEXT_BROKEN = "repair the store: until then nothing starts"


def next_step(
    active: tuple[Task, ...],
    waiting: tuple[Waiting, ...],
    reading: FreezeReading,
    now: float,
    how: How,
) -> str:
    """What happens next, in one line."""
    if reading.frozen:
        return f"a maintainer clears the freeze: {how.clear()}"
    free = [task for task in active if abandoned(task, now)]
    if free:
        return f"the lease of {free[0].task} has ended: the next claim takes it over"
    if active:
        done = how.finish(active[0].task)
        return f"when {active[0].task} is finished ({done}), the next task may be claimed"
    if waiting:
        return f"{waiting[0].task} may be claimed: {how.claim()}"
    return "nothing waits"
