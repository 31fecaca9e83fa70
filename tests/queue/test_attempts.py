"""Attempts outlive the process, and a store that is wrong is refused and left as it is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.retry import PastAttempt, RetryState
from pytest_malagate.queue.attempts import AttemptStore
from pytest_malagate.queue.sqlite import MIGRATIONS, SQLiteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def attempts(path: Path) -> AttemptStore:
    return AttemptStore(SQLiteStore(path))


def failed(state: RetryState) -> RetryState:
    return state.after_failure(PastAttempt(number=state.gate_attempt), log_offset=1)


def test_a_task_that_was_never_judged_is_at_its_first_attempt(attempts, path: Path) -> None:
    assert attempts.load("x-1") == RetryState()
    assert not path.exists()


def test_an_attempt_outlives_the_store_object(attempts, path: Path) -> None:
    attempts.update("x-1", failed)
    assert AttemptStore(SQLiteStore(path)).load("x-1").gate_attempt == 2


def test_tasks_are_counted_apart_and_cleared_apart(attempts) -> None:
    attempts.update("x-1", failed)
    attempts.update("x-2", failed)
    attempts.clear("x-1")
    assert (attempts.load("x-1").gate_attempt, attempts.load("x-2").gate_attempt) == (1, 2)


def test_no_attempt_is_lost_when_several_processes_count_at_once(attempts, path: Path) -> None:
    code = (
        "import sys;from pathlib import Path;"
        "from tests.queue.test_attempts import *;"
        "store=AttemptStore(SQLiteStore(Path(sys.argv[1])));"
        "[store.update('x-1', failed) for _ in range(10)]"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert attempts.load("x-1").gate_attempt == 41


def test_a_damaged_store_is_refused_and_left_as_it_is(attempts, path: Path) -> None:
    path.write_bytes(b"this is no database, it is a note" * 40)
    before = path.read_bytes()
    for call in (lambda: attempts.load("x"), lambda: attempts.update("x", failed)):
        with pytest.raises(MachineryError, match=r"state\.db: it is damaged"):
            call()
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(attempts, path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(MachineryError, match="use a newer malagate"):
        attempts.update("x", failed)


def test_a_damaged_row_is_told(attempts, path: Path) -> None:
    attempts.update("x-1", failed)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE attempts SET state = '{'")
    db.close()
    with pytest.raises(MachineryError, match="attempts of x-1 are damaged"):
        attempts.load("x-1")


def test_a_directory_in_the_store_s_place_is_told(attempts, path: Path) -> None:
    path.mkdir()
    with pytest.raises(MachineryError, match="unable to open"):
        attempts.load("x")
