"""One repository's state on GitHub for the length of a session: see `queue.store.Session`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client
from pytest_malagate.github.control import Control
from pytest_malagate.github.freeze_issues import (
    Unknown,
    known_issues,
    labelled_frozen,
    unknown_freezes,
)
from pytest_malagate.github.ledger import Page, State, sealed_entries
from pytest_malagate.github.records import Issue
from pytest_malagate.queue.model import Entry, Freeze, FreezeMode, Task, TaskState
from pytest_malagate.queue.store import Counter, FreezeTrouble


class Labels:
    """The issues that freeze, read once: at the session's beginning, or when they are asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._found: tuple[Issue, ...] | FreezeTrouble | None = None

    def read(self) -> None:
        """Reads them now; trouble is kept for whoever asks."""
        try:
            self._found = labelled_frozen(self._client)
        except FreezeTrouble as error:
            self._found = error

    def issues(self) -> tuple[Issue, ...]:
        """The open issues with the label. Raises FreezeTrouble."""
        return tuple(issue for issue in self.all() if issue.state == "open")

    def all(self) -> tuple[Issue, ...]:
        """Those that are closed, too. Raises FreezeTrouble."""
        if self._found is None:
            self.read()
        if isinstance(self._found, FreezeTrouble):
            raise self._found
        return self._found or ()


class GitHubSession:
    """Reads `state`; what is written is kept until the store makes a page of it.

    A freeze that a person set by a label is taken over by the first session that may write and
    asks for the freezes. In one for reading it has the number that it would get.
    """

    def __init__(
        self,
        client: Client,
        control: Control,
        state: State,
        repository: str,
        *,
        mode: FreezeMode,
        writable: bool,
    ) -> None:
        self.state = state.copy()
        self.labels = Labels(client)
        self.moved_epoch: int | None = None
        self.moved_cursor: int | None = None
        self.control = control
        self._client, self._mode = client, mode
        self._repository, self._writable = repository, writable
        self._tasks: dict[str, Task] = {}
        self._entries: list[Entry] = []
        self._set: dict[int, Freeze] = {}
        self._cleared: list[int] = []
        self._links: dict[int, int] = {}
        self._numbers: dict[str, int] = {}
        self._adopted = False

    # --- tasks ---

    def task(self, task: str) -> Task | None:
        """See `Session`."""
        return self.state.tasks.get(task)

    def first(self, state: TaskState) -> Task | None:
        """See `Session`."""
        return next(self.tasks(state), None)

    def tasks(self, state: TaskState) -> Iterator[Task]:
        """See `Session`."""
        found = [task for task in self.state.tasks.values() if task.state == state]
        return iter(sorted(found, key=lambda task: (task.ticket, task.task)))

    def put(self, task: Task) -> None:
        """See `Session`."""
        self._check()
        self._tasks[task.task] = task
        self.state.put(task)

    def next_number(self, counter: Counter) -> int:
        """See `Session`."""
        self._check()
        return self._count(counter)

    def _count(self, counter: Counter) -> int:
        number = self.state.numbers.get(counter, 0) + 1
        self.state.numbers[counter] = self._numbers[counter] = number
        return number

    # --- freezes ---

    def freezes(self) -> tuple[Freeze, ...]:
        """The ledger's freezes, and those that a label sets. Raises FreezeTrouble."""
        if self.control.trouble is not None:
            raise FreezeTrouble(*self.control.trouble)
        if not self._adopted:
            self._adopt()
        return tuple(sorted(self.state.freezes.values(), key=lambda freeze: freeze.id))

    def _adopt(self) -> None:
        issues, shown = self.labels.issues(), self.labels.all()
        writer = self.control.writer
        for number, issue in known_issues(self.state, issues, writer).items():
            if self.state.issues.get(number) != issue:
                self.state.issues[number] = self._links[number] = issue
        for unknown in unknown_freezes(self._client, self.state, shown, writer, self._mode):
            self._take_over(unknown)
        self._adopted = True

    def _take_over(self, unknown: Unknown) -> None:
        number = self._count("freeze")
        made = Freeze(
            id=number,
            reason=unknown.reason,
            actor=unknown.actor,
            at=unknown.at,
            mode=unknown.mode,
            work_item=f"#{unknown.issue}",
            branch=unknown.branch,
        )
        self._set_freeze(made)
        self.state.issues[number] = self._links[number] = unknown.issue
        self.state.cleared.pop(unknown.issue, None)
        detail = f"{made.mode}: {made.reason}"
        self._write_down(
            Entry(
                seq=0,
                at=made.at,
                kind="frozen",
                actor=made.actor,
                repository=self._repository,
                freeze=number,
                detail=detail,
            )
        )

    def put_freeze(self, freeze: Freeze) -> None:
        """See `Session`."""
        self._check()
        self._set_freeze(freeze)

    def _set_freeze(self, freeze: Freeze) -> None:
        self.state.freezes[freeze.id] = self._set[freeze.id] = freeze

    def clear_freeze(self, number: int) -> bool:
        """See `Session`."""
        self._check()
        if number not in self.state.freezes:
            return False
        self._cleared.append(number)
        del self.state.freezes[number]
        return True

    # --- the ledger ---

    def append(self, entry: Entry) -> Entry:
        """See `Session`."""
        self._check()
        return self._write_down(entry)

    def _write_down(self, entry: Entry) -> Entry:
        made = next(sealed_entries([entry], self.state.entry))
        self.state.entry = (made.seq, made.digest)
        self._entries.append(entry)
        return made

    def _check(self) -> None:
        if not self._writable:
            raise MachineryError("a session for reading cannot write")

    # --- what became of it ---

    @property
    def new_freezes(self) -> tuple[Freeze, ...]:
        """Freezes that this session set and that have no issue."""
        return tuple(
            freeze for number, freeze in self._set.items() if number not in self.state.issues
        )

    @property
    def taken_over(self) -> tuple[int, ...]:
        """Freezes that somebody set by a label, and that the ledger has not got yet."""
        return tuple(number for number in self._set if number in self._links)

    @property
    def cleared(self) -> tuple[int, ...]:
        """Freezes that this session cleared."""
        return tuple(self._cleared)

    @property
    def changed_tasks(self) -> tuple[Task, ...]:
        """Tasks that this session wrote."""
        return tuple(self._tasks.values())

    def page(self, seq: int, previous: str, nonce: str, writer: str) -> Page | None:
        """What this session wrote, as the page that follows; None if it wrote nothing.

        That a freeze's issue became known, or a cursor moved, is no reason for a page of its own.
        """
        written = (self._entries, self._tasks, self._set, self._cleared, self._numbers)
        if not any(written) and self.moved_epoch is None:
            return None
        return Page(
            repository=self._repository,
            seq=seq,
            previous=previous,
            nonce=nonce,
            writer=writer,
            entries=tuple(self._entries),
            tasks=tuple(self._tasks.values()),
            freezes=tuple(self._set.values()),
            cleared=tuple(self._cleared),
            issues=self._links,
            numbers=self._numbers,
            epoch=self.moved_epoch,
            cursor=self.moved_cursor,
        )
