"""One repository's queue, freezes and ledger on an open transaction of the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.queue.model import Entry, Freeze, Task, TaskState, sealed
from pytest_malagate.queue.sqlite_file import SQLiteFile
from pytest_malagate.queue.store import Counter

_Kind = TypeVar("_Kind", Freeze, Task)

_TASK_FIELDS = ("task", "ticket", "state", "stage", "added_at", "changed_at")
_CLAIM_FIELDS = ("id", "fence", "holder", "at", "lease_until")
_FREEZE_FIELDS = ("id", "reason", "actor", "at", "mode", "work_item", "branch")

_TASKS = (
    "SELECT task, ticket, state, stage, added_at, changed_at, "
    "claim, fence, holder, claimed_at, lease_until FROM tasks WHERE repository = ?"
)
# The states are written out, not bound: only then are the partial indexes used.
_IN_STATE: Mapping[TaskState, str] = {
    "waiting": f"{_TASKS} AND state = 'waiting' ORDER BY ticket, task",
    "active": f"{_TASKS} AND state = 'active' ORDER BY ticket, task",
    "finished": f"{_TASKS} AND state = 'finished' ORDER BY ticket, task",
}
_PUT_TASK = (
    "INSERT INTO tasks (repository, task, ticket, state, stage, added_at, changed_at, "
    "claim, fence, holder, claimed_at, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (repository, task) DO UPDATE SET ticket = excluded.ticket, "
    "state = excluded.state, stage = excluded.stage, added_at = excluded.added_at, "
    "changed_at = excluded.changed_at, claim = excluded.claim, fence = excluded.fence, "
    "holder = excluded.holder, claimed_at = excluded.claimed_at, "
    "lease_until = excluded.lease_until"
)
_FREEZES = (
    "SELECT id, reason, actor, at, mode, work_item, branch FROM freezes "
    "WHERE repository = ? ORDER BY id"
)
_PUT_FREEZE = (
    "INSERT INTO freezes (repository, id, reason, actor, at, mode, work_item, branch) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_COUNT = (
    "INSERT INTO counters (repository, counter, value) VALUES (?, ?, 1) "
    "ON CONFLICT (repository, counter) DO UPDATE SET value = value + 1"
)
_HEAD = "SELECT seq, digest FROM heads WHERE repository = ?"
_PUT_HEAD = (
    "INSERT INTO heads (repository, seq, digest) VALUES (?, ?, ?) ON CONFLICT (repository) "
    "DO UPDATE SET seq = excluded.seq, digest = excluded.digest"
)


class SQLiteSession:
    """See `store.Session`. A row that cannot be understood is a MachineryError, never left out.

    A write that failed spoils the session, whatever its user makes of the error: `check` raises
    it again, so that nothing is committed in part.
    """

    def __init__(self, file: SQLiteFile, db: sqlite3.Connection, repository: str) -> None:
        self._file, self._db = file, db
        self._repository, self._key = repository, _plain(repository.lower())
        self._failed: MachineryError | None = None

    def check(self) -> None:
        """Raises the error of the first write that failed."""
        if self._failed is not None:
            raise self._failed

    # --- tasks ---

    def task(self, task: str) -> Task | None:
        """The task, whatever its state; None if it was never added."""
        return next(self._read_tasks(f"{_TASKS} AND task = ?", _plain(task)), None)

    def first(self, state: TaskState) -> Task | None:
        """The task with the lowest ticket in a state."""
        return next(self._read_tasks(f"{_IN_STATE[state]} LIMIT 1"), None)

    def tasks(self, state: TaskState) -> Iterator[Task]:
        """All tasks in a state, by ticket."""
        return self._read_tasks(_IN_STATE[state])

    def put(self, task: Task) -> None:
        """Adds a task or replaces the one of the same name."""
        claim = task.claim
        of_claim = (
            (None,) * 5
            if claim is None
            else (_plain(claim.id), claim.fence, _plain(claim.holder), claim.at, claim.lease_until)
        )
        self._write(
            _PUT_TASK,
            *(self._key, _plain(task.task), task.ticket, task.state, task.stage),
            *(task.added_at, task.changed_at),
            *of_claim,
        )

    def _read_tasks(self, query: str, *values: object) -> Iterator[Task]:
        for row in self._read(query, *values):
            of_task, of_claim = row[: len(_TASK_FIELDS)], row[len(_TASK_FIELDS) :]
            fields = dict(zip(_TASK_FIELDS, of_task, strict=True), repository=self._repository)
            if any(value is not None for value in of_claim):
                fields["claim"] = dict(zip(_CLAIM_FIELDS, of_claim, strict=True))
            yield self._value(fields, Task, f"the task {row[0]!r}")

    # --- numbers ---

    def next_number(self, counter: Counter) -> int:
        """A number that was never given before."""
        self._write(_COUNT, self._key, counter)
        query = "SELECT value FROM counters WHERE repository = ? AND counter = ?"
        number = self._read(query, counter)[0][0]
        if not isinstance(number, int):
            raise self._file.trouble(f"its counter {counter} is damaged")
        return number

    # --- freezes ---

    def freezes(self) -> tuple[Freeze, ...]:
        """The freezes that stand, by id."""
        return tuple(
            self._value(
                dict(zip(_FREEZE_FIELDS, row, strict=True)), Freeze, f"the freeze {row[0]!r}"
            )
            for row in self._read(_FREEZES)
        )

    def put_freeze(self, freeze: Freeze) -> None:
        """Adds a freeze."""
        self._write(
            _PUT_FREEZE,
            *(self._key, freeze.id, _plain(freeze.reason), _plain(freeze.actor), freeze.at),
            freeze.mode,
            *(None if text is None else _plain(text) for text in (freeze.work_item, freeze.branch)),
        )

    def clear_freeze(self, number: int) -> bool:
        """Takes a freeze away; false if it does not stand."""
        query = "DELETE FROM freezes WHERE repository = ? AND id = ?"
        return self._write(query, self._key, number) > 0

    # --- ledger ---

    def append(self, entry: Entry) -> Entry:
        """Writes the next line of the ledger.

        It follows the end that is remembered: where lines were cut off, the gap stays to be seen.
        """
        last = self._read("SELECT max(seq) FROM ledger WHERE repository = ?")[0][0]
        head = self._read(_HEAD)
        seq, previous = head[0] if head else (0, "")
        written = sealed(
            msgspec.structs.replace(entry, seq=max(seq, last or 0) + 1, previous=previous)
        )
        query = "INSERT INTO ledger (repository, seq, entry) VALUES (?, ?, ?)"
        self._write(query, self._key, written.seq, encode_json(written))
        self._write(_PUT_HEAD, self._key, written.seq, written.digest)
        return written

    def entries(self) -> Iterator[Entry]:
        """The ledger, oldest entry first."""
        query = "SELECT seq, entry FROM ledger WHERE repository = ? ORDER BY seq"
        with self._file.errors():
            for seq, entry in self._db.execute(query, (self._key,)):
                yield self._entry(seq, entry)

    def head(self) -> tuple[int, str] | None:
        """The end of the ledger as it is remembered; (0, "") if a ledger's end was forgotten."""
        head = self._read(_HEAD)
        if head:
            return (head[0][0], head[0][1])
        return (0, "") if self._read("SELECT 1 FROM ledger WHERE repository = ? LIMIT 1") else None

    def _entry(self, seq: int, entry: bytes) -> Entry:
        try:
            return msgspec.json.decode(entry, type=Entry)
        except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
            raise self._file.trouble(f"entry {seq} of the ledger is damaged: {error}") from error

    # --- SQLite ---

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._file.errors():
            return self._db.execute(query, (self._key, *values)).fetchall()

    def _write(self, query: str, *values: object) -> int:
        """Runs a statement; the number of rows that it changed."""
        try:
            with self._file.errors():
                return self._db.execute(query, values).rowcount
        except MachineryError as error:
            self._failed = self._failed or error
            raise

    def _value(self, fields: dict[str, Any], kind: type[_Kind], name: str) -> _Kind:
        try:
            return msgspec.convert(fields, kind)
        except msgspec.ValidationError as error:
            raise self._file.trouble(f"{name} is damaged: {error}") from error


def _plain(text: str) -> str:
    """Text that SQLite can hold: a lone surrogate becomes an escape, as in all our JSON."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
