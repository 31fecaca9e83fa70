"""Do time and memory stay in hand when the output and the logs are large?

    python benchmarks/large_logs.py [--quick] [--only run check ingest]

Three cases, each at a small and a large size:

* `malagate run big` of a command that prints 1 and 100 MB; next to it the same command alone;
* `malagate check` on evidence logs of 10,000 and 1,000,000 test records in closed sessions;
* `malagate ingest lint` on agent session logs of 10 MB and 1 GB, from the start, and of the large
  one from an offset 10 MB before its end.

Each runs in a process of its own: wall time from outside, peak resident memory of that process
from wait4. Each is run twice and the lesser time is shown. What to look for is the ratio of the
two peaks: memory must not grow with the log. Exit 1 if it does (more than 1.5 times, or more than
64 MB, from the small size to the large one). Needs git and 2 GB of disk in the temporary directory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_malagate import __version__
from pytest_malagate.gate.evidence import (
    SCHEMA,
    Failure,
    LogHeader,
    Outcome,
    Record,
    SessionFinished,
    SessionStarted,
    TestEnded,
)
from pytest_malagate.gate.fingerprint import fingerprint

MEGABYTE = 1_000_000
GROWTH = 1.5
SLACK = 64 * MEGABYTE
PER_SESSION = 50_000

PRINTER = """
import sys
line = b"x" * 79 + b"\\n"
for _ in range(int(sys.argv[1]) // 80 // 1000):
    sys.stdout.buffer.write(line * 1000)
"""
POLICY = """version: 1
validations:
  tests: {kind: test}
  big: {command: python3 printer.py}
  lint: {command: ruff check .}
scopes: {task: [tests]}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One process: seconds, peak resident bytes, exit code, the end of what it printed."""

    seconds: float
    peak: int
    code: int
    said: str


def measure(command: list[str], folder: Path) -> Measured:
    """Runs a command with its output to a file; waits for exactly this child."""
    output = folder / "output.txt"
    with output.open("wb") as sink:
        began = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    with output.open("rb") as source:
        source.seek(max(0, output.stat().st_size - 500))
        said = source.read().decode(errors="replace")
    return Measured(seconds, usage.ru_maxrss * unit, child.returncode, said)


def malagate(*words: str) -> list[str]:
    return [sys.executable, "-m", "pytest_malagate", *words]


def repository(folder: Path) -> Path:
    """A git repository with a policy and a commit for the task."""
    folder.mkdir()
    (folder / "malagate.yaml").write_text(POLICY)
    (folder / "printer.py").write_text(PRINTER)
    (folder / ".gitignore").write_text("output.txt\n")
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "bench-1: large logs")):
        subprocess.run([*git, *words], cwd=folder, check=True)
    return folder


# The logs


def test_records(session: str, count: int) -> Iterator[Record]:
    """A closed session: nine of ten tests pass, one of a hundred fails."""
    yield SessionStarted(session=session, name="tests", at=1.7e9, rootdir=".", malagate=__version__)
    failed = 0
    for number in range(count):
        nodeid = f"tests/test_module_{number % 500}.py::TestClass::test_case[{number}]"
        outcome: Outcome = "skipped" if number % 10 == 9 else "passed"
        failures: tuple[Failure, ...] = ()
        if number % 100 == 0:
            outcome, failed = "failed", failed + 1
            mark = fingerprint(
                check="pytest", nodeid=nodeid, exception="ValueError", message="no", frame=None
            )
            failures = (Failure(fingerprint=mark, exception="ValueError", message="no balance"),)
        yield TestEnded(
            session=session, nodeid=nodeid, outcome=outcome, duration=0.001, failures=failures
        )
    skipped = count // 10
    yield SessionFinished(
        session=session,
        at=1.7e9 + 60,
        duration=60.0,
        exitstatus=1,
        collected=count,
        reported=count,
        executed=count - skipped,
        counts={"passed": count - skipped - failed, "failed": failed, "skipped": skipped},
    )


def write_evidence(folder: Path, tests: int) -> None:
    """An evidence log of closed sessions of 50,000 tests each, the last one judged."""
    import msgspec

    out = folder / "malagate-out"
    out.mkdir(exist_ok=True)
    encode = msgspec.json.Encoder().encode
    with (out / "evidence.jsonl").open("wb") as log:
        log.write(encode(LogHeader(schema=SCHEMA, id="0" * 32, at=1.7e9)) + b"\n")
        for first in range(0, tests, PER_SESSION):
            count = min(PER_SESSION, tests - first)
            for record in test_records(f"{first:032x}", count):
                log.write(encode(record) + b"\n")


def write_agent_log(file: Path, size: int) -> None:
    """A session log as Claude Code writes it: mostly large tool results, a few commands."""
    padding = "x" * 20_000
    written = number = 0
    with file.open("w", encoding="utf-8") as log:
        while written < size:
            number += 1
            call = f"toolu_{number}"
            command = "ruff check ." if number % 50 == 0 else f"cat file_{number}.py"
            use = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": command}}
            result = {
                "type": "tool_result",
                "tool_use_id": call,
                "content": padding,
                "is_error": False,
            }
            for kind, content in (("assistant", use), ("user", result)):
                message = {"role": kind, "content": [content]}
                line = json.dumps({"type": kind, "sessionId": "s", "message": message})
                written += log.write(line + "\n")


# The cases


def case_run(_: Path, quick: bool) -> list[tuple[str, list[str]]]:
    rows = []
    for size in (MEGABYTE, (20 if quick else 100) * MEGABYTE):
        label = f"{size // MEGABYTE} MB"
        printer = ["python3", "printer.py", str(size)]
        rows.append((f"the command alone, {label}", printer))
        rows.append((f"malagate run, {label}", malagate("run", "big", "--", *printer)))
    return rows


def case_check(folder: Path, quick: bool) -> list[tuple[str, list[str]]]:
    rows = []
    for tests in (10_000, 100_000 if quick else 1_000_000):
        home = repository(folder / f"check-{tests}")
        write_evidence(home, tests)
        bytes_ = (home / "malagate-out" / "evidence.jsonl").stat().st_size
        name = f"malagate check, {tests:,} tests, {bytes_ / MEGABYTE:.0f} MB"
        command = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(home)]
        rows.append((name, [*command, *malagate("check", "--task", "bench-1", "--json")]))
    return rows


def case_ingest(folder: Path, quick: bool) -> list[tuple[str, list[str]]]:
    rows = []
    for size in (10 * MEGABYTE, (100 if quick else 1000) * MEGABYTE):
        file = folder.parent / f"session-{size}.jsonl"
        write_agent_log(file, size)
        words = ("ingest", "lint", str(file))
        rows.append((f"malagate ingest, {size // MEGABYTE} MB", malagate(*words)))
    offset = file.stat().st_size - 10 * MEGABYTE
    rows.append((f"the same from byte {offset:,}", malagate(*words, "--offset", str(offset))))
    return rows


CASES = {"run": case_run, "check": case_check, "ingest": case_ingest}


def grown(small: Measured, large: Measured) -> bool:
    return large.peak > GROWTH * small.peak or large.peak > small.peak + SLACK


def report(case: str, folder: Path, quick: bool) -> bool:
    """Prints one case's table; whether its memory grew with the size."""
    print(f"\n{case}\n{'':<52}{'s':>9}{'peak MB':>9}{'exit':>6}")
    peaks: dict[str, list[Measured]] = {}
    for name, command in CASES[case](folder, quick):
        runs = [measure(command, folder) for _ in range(2)]
        best = min(runs, key=lambda run: run.seconds)
        print(
            f"{name:<52}{best.seconds:>9.2f}{best.peak / MEGABYTE:>9.1f}{best.code:>6}", flush=True
        )
        if best.code not in (0, 1):
            print(f"    it said: {best.said[-300:]}")
        peaks.setdefault(name.partition(",")[0], []).append(best)
    bad = False
    for name, measured in peaks.items():
        if len(measured) > 1:
            small, large = measured[0], measured[-1]
            ratio = large.peak / small.peak
            bad = bad or grown(small, large)
            print(f"{name}: peak memory x {ratio:.2f}, time x {large.seconds / small.seconds:.1f}")
    return bad


def main() -> int:
    """Prints a table for each case; 1 if memory grows with the log."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="a tenth of the large sizes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = repository(Path(name) / "repository")
        bad = [case for case in options.only if report(case, folder, options.quick)]
    for case in bad:
        print(f"GROWS  {case}: peak memory grows with the size")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
