"""The SQLite file: what it refuses and says, what it keeps, what stays as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.retry import PastAttempt
from pytest_malagate.queue import sqlite_file
from pytest_malagate.queue.attempts import AttemptStore
from pytest_malagate.queue.model import Freeze
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import MIGRATIONS, SQLiteStore
from tests.queue.conftest import MAINTAINER, REPOSITORY, TRIAGER
from tests.queue.test_queue_rules import claimed, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def gate(path: Path) -> SerialGate:
    return SerialGate(SQLiteStore(path), REPOSITORY)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as a stranger opens it; committed at the end."""
    db = sqlite3.connect(path)
    try:
        with db:
            yield db
    finally:
        db.close()


def edit(path: Path, *statements: str) -> None:
    with opened(path) as db:
        for statement in statements:
            db.execute(statement)


def old_store(path: Path) -> None:
    """A file as the first version left it."""
    edit(path, *MIGRATIONS[0], "PRAGMA user_version = 1", "INSERT INTO attempts VALUES ('x', '{}')")


# --- no file, an old file ---


def test_asking_makes_no_file(gate: SerialGate, path: Path) -> None:
    status = gate.status(verify=True)
    assert (status.frozen, status.problem, status.ledger_ok) == (False, None, True)
    assert gate.admission("A").admitted
    assert gate.tasks() == ()
    assert list(path.parent.iterdir()) == []


def test_a_store_leaves_one_file(gate: SerialGate, path: Path) -> None:
    started(gate, "A", "B")
    gate.status(verify=True)
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_file_is_an_empty_store(gate: SerialGate, path: Path) -> None:
    path.touch()
    assert gate.status(verify=True).problem is None
    assert path.read_bytes() == b""
    assert started(gate, "A").ticket == 1


def test_a_store_of_an_older_version_is_read_as_it_lies_and_migrated_by_a_write(
    gate: SerialGate, path: Path
) -> None:
    old_store(path)
    before = path.read_bytes()
    attempts = AttemptStore(SQLiteStore(path))
    assert gate.status(verify=True).problem is None
    assert attempts.load("x").gate_attempt == 1
    assert path.read_bytes() == before
    attempts.update("x", lambda state: state.after_failure(PastAttempt(number=1), log_offset=1))
    started(gate, "A")
    assert attempts.load("x").gate_attempt == 2
    assert gate.status(verify=True).active == "A"


def test_migrating_twice_changes_nothing(gate: SerialGate, path: Path) -> None:
    started(gate, "A")
    before = gate.status()
    with SQLiteStore(path).transaction() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert gate.status() == before


def test_write_ahead_logging_is_on_and_commits_reach_the_disk(path: Path) -> None:
    with SQLiteStore(path).transaction() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_store_that_another_process_makes_meanwhile_is_no_stranger_s(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, first = sqlite_file._pragma, SQLiteStore(path)

    def slowly(db: sqlite3.Connection, name: str) -> int:
        """Somebody tries to make the store between the first question and what follows."""
        value = asked(db, name)
        monkeypatch.setattr(sqlite_file, "_pragma", asked)
        with suppress(MachineryError):
            SerialGate(SQLiteStore(path), REPOSITORY).add("A", "somebody")
        return value

    path.touch()
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(sqlite_file, "_pragma", slowly)
    assert SerialGate(first, REPOSITORY).add("B", "somebody").state == "waiting"


# --- files that are refused ---


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, it is a note" * 40)


def damaged(path: Path) -> None:
    started(SerialGate(SQLiteStore(path), REPOSITORY), *(f"task {n}" for n in range(200)))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def newer(path: Path) -> None:
    edit(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def foreign(path: Path) -> None:
    edit(path, "CREATE TABLE songs (name TEXT)")


def foreign_of_our_version(path: Path) -> None:
    edit(path, "CREATE TABLE songs (name TEXT)", f"PRAGMA user_version = {len(MIGRATIONS)}")


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (garbage, "it is damaged, or no SQLite file"),
    (damaged, "it is damaged, or no SQLite file"),
    (newer, "use a newer malagate"),
    (foreign, "another program's database"),
    (foreign_of_our_version, "another program's database"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED, ids=[make.__name__ for make, _ in REFUSED])
def test_a_file_that_is_none_of_ours_is_refused_and_left_as_it_is(
    gate: SerialGate, path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(path)
    before = path.read_bytes()
    for call in (
        lambda: gate.add("A", "somebody"),
        lambda: gate.claim("agent"),
        lambda: gate.freeze("on fire", TRIAGER),
        lambda: gate.unfreeze(MAINTAINER, "fixed"),
        gate.ledger_problem,
        gate.tasks,
    ):
        with pytest.raises(MachineryError) as raised:
            call()
        assert words in str(raised.value)
        assert str(raised.value).startswith(f"the store {path}")
        assert "\n" not in str(raised.value)
    status = gate.status(verify=True)
    assert (status.frozen, status.waiting) == (True, ())
    assert words in (status.problem or "")
    assert gate.admission("A").code == "freeze.active"
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_directory_in_the_store_s_place_is_told(gate: SerialGate, path: Path) -> None:
    path.mkdir()
    with pytest.raises(MachineryError, match="unable to open it: it is a directory"):
        gate.add("A", "somebody")
    assert gate.status().problem == f"the store {path}: unable to open it: it is a directory"


def test_a_missing_directory_is_told_and_not_made(tmp_path: Path) -> None:
    gate = SerialGate(SQLiteStore(tmp_path / "nowhere" / "state.db"), REPOSITORY)
    with pytest.raises(MachineryError, match="there is no directory"):
        gate.add("A", "somebody")
    assert gate.status().problem is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b.db", "50%25.db", "what?.db", "#1.db", "ä.db", "file:x"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    started(SerialGate(SQLiteStore(path), REPOSITORY), "A")
    assert SerialGate(SQLiteStore(path), REPOSITORY).status().active == "A"
    assert list(tmp_path.iterdir()) == [path]


# --- a file that others hold ---


def test_a_writer_waits_only_so_long_and_readers_not_at_all(
    gate: SerialGate, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(gate, "A")
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    with SQLiteStore(path).exclusive("owner/other"):
        with pytest.raises(MachineryError, match="another process has held it"):
            gate.add("B", "somebody")
        assert gate.status(verify=True).active == "A"
    gate.add("B", "somebody")


def test_an_error_that_somebody_swallowed_does_not_commit_the_rest(path: Path) -> None:
    store = SQLiteStore(path)
    freeze = Freeze(id=1, reason="on fire", actor="x", at=0.0, mode="pause")
    with pytest.raises(MachineryError, match="UNIQUE"), store.exclusive(REPOSITORY) as session:
        session.next_number("ticket")
        session.put_freeze(freeze)
        with suppress(MachineryError):
            session.put_freeze(freeze)
        session.next_number("fence")
    with store.exclusive(REPOSITORY) as session:
        assert session.freezes() == ()
        assert session.next_number("ticket") == 1


# --- rows that cannot be understood ---


@pytest.mark.parametrize(
    "change",
    [
        "state = 'running'",
        "stage = 'lunch'",
        "ticket = 'first'",
        "claim = NULL",
        "lease_until = 'soon'",
        "lease_until = NULL",
        "fence = x'00ff'",
        "holder = x'07'",
        "added_at = 'yesterday'",
    ],
)
def test_a_damaged_task_is_told_and_holds_nobody_up(
    gate: SerialGate, path: Path, change: str
) -> None:
    started(gate, "A", "B")
    edit(path, f"UPDATE tasks SET {change} WHERE task = 'A'")
    with pytest.raises(MachineryError, match="the task 'A' is damaged"):
        gate.finish("A", "agent")
    assert gate.admission("B").admitted
    assert claimed(gate, task="B").task == "B"


@pytest.mark.parametrize(
    "change",
    ["mode = 'gently'", "reason = x'ff'", "at = 'then'", "actor = x'33'", "branch = x'31'"],
)
def test_a_damaged_freeze_freezes(gate: SerialGate, path: Path, change: str) -> None:
    gate.add("A", "somebody")
    gate.freeze("on fire", TRIAGER, mode="drain")
    edit(path, f"UPDATE freezes SET {change}")
    refused = gate.claim("agent").refused
    assert refused is not None
    assert (refused.code, "is damaged" in refused.reason) == ("freeze.active", True)
    assert gate.status().frozen
    with pytest.raises(MachineryError, match="the freeze 1 is damaged"):
        gate.unfreeze(MAINTAINER, "fixed")


def test_a_text_that_is_no_utf8_freezes_too(gate: SerialGate, path: Path) -> None:
    gate.add("A", "somebody")
    gate.freeze("on fire", TRIAGER)
    edit(path, "UPDATE freezes SET reason = CAST(x'ff' AS TEXT)")
    refused = gate.claim("agent").refused
    assert refused is not None
    assert refused.code == "freeze.active"


# --- the ledger ---


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger WHERE seq = 2",
        "DELETE FROM ledger",
        "UPDATE ledger SET entry = '{}' WHERE seq = 2",
        "INSERT OR REPLACE INTO ledger SELECT repository, 2, entry FROM ledger WHERE seq = 1",
        "INSERT INTO ledger SELECT repository, 0, entry FROM ledger WHERE seq = 1",
        "DELETE FROM heads",
        "UPDATE heads SET seq = 1",
        "UPDATE heads SET digest = ''",
    ],
)
def test_the_ledger_only_grows(gate: SerialGate, path: Path, statement: str) -> None:
    started(gate, "A", "B")
    before = list(SQLiteStore(path).ledger(REPOSITORY))
    with pytest.raises(sqlite3.IntegrityError, match="ledger"), opened(path) as db:
        db.execute(statement)
    assert list(SQLiteStore(path).ledger(REPOSITORY)) == before
    assert gate.ledger_problem() is None


TAMPERING = [
    ("DELETE FROM ledger WHERE seq = 2", "entry 2 is missing"),
    ("DELETE FROM ledger WHERE seq >= 3", "the ledger ends at entry 2, and 4 were written"),
    ("DELETE FROM ledger", "the ledger ends at entry 0"),
    (
        "UPDATE ledger SET entry = CAST(replace(CAST(entry AS TEXT), 'somebody', 'nobody') AS BLOB)"
        " WHERE seq = 2",
        "entry 2 was edited",
    ),
    ("DELETE FROM heads", "end was forgotten"),
    ("UPDATE heads SET digest = 'sha256:0'", "entry 4 is not the one that was written"),
]


@pytest.mark.parametrize(("statement", "words"), TAMPERING)
def test_who_takes_the_guards_off_is_found(
    gate: SerialGate, path: Path, statement: str, words: str
) -> None:
    started(gate, "A", "B", "C")
    guards = ("ledger_keeps_its_lines", "ledger_keeps_its_words", "heads_stay", "heads_only_grow")
    edit(path, *(f"DROP TRIGGER {name}" for name in guards), statement)
    problem = gate.ledger_problem()
    assert problem is not None
    assert words in problem
    assert gate.status(verify=True).ledger_ok is False
    gate.finish("A", "agent")
    assert gate.ledger_problem() is not None, "a later entry must not cover the traces"


def test_an_entry_that_is_no_json_is_no_whole_ledger(gate: SerialGate, path: Path) -> None:
    started(gate, "A")
    edit(path, "DROP TRIGGER ledger_keeps_its_words", "UPDATE ledger SET entry = '{' WHERE seq = 1")
    with pytest.raises(MachineryError, match="entry 1 of the ledger is damaged"):
        gate.ledger_problem()
    assert gate.status(verify=True).ledger_ok is False


# --- what it costs ---


@pytest.mark.parametrize("state", ["waiting", "active"])
def test_finished_tasks_are_not_in_the_index_that_is_asked(
    gate: SerialGate, path: Path, state: str
) -> None:
    started(gate, "A")
    asked: list[str] = []
    with SQLiteStore(path).reading(REPOSITORY) as session:
        session._db.set_trace_callback(asked.append)
        session.first(state)
        session._db.set_trace_callback(None)
        plan = session._db.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()
    assert [row[3] for row in plan] == [f"SEARCH tasks USING INDEX tasks_{state} (repository=?)"], (
        "no scan, and no sort"
    )
