"""The journal of one pytest session: written as tests end, closed by an end marker."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from pytest_malagate.collect.failures import failure_of
from pytest_malagate.collect.log import EvidenceLog
from pytest_malagate.collect.outcomes import OpenTest, Tally
from pytest_malagate.collect.selection import left_out
from pytest_malagate.collect.sharding import LEFT_OUT, population_of
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import (
    CollectEnded,
    CoverageMeasured,
    Failure,
    Record,
    Retested,
    SessionFinished,
    SessionStarted,
)
from pytest_malagate.local import write_file
from pytest_malagate.report.text import plain

_now, _perf = time.time, time.perf_counter  # tests may patch the module's own

_LISTED = 3
_MAX_LEFT_OUT = 1000
_TEXT = 300


class Journal:
    """Turns pytest's reports into records.

    A disk that fails while tests run does not stop them: the journal remembers it, records nothing
    more, and raises MachineryError when it is asked to finish, so that it never looks closed.
    """

    def __init__(
        self, path: Path, started: SessionStarted, config: pytest.Config, root: Path
    ) -> None:
        self._log = EvidenceLog(path)
        self._session = started.session
        self._config = config
        self._root = root
        self._began = _perf()
        self._open: dict[tuple[str, object], OpenTest] = {}  # by node id and worker
        self._tally = Tally(self._status)
        self._reported = self._executed = 0
        self._failed: list[str] = []
        self._partial: list[str] = []
        self._interrupted: str | None = None
        self._broken: str | None = None
        self._trouble: MachineryError | None = None
        self._workers: dict[str, int] = {}
        self._lost: list[str] = []
        self.items = 0
        self.deselected = 0
        self._found = 0
        self._population: str | None = None
        self._populations: set[str | None] = set()
        self._log.append(started, sync=True)

    def _status(self, report: pytest.TestReport) -> str:
        """The report's category. Without a terminal reporter pytest has no word for most."""
        hook = self._config.hook
        status = hook.pytest_report_teststatus(report=report, config=self._config)
        category: str = status[0] if status else report.outcome
        return category

    def _append(self, record: Record) -> None:
        if self._trouble is None:
            try:
                self._log.append(record)
            except MachineryError as error:
                self._trouble = error

    # --- while tests run ---

    def report(self, report: pytest.TestReport) -> None:
        """Takes one report of a test."""
        key = (report.nodeid, getattr(getattr(report, "node", None), "gateway", None))
        test = self._open.get(key)
        if test is None:
            test = self._open[key] = OpenTest()
        category = self._tally.add(report)
        if category == "rerun":
            test.rerun()
            return
        failure = failure_of(report, root=self._config.rootpath) if report.failed else None
        test.add(report, category, failure)
        if test.crashed:
            self._end(key)

    def ended(self, nodeid: str) -> None:
        """The test is over, its reruns included: its record is written."""
        for key in [key for key in self._open if key[0] == nodeid and self._open[key].ended]:
            self._end(key)

    def _end(self, key: tuple[str, object]) -> None:
        nodeid, test = key[0], self._open.pop(key)
        self._reported += 1
        self._executed += test.executed
        record = test.record(self._session, nodeid)
        if record.outcome in ("failed", "error"):
            self._failed.append(nodeid)
        self._append(record)

    def collect(self, report: pytest.CollectReport) -> None:
        """Takes the report of a collector that failed or skipped itself."""
        failures: tuple[Failure, ...] = ()
        if report.failed:
            failures = (failure_of(report, root=self._config.rootpath),)
        self._tally.counts["error" if report.failed else "skipped"] += 1
        self._append(
            CollectEnded(
                session=self._session,
                nodeid=report.nodeid,
                outcome="failed" if report.failed else "skipped",
                failures=failures,
            )
        )

    def collecting(self, nodeids: Sequence[str]) -> None:
        """These tests were found, and nothing has deselected any of them yet."""
        self._found, self._population = len(nodeids), population_of(nodeids)

    def worker_collected(self, worker: str, items: int) -> None:
        """A worker has collected so many items, which is the same in each of them."""
        self._workers[worker] = items
        each = getattr(self._config.option, "dist", "") == "each"
        self.items = sum(self._workers.values()) if each else max(self._workers.values())

    def worker_down(
        self,
        worker: str,
        deselected: int | None,
        found: tuple[int, str] | None,
        *,
        lost: bool,
    ) -> None:
        """A worker has ended and said what it found and how much it deselected, or it is lost."""
        self.deselected = max(self.deselected, deselected or 0)
        number, population = found or (0, None)
        self._found = max(self._found, number)
        self._populations.add(population)
        self._population = population if len(self._populations) == 1 else None
        if lost:
            self._lost.append(worker)

    # --- what ends a session early ---

    def interrupted(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, `pytest.exit`, or pytest's own reason to stop."""
        if type(excinfo.value) is KeyboardInterrupt:
            self._interrupted = "interrupted (Ctrl-C)"
            return
        words = "pytest.exit" if isinstance(excinfo.value, pytest.exit.Exception) else "stopped"
        self._partial.append(plain(f"{words}: {excinfo.value}", _TEXT))

    def broke(self, text: str) -> None:
        """pytest itself, or a hook, failed."""
        self._broken = self._broken or plain(text, _TEXT) or "for no stated reason"

    def stopped_by(self, shouldfail: bool | str, shouldstop: bool | str) -> None:
        """The session's own flags: `--maxfail`, `-x` and whoever else set them."""
        for why in (shouldfail, shouldstop):
            if why:
                self._partial.append(plain(str(why), _TEXT))

    # --- the end ---

    @property
    def failed(self) -> tuple[str, ...]:
        """The tests that failed, in the order they ended."""
        return tuple(self._failed)

    def retested(self, nodeids: Iterable[str]) -> None:
        """These failed tests passed when they were run again."""
        for nodeid in nodeids:
            self._append(Retested(session=self._session, nodeid=nodeid))

    def coverage(self, measured: CoverageMeasured, detail: bytes | None) -> None:
        """Records what was measured; `detail`, whose digest it names, goes beside the log."""
        if detail is not None:
            write_file(self._log.path.with_name("coverage.json"), detail)
        self._append(measured)

    def finish(self, exitstatus: int, tree: str | None) -> None:
        """Writes the tests that never ended, then the end marker, and closes the log."""
        for key in list(self._open):
            self._end(key)
        if self._trouble is not None:
            raise self._trouble
        counts = dict(sorted(self._tally.counts.items()))
        files = left_out(self._config, self._root)
        if self.deselected:
            counts["deselected"] = self.deselected
        marker = SessionFinished(
            session=self._session,
            at=round(_now(), 3),
            duration=round(_perf() - self._began, 3),
            exitstatus=exitstatus,
            collected=self.items + self.deselected,
            reported=self._reported,
            deselected=self.deselected,
            executed=self._executed,
            counts=counts,
            partial=tuple(dict.fromkeys((*self._partial, *_left_out_words(files)))),
            interrupted=self._interrupted,
            internal_error=self._broken,
            lost_workers=tuple(self._lost),
            tree_after=tree,
            population=self._population,
            found=self._found,
            left_out=tuple(files[:_MAX_LEFT_OUT]),
            left_out_cut=len(files) > _MAX_LEFT_OUT,
        )
        self._log.append(marker, sync=True)
        self._log.close()


def _left_out_words(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    some = ", ".join(plain(file, _TEXT) for file in files[:_LISTED])
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    return [f"{LEFT_OUT}: {some}{more}"]
