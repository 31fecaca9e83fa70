"""GateResults that the views are tested with."""

from __future__ import annotations

from hypothesis import strategies as st

from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.result import (
    Attempt,
    ChangedCoverage,
    CoverageVerdict,
    GateResult,
    NextAction,
    Progress,
    Reason,
    Subject,
    TestCounts,
    ValidationEvidence,
)

PASSED = GateResult(
    verdict="pass",
    passed=True,
    subject=Subject(task="x-1", commit="1a2b3c4d5e6f7a8b", tree="9f8e7d6c5b4a3921"),
    validation_evidence=(
        ValidationEvidence(name="tests", status="passed", kind="test"),
        ValidationEvidence(name="lint", status="passed", command="ruff check .", exit_code=0),
        ValidationEvidence(name="types", status="allowed", command="mypy src", exit_code=1),
    ),
    coverage=CoverageVerdict(percent=91.236, min_percent=85),
    tests=TestCounts(collected=415, passed=412, skipped=3),
    commit_hash="1a2b3c4d5e6f7a8b",
)

FAILED = GateResult(
    verdict="fail",
    passed=False,
    subject=Subject(task="x-1", tree="9f8e7d6c5b4a3921", dirty=True),
    attempt=Attempt(number=2, max=3, remaining=1),
    progress=Progress(state="changed", fixed=("v1:a",), new=("v1:b",)),
    reasons=(
        reason(
            "tests.failed",
            "AssertionError: assert 1 == 2",
            file="tests/test_a.py",
            line=12,
            nodeid="tests/test_a.py::test_x",
        ),
        reason("tests.failed", "ValueError: no", nodeid="tests/test_a.py::test_y"),
        reason(
            "evidence.failed", "lint: ruff failed (exit code 1)", hint="Run `ruff check --fix`."
        ),
    ),
    failure_reasons=(
        "AssertionError: assert 1 == 2",
        "ValueError: no",
        "lint: ruff failed (exit code 1)",
    ),
    reasons_omitted=4,
    warnings=(reason("coverage.warned", "no data for x", file="src/x.py", line=3),),
    validation_evidence=(
        ValidationEvidence(name="tests", status="failed", kind="test", exit_code=1),
        ValidationEvidence(name="lint", status="failed", command="ruff check .", exit_code=1),
        ValidationEvidence(name="types", status="missing", command="mypy src"),
    ),
    coverage=CoverageVerdict(percent=84.999, min_percent=85),
    tests=TestCounts(collected=412, failed=2, passed=410),
    next_action=NextAction(
        kind="fix",
        commands=("pytest -p malagate", "malagate check"),
        stop_when="attempt 3 fails as well, or the same failures come back.",
    ),
)


def many(number: int, *, code: str = "tests.failed", message: str = "AssertionError") -> GateResult:
    """A failed result with so many reasons."""
    reasons = tuple(
        reason(code, f"{message} {n}", nodeid=f"tests/test_a.py::test_{n}") for n in range(number)
    )
    return GateResult(
        verdict="fail",
        passed=False,
        reasons=reasons,
        failure_reasons=tuple(one.message for one in reasons),
    )


def hostile(text: str, number: int = 2) -> GateResult:
    """A failed result with `text` wherever a text comes from outside."""
    one = Reason(
        code="tests.failed",
        message=text,
        hint=text,
        file=text,
        line=1,
        nodeid=text,
        fingerprint=text,
    )
    texts = (text,) * number
    return GateResult(
        verdict="fail",
        passed=False,
        subject=Subject(repository=text, task=text, commit=text, tree=text, base=text),
        attempt=Attempt(counted=False, reason=text),
        progress=Progress(state="changed", fingerprint=text, fixed=texts, new=texts),
        resolution=text,
        reasons=(one,) * number,
        failure_reasons=texts,
        warnings=(one,) * number,
        integrity=(one,) * number,
        validation_evidence=tuple(
            ValidationEvidence(name=text, status="failed", command=text, exit_code=1, source=text)
            for _ in range(number)
        ),
        coverage=CoverageVerdict(percent=1.0, changed=ChangedCoverage(missed=texts)),
        tests=TestCounts(failed=1, removed=texts, newly_skipped=texts, flaky=texts),
        next_action=NextAction(kind="fix", commands=texts, stop_when=text),
        commit_hash=text,
    )


NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(list("\x1b\x9b[]m;:#<!->`|@\\*_&\"'\r\n\t \u202e\u200b\U000e0041\ud800")),
    ),
    max_size=40,
)
SEEDS = st.tuples(NASTY, st.sampled_from([1, 1, 10, 100]), st.integers(0, 15))
"""A text, how often it is repeated, and how often it occurs: what `grown` makes a result of."""


def grown(seed: tuple[str, int, int]) -> GateResult:
    """The hostile result of a seed, which is shorter to print than the result."""
    text, times, number = seed
    return hostile(text * times, number)
