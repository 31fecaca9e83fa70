"""Nothing that was recorded is lost, whatever happens to the process or to the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.collect.identity import log_identity
from pytest_malagate.collect.log import EvidenceLog, encode_record, is_evidence_log
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import SessionFinished, SessionStarted, TestEnded


def start(session: str = "s", name: str = "tests", **changes) -> SessionStarted:
    return SessionStarted(session=session, name=name, at=1.0, tree="t", **changes)


def ended(nodeid: str, session: str = "s", outcome: str = "passed") -> TestEnded:
    return TestEnded(session=session, nodeid=nodeid, outcome=outcome)


def finish(reported: int, session: str = "s") -> SessionFinished:
    return SessionFinished(
        session=session, at=2.0, duration=1.0, exitstatus=0, collected=reported, reported=reported
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "malagate-out" / "evidence.jsonl"


WRITER = """
import os, sys
from pathlib import Path
from pytest_malagate.collect.log import EvidenceLog
from pytest_malagate.gate.evidence import SessionStarted, TestEnded
session, count = sys.argv[2], int(sys.argv[3])
with EvidenceLog(Path(sys.argv[1])) as log:
    log.append(SessionStarted(session=session, name=session, at=1.0, tree="t"))
    for number in range(count):
        log.append(TestEnded(session=session, nodeid=f"test_{number}" + "x" * 500, outcome="passed"))
        os.write(1, b"%d\\n" % number)
"""


def writer(path: Path, session: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), session, str(count)], stdout=subprocess.PIPE
    )


def test_a_new_log_hides_its_directory_from_git(path: Path) -> None:
    EvidenceLog(path).close()
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_record_is_appended_where_the_offset_says(path: Path) -> None:
    with EvidenceLog(path) as log:
        log.append(start())
        offset = log.append(ended("a"))
    with path.open("rb") as file:
        file.seek(offset)
        assert file.readline() == encode_record(ended("a"))


def test_two_logs_have_two_identities_and_a_log_keeps_its_own(tmp_path: Path) -> None:
    paths = [tmp_path / name / "evidence.jsonl" for name in "ab"]
    for path in paths:
        EvidenceLog(path).close()
    first, second = map(log_identity, paths)
    assert first != second
    with EvidenceLog(paths[0]) as log:
        log.append(start())
        assert log.identity == first


def test_several_processes_share_a_log_and_lose_nothing(path: Path) -> None:
    processes = [writer(path, f"s{number}", 300) for number in range(4)]
    for process in processes:
        process.communicate()
    evidence = read_evidence(path)
    assert evidence.unreadable == 0
    assert {name: run.reported for name, run in evidence.tests.items()} == {
        f"s{number}": 300 for number in range(4)
    }


def test_kill_9_leaves_every_record_that_was_appended(path: Path) -> None:
    process = writer(path, "s", 1_000_000)
    assert process.stdout is not None
    while process.stdout.readline() != b"200\n":
        pass
    process.kill()
    said = process.communicate()[0].split()
    evidence = read_evidence(path)
    assert evidence.tests["s"].reported >= int(said[-1]) + 1 if said else 201
    assert evidence.tests["s"].finish is None


def test_a_torn_last_line_costs_itself_only(path: Path) -> None:
    with EvidenceLog(path) as log:
        log.append(start())
        log.append(ended("a"))
    with path.open("ab") as file:
        file.write(encode_record(ended("b"))[:20])
    with EvidenceLog(path) as log:
        log.append(ended("c"))
        log.append(finish(2))
    run = read_evidence(path).tests["tests"]
    assert run.reported == 2
    assert read_evidence(path).unreadable == 1


def test_a_line_torn_while_the_log_is_open_costs_itself_only(path: Path) -> None:
    with EvidenceLog(path) as log:
        log.append(start())
        with path.open("ab") as file:
            file.write(b'{"type":"test","session":"other')
        log.append(ended("a"))
    assert read_evidence(path).tests["tests"].reported == 1


def test_a_full_disk_is_told_and_leaves_whole_lines(path: Path, monkeypatch) -> None:
    """A file size limit stands for the disk: the write comes back short, then fails."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from pytest_malagate.collect.log import EvidenceLog
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import SessionStarted, TestEnded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = EvidenceLog(Path({str(path)!r}))
log.append(SessionStarted(session="s", name="tests", at=1.0, tree="t"))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    for number in range(100):
        log.append(TestEnded(session="s", nodeid="x" * 80, outcome="passed"))
except MachineryError as error:
    print(error)
    sys.exit(error.exit_code)
"""
    # Not measured for this suite's coverage: the limit would cut coverage.py's file short, too.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert f"cannot write {path}" in done.stdout
    assert path.read_bytes().endswith(b"\n")
    assert read_evidence(path).unreadable == 0
    with EvidenceLog(path) as log:  # there is room again
        log.append(ended("after"))
    assert read_evidence(path).unreadable == 0


def test_a_log_that_is_removed_while_it_is_written_is_told(path: Path) -> None:
    with EvidenceLog(path) as log:
        log.append(start())
        path.unlink()
        with pytest.raises(MachineryError, match="removed while it was being written"):
            log.append(ended("a"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MachineryError, match="Permission denied"):
        EvidenceLog(tmp_path / "malagate-out" / "evidence.jsonl")


def test_a_file_in_the_directory_s_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "malagate-out").write_text("")
    with pytest.raises(MachineryError, match="cannot create"):
        EvidenceLog(tmp_path / "malagate-out" / "evidence.jsonl")


def test_a_link_in_the_log_s_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("")
    (tmp_path / "evidence.jsonl").symlink_to(target)
    with pytest.raises(MachineryError):
        EvidenceLog(tmp_path / "evidence.jsonl")
    assert target.read_text() == ""


def test_only_a_log_of_this_kind_is_taken_for_one(path: Path, tmp_path: Path) -> None:
    EvidenceLog(path).close()
    other = tmp_path / "session.jsonl"
    other.write_text('{"type":"user"}\n')
    assert [is_evidence_log(p) for p in (path, other, tmp_path / "none")] == [True, False, False]


@given(st.text())
def test_any_test_id_can_be_recorded(nodeid: str) -> None:
    line = encode_record(ended(nodeid))
    assert line.count(b"\n") == 1
    line.decode("utf-8")


def test_a_lone_surrogate_is_recorded_as_an_escape() -> None:
    assert b"\\\\udcff" in encode_record(ended("test[\udcff]"))


def test_a_killed_writer_does_not_hold_the_lock(path: Path) -> None:
    process = writer(path, "s", 1_000_000)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with EvidenceLog(path) as log:
        log.append(start("t", "u"))
    assert "u" in read_evidence(path).tests


PEAK = """
import sys
from pathlib import Path
from pytest_malagate.collect.reading import read_evidence
print(read_evidence(Path(sys.argv[1])).tests["tests"].reported)
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Ten times the records, the same peak (KiB), measured in processes of their own."""
    peaks = []
    for count in (20_000, 200_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("wb") as file:
            file.write(encode_record(start()))
            file.writelines(encode_record(ended(f"t_{n}")) for n in range(count))
            file.write(encode_record(finish(count)))
        reported, peak = subprocess.check_output([sys.executable, "-c", PEAK, str(path)]).split()
        assert int(reported) == count
        peaks.append(int(peak))
    assert peaks[1] < peaks[0] * 1.2
