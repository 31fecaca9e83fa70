"""What the rules need of a store, and nothing else. A store holds state and decides nothing.

A session is a piece of work on one repository's state. What an exclusive session writes is seen by
others all at once or, if it ends by an exception, not at all; no two of one repository overlap.
SQLite has transactions for that, GitHub a concurrency group.

Every method may raise MachineryError. What one cannot read is trouble, never emptiness: a store
must not answer "no freeze" for a page that did not come.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import Entry, Freeze, Task, TaskState

Counter = Literal["ticket", "fence", "freeze"]


class ConflictError(MachineryError):
    """Somebody else was faster: nothing of the session was written, and it may be done again."""


class FreezeTrouble(MachineryError):
    """Nobody can tell whether the repository is frozen, so it is. `code` is the kind of trouble."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Session(Protocol):
    """One repository's state for the length of a session."""

    def task(self, task: str) -> Task | None:
        """The task, whatever its state; None if it was never added.

        Of finished tasks a store may forget the oldest, but not the 100 that ended last.
        """

    def first(self, state: TaskState) -> Task | None:
        """The task with the lowest ticket in a state that is not `finished`.

        The cost must not grow with the number of finished tasks.
        """

    def tasks(self, state: TaskState) -> Iterator[Task]:
        """All tasks in a state, by ticket."""

    def put(self, task: Task) -> None:
        """Adds a task or replaces the one of the same name."""

    def next_number(self, counter: Counter) -> int:
        """A number that was never given before, greater than all that were; the first is 1."""

    def freezes(self) -> tuple[Freeze, ...]:
        """The freezes that stand, by id."""

    def put_freeze(self, freeze: Freeze) -> None:
        """Adds a freeze."""

    def clear_freeze(self, number: int) -> bool:
        """Takes a freeze away; false if it does not stand."""

    def append(self, entry: Entry) -> Entry:
        """Writes the next line of the ledger.

        `seq`, `previous` and `digest` are the store's to fill in (see `model.sealed`).
        """


class Store(Protocol):
    """State by repository (`owner/name`). `how` says how people act on it."""

    @property
    def how(self) -> How: ...

    def exclusive(self, repository: str) -> AbstractContextManager[Session]:
        """A session that may write, alone on this repository.

        Raises ConflictError at its end where the store found out only then that it was not alone.
        """

    def reading(self, repository: str) -> AbstractContextManager[Session]:
        """A session that sees one moment and must not write."""

    def ledger(self, repository: str) -> Iterator[Entry]:
        """The ledger, oldest entry first."""

    def ledger_head(self, repository: str) -> tuple[int, str] | None:
        """Number and digest of the newest entry, kept apart from the ledger; None if empty."""
