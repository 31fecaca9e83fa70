"""Attempts of each task, kept in the embedded store between evaluations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec

from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.queue.sqlite import SQLiteStore


class AttemptStore:
    """Retry states by task. Reading and writing raise MachineryError (see `SQLiteStore`)."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def load(self, task: str) -> RetryState:
        """The task's state; a fresh one for a task that was never judged, or that passed."""
        with self._store.transaction(write=False) as db:
            return self._read(db, task)

    def update(self, task: str, change: Callable[[RetryState], RetryState]) -> RetryState:
        """Replaces the state by what `change` makes of it, in one transaction."""
        with self._store.transaction() as db:
            state = change(self._read(db, task))
            db.execute(
                "INSERT INTO attempts (task, state) VALUES (?, ?) "
                "ON CONFLICT (task) DO UPDATE SET state = excluded.state",
                (task, msgspec.json.encode(state)),
            )
        return state

    def clear(self, task: str) -> None:
        """Forgets the task: its next evaluation is the first."""
        if self._store.path.exists():
            with self._store.transaction() as db:
                db.execute("DELETE FROM attempts WHERE task = ?", (task,))

    def _read(self, db: sqlite3.Connection, task: str) -> RetryState:
        row = db.execute("SELECT state FROM attempts WHERE task = ?", (task,)).fetchone()
        try:
            return msgspec.json.decode(row[0], type=RetryState) if row else RetryState()
        except (msgspec.DecodeError, TypeError) as error:
            raise MachineryError(
                f"the store {self._store.path}: the attempts of {task} are damaged: {error}"
            ) from error
