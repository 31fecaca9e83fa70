"""The tables of the embedded store, as migrations.

`MIGRATIONS[n]` brings a file of version n to version n + 1; a migration that was released is never
edited. Of what the queue keeps:

* `tasks` has one index for each state that is asked for, of the tasks in that state alone: to find
  the next one costs the same however many have ended.
* `ledger` refuses to change or lose a line, `heads` remembers its end elsewhere. Both are guards
  against mistakes; whoever may write the file can take them off, and the chain shows it.
* Repositories stand in lower case: GitHub's names know no case, and one repository that is spelt
  in two ways must not run two tasks.
"""

from __future__ import annotations

APPLICATION_ID = 0x4D4C4754
"""Marks a file as malagate's from version 2 on ("MLGT" in SQLite's header)."""

_TASKS = """
CREATE TABLE tasks (
    repository TEXT NOT NULL,
    task TEXT NOT NULL,
    ticket INTEGER NOT NULL,
    state TEXT NOT NULL,
    stage TEXT NOT NULL,
    added_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    claim TEXT,
    fence INTEGER,
    holder TEXT,
    claimed_at REAL,
    lease_until REAL,
    PRIMARY KEY (repository, task)
) WITHOUT ROWID
"""

_FREEZES = """
CREATE TABLE freezes (
    repository TEXT NOT NULL,
    id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    mode TEXT NOT NULL,
    work_item TEXT,
    branch TEXT,
    PRIMARY KEY (repository, id)
) WITHOUT ROWID
"""

_LEDGER = """
CREATE TABLE ledger (
    repository TEXT NOT NULL,
    seq INTEGER NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (repository, seq)
) WITHOUT ROWID
"""

_HEADS = """
CREATE TABLE heads (
    repository TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    digest TEXT NOT NULL
) WITHOUT ROWID
"""

_COUNTERS = """
CREATE TABLE counters (
    repository TEXT NOT NULL,
    counter TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (repository, counter)
) WITHOUT ROWID
"""


def _refusal(name: str, event: str, words: str) -> str:
    """A trigger that lets a statement fail."""
    return f"CREATE TRIGGER {name} BEFORE {event} BEGIN SELECT RAISE(ABORT, '{words}'); END"


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    ("CREATE TABLE attempts (task TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID",),
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        _TASKS,
        # A condition is proved to hold for a partial index only if it is written out alike in the
        # query: see `sqlite_session`.
        "CREATE INDEX tasks_waiting ON tasks (repository, ticket) WHERE state = 'waiting'",
        "CREATE INDEX tasks_active ON tasks (repository, ticket) WHERE state = 'active'",
        _FREEZES,
        _COUNTERS,
        _LEDGER,
        _HEADS,
        _refusal("ledger_keeps_its_lines", "DELETE ON ledger", "the ledger loses nothing"),
        _refusal("ledger_keeps_its_words", "UPDATE ON ledger", "the ledger is never rewritten"),
        # INSERT OR REPLACE takes lines away without asking the trigger for DELETE.
        _refusal(
            "ledger_only_grows",
            "INSERT ON ledger WHEN EXISTS (SELECT 1 FROM ledger "
            "WHERE repository = NEW.repository AND seq >= NEW.seq)",
            "the ledger is never rewritten",
        ),
        _refusal("heads_stay", "DELETE ON heads", "the end of the ledger is not forgotten"),
        _refusal(
            "heads_only_grow",
            "UPDATE ON heads WHEN NEW.seq <= OLD.seq",
            "the end of the ledger only moves on",
        ),
    ),
)
"""Statements by version."""
