"""May it go now? What waiting and a freeze do to a verdict, and what they leave alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_malagate.gate.admission import AdmissionFact, not_admitted
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.judge import Judgement, evaluate, judge
from pytest_malagate.gate.result import GateResult, decode, encode
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.runner import GateRunner, PerIssueGateInput
from pytest_malagate.gate.spec import RetryRule, ValidationSpec
from pytest_malagate.report.agent import agent_view
from pytest_malagate.report.markdown import summary
from pytest_malagate.report.terminal import lines, paint
from tests.gate.cases import evidence, facts, only_tests, test_run

FROZEN = AdmissionFact(admitted=False, code="freeze.active", message="Frozen by bob: on fire")
WAITING = AdmissionFact(admitted=False, code="queue.waiting", message="x-1 waits: x-0 is before it")
GREEN, RED = evidence(test_run()), evidence(test_run("test_it.py::test_a"))


def decide(seen: Evidence, admission: AdmissionFact | None, **changes: Any) -> Judgement:
    state = changes.pop("state", RetryState())
    return evaluate(only_tests(), seen, facts(admission=admission, **changes), state)


def codes(result: GateResult) -> list[str]:
    return [why.code for why in result.reasons]


@pytest.mark.parametrize("admission", [FROZEN, WAITING], ids=lambda fact: fact.code)
def test_what_passes_and_may_not_go_is_no_pass_and_only_waits(admission: AdmissionFact) -> None:
    result = decide(GREEN, admission).result
    assert (result.verdict, result.passed) == ("inconclusive", False)
    assert codes(result) == [admission.code]
    assert result.failure_reasons == (admission.message,)
    assert [item.status for item in result.validation_evidence] == ["passed"]
    assert not_admitted(result)


def test_waiting_sends_nobody_to_repair_or_to_run_anything() -> None:
    action = decide(GREEN, FROZEN).result.next_action
    assert action.kind == "wait"
    assert action.commands[0].startswith("malagate status")
    assert action.commands[1].endswith("--admission")
    assert action.stop_when == f"`{action.commands[1]}` exits with 0"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_waiting_costs_no_attempt(number: int) -> None:
    state = RetryState()
    for _ in range(number - 1):
        red = decide(RED, None, state=state)
        assert red.past is not None
        state = state.after_failure(red.past, log_offset=0, log_identity=None)
    held = decide(GREEN, FROZEN, state=state)
    assert (held.past, held.spoiled) == (None, False)
    attempt = held.result.attempt
    assert (attempt.number, attempt.counted) == (number, False)
    assert attempt.remaining == 4 - number
    assert attempt.reason is not None
    assert "not admitted" in attempt.reason
    assert held.result.no_progress is False
    assert held.result.progress.fingerprint is None


def test_a_freeze_does_not_use_up_the_machinery_s_budget() -> None:
    spec = only_tests(retry=RetryRule(max_attempts=3, max_infra_attempts=1))
    result = judge(spec, GREEN, facts(admission=FROZEN), RetryState())
    assert codes(result) == ["freeze.active"]


def test_what_fails_fails_and_is_charged_frozen_or_not() -> None:
    held, free = decide(RED, FROZEN), decide(RED, None)
    assert held.result.verdict == "fail"
    assert codes(held.result) == [*codes(free.result), "freeze.active"]
    assert held.past == free.past
    assert held.result.attempt == free.result.attempt
    assert held.result.progress == free.result.progress
    assert held.result.next_action.kind == free.result.next_action.kind
    assert not not_admitted(held.result)


def test_broken_machinery_stays_broken_machinery() -> None:
    held = decide(GREEN, WAITING, problems=(("machinery.git", "git is gone"),))
    assert codes(held.result) == ["machinery.git", "queue.waiting"]
    assert (held.result.verdict, held.spoiled) == ("inconclusive", True)
    assert not not_admitted(held.result)


def test_the_third_failure_asks_a_person_though_the_repository_is_frozen() -> None:
    spec = only_tests(retry=RetryRule(max_attempts=1))
    result = judge(spec, RED, facts(admission=FROZEN), RetryState())
    assert codes(result)[-1] == "freeze.active"
    assert result.next_action.kind == "ask_human"


def test_a_rerun_of_a_judged_commit_waits_as_well() -> None:
    red = decide(RED, None)
    assert red.past is not None
    state = RetryState().after_failure(red.past, log_offset=0, log_identity=None)
    world = facts(admission=FROZEN)
    result = evaluate(only_tests(), GREEN, world, state, rerun=True).result
    assert (result.passed, codes(result)) == (False, ["freeze.active"])


def test_who_is_admitted_passes_and_nothing_is_said() -> None:
    asked = decide(GREEN, AdmissionFact()).result
    assert asked == decide(GREEN, None).result
    assert asked.passed


def test_trouble_with_the_queue_is_a_warning_and_holds_nobody_up() -> None:
    result = decide(GREEN, AdmissionFact(warnings=("the queue could not be asked",))).result
    assert result.passed
    assert [(why.code, why.severity) for why in result.warnings] == [("queue.trouble", "warn")]


def test_a_failure_s_commands_ask_for_admission_again() -> None:
    commands = decide(RED, AdmissionFact()).result.next_action.commands
    assert all("--admission" in command or "--malagate-admission" in command
               for command in commands)  # fmt: skip


def test_a_program_that_drives_agents_does_not_try_again_what_waits() -> None:
    class Collector:
        def spec(self, scope: object) -> ValidationSpec:
            return only_tests()

        def collect(self, *_: object) -> tuple[Evidence, Facts]:
            return GREEN, facts(admission=WAITING)

    output = GateRunner(Collector()).run_per_issue_gate(PerIssueGateInput(issue_id="x-1"))
    assert (output.retry, output.gate_result.next_action.kind) == (False, "wait")
    assert output.retry_state == RetryState()


def test_every_view_says_that_it_is_not_admitted() -> None:
    result = decide(GREEN, FROZEN).result
    text = paint(lines(result, width=80), color=False)
    assert "malagate: not admitted yet" in text
    assert "spoiled" not in text
    assert "Frozen by bob: on fire" in text
    assert summary(result).startswith("## malagate: not admitted yet\n")
    assert codes(agent_view(result)) == ["freeze.active"]
    assert decode(encode(result)) == result


def test_a_hostile_reason_stays_one_line() -> None:
    hostile = msgspec.structs.replace(FROZEN, message="Frozen by bob: a\n::error::b\x1b[2J")
    (message,) = decide(GREEN, hostile).result.failure_reasons
    assert "\n" not in message
    assert "\x1b" not in message
