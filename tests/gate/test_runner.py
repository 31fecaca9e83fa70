"""GateRunner: one spec, one evaluation at a time, and what the next attempt starts from."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pytest_malagate
from pytest_malagate import (
    AsyncGateRunner,
    GateRunner,
    GateRunnerConfig,
    PerIssueGateInput,
    RetryState,
    ValidationScope,
    ValidationSpec,
)
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.spec import CoverageRule
from tests.gate.cases import evidence, facts, measured, only_tests, spec, test_run


class Collector:
    """Hands out what it was given, and remembers what it was asked."""

    def __init__(self, seen: Evidence, what: ValidationSpec | None = None) -> None:
        self.seen, self.what = seen, what or only_tests()
        self.specs: list[ValidationScope] = []
        self.asked: list[tuple[str, Path | None, RetryState]] = []
        self.threads: list[int] = []

    def spec(self, scope: ValidationScope) -> ValidationSpec:
        self.specs.append(scope)
        return self.what

    def collect(
        self, issue_id: str, log_path: Path | None, state: RetryState, spec: ValidationSpec
    ) -> tuple[Evidence, Facts]:
        self.asked.append((issue_id, log_path, state))
        self.threads.append(threading.get_ident())
        return self.seen, facts()


GREEN, RED = evidence(test_run()), evidence(test_run("t.py::a"))


def test_the_spec_is_built_once() -> None:
    collector = Collector(GREEN)
    runner = GateRunner(collector, GateRunnerConfig(scope=ValidationScope.GLOBAL))
    for _ in range(3):
        assert runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1")).gate_result.passed
    assert collector.specs == [ValidationScope.GLOBAL]


def test_a_spec_that_was_given_is_used_and_none_is_built() -> None:
    collector = Collector(GREEN)
    runner = GateRunner(collector, spec=spec(required=()))
    runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1"))
    assert collector.specs == []


def test_an_input_s_own_spec_is_used_for_it_alone() -> None:
    runner = GateRunner(Collector(GREEN))
    strict = PerIssueGateInput(issue_id="x-1", spec=spec())
    assert not runner.run_per_issue_gate(strict).gate_result.passed
    assert runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1")).gate_result.passed


def test_a_cached_spec_can_be_replaced_and_built_again() -> None:
    collector = Collector(GREEN)
    runner = GateRunner(collector)
    runner.set_cached_spec(spec())
    assert runner.get_cached_spec() == spec()
    runner.set_cached_spec(None)
    assert runner.get_cached_spec() == collector.what


def test_a_failure_says_what_the_next_attempt_starts_from() -> None:
    runner = GateRunner(Collector(RED))
    output = runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1"))
    assert output.retry
    assert output.new_log_offset == 100
    assert output.retry_state.gate_attempt == 2
    assert output.retry_state.log_offset == 100
    assert output.retry_state.previous_commit_hash == facts().subject.commit


def test_the_same_again_is_not_worth_another_attempt() -> None:
    runner = GateRunner(Collector(RED))
    first = runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1"))
    again = runner.run_per_issue_gate(
        PerIssueGateInput(issue_id="x-1", retry_state=first.retry_state)
    )
    assert again.gate_result.no_progress
    assert not again.retry


def test_the_configuration_changes_the_policy_s_spec() -> None:
    config = GateRunnerConfig(
        max_gate_retries=1, disable_validations=frozenset({"lint"}), coverage_threshold=50.0
    )
    runner = GateRunner(Collector(GREEN, spec()), config)
    built = runner.get_cached_spec()
    assert built.required == ("tests", "format", "types")
    assert built.coverage is not None
    assert built.coverage.min_percent == 50.0
    assert built.retry.max_attempts == 1


@pytest.mark.parametrize("wrong", [{"coverage_threshold": 101.0}, {"max_gate_retries": -1}])
def test_a_configuration_out_of_range_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="must"):
        GateRunnerConfig(**wrong)


def test_the_asynchronous_runner_works_in_a_thread_and_keeps_the_last_result() -> None:
    collector = Collector(RED)
    runner = AsyncGateRunner(GateRunner(collector))

    async def play() -> None:
        output = await runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1"))
        assert runner.get_last_gate_result("x-1") == output.gate_result
        assert runner.get_last_gate_result("x-2") is None
        runner.clear_gate_result("x-1")
        runner.clear_gate_result("x-1")
        assert runner.get_last_gate_result("x-1") is None

    asyncio.run(play())
    assert collector.threads != [threading.get_ident()]


def test_inputs_and_outputs_are_values() -> None:
    with pytest.raises(AttributeError):
        PerIssueGateInput(issue_id="x").issue_id = "y"  # type: ignore[misc]
    assert msgspec.structs.asdict(PerIssueGateInput(issue_id="x"))["retry_state"] == RetryState()


def test_every_public_name_can_be_imported() -> None:
    for name in pytest_malagate.__all__:
        assert getattr(pytest_malagate, name) is not None
    assert set(pytest_malagate.__all__) <= set(dir(pytest_malagate))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pytest_malagate.nothing  # noqa: B018


def test_another_threshold_leaves_the_other_bounds_of_coverage() -> None:
    rule = only_tests(coverage=CoverageRule(min_percent=90.0, no_decrease=True))
    base = Population(ran=frozenset({"t"}), percent=80.0)
    world = facts(population=base, baseline_population=base)
    seen = evidence(test_run(coverage=measured(70.0)))

    class Known(Collector):
        def collect(self, *args: Any) -> tuple[Evidence, Facts]:
            return self.seen, world

    runner = GateRunner(Known(seen, rule), GateRunnerConfig(coverage_threshold=60.0))
    result = runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1")).gate_result
    assert [why.code for why in result.reasons] == ["coverage.decreased"]
