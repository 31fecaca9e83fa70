"""The words and figures that every view of a GateResult shares."""

from __future__ import annotations

from pytest_malagate.gate.admission import not_admitted
from pytest_malagate.gate.result import (
    Attempt,
    CoverageVerdict,
    GateResult,
    Progress,
    TestCounts,
    ValidationEvidence,
)
from pytest_malagate.report.text import plain

VERDICTS = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive", "error": "error"}

NOT_ADMITTED = "not admitted yet"

NEXT_STEPS = {
    "none": "",
    "fix": "repair what the reasons name, then run",
    "rerun": "run again",
    "rebase": "rebase onto the base, then run",
    "wait": "wait; see why, and ask again",
    "ask_human": "stop and ask a person",
}

_STATES = {
    "first": "",
    "progress": "progress",
    "changed": "changed, neither better nor worse",
    "no_progress": "no progress",
    "oscillating": "going back and forth between the same failures",
    "flaky": "flaky: another outcome on the very same files",
    "infra": "spoiled by the machinery",
}

_UNPROVEN = {
    "missing": "no evidence that it ran",
    "stale": "ran on other files",
    "partial": "only part of it ran",
    "unfinished": "has not ended",
    "invalid": "its record does not count",
}

_FEWEST_DIGITS = 2
_MOST_DIGITS = 17  # a double has no more


def percent(value: float, digits: int = _FEWEST_DIGITS) -> str:
    """A percentage with at most `digits` decimals, without trailing zeros."""
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def percent_pair(value: float, bound: float) -> tuple[str, str]:
    """Two percentages with as many decimals as it takes to see whether they differ."""
    digits = _FEWEST_DIGITS
    while value != bound and percent(value, digits) == percent(bound, digits):
        if digits == _MOST_DIGITS:
            return f"{value!r}%", f"{bound!r}%"
        digits += 1
    return percent(value, digits), percent(bound, digits)


def counts(tests: TestCounts) -> str:
    """The numbers of pytest's summary line, in its order and with its words."""
    parts = (
        (tests.failed, "failed"),
        (tests.passed, "passed"),
        (tests.skipped, "skipped"),
        (tests.deselected, "deselected"),
        (tests.xfailed, "xfailed"),
        (tests.xpassed, "xpassed"),
        (tests.errors, "error" if tests.errors == 1 else "errors"),
        (tests.reruns, "rerun"),
        (tests.subtests_passed, "subtests passed"),
    )
    return ", ".join(f"{number} {word}" for number, word in parts if number) or "no tests ran"


def counts_of(item: ValidationEvidence, result: GateResult) -> str:
    """The test counts, if they belong to this validation: the result holds those of one run."""
    ran = item.kind == "test" and item.status in ("passed", "failed", "partial", "allowed")
    alone = sum(other.kind == "test" for other in result.validation_evidence) == 1
    return counts(result.tests) if ran and alone and result.tests is not None else ""


def detail(item: ValidationEvidence, result: GateResult) -> str:
    """What stands behind a validation's status, in a few words; may be empty."""
    figures = counts_of(item, result)
    unproven = _UNPROVEN.get(item.status, "")
    if unproven or figures:
        return "; ".join(filter(None, (unproven, figures)))
    if item.status == "passed":
        return ""
    ended = "did not pass" if item.exit_code is None else f"exited with {item.exit_code}"
    command = f"{plain(item.command, 80)} {ended}" if item.command else ended
    return f"{command}; it is allowed to fail" if item.status == "allowed" else command


def coverage_words(coverage: CoverageVerdict) -> str:
    """Coverage against its bounds, with digits enough to tell them apart."""
    parts = [_against(coverage.percent, coverage.min_percent)]
    if coverage.percent is not None and coverage.baseline_percent is not None:
        _, base = percent_pair(coverage.percent, coverage.baseline_percent)
        parts.append(f"{base} on the base")
    if coverage.changed is not None:
        changed = coverage.changed
        parts.append(f"changed lines {_against(changed.percent, changed.min_percent)}")
    return "; ".join(parts)


def _against(value: float | None, bound: float | None) -> str:
    if value is None:
        measured = "not measured"
        return measured if bound is None else f"{measured}, at least {percent(bound)} is required"
    if bound is None:
        return percent(value)
    shown, required = percent_pair(value, bound)
    return f"{shown}, at least {required} is required"


def attempt_words(attempt: Attempt, progress: Progress) -> str:
    """Attempt n of m, and how it compares with the one before."""
    words = f"attempt {attempt.number} of {attempt.max}"
    if not attempt.counted:
        words += (
            f", not counted ({plain(attempt.reason, 120)})" if attempt.reason else ", not counted"
        )
    if state := _STATES[progress.state]:
        words += f": {state}"
        if changes := _changes(progress):
            words += f" ({changes})"
    return words


def _changes(progress: Progress) -> str:
    parts = (
        (len(progress.fixed), "fixed"),
        (len(progress.new), "new"),
        (len(progress.persisting), "as before"),
    )
    return ", ".join(f"{number} {word}" for number, word in parts if number)


def verdict_words(result: GateResult) -> str:
    """The verdict in a word or two. What only has to wait leaves nothing in doubt."""
    return NOT_ADMITTED if not_admitted(result) else VERDICTS[result.verdict]


def subject_words(result: GateResult) -> str:
    """What was judged, as far as it is known."""
    subject = result.subject
    parts = (
        plain(subject.repository or "", 80),
        f"#{subject.pull_request}" if subject.pull_request is not None else "",
        f"task {plain(subject.task, 80)}" if subject.task else "",
        f"commit {plain(subject.commit, 80)[:12]}" if subject.commit else "",
        f"tree {plain(subject.tree, 80)[:12]}" if subject.tree else "",
        "with uncommitted changes" if subject.dirty else "",
    )
    return ", ".join(filter(None, parts))
