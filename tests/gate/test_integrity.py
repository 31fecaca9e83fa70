"""What a change does to its tests and to protected files, and what a person may accept."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.gate.evidence import Resolution
from pytest_malagate.gate.facts import Accepted, CoverageReport, Facts
from pytest_malagate.gate.judge import evaluate
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.reasons import ACCEPTABLE, REASONS
from pytest_malagate.gate.result import GateResult
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import CoverageRule, IntegrityRule, Severity
from tests.gate.cases import evidence, facts, measured, only_tests, test_run


def population(ran: str = "", skipped: str = "", **more: Any) -> Population:
    return Population(ran=frozenset(ran.split()), skipped=frozenset(skipped.split()), **more)


BASE = population("t::a t::b t::c", "t::s")


def decide(world: Facts, run=None, state: RetryState | None = None, **spec: Any) -> GateResult:
    seen = evidence(run or test_run())
    return evaluate(only_tests(**spec), seen, world, state or RetryState()).result


def codes(result: GateResult) -> list[str]:
    return [why.code for why in result.reasons]


def warned(result: GateResult) -> list[str]:
    return [why.code for why in result.warnings]


def against_base(head: Population | None, base: Population | None = BASE, **more: Any) -> Facts:
    return facts(population=head, baseline_population=base, **more)


# --- tests that are gone ---


def test_a_test_that_is_gone_fails_and_is_named() -> None:
    result = decide(against_base(population("t::a t::c", "t::s")))
    assert codes(result) == ["integrity.tests-removed"]
    assert "1 test that the base has is gone: t::b" in result.failure_reasons[0]
    assert result.tests is not None
    assert result.tests.removed == ("t::b",)
    assert [why.code for why in result.integrity] == ["integrity.tests-removed"]


def test_a_skipped_test_that_is_gone_is_gone_as_well() -> None:
    assert codes(decide(against_base(population("t::a t::b t::c")))) == ["integrity.tests-removed"]


def test_more_tests_than_before_pass() -> None:
    assert decide(against_base(population("t::a t::b t::c t::d", "t::s t::new"))).passed


def test_three_are_named_and_all_are_counted_and_two_hundred_listed() -> None:
    base = population(" ".join(f"t::{n:03}" for n in range(300)))
    result = decide(against_base(population(), base))
    assert "300 tests" in result.failure_reasons[0]
    assert "t::000, t::001, t::002 and 297 more" in result.failure_reasons[0]
    assert result.tests is not None
    assert len(result.tests.removed) == 200


@pytest.mark.parametrize(
    ("aside", "what"),
    [
        (population("t::a t::c", "t::b t::s"), "skipped"),
        (population("", "", set_aside=frozenset({"t"})), "its module skipped"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_test_that_ran_before_and_is_set_aside_now_fails(aside: Population, what: str) -> None:
    result = decide(against_base(aside))
    assert codes(result) == ["integrity.skips-added"], what
    assert result.tests is not None
    assert "t::b" in result.tests.newly_skipped
    assert result.tests.removed == ()


def test_a_test_that_was_skipped_before_may_stay_so_or_run() -> None:
    assert decide(against_base(population("t::a t::b t::c", "t::s"))).passed
    assert decide(against_base(population("t::a t::b t::c t::s"))).passed


@pytest.mark.parametrize(
    ("severity", "blocks", "shown"),
    [(Severity.FAIL, True, True), (Severity.WARN, False, True), (Severity.OFF, False, False)],
)
def test_the_policy_decides_what_a_lost_test_does(
    severity: Severity, blocks: bool, shown: bool
) -> None:
    rule = IntegrityRule(tests_removed=severity, skips_added=severity)
    result = decide(against_base(population("t::a", "t::b t::s")), integrity=rule)
    assert result.passed is not blocks
    assert len(result.integrity) == (2 if shown else 0)
    assert result.tests is not None
    assert (result.tests.removed, result.tests.newly_skipped) == (("t::c",), ("t::b",))


@pytest.mark.parametrize(
    "world",
    [against_base(None), against_base(population(), None), against_base(None, None)],
)
def test_without_both_populations_nothing_is_compared(world: Facts) -> None:
    assert decide(world).passed


def test_a_partial_run_is_not_compared_as_it_fails_anyway() -> None:
    run = test_run(finish={"partial": ("stopping after 1 failures",)})
    assert codes(decide(against_base(population("t::a")), run)) == ["evidence.partial"]


# --- coverage against the base ---


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (50.0, ["coverage.decreased"]),
        (90.0, []),
        (95.0, []),
        (90.0 - 1e-12, []),
        (89.99999, ["coverage.decreased"]),
    ],
)
def test_coverage_may_not_fall_below_the_base(now: float, expected: list[str]) -> None:
    base = population("t::a", percent=90.0)
    run = test_run(coverage=measured(now))
    world = against_base(population("t::a"), base)
    result = decide(world, run, coverage=CoverageRule(no_decrease=True))
    assert codes(result) == expected
    assert result.coverage is not None
    assert result.coverage.baseline_percent == 90.0
    report = CoverageReport(path="c.xml", percent=now, written=99.0)
    world = against_base(population("t::a"), base, coverage_report=report)
    assert codes(decide(world, coverage=CoverageRule(no_decrease=True))) == expected


def test_a_loss_is_told_with_the_digits_that_differ() -> None:
    world = against_base(population("t::a"), population("t::a", percent=90.004))
    run = test_run(coverage=measured(90.001))
    result = decide(world, run, coverage=CoverageRule(no_decrease=True))
    assert "90.001% is less than the 90.004%" in result.failure_reasons[0]


@pytest.mark.parametrize("percent", [None, float("nan"), 400.0])
def test_a_base_without_a_percentage_bounds_nothing(percent: float | None) -> None:
    world = against_base(population("t::a"), population("t::a", percent=percent))
    result = decide(
        world, test_run(coverage=measured(1.0)), coverage=CoverageRule(no_decrease=True)
    )
    assert result.passed
    assert result.coverage is not None
    assert result.coverage.baseline_percent is None


def test_without_the_rule_the_base_is_shown_and_does_not_bind() -> None:
    world = against_base(population("t::a"), population("t::a", percent=90.0))
    result = decide(world, test_run(coverage=measured(50.0)), coverage=CoverageRule())
    assert result.passed
    assert result.coverage is not None
    assert result.coverage.baseline_percent == 90.0


# --- protected files ---

PROTECTING = IntegrityRule(protected_paths=(".github/**", "malagate.yaml", "conftest.py"))


@pytest.mark.parametrize(
    "path", [".github/workflows/ci.yml", "malagate.yaml", "conftest.py", "tests/conftest.py"]
)
def test_a_protected_file_that_is_touched_fails(path: str) -> None:
    result = decide(facts(touched=("src/a.py", path)), integrity=PROTECTING)
    assert codes(result) == ["integrity.protected-path"]
    assert result.reasons[0].file == path


def test_other_files_may_be_touched() -> None:
    assert decide(facts(touched=("src/a.py", ".github")), integrity=PROTECTING).passed


def test_a_marker_does_not_hide_a_protected_file() -> None:
    marker = Resolution(marker="ISSUE_DOCS_ONLY", rationale="docs", at=1.0)
    world = facts(touched=("docs/a.md",))
    rule = IntegrityRule(protected_paths=("docs/**",))
    seen = evidence(resolutions=(marker,))
    result = evaluate(only_tests(integrity=rule), seen, world, RetryState()).result
    assert codes(result) == ["integrity.protected-path"]


@pytest.mark.parametrize(
    "marker", ["ISSUE_NO_CHANGE", "ISSUE_OBSOLETE", "ISSUE_ALREADY_COMPLETE", "ISSUE_DOCS_ONLY"]
)
@pytest.mark.parametrize("touched", [("src/a.py",), None])
def test_no_marker_of_an_untrusted_run_stands_in_for_tests(
    marker: str, touched: tuple[str, ...] | None
) -> None:
    found = Resolution(marker=marker, rationale="none needed", at=1.0)
    world = facts(touched=touched, trust="workflow", commits=None)
    seen = evidence(resolutions=(found,))
    result = evaluate(only_tests(), seen, world, RetryState()).result
    assert result.verdict == "fail"


# --- what could not be judged is said ---


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("coverage.no_decrease", against_base(None, population(percent=90.0))),
        ("integrity.tests_removed", against_base(population("t::a"), population("t::a"))),
        ("integrity.skips_added", against_base(population("t::a"), population("t::a"))),
        ("integrity.protected_paths", facts(touched=())),
    ],
)
def test_a_key_that_is_set_and_cannot_be_judged_is_named(key: str, known: Facts) -> None:
    result = decide(facts(), explicit=(key,))
    assert warned(result) == ["policy.unjudged"]
    assert key in result.warnings[0].message
    assert warned(decide(known, explicit=(key,))) == []


def test_what_was_noticed_while_facts_were_collected_is_a_warning() -> None:
    result = decide(facts(warnings=(("baseline.missing", "no run on main"),)))
    assert result.passed
    assert [(w.code, w.message) for w in result.warnings] == [
        ("baseline.missing", "no run on main")
    ]


@pytest.mark.parametrize("trust", ["local", "job", "workflow", "verified"])
def test_the_result_records_who_vouches_for_it(trust: Any) -> None:
    assert decide(facts(trust=trust)).trust == trust


# --- a person's word ---


def accepted(*codes: str) -> tuple[Accepted, ...]:
    return tuple(Accepted(code=code, actor="ann", reason="they moved") for code in codes)


def test_an_accepted_reason_does_not_block_and_stays_visible() -> None:
    world = against_base(population("t::a", "t::s"), accepted=accepted("integrity.tests-removed"))
    result = decide(world)
    assert result.passed
    assert [why.code for why in result.integrity] == ["integrity.tests-removed"]
    assert [(w.code, w.message) for w in result.warnings] == [
        ("integrity.accepted", "integrity.tests-removed was accepted by @ann: they moved")
    ]
    assert result.progress.fingerprint is None


def test_a_word_for_a_reason_that_is_not_there_says_nothing() -> None:
    assert decide(facts(accepted=accepted("coverage.total"))).warnings == ()


def test_what_is_not_accepted_still_blocks() -> None:
    world = against_base(population("t::a", "t::b"), accepted=accepted("integrity.tests-removed"))
    assert codes(decide(world)) == ["integrity.skips-added"]


@pytest.mark.parametrize("code", sorted(set(REASONS) - ACCEPTABLE))
def test_no_other_code_can_be_accepted(code: str) -> None:
    world = facts(problems=((code, "m"),), accepted=accepted(code))
    assert code in codes(decide(world))


def test_acceptable_are_findings_of_integrity_and_bounds_of_coverage_only() -> None:
    assert {code.partition(".")[0] for code in ACCEPTABLE} == {"integrity", "coverage"}
    assert set(REASONS) >= ACCEPTABLE
    assert "integrity.accepted" not in ACCEPTABLE
    assert "coverage.missing" not in ACCEPTABLE


def test_failing_tests_cannot_be_accepted() -> None:
    world = facts(accepted=accepted("tests.failed", "evidence.missing"))
    assert codes(decide(world, test_run("t::a"))) == ["tests.failed"]


@pytest.mark.parametrize(
    ("run", "problems"),
    [(test_run(), ()), (test_run("t::a"), ()), (test_run(), (("machinery.git", "m"),))],
    ids=["green", "red", "broken"],
)
def test_stop_fails_whatever_the_rest_says_and_charges_nobody(run, problems) -> None:
    world = facts(stopped="ann", problems=problems)
    judgement = evaluate(only_tests(), evidence(run), world, RetryState(gate_attempt=2))
    result = judgement.result
    assert (result.verdict, result.next_action.kind) == ("fail", "ask_human")
    assert result.reasons[-1].code == "retry.stopped"
    assert (result.attempt.counted, judgement.past, judgement.spoiled) == (False, None, False)
    assert "@ann" in result.reasons[-1].message


@pytest.mark.parametrize("code", sorted(REASONS))
def test_whatever_ends_the_judgement_early_is_no_pass(code: str) -> None:
    assert not decide(facts(problems=((code, "m"),))).passed
    seen = evidence(test_run(), problems=((code, "m"),))
    assert not evaluate(only_tests(), seen, facts(), RetryState()).result.passed
