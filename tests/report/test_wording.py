"""Words and figures that all views share."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.result import (
    Attempt,
    ChangedCoverage,
    CoverageVerdict,
    GateResult,
    Progress,
    Subject,
    TestCounts,
    ValidationEvidence,
)
from pytest_malagate.report.wording import (
    attempt_words,
    counts,
    coverage_words,
    detail,
    percent,
    percent_pair,
    subject_words,
)


@pytest.mark.parametrize(
    ("value", "bound", "shown"),
    [
        (90.0, 85.0, ("90%", "85%")),
        (88.79, 88.8, ("88.79%", "88.8%")),
        (84.9999, 85.0, ("84.9999%", "85%")),
        (85.0, 85.0, ("85%", "85%")),
        (84.99999999999999, 85.0, ("84.99999999999999%", "85%")),
        (0.0, 100.0, ("0%", "100%")),
        (66.66666666666667, 66.0, ("66.67%", "66%")),
        (1e-300, 0.0, ("1e-300%", "0.0%")),
    ],
)
def test_two_percentages_show_whether_they_differ(
    value: float, bound: float, shown: tuple[str, str]
) -> None:
    assert percent_pair(value, bound) == shown


@given(st.floats(0, 100), st.floats(0, 100))
def test_different_percentages_never_look_alike(value: float, bound: float) -> None:
    shown, required = percent_pair(value, bound)
    assert (shown == required) == (value == bound)
    assert math.isclose(float(shown[:-1]), value, abs_tol=0.005)


def test_a_percentage_has_no_trailing_zeros() -> None:
    assert (percent(100.0), percent(99.5), percent(10.0, 0)) == ("100%", "99.5%", "10%")


def test_counts_are_those_of_pytests_summary_line() -> None:
    tests = TestCounts(passed=3, failed=1, errors=2, skipped=4, deselected=5, subtests_passed=6)
    assert counts(tests) == (
        "1 failed, 3 passed, 4 skipped, 5 deselected, 2 errors, 6 subtests passed"
    )
    assert counts(TestCounts(errors=1)) == "1 error"
    assert counts(TestCounts()) == "no tests ran"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"status": "passed"}, ""),
        (
            {"status": "failed", "command": "ruff check .", "exit_code": 1},
            "ruff check . exited with 1",
        ),
        ({"status": "failed", "command": "ruff check ."}, "ruff check . did not pass"),
        ({"status": "failed"}, "did not pass"),
        ({"status": "missing"}, "no evidence that it ran"),
        ({"status": "stale", "exit_code": 0}, "ran on other files"),
        ({"status": "unfinished"}, "has not ended"),
        ({"status": "invalid"}, "its record does not count"),
        ({"status": "allowed", "exit_code": 2}, "exited with 2; it is allowed to fail"),
        ({"status": "partial", "kind": "test"}, "only part of it ran; 1 failed, 2 passed"),
        ({"status": "failed", "kind": "test"}, "1 failed, 2 passed"),
        ({"status": "missing", "kind": "test"}, "no evidence that it ran"),
    ],
)
def test_a_validations_detail_says_what_stands_behind_its_status(
    item: dict[str, object], words: str
) -> None:
    evidence = ValidationEvidence(name="x", **item)  # type: ignore[arg-type]
    result = GateResult(
        verdict="fail",
        passed=False,
        validation_evidence=(evidence,),
        tests=TestCounts(failed=1, passed=2),
    )
    assert detail(evidence, result) == words


def test_counts_are_not_given_to_one_of_two_test_validations() -> None:
    items = tuple(ValidationEvidence(name=n, status="passed", kind="test") for n in "ab")
    result = GateResult(
        verdict="pass", passed=True, validation_evidence=items, tests=TestCounts(passed=2)
    )
    assert [detail(item, result) for item in items] == ["", ""]


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (CoverageVerdict(), "not measured"),
        (CoverageVerdict(min_percent=85), "not measured, at least 85% is required"),
        (CoverageVerdict(percent=91.236), "91.24%"),
        (
            CoverageVerdict(percent=84.999, min_percent=85, baseline_percent=90),
            "84.999%, at least 85% is required; 90% on the base",
        ),
        (
            CoverageVerdict(percent=90, changed=ChangedCoverage(percent=50, min_percent=80)),
            "90%; changed lines 50%, at least 80% is required",
        ),
    ],
)
def test_coverage_is_told_against_its_bounds(coverage: CoverageVerdict, words: str) -> None:
    assert coverage_words(coverage) == words


@pytest.mark.parametrize(
    ("attempt", "progress", "words"),
    [
        (Attempt(), Progress(), "attempt 1 of 3"),
        (
            Attempt(number=2),
            Progress(state="progress", fixed=("a", "b"), persisting=("c",)),
            "attempt 2 of 3: progress (2 fixed, 1 as before)",
        ),
        (Attempt(number=3), Progress(state="no_progress"), "attempt 3 of 3: no progress"),
        (
            Attempt(counted=False, reason="it was killed"),
            Progress(state="infra"),
            "attempt 1 of 3, not counted (it was killed): spoiled by the machinery",
        ),
        (Attempt(counted=False), Progress(), "attempt 1 of 3, not counted"),
    ],
)
def test_attempts_are_told_in_words(attempt: Attempt, progress: Progress, words: str) -> None:
    assert attempt_words(attempt, progress) == words


def test_the_subject_is_told_as_far_as_it_is_known() -> None:
    subject = Subject(
        repository="o/r", task="x-1", pull_request=7, commit="a" * 40, tree="b" * 40, dirty=True
    )
    assert subject_words(GateResult(verdict="pass", passed=True, subject=subject)) == (
        "o/r, #7, task x-1, commit aaaaaaaaaaaa, tree bbbbbbbbbbbb, with uncommitted changes"
    )
    assert subject_words(GateResult(verdict="pass", passed=True)) == ""
