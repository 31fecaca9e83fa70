"""One SQLite file that many processes share: opening, transactions, migrations, errors in words.

Write-ahead logging, a busy time-out and immediate transactions. Whatever is not this malagate's
to write is refused before the first write: a file of a newer version, another program's database,
a damaged file, no SQLite file at all.

Reading never writes and needs no permission to: a file that is not there is an empty one, and one
of an older version is read as if it had been migrated.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.sqlite_schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 30.0

_NO_NEW_FILES = (
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
)
"""What SQLite says where it cannot make a file: a read-only directory, a full disk."""


class SQLiteFile:
    """A file at a path. Each transaction opens and closes its own connection, so an object may be
    shared among threads, and nothing stays open across a fork.

    Raises MachineryError, with the file's name, for everything that SQLite refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end of the block, rolled back on any exception.

        `write` false: one moment of the file, which stays as it is and need not be writable.
        """
        with self.errors(), self._writing() if write else self._reading() as db:
            yield db

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what SQLite says into a MachineryError."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.trouble(_explain(error, self.path)) from error

    def trouble(self, words: str) -> MachineryError:
        """An error about this file."""
        return MachineryError(f"the store {self.path}: {words}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with _connection(f"{self._uri()}?mode=rwc") as db:
            db.execute("BEGIN")  # what is checked has to be of one moment
            version = self._checked(db)
            db.execute("COMMIT")
            if version < len(MIGRATIONS):
                _write_ahead(db)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            # Asked again under the lock: another process may have migrated meanwhile.
            _migrate(db, self._checked(db))
            yield db
            db.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            with _copy_of(None) as db:
                yield db
            return
        with self._open_for_reading() as db:
            if self._checked(db) == len(MIGRATIONS):
                yield db
            else:
                with _copy_of(db) as copy:
                    yield copy

    @contextmanager
    def _open_for_reading(self) -> Iterator[sqlite3.Connection]:
        # SQLite opens a file it may not write for reading only, whatever is asked.
        with _connection(f"{self._uri()}?mode=rw") as db:
            reachable = _begin_reading(db)
            if reachable:
                yield db
                return
        with self._as_it_lies() as db:
            yield db

    @contextmanager
    def _as_it_lies(self) -> Iterator[sqlite3.Connection]:
        """Reads without the files that write-ahead logging wants to make beside this one.

        That is right while nobody writes, so it is looked at before and after: who was told
        something meanwhile is told by the exception that it does not count.
        """
        if self._has_journal():
            raise self.trouble("a write to it was not completed, and nothing can be written now")
        before = self.path.stat()
        with _connection(f"{self._uri()}?mode=ro&immutable=1") as db:
            db.execute("BEGIN")
            yield db
        after = self.path.stat()
        same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
        if not same or self._has_journal():
            raise self.trouble("it was written to while it was read; ask again")

    def _checked(self, db: sqlite3.Connection) -> int:
        """The file's version, if it is one that this malagate may touch."""
        version = _pragma(db, "user_version")
        if version > len(MIGRATIONS):
            raise MachineryError(
                f"the store {self.path} is of version {version}, this malagate reads up to "
                f"{len(MIGRATIONS)}: use a newer malagate, or move the file away"
            )
        if version == 0:
            foreign = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
        else:
            foreign = version > 1 and _pragma(db, "application_id") != APPLICATION_ID
        if foreign:
            raise self.trouble("it is another program's database; name another file")
        return version

    def _uri(self) -> str:
        return self.path.absolute().as_uri()

    def _has_journal(self) -> bool:
        """Whether something was written that is not in the file itself yet."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size > 0
        except FileNotFoundError:
            return False


@contextmanager
def _connection(uri: str) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def _copy_of(source: sqlite3.Connection | None) -> Iterator[sqlite3.Connection]:
    """A migrated copy in memory; an empty store for None."""
    with _connection("file::memory:") as copy:
        if source is not None:
            source.backup(copy)
        copy.execute("BEGIN")
        _migrate(copy, _pragma(copy, "user_version"))
        yield copy


def _begin_reading(db: sqlite3.Connection) -> bool:
    """Fixes the moment that is read; false if that takes files which cannot be made."""
    db.execute("PRAGMA query_only = ON")
    try:
        db.execute("BEGIN")
        _pragma(db, "user_version")
    except sqlite3.OperationalError as error:
        if _code(error) in _NO_NEW_FILES:
            return False
        raise
    return True


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switches to write-ahead logging. SQLite does not wait by itself where two do that at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _migrate(db: sqlite3.Connection, version: int) -> None:
    for number in range(version, len(MIGRATIONS)):
        for statement in MIGRATIONS[number]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number + 1}")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of the binding."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _explain(error: sqlite3.Error, path: Path) -> str:
    match _code(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return (
                "it is damaged, or no SQLite file; move it away to start afresh "
                "(attempts, queue and freezes are lost)"
            )
        case sqlite3.SQLITE_BUSY:
            return f"another process has held it for {BUSY_SECONDS:.0f} seconds"
        case sqlite3.SQLITE_FULL:
            return "the disk is full; nothing was changed"
        case sqlite3.SQLITE_READONLY:
            return "it is read-only; nothing was changed"
        case sqlite3.SQLITE_IOERR:
            return f"the disk failed or is full ({error}); nothing was changed"
        case sqlite3.SQLITE_CANTOPEN:
            return f"unable to open it: {_why_not(path)}"
    return str(error)


def _why_not(path: Path) -> str:
    folder = path.absolute().parent
    if path.is_dir():
        return "it is a directory"
    if not folder.is_dir():
        return f"there is no directory {folder}"
    effective = os.access in os.supports_effective_ids
    if path.exists() and not os.access(path, os.R_OK, effective_ids=effective):
        return "it may not be read"
    if not os.access(folder, os.W_OK, effective_ids=effective):
        return "its directory is read-only"
    return "the system refuses it"
