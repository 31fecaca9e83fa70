"""pytest's reports of one test, folded into one outcome.

Two things are kept apart: what pytest's own summary line counts (categories of reports: a call that
fails and a tear-down that fails are `1 failed, 1 error`), and what became of the test (one word).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from pytest_malagate.gate.evidence import Failure, Outcome, TestEnded

StatusHook = Callable[[pytest.TestReport], str]
"""Asks pytest's `pytest_report_teststatus` for a report's category."""


def plain_category(report: pytest.TestReport) -> str | None:
    """The category of an ordinary report; None where only the status hook knows.

    pytest's own rules, without the price of its hook: three calls a test, nearly all of them alike.
    """
    if type(report) is not pytest.TestReport or hasattr(report, "wasxfail"):
        return None
    if report.outcome == "passed":
        return "passed" if report.when == "call" else ""
    if report.outcome == "skipped":
        return "skipped"
    if report.outcome == "failed":
        return "error" if report.when in ("setup", "teardown") else "failed"
    return None  # a plugin's own outcome: "rerun"


class OpenTest:
    """A test that has begun, and what was reported of it so far."""

    __slots__ = (
        "call",
        "crashed",
        "duration",
        "ended",
        "failures",
        "reruns",
        "setup",
        "subtests_failed",
    )

    def __init__(self) -> None:
        self._begin()
        self.reruns = 0
        self.duration = 0.0

    def _begin(self) -> None:
        self.setup: str | None = None
        self.call: str | None = None
        self.ended = self.crashed = False
        self.failures: list[Failure] = []
        self.subtests_failed = 0

    def rerun(self) -> None:
        """The attempt failed and is made again: nothing of it counts but that it was made."""
        self._begin()
        self.reruns += 1

    def add(self, report: pytest.TestReport, category: str, failure: Failure | None) -> None:
        """Takes one report of the last attempt, subtests included."""
        self.duration += getattr(report, "duration", 0.0)
        if failure is not None:
            self.failures.append(failure)
        if is_subtest(report):
            self.subtests_failed += report.outcome == "failed"
        elif report.when == "setup":
            self.setup = category or report.outcome
        elif report.when == "teardown":
            # rerunfailures tears a test down once more after the report of a rerun.
            self.ended = self.setup is not None
        else:
            self.call = category or report.outcome
            # xdist reports a crash in one piece, `when` being "???".
            self.crashed = self.ended = report.when != "call"

    def outcome(self) -> Outcome:
        """The test's outcome: the worst that was reported of it."""
        if self.call == "failed" or self.subtests_failed:
            return "failed"
        if any(failure.phase in ("setup", "teardown") for failure in self.failures):
            return "error"
        if not self.ended:
            return "incomplete"
        # A set-up that was skipped has no call; one that passed must have one.
        word = self.call or (self.setup if self.setup != "passed" else None)
        return _WORDS.get(word or "", "incomplete")

    @property
    def executed(self) -> bool:
        """True if the test's own code ran to an end that was reported."""
        return self.call is not None

    def record(self, session: str, nodeid: str) -> TestEnded:
        """The journal's record of the test."""
        return TestEnded(
            session=session,
            nodeid=nodeid,
            outcome=self.outcome(),
            duration=round(self.duration, 6),
            failures=tuple(self.failures),
            reruns=self.reruns,
            subtests_failed=self.subtests_failed,
        )


_WORDS: dict[str, Outcome] = {
    "passed": "passed",
    "failed": "failed",
    "error": "error",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}


def is_subtest(report: pytest.TestReport) -> bool:
    """True for the report of a subtest, pytest's own or the plugin's that came before it."""
    return type(report).__name__.lower() == "subtestreport"


class Tally:
    """Counts as pytest's summary line shows them."""

    def __init__(self, status: StatusHook) -> None:
        self._status = status
        self._with_failed_subtests: set[str] = set()
        self.counts: Counter[str] = Counter()

    def add(self, report: pytest.TestReport) -> str:
        """Counts a report and returns its category."""
        category = plain_category(report)
        # pytest turns the parent of failed subtests into a failure inside its status hook only.
        if category is None or report.nodeid in self._with_failed_subtests:
            category = self._status(report)
            if is_subtest(report) and report.outcome == "failed":
                self._with_failed_subtests.add(report.nodeid)
        if category:
            self.counts[category] += 1
        return category
