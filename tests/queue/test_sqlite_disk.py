"""A disk that is full or may not be written, for real: one line says so, and nothing is changed.

What needs another user runs as `nobody` where the tests are root, for whom no file is read-only.
"""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from tests.queue.conftest import REPOSITORY, TRIAGER
from tests.queue.test_queue_rules import started

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def gate_on(path: Path) -> SerialGate:
    return SerialGate(SQLiteStore(path), REPOSITORY)


def fill(path: Path) -> int:
    """Adds tasks until the disk refuses; prints what it said; the number that was added."""
    gate = gate_on(path)
    for number in range(100_000):
        try:
            gate.add(f"task {number} {'x' * 150}", "somebody")
        except MachineryError as error:
            print(error)
            return number
    raise AssertionError("the disk was never full")


def freeze_and_tell(path: Path, about: str = "") -> None:
    """Sets a freeze where that cannot be; prints what it said."""
    try:
        gate_on(path).freeze("on fire", Person(name="x", rank="admin"), work_item=about)
    except MachineryError as error:
        print(error)


def fill_up(hog: Path) -> None:
    """Leaves not a byte of the disk."""
    with hog.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)


def limited_to(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def unmeasured() -> dict[str, str]:
    """A measurement of this suite would write files of its own, where these tests allow none."""
    return {key: value for key, value in os.environ.items() if "COVERAGE" not in key}


def run(code: str, *arguments: str | Path, before: Callable[[], None] | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.queue.test_sqlite_disk import *; {code}"]
        + [str(argument) for argument in arguments],
        cwd=ROOT,
        env=unmeasured(),
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def assert_whole(gate: SerialGate, tasks: int) -> None:
    status = gate.status(verify=True)
    assert (status.problem, status.ledger_ok, len(status.waiting)) == (None, True, tasks)


def test_a_file_that_may_not_grow_is_told_in_one_line_and_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    said, added = run("print(fill(Path(sys.argv[1])))", path, before=limited_to(200_000))
    assert said.startswith(f"the store {path}: the disk failed or is full")
    assert int(added) > 10
    assert_whole(gate_on(path), int(added))
    gate_on(path).add("once there is room again", "somebody")
    assert_whole(gate_on(path), int(added) + 1)


def test_a_full_database_is_told_in_one_line_and_stays_whole(tmp_path: Path) -> None:
    class Full(SQLiteStore):
        def _checked(self, db: object) -> int:
            db.execute("PRAGMA max_page_count = 40")
            return super()._checked(db)

    gate = SerialGate(Full(tmp_path / "state.db"), REPOSITORY)
    added = 0
    with pytest.raises(MachineryError, match=r"state\.db: the disk is full; nothing was changed$"):
        while True:
            gate.add(f"task {added} {'x' * 150}", "somebody")
            added += 1
    with pytest.raises(MachineryError, match="the disk is full"):
        gate.freeze("x" * 8000, TRIAGER)
    assert_whole(gate_on(tmp_path / "state.db"), added)


def tmpfs_can_be_mounted() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", tempfile.gettempdir()]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not tmpfs_can_be_mounted(), reason="needs the right to mount a small disk")
def test_a_full_disk_is_told_in_one_line_and_stays_whole(tmp_path: Path) -> None:
    code = (
        "path = Path(sys.argv[1]); hog = path.with_name('hog'); hog.write_bytes(b'x' * 100_000);"
        "added = fill(path); freeze_and_tell(path, 'x' * 99_999);"
        "fill_up(path.with_name('rest')); assert_whole(gate_on(path), added);"
        "freeze_and_tell(path); hog.unlink();"
        "gate_on(path).freeze('x', TRIAGER); assert_whole(gate_on(path), added)"
    )
    script = (
        f"mount -t tmpfs -o size=400k none {tmp_path} && "
        f"exec {sys.executable} -c "
        f'"from tests.queue.test_sqlite_disk import *; {code}" {tmp_path}/state.db'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3
    for line in done.stdout.splitlines():
        assert line.startswith(f"the store {tmp_path}/state.db: ")
        assert "full" in line


# --- read-only ---


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that another user can reach, as pytest's own cannot."""
    made = Path(tempfile.mkdtemp(prefix="malagate-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def read_only(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)


def as_nobody() -> None:
    """Gives up root's rights, after everything was imported."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def test_a_read_only_store_is_read_and_not_written(folder: Path) -> None:
    path = folder / "state.db"
    gate = gate_on(path)
    started(gate, "A", "B")
    gate.freeze("on fire", TRIAGER)
    read_only(folder)
    before = path.read_bytes()
    lines = run(
        "as_nobody(); path = Path(sys.argv[1]); status = gate_on(path).status(verify=True);"
        "print(status.active, len(status.waiting), status.frozen, status.ledger_ok);"
        "print(status.problem); freeze_and_tell(path)",
        path,
    )
    assert lines == [
        "A 1 True True",
        "None",
        f"the store {path}: it is read-only; nothing was changed",
    ]
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]


def test_a_writable_file_in_a_read_only_directory_is_read_and_not_written(folder: Path) -> None:
    path = folder / "state.db"
    started(gate_on(path), "A", "B")
    read_only(folder)
    path.chmod(0o666)
    before = path.read_bytes()
    lines = run(
        "as_nobody(); path = Path(sys.argv[1]); print(gate_on(path).status().active);"
        "freeze_and_tell(path)",
        path,
    )
    assert lines == ["A", f"the store {path}: it is read-only; nothing was changed"]
    assert path.read_bytes() == before


def test_a_read_only_directory_without_a_store_is_an_empty_store(folder: Path) -> None:
    read_only(folder)
    path = folder / "state.db"
    lines = run(
        "as_nobody(); path = Path(sys.argv[1]); print(gate_on(path).status().problem);"
        "freeze_and_tell(path)",
        path,
    )
    assert lines == [
        "None",
        f"the store {path}: unable to open it: its directory is read-only",
    ]


def test_a_store_that_may_not_be_read_freezes(folder: Path) -> None:
    path = folder / "state.db"
    started(gate_on(path), "A")
    path.chmod(stat.S_IWUSR)
    lines = run(
        "as_nobody(); path = Path(sys.argv[1]); answer = gate_on(path).admission('A');"
        "print(answer.admitted, answer.code); print(answer.reason)",
        path,
    )
    assert lines[0] == "False freeze.active"
    assert "unable to open it: it may not be read" in lines[1]


def test_a_store_that_is_written_while_it_is_read_from_a_read_only_directory_is_asked_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    store = SQLiteStore(path)
    started(gate_on(path), "A")
    with (
        pytest.raises(MachineryError, match="written to while it was read"),
        store._as_it_lies() as db,
    ):
        assert db.execute("SELECT count(*) FROM tasks").fetchone()[0] == 1
        gate_on(path).add("B", "somebody")


def test_a_write_that_was_not_completed_is_not_overlooked(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SQLiteStore(path)
    started(gate_on(path), "A")
    with store.reading(REPOSITORY):  # whoever reads keeps the journal from being folded in
        gate_on(path).add("B", "somebody")
        with pytest.raises(MachineryError, match="was not completed"), store._as_it_lies():
            pytest.fail("it was read")
