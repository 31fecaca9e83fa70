"""The view for an agent."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from pytest_malagate.gate.reasons import phase, reason
from pytest_malagate.gate.result import GateResult, NextAction, ValidationEvidence, decode, encode
from pytest_malagate.report.agent import MAX_CHARACTERS, agent_view
from pytest_malagate.report.text import plain
from tests.report.results import FAILED, PASSED, SEEDS, grown, hostile, many


def test_a_small_result_is_its_own_view() -> None:
    assert agent_view(PASSED) == PASSED
    assert agent_view(FAILED) == FAILED


def test_at_most_ten_reasons_and_the_rest_is_counted() -> None:
    view = agent_view(msgspec.structs.replace(many(25), reasons_omitted=7))
    assert len(view.reasons) == 10
    assert view.reasons_omitted == 15 + 7


def test_reasons_are_ordered_by_phase_and_keep_their_order_within_one() -> None:
    codes = [
        "retry.exhausted", "evidence.failed", "tests.failed", "tests.errors",
        "integrity.tests-removed", "tests.failed", "coverage.total",
    ]  # fmt: skip
    reasons = tuple(reason(code, f"{number}") for number, code in enumerate(codes))
    view = agent_view(GateResult(verdict="fail", passed=False, reasons=reasons))
    assert [(one.code, one.message) for one in view.reasons] == [
        ("integrity.tests-removed", "4"),
        ("tests.failed", "2"),
        ("tests.errors", "3"),
        ("tests.failed", "5"),
        ("coverage.total", "6"),
        ("evidence.failed", "1"),
        ("retry.exhausted", "0"),
    ]


def test_messages_are_cut_and_failure_reasons_stay_in_step() -> None:
    view = agent_view(many(10, message="m" * 400))
    assert all(len(one.message) <= 300 for one in view.reasons)
    assert view.failure_reasons == tuple(one.message for one in view.reasons)


def test_messages_are_shortened_before_reasons_are_dropped() -> None:
    view = agent_view(many(10, message="m" * 1000))
    assert len(view.reasons) == 10
    assert view.reasons_omitted == 0


@settings(deadline=None)
@given(SEEDS)
def test_the_whole_view_holds_at_most_8000_characters(seed: tuple[str, int, int]) -> None:
    result = grown(seed)
    assert len(encode(agent_view(result)).decode()) <= MAX_CHARACTERS


def test_the_bound_holds_for_a_result_of_many_megabytes() -> None:
    view = agent_view(hostile('\\"€😀' * 20_000, 50))
    assert len(encode(view).decode()) <= MAX_CHARACTERS
    assert len(view.reasons) >= 1


@settings(deadline=None)
@given(SEEDS)
def test_nothing_is_hidden_in_any_text(seed: tuple[str, int, int]) -> None:
    result = grown(seed)

    def texts(value: object) -> list[str]:
        if isinstance(value, str):
            return [value]
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        return [text for item in value for text in texts(item)] if isinstance(value, list) else []

    shown = texts(msgspec.json.decode(encode(agent_view(result))))
    assert all(text == plain(text) for text in shown)


@settings(deadline=None)
@given(SEEDS)
def test_the_view_is_a_gate_result_with_ordered_reasons(seed: tuple[str, int, int]) -> None:
    result = grown(seed)
    view = agent_view(result)
    assert decode(encode(view)) == view
    assert [phase(one.code) for one in view.reasons] == sorted(
        phase(one.code) for one in view.reasons
    )
    assert view.reasons_omitted + len(view.reasons) == len(result.reasons)
    assert (view.verdict, view.passed) == (result.verdict, result.passed)


def test_of_many_validations_those_that_did_not_pass_are_kept() -> None:
    items = [ValidationEvidence(name=f"v{n}", status="passed") for n in range(20)]
    items[17] = ValidationEvidence(name="v17", status="missing")
    result = GateResult(verdict="fail", passed=False, validation_evidence=tuple(items))
    names = [item.name for item in agent_view(result).validation_evidence]
    assert names == ["v17", "v0", "v1", "v2", "v3", "v4", "v5", "v6"]


def test_a_command_is_whole_or_left_out() -> None:
    long = "x" * 2001
    action = NextAction(kind="fix", commands=("pytest " + "a" * 400, long))
    result = GateResult(verdict="fail", passed=False, next_action=action)
    assert agent_view(result).next_action.commands == ("pytest " + "a" * 400,)


def test_equal_results_give_equal_bytes() -> None:
    assert encode(agent_view(many(30))) == encode(agent_view(many(30)))
