"""The registry of reasons, and its use in the package."""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

import pytest_malagate
from pytest_malagate.gate.reasons import (
    REASONS,
    ReasonInfo,
    ReasonPhase,
    UnregisteredCode,
    nearest,
    phase,
    reason,
)

PACKAGE = Path(pytest_malagate.__file__).parent
FAMILIES = sorted({code.partition(".")[0] for code in REASONS})
CODE_LIKE = re.compile(rf"(?:{'|'.join(FAMILIES)})\.[a-z]+(?:-[a-z]+)*")
FILES_AND_MODULES = re.compile(r".*\.(?:py|json|jsonl|log|xml|yaml|yml|md|db|toml|lcov)")
COVERAGE_MODULES = {f"coverage.{module.name}" for module in pkgutil.iter_modules(coverage.__path__)}
OTHER_DOTTED_WORDS = {
    # keys of the policy, in its dotted notation
    "coverage.source", "coverage.branch", "coverage.report",
    "freeze.enabled", "freeze.mode", "retry.max",
}  # fmt: skip

EVASIONS = re.compile(
    r"\b(?:lower|reduce|decrease|relax|loosen|weaken|skip|skips|xfail|pragma|pragmas|noqa|no cover"
    r"|nocover|threshold|thresholds|ignore|disable|deselect|delete|exclude|omit|allow_fail)\b",
    re.IGNORECASE,
)


def string_literals(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("info", REASONS.values(), ids=lambda info: info.code)
def test_each_reason_is_well_formed(info: ReasonInfo) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z-]+", info.code)
    assert info.title[0].isupper() or info.title.startswith(("pytest", "git", "malagate", "cover"))
    assert not info.title.endswith(".")
    for sentence in (info.why, info.fix):
        assert sentence.endswith(".")
        assert "  " not in sentence
        assert len(sentence) <= 250


@pytest.mark.parametrize("info", REASONS.values(), ids=lambda info: info.code)
def test_no_fix_suggests_a_way_around_the_check(info: ReasonInfo) -> None:
    assert not EVASIONS.search(info.fix)


def test_the_registry_is_in_the_order_of_phases() -> None:
    phases = [info.phase for info in REASONS.values()]
    assert phases == sorted(phases)
    assert set(phases) == set(ReasonPhase)


def test_every_code_in_the_package_is_registered() -> None:
    strange = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in string_literals(path):
            is_other = (
                FILES_AND_MODULES.fullmatch(text)
                or text in COVERAGE_MODULES
                or text in OTHER_DOTTED_WORDS
            )
            if CODE_LIKE.fullmatch(text) and text not in REASONS and not is_other:
                strange.append(f"{path.relative_to(PACKAGE)}:{line}: {text}")
    assert not strange


def test_a_reason_takes_severity_and_hint_from_the_registry() -> None:
    made = reason("coverage.warned", "no data was collected", file="a.py", line=3)
    assert (made.severity, made.hint) == ("warn", REASONS["coverage.warned"].fix)
    assert (made.code, made.message, made.file, made.line) == (
        "coverage.warned", "no data was collected", "a.py", 3,
    )  # fmt: skip


def test_severity_and_hint_of_the_caller_win() -> None:
    made = reason("integrity.policy-changed", "m", severity="fail", hint="h", nodeid="n")
    assert (made.severity, made.hint, made.nodeid) == ("fail", "h", "n")


def test_an_unregistered_code_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        UnregisteredCode, match=r"'evidence.mising'.*'evidence.missing' is"
    ) as caught:
        reason("evidence.mising", "m")
    assert isinstance(caught.value, KeyError)


def test_an_unregistered_code_that_resembles_none_names_none() -> None:
    assert str(UnregisteredCode("zzz")) == "'zzz' is no registered reason code"
    assert nearest("zzz") is None


def test_phases_follow_the_documented_order() -> None:
    in_order = [
        "integrity.tests-removed",
        "machinery.git",
        "resolution.not-docs",
        "commit.missing",
        "tests.collection",
        "tests.failed",
        "coverage.total",
        "evidence.failed",
        "progress.none",
        "retry.exhausted",
    ]
    phases = [phase(code) for code in in_order]
    assert phases == sorted(set(phases))


def test_a_code_of_somebody_elses_judge_stands_beside_the_other_commands() -> None:
    assert phase("acme.licence") == phase("evidence.failed")


def test_each_phase_has_words() -> None:
    assert len({one.title for one in ReasonPhase}) == len(ReasonPhase)
