"""Coverage against its bound. Data that cannot be believed is never a pass."""

from __future__ import annotations

import math

import msgspec

from pytest_malagate.gate.evidence import CoverageMeasured, CoverageProblem
from pytest_malagate.gate.facts import CoverageReport, Facts
from pytest_malagate.gate.reasons import REASONS, Severity, reason
from pytest_malagate.gate.result import CoverageVerdict, Reason
from pytest_malagate.gate.spec import CoverageRule

TOLERANCE = 1e-9
"""Percent by which a bound may be missed: the noise of floating point, nothing more."""


def judge_measured(
    rule: CoverageRule,
    measured: CoverageMeasured | None,
    judged_tree: str | None,
    baseline: float | None = None,
) -> tuple[CoverageVerdict, list[Reason]]:
    """Holds what a test session measured against the rule.

    `baseline` is what the base's own run measured, None where that is not known.
    """
    verdict = CoverageVerdict(min_percent=rule.min_percent, baseline_percent=baseline)
    if measured is None:
        missing = reason("coverage.missing", "No coverage was measured by the judged test run")
        return verdict, [missing]
    verdict = msgspec.structs.replace(
        verdict, percent=measured.percent, display=measured.display or None
    )
    reasons = [reason_of(problem) for problem in measured.problems]
    if measured.tree != judged_tree:
        reasons.append(reason("coverage.stale", "Coverage was measured on other files"))
    return verdict, reasons or judge_percent(rule, measured.percent, baseline)


def reason_of(problem: CoverageProblem, severity: Severity | None = None) -> Reason:
    """A problem from the log as a reason; under a code that nobody registered, a failure too."""
    code = problem.code if problem.code in REASONS else "coverage.failed"
    return reason(code, problem.message, severity=severity, file=problem.file, line=problem.line)


def judge_report(
    rule: CoverageRule,
    report: CoverageReport,
    earliest: float | None,
    baseline: float | None = None,
) -> tuple[CoverageVerdict, list[Reason]]:
    """Holds a report's total against the rule.

    `earliest` is when the first run of the judged tree began, None if there is none: a report
    that is older, or of no run at all, says nothing about these files.
    """
    verdict = CoverageVerdict(
        percent=report.percent, min_percent=rule.min_percent, baseline_percent=baseline
    )
    if report.code is not None:
        return verdict, [reason(report.code, report.message, file=report.path)]
    if earliest is None or report.written < earliest:
        stale = f"{report.path} is older than every run of the judged files"
        return verdict, [reason("coverage.stale", stale, file=report.path)]
    return verdict, judge_percent(rule, report.percent, baseline)


def judge_percent(
    rule: CoverageRule, percent: float | None, baseline: float | None = None
) -> list[Reason]:
    """A total in percent against the bounds; the total must be a number from 0 to 100."""
    if percent is None or not _is_percentage(percent):
        return [reason("coverage.report-rate", f"Coverage total {percent} is no percentage")]
    reasons = []
    if rule.min_percent is not None and percent < rule.min_percent - TOLERANCE:
        shown, bound = distinct(percent, rule.min_percent)
        text = f"Coverage {shown}% is below the required {bound}%"
        reasons.append(reason("coverage.total", text))
    if rule.no_decrease and baseline is not None and percent < baseline - TOLERANCE:
        shown, before = distinct(percent, baseline)
        text = f"Coverage {shown}% is less than the {before}% of the base"
        reasons.append(reason("coverage.decreased", text))
    return reasons


def known_baseline(facts: Facts) -> float | None:
    """The coverage of the base's own run; None where it is not known, or is no percentage."""
    base = facts.baseline_population
    percent = None if base is None else base.percent
    return percent if percent is not None and _is_percentage(percent) else None


def _is_percentage(percent: float) -> bool:
    return math.isfinite(percent) and 0 <= percent <= 100 + TOLERANCE


def distinct(left: float, right: float, digits: int = 1) -> tuple[str, str]:
    """Both numbers with as many decimals as it takes to tell them apart, one at least.

    >>> distinct(88.79, 88.8)
    ('88.79', '88.80')
    """
    while digits < 12 and f"{left:.{digits}f}" == f"{right:.{digits}f}":
        digits += 1
    return f"{left:.{digits}f}", f"{right:.{digits}f}"
