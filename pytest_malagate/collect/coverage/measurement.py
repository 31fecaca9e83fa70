"""The measurement of one process, from its start to the moment its data is complete.

Three cases. *Own*: this package starts coverage.py, or coverage.py started itself in a worker
because the controller's environment told it to, before anything was imported. *Around*: somebody
else's Coverage runs around pytest and measures what is asked; it is read, never stopped.
*Followed*: pytest-cov measures; its data is read when it has finished.

Nothing here raises for what coverage.py or the disk does wrong: it becomes a problem.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import ConfigError, CoverageException

from pytest_malagate.collect.coverage.measuring import (
    make_coverage,
    measures_forks,
    measures_the_same,
    options,
    sources_of,
    start_coverage,
    started_for,
    subprocesses_can_be_measured,
    working_directory,
)
from pytest_malagate.collect.coverage.processes import DATA, ForkCount, SavedEnvironment
from pytest_malagate.collect.coverage.settings import CoverageSettings, Sources
from pytest_malagate.collect.coverage.tracer import TracerWatch
from pytest_malagate.collect.coverage.warned import as_problem, caught_warnings, sort_warnings
from pytest_malagate.gate.evidence import CoverageProblem

_environ = os.environ


class Measurement:
    """What this process measures. `problems` and `warnings` grow until `end`."""

    def __init__(self, settings: CoverageSettings, base: Path, directory: Path) -> None:
        self.problems: list[CoverageProblem] = []
        self.warnings: list[CoverageProblem] = []
        self.own: Coverage | None = None
        self.around: Coverage | None = None  # the one to read
        self.core = ""
        self.complete = False  # it began before anything of the project was imported
        self._settings = settings
        self._base = base
        self._directory = directory
        self._outer: Coverage | None = None  # somebody else's, paused while ours runs
        self._watch: TracerWatch | None = None
        self._lost = False
        self._forks: ForkCount | None = None
        self._environment = SavedEnvironment(_environ)

    @contextmanager
    def _trouble_noted(self, code: str) -> Iterator[None]:
        with caught_warnings() as texts:
            try:
                yield
            except ConfigError as error:
                self.problems.append(as_problem("coverage.config", str(error)))
            except (CoverageException, OSError) as error:
                self.problems.append(as_problem(code, f"{type(error).__name__}: {error}"))
        problems, warnings = sort_warnings(texts)
        self.problems += problems
        self.warnings += warnings

    def start(self) -> Sources:
        """Starts measuring, unless a measurement of the same is running already.

        The result is what is measured, as the settings and the project's configuration say.
        """
        with self._trouble_noted("coverage.failed"), working_directory(self._base):
            running = started_for(self._directory)
            if running is not None:
                self.complete = True
                return sources_of(self._use(running), self._base)
            return sources_of(self._start_beside(Coverage.current()), self._base)
        return Sources()

    def expected(self) -> tuple[Sources, bool]:
        """Sources and branches that `start` would measure, for a measurement by somebody else."""
        with self._trouble_noted("coverage.failed"), working_directory(self._base):
            coverage = make_coverage(self._settings, self._base, self._directory)
            return sources_of(coverage, self._base), bool(coverage.get_option("run:branch"))
        return Sources(), False

    def _start_beside(self, outer: Coverage | None) -> Coverage:
        if outer is not None and measures_the_same(
            outer, make_coverage(self._settings, self._base, self._directory)
        ):
            self.around = outer
            self.complete = True
            self.watch(outer)
            if "subprocess" not in options(outer, "patch"):
                self._warn("coverage.subprocess", _AROUND)
            return outer
        if outer is not None:
            self._outer = outer
            self._warn("coverage.nested", _NESTED)
        started, choice = start_coverage(self._settings, self._base, self._directory)
        self.problems += [choice.problem] if choice.problem else []
        self.warnings += [choice.warning] if choice.warning else []
        if not subprocesses_can_be_measured():
            self._warn("coverage.subprocess", _NO_PTH)
        return self._use(started)

    def _use(self, coverage: Coverage) -> Coverage:
        self.own = coverage
        self.watch(coverage)
        if "multiprocessing" in options(coverage, "concurrency"):
            # Its children read the configuration file again, and the data file's name with it.
            _environ["COVERAGE_FILE"] = str(self._directory / DATA)
        elif not measures_forks(coverage):
            self._forks = ForkCount()
        return coverage

    def watch(self, coverage: Coverage) -> None:
        """Begins to watch what traces for a running Coverage object."""
        self._watch = TracerWatch(coverage)
        self.core = self._watch.core

    def check(self, after: str) -> None:
        """Notes, once, that the tracing is gone; `after` names what ran since the last check."""
        if self._watch is None or self._lost or (lost := self._watch.lost()) is None:
            return
        self._lost = True
        self.problems.append(as_problem("coverage.tracer-lost", f"After {after}: {lost}"))

    @property
    def forks(self) -> int:
        """How many unmeasured copies of this process there were."""
        return self._forks.count if self._forks else 0

    def end(self) -> None:
        """Stops and saves what is our own. The environment is as it was before the start."""
        if self.own is not None or self.around is not None:  # pytest-cov has stopped before
            self.check("the last test")
        try:
            if self.own is not None:
                with self._trouble_noted("coverage.write"):
                    self._stop(self.own)
                    self.own.save()
            if self._outer is not None:
                # A second Coverage object keeps one that coverage.py started by itself from
                # saving at the end of the process.
                with caught_warnings(), suppress_coverage_trouble():
                    self._outer.save()
        finally:
            self.release()

    def release(self) -> None:
        """Ends without data: for a session that never came to its end."""
        if self._forks:
            self._forks.stop()
        if self.own is not None and Coverage.current() is self.own:
            self._stop(self.own)
        self._environment.restore()

    def _stop(self, own: Coverage) -> None:
        if self._watch is not None:
            self._watch.make_stoppable()
        try:
            own.stop()
        except AssertionError:
            # coverage.py insists on being stopped in the reverse order of starting.
            message = "A test started another coverage measurement and did not stop it"
            self.problems.append(CoverageProblem(code="coverage.tracer-lost", message=message))

    def _warn(self, code: str, message: str) -> None:
        self.warnings.append(CoverageProblem(code=code, message=message))


@contextmanager
def suppress_coverage_trouble() -> Iterator[None]:
    """For somebody else's data: it is theirs to complain about."""
    try:
        yield
    except (CoverageException, OSError):
        return


_AROUND = (
    "A coverage run around pytest measures; it does not measure processes that tests start "
    "(its patch option lacks subprocess)"
)
_NESTED = "A coverage run around pytest measures something else and was paused meanwhile"
_NO_PTH = (
    "Processes that tests start are not measured: coverage.py's .pth file is not installed in "
    "this Python"
)
