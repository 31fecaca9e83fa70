"""What the processes of one session tell each other about coverage.

A pytest-xdist worker is told before its conftests are imported, by an environment variable that
execnet sets in that process alone (the controller puts it into the worker's spec). The worker
takes it out at once, so that nothing a test starts can mistake itself for a worker.

A worker hands back a report in a file beside its data, written when the data is complete. So it
also reaches a controller that no longer listens (after `-x`), and a worker that crashed, or that
has no access to this file system, is told by the file's absence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, MutableMapping
from pathlib import Path

import msgspec

from pytest_malagate.gate.evidence import CoverageProblem
from pytest_malagate.gate.fingerprint import clean_line

ASSIGNMENT = "PYTEST_MALAGATE_COVERAGE"
DATA = "data"  # data files are named data.<host>.<process>.<random>
_REPORT = "worker-{}.json"

# What measuring may set for the processes that tests start; restored when it ends.
_VARIABLES = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_RCFILE", "COVERAGE_FILE")

MAX_NAMES = 5

_process_id, _parent_id = os.getpid, os.getppid


class WorkerAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a worker needs to construct `CoverageHooks` as its controller did."""

    session: str
    root: str
    out: str
    source: tuple[str, ...]
    branch: bool | None
    controller: int  # its process id

    def encode(self) -> str:
        """The text for the environment. A worker's spec may not hold `//`; JSON of paths does."""
        return msgspec.json.encode(self).hex()

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> WorkerAssignment | None:
        """Takes the assignment out of the environment.

        None if there is none, if it cannot be read, or if the controller is not this process's
        parent: then some process in between left it there, and the worker counts as lost.
        """
        text = environ.pop(ASSIGNMENT, None)
        if text is None:
            return None
        try:
            assignment = msgspec.json.decode(bytes.fromhex(text), type=cls)
        except (ValueError, msgspec.DecodeError):
            return None
        return assignment if assignment.controller == _parent_id() else None


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker found out about its own measurement.

    `early` maps the files that were imported before it began to module names; `forks` counts
    child processes that are copies of the worker, which no subprocess mechanism measures.
    """

    worker: str
    problems: tuple[CoverageProblem, ...] = ()
    warnings: tuple[CoverageProblem, ...] = ()
    early: dict[str, str] = {}
    forks: int = 0


def write_report(directory: Path, report: WorkerReport) -> None:
    """Writes the report in one step: it is there as a whole or not at all. Raises OSError."""
    path = directory / _REPORT.format(report.worker)
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(report))
    partial.replace(path)


def read_report(directory: Path, worker: str) -> WorkerReport | None:
    """A worker's report; None if there is none or it cannot be read."""
    try:
        content = (directory / _REPORT.format(worker)).read_bytes()
        return msgspec.json.decode(content, type=WorkerReport)
    except (OSError, msgspec.DecodeError):
        return None


def of_worker(worker: str, problem: CoverageProblem) -> CoverageProblem:
    """The same problem, saying which worker found it."""
    return msgspec.structs.replace(problem, message=f"{worker}: {problem.message}")


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    ordered = sorted(names)
    more = len(ordered) - MAX_NAMES
    shown = ", ".join(clean_line(name) for name in ordered[:MAX_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def data_files(directory: Path) -> list[Path]:
    """The data files that processes of the session have written, in a stable order."""
    return sorted(
        path for path in directory.glob(f"{DATA}.*") if not path.name.endswith("-journal")
    )


class SavedEnvironment:
    """The values of coverage.py's variables before measuring began."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._environ = environ
        self._values = {name: environ.get(name) for name in _VARIABLES}

    def restore(self) -> None:
        """Puts the values back; a variable that was not set is removed."""
        for name, value in self._values.items():
            if value is None:
                self._environ.pop(name, None)
            else:
                self._environ[name] = value


class ForkCount:
    """Counts the forks of this process that run no other program.

    A callback cannot be taken back, so it holds no more than a number and a switch.
    """

    def __init__(self) -> None:
        self.count = 0
        self._process: int | None = _process_id()
        os.register_at_fork(after_in_parent=self._forked)

    def _forked(self) -> None:
        if self._process == _process_id():
            self.count += 1

    def stop(self) -> None:
        """Counts no more."""
        self._process = None
