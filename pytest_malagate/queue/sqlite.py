"""The embedded store: one SQLite file, safe among many processes and after `kill -9`.

It keeps the attempts of each task (see `attempts`) and, as a `store.Store`, queue, freezes and
ledger of any number of repositories. An exclusive session is an immediate transaction: it holds up
the writers of all repositories in the file, which is a matter of milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import Entry
from pytest_malagate.queue.sqlite_file import BUSY_SECONDS, SQLiteFile
from pytest_malagate.queue.sqlite_schema import MIGRATIONS
from pytest_malagate.queue.sqlite_session import SQLiteSession

__all__ = ["BUSY_SECONDS", "MIGRATIONS", "SQLiteStore"]


class SQLiteStore(SQLiteFile):
    """A `store.Store` in a file, made by the first write; until then it is empty.

    Every method raises MachineryError, with the file's name, for everything that SQLite refuses
    and for rows that cannot be understood.
    """

    how = How()

    @contextmanager
    def exclusive(self, repository: str) -> Iterator[SQLiteSession]:
        """A session that may write, alone on the file."""
        with self.transaction() as db:
            session = SQLiteSession(self, db, repository)
            yield session
            session.check()

    @contextmanager
    def reading(self, repository: str) -> Iterator[SQLiteSession]:
        """A session that sees one moment; what it tries to write is refused."""
        with self.transaction(write=False) as db:
            db.execute("PRAGMA query_only = ON")
            yield SQLiteSession(self, db, repository)

    def ledger(self, repository: str) -> Iterator[Entry]:
        """The ledger, oldest entry first, as it is when the first one is asked for."""
        with self.reading(repository) as session:
            yield from session.entries()

    def ledger_head(self, repository: str) -> tuple[int, str] | None:
        """Number and digest of the newest entry; (0, "") if a ledger's end was forgotten."""
        with self.reading(repository) as session:
            return session.head()
