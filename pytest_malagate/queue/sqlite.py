"""The embedded store: one SQLite file, safe among many processes and after `kill -9`.

Write-ahead logging, a busy time-out and immediate transactions. Migrations are numbered by SQLite's
`user_version` and run in one transaction each. A file of a newer version, or one that is damaged
or no SQLite file at all, is refused and left as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_malagate.errors import MachineryError

BUSY_SECONDS = 30.0

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    ("CREATE TABLE attempts (task TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID",),
)
"""Statements by version: `MIGRATIONS[n]` brings a store of version n to version n + 1."""


class SQLiteStore:
    """A store at a path. Each transaction opens and closes its own connection, so an object may be
    shared among threads, and nothing stays open across a fork.

    Raises MachineryError, with the file's name, for everything that SQLite refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end of the block, rolled back on any exception."""
        try:
            db = self._connect()
            try:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield db
                db.execute("COMMIT")
            finally:
                db.close()
        except sqlite3.Error as error:
            raise MachineryError(f"the store {self.path}: {_explain(error)}") from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = _version(db)
        if version > len(MIGRATIONS):
            raise MachineryError(
                f"the store {self.path} is of version {version}, this malagate reads up to "
                f"{len(MIGRATIONS)}: use a newer malagate, or move the file away"
            )
        if version < len(MIGRATIONS):
            db.execute("PRAGMA journal_mode = WAL")
            _migrate(db)
        db.execute("PRAGMA synchronous = FULL")


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    # Read again under the lock: another process may have migrated meanwhile.
    for number in range(_version(db), len(MIGRATIONS)):
        for statement in MIGRATIONS[number]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number + 1}")
    db.execute("COMMIT")


def _explain(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return "it is damaged, or no SQLite file; move it away to start afresh (attempts are lost)"
    if name == "SQLITE_BUSY":
        return f"another process has held it for {BUSY_SECONDS:.0f} seconds"
    return str(error)
