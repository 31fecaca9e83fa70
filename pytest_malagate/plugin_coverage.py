"""Coverage in a test session: the hooks that measure, and the record that comes out.

Registered by `pytest_malagate.plugin` in the controller (or the only) process and, with what
`WorkerAssignment.take` gives, in pytest-xdist workers. coverage.py is imported by `start`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_malagate.collect.coverage.processes import (
    ASSIGNMENT,
    WorkerAssignment,
    WorkerReport,
    listed,
    of_worker,
    read_report,
    write_report,
)
from pytest_malagate.collect.coverage.settings import CoverageSettings, Sources
from pytest_malagate.collect.coverage.sources import Snapshot, imported_early, imported_modules
from pytest_malagate.gate.evidence import CoverageMeasured, CoverageProblem
from pytest_malagate.gate.fingerprint import clean_line

if TYPE_CHECKING:
    from pytest_malagate.collect.coverage.following import PytestCov
    from pytest_malagate.collect.coverage.measurement import Measurement

_rmtree, _process_id = shutil.rmtree, os.getpid

DATA_DIRECTORY = "coverage-data"


class CoverageHooks:
    """Measures one process of a session; in the controller, records the whole session.

    `root` is the directory that the policy's sources and the names in the record are relative
    to; `out` is where malagate writes. The data lives in `out/coverage-data/<session>` until the
    record is made.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: CoverageSettings,
        *,
        root: Path,
        out: Path,
        session: str,
        worker: bool,
    ) -> None:
        self._config = config
        self._settings = settings
        self._root = Path(os.path.realpath(root))
        self._out = Path(os.path.realpath(out))
        self._directory = self._out / DATA_DIRECTORY / session
        self._session = session
        self._worker = worker
        self._process = _process_id()
        self._problems: list[CoverageProblem] = []
        self._measurement: Measurement | None = None
        self._pytest_cov: PytestCov | None = None
        self._sources = Sources()
        self._snapshot: Snapshot | None = None
        self._modules: dict[str, str] = {}
        self._workers: dict[str, None] = {}

    # Start

    def start(self) -> None:
        """Begins to measure. Trouble is kept for the record; nothing is raised."""
        self._config.add_cleanup(self._release)
        try:
            self._start()
        except Exception as error:  # noqa: BLE001 - fails closed: the record will not be believed
            self._problems.append(_failed("start", error))

    def _start(self) -> None:
        self._modules = imported_modules()
        from pytest_malagate.collect.coverage.following import PytestCov
        from pytest_malagate.collect.coverage.measurement import Measurement

        if self._worker and not self._directory.is_dir():
            return  # another machine's file system: the controller will miss the report
        if not self._make_directory():
            return
        self._measurement = Measurement(self._settings, self._root, self._directory)
        self._pytest_cov = PytestCov.of(self._config)
        if self._pytest_cov is None:
            self._sources = self._measurement.start()
        else:
            self._sources = self._pytest_cov.expect(self._measurement.expected())
        if not self._worker:
            self._snapshot = Snapshot(self._sources)

    def _make_directory(self) -> bool:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"No directory for coverage data: {error}"
            self._problems.append(_problem("coverage.write", message))
            return False
        return True

    # While the session runs

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """pytest-cov has started by now, in whatever order the plugins were called."""
        if self._pytest_cov is None or self._measurement is None:
            return
        running = self._pytest_cov.follow()
        if running is not None:
            self._measurement.watch(running)

    def pytest_collection_finish(self) -> None:
        self._check("the collection")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._check(nodeid)

    def _check(self, after: str) -> None:
        # The controller of workers runs no tests: its own tracing proves nothing about one.
        if self._measurement is not None and not self._workers:
            self._measurement.check(after)

    # Workers

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: list[Any]) -> None:
        """Tells each worker, by its own environment, what to measure and where."""
        assignment = WorkerAssignment(
            session=self._session,
            root=str(self._root),
            out=str(self._out),
            source=self._settings.source,
            branch=self._settings.branch,
            controller=self._process,
        )
        for spec in specs:
            spec.env[ASSIGNMENT] = assignment.encode()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Remembers every worker, replacements of crashed ones included."""
        self._workers[str(node.workerinput["workerid"])] = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """In a worker: saves the data, then says so."""
        if not self._worker or self._measurement is None or _process_id() != self._process:
            return
        try:
            self._hand_over(self._measurement)
        except Exception:  # noqa: BLE001 - fails closed: without its report a worker counts as lost
            return

    def _hand_over(self, measurement: Measurement) -> None:
        measurement.end()
        report = WorkerReport(
            worker=str(getattr(self._config, "workerinput", {}).get("workerid", "worker")),
            problems=(*self._problems, *measurement.problems),
            warnings=tuple(measurement.warnings),
            early=self._early([]),
            forks=measurement.forks,
        )
        write_report(self._directory, report)

    # The end

    def finish(self, *, tree: str | None, now: float) -> tuple[CoverageMeasured, bytes | None]:
        """The session's record, and the content of `coverage.json` whose digest it names.

        To be called once, in the controller, when the workers are gone. Never raises.
        """
        try:
            return self._finish(tree, now)
        except Exception as error:  # noqa: BLE001 - fails closed: a record with a problem is no pass
            problems = (*self._problems, _failed("end", error))
            return CoverageMeasured(
                session=self._session, at=now, tree=tree, problems=problems
            ), None
        finally:
            self._release()

    def _finish(self, tree: str | None, now: float) -> tuple[CoverageMeasured, bytes | None]:
        if self._measurement is None:
            record = CoverageMeasured(
                session=self._session, at=now, tree=tree, problems=tuple(self._problems)
            )
            return record, None
        from pytest_malagate.collect.coverage.recording import Collected, make_record, read_session

        measurement = self._measurement
        running = measurement.around if self._pytest_cov is None else self._pytest_cov.unfinished
        measurement.end()
        reports = self._worker_reports()
        findings = read_session(
            Collected(
                root=self._root,
                directory=self._directory,
                sources=self._sources,
                snapshot=self._snapshot or Snapshot(self._sources),
                early=self._early(reports),
                running=running,
                pytest_cov=self._pytest_cov,
            )
        )
        record, detail = make_record(findings, session=self._session, tree=tree, root=self._root)
        return self._completed(record, measurement, reports, now), detail

    def _worker_reports(self) -> list[WorkerReport]:
        found = {worker: read_report(self._directory, worker) for worker in self._workers}
        lost = [worker for worker, report in found.items() if report is None]
        if lost:
            names = listed(lost)
            message = f"{names} ended without handing over the coverage data of the tests run there"
            self._problems.append(_problem("coverage.worker-lost", message))
        return [report for report in found.values() if report is not None]

    def _early(self, reports: list[WorkerReport]) -> dict[str, str]:
        """Modules imported before the measuring began, where the tests ran."""
        if self._workers:
            return {path: name for report in reports for path, name in report.early.items()}
        if self._measurement is None or self._measurement.complete:
            return {}
        return imported_early(self._modules, str(self._root), self._sources)

    def _completed(
        self,
        record: CoverageMeasured,
        measurement: Measurement,
        reports: list[WorkerReport],
        now: float,
    ) -> CoverageMeasured:
        """The record with what was noticed on the way, in this process and in the workers."""
        noticed = [*self._problems, *measurement.problems]
        warnings = [*measurement.warnings]
        for report in reports:
            noticed += [of_worker(report.worker, problem) for problem in report.problems]
            warnings += [of_worker(report.worker, warning) for warning in report.warnings]
        if self._pytest_cov is not None:
            noticed += self._pytest_cov.problems(bool(self._workers))
        if forks := measurement.forks + sum(report.forks for report in reports):
            warnings.append(_problem("coverage.subprocess", _FORKED.format(forks)))
        return msgspec.structs.replace(
            record,
            at=now,
            source="coverage.py" if self._pytest_cov is None else "pytest-cov",
            core=measurement.core,
            problems=tuple(dict.fromkeys((*noticed, *record.problems))),
            warnings=tuple(dict.fromkeys((*warnings, *record.warnings))),
        )

    def _release(self) -> None:
        """Gives back what the measuring took: environment, data files."""
        if self._measurement is not None:
            self._measurement.release()
        if not self._worker:
            _rmtree(self._directory, ignore_errors=True)
            with suppress(OSError):
                self._directory.parent.rmdir()  # stays while another session writes there


_FORKED = (
    "The tests forked {} processes, whose lines are not in the total (coverage.py's patch = fork "
    "or concurrency = multiprocessing measures them)"
)


def _problem(code: str, message: str) -> CoverageProblem:
    return CoverageProblem(code=code, message=clean_line(message))


def _failed(phase: str, error: Exception) -> CoverageProblem:
    return _problem(
        "coverage.failed",
        f"The measurement failed at its {phase}: {type(error).__name__}: {error}",
    )
