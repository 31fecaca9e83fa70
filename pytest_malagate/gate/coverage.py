"""Coverage against its bound. Data that cannot be believed is never a pass."""

from __future__ import annotations

import math

from pytest_malagate.gate.evidence import CoverageMeasured, CoverageProblem
from pytest_malagate.gate.facts import CoverageReport
from pytest_malagate.gate.reasons import REASONS, Severity, reason
from pytest_malagate.gate.result import CoverageVerdict, Reason
from pytest_malagate.gate.spec import CoverageRule

TOLERANCE = 1e-9
"""Percent by which a bound may be missed: the noise of floating point, nothing more."""


def judge_measured(
    rule: CoverageRule, measured: CoverageMeasured | None, judged_tree: str | None
) -> tuple[CoverageVerdict, list[Reason]]:
    """Holds what a test session measured against the rule."""
    if measured is None:
        missing = reason("coverage.missing", "No coverage was measured by the judged test run")
        return CoverageVerdict(min_percent=rule.min_percent), [missing]
    verdict = CoverageVerdict(
        percent=measured.percent, min_percent=rule.min_percent, display=measured.display or None
    )
    reasons = [reason_of(problem) for problem in measured.problems]
    if measured.tree != judged_tree:
        reasons.append(reason("coverage.stale", "Coverage was measured on other files"))
    return verdict, reasons or judge_percent(rule, measured.percent)


def reason_of(problem: CoverageProblem, severity: Severity | None = None) -> Reason:
    """A problem from the log as a reason; under a code that nobody registered, a failure too."""
    code = problem.code if problem.code in REASONS else "coverage.failed"
    return reason(code, problem.message, severity=severity, file=problem.file, line=problem.line)


def judge_report(
    rule: CoverageRule, report: CoverageReport, earliest: float | None
) -> tuple[CoverageVerdict, list[Reason]]:
    """Holds a report's total against the rule.

    `earliest` is when the first run of the judged tree began, None if there is none: a report
    that is older, or of no run at all, says nothing about these files.
    """
    verdict = CoverageVerdict(percent=report.percent, min_percent=rule.min_percent)
    if report.code is not None:
        return verdict, [reason(report.code, report.message, file=report.path)]
    if earliest is None or report.written < earliest:
        stale = f"{report.path} is older than every run of the judged files"
        return verdict, [reason("coverage.stale", stale, file=report.path)]
    return verdict, judge_percent(rule, report.percent)


def judge_percent(rule: CoverageRule, percent: float | None) -> list[Reason]:
    """A total in percent against the bound; the total must be a number from 0 to 100."""
    if percent is None or not math.isfinite(percent) or not 0 <= percent <= 100 + TOLERANCE:
        return [reason("coverage.report-rate", f"Coverage total {percent} is no percentage")]
    if rule.min_percent is None or percent >= rule.min_percent - TOLERANCE:
        return []
    shown, bound = distinct(percent, rule.min_percent)
    return [reason("coverage.total", f"Coverage {shown}% is below the required {bound}%")]


def distinct(left: float, right: float, digits: int = 1) -> tuple[str, str]:
    """Both numbers with as many decimals as it takes to tell them apart, one at least.

    >>> distinct(88.79, 88.8)
    ('88.79', '88.80')
    """
    while digits < 12 and f"{left:.{digits}f}" == f"{right:.{digits}f}":
        digits += 1
    return f"{left:.{digits}f}", f"{right:.{digits}f}"
