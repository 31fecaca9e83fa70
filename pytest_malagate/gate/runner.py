"""GateRunner: the gate for programs that drive agents themselves.

The runner joins the pure judge to whatever collects evidence and facts, through `GateCollector`;
`pytest_malagate.LocalGate` is the collector for a repository on this machine.

    runner = GateRunner(LocalGate("."), GateRunnerConfig(max_gate_retries=3))
    output = runner.run_per_issue_gate(PerIssueGateInput(issue_id="x-1"))
    if not output.gate_result.passed and output.retry:
        ...  # prompt the agent with output.gate_result.next_action, then run again with
        ...  # PerIssueGateInput(issue_id="x-1", retry_state=output.retry_state)
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Protocol

import msgspec

from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.judge import Judgement, evaluate
from pytest_malagate.gate.result import GateResult
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import CoverageRule, ValidationScope, ValidationSpec


class GateCollector(Protocol):
    """Where a runner gets its spec, its evidence and its facts."""

    def spec(self, scope: ValidationScope) -> ValidationSpec:
        """What the policy requires in a scope. Raises PolicyError for a policy that is wrong."""

    def collect(
        self, issue_id: str, log_path: Path | None, state: RetryState, spec: ValidationSpec
    ) -> tuple[Evidence, Facts]:
        """Evidence from `log_path` (an evidence log or an agent's session log; None: the evidence
        log of the repository) from the state's offset on, and the facts about the subject."""


class GateRunnerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a runner changes in the policy's spec.

    `max_gate_retries` counts attempts in total: 3 means the first and two more. None keeps the
    policy's number. `disable_validations` are names that are not required. `coverage_threshold`,
    in percent, replaces the policy's `coverage.min_percent`.
    """

    scope: ValidationScope = ValidationScope.TASK
    max_gate_retries: int | None = None
    disable_validations: frozenset[str] = frozenset()
    coverage_threshold: float | None = None

    def __post_init__(self) -> None:
        threshold = self.coverage_threshold
        if threshold is not None and not 0 <= threshold <= 100:
            raise ValueError(f"coverage_threshold must be from 0 to 100, not {threshold}")
        if self.max_gate_retries is not None and self.max_gate_retries < 0:
            raise ValueError(f"max_gate_retries must not be negative: {self.max_gate_retries}")


class PerIssueGateInput(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation to make. `spec`, where given, is used in place of the runner's own."""

    issue_id: str
    log_path: Path | None = None
    retry_state: RetryState = RetryState()
    spec: ValidationSpec | None = None


class PerIssueGateOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict and what comes of it.

    `new_log_offset` (bytes) and `retry_state` belong to the next attempt; after a pass the state
    is the one that came in. `retry` is true if another attempt is allowed and worth it; what only
    has to wait (`next_action.kind` is `wait`) needs none.
    """

    gate_result: GateResult
    new_log_offset: int
    retry_state: RetryState
    retry: bool


class GateRunner:
    """Runs the gate for one issue at a time. Safe to call from several threads."""

    def __init__(
        self,
        collector: GateCollector,
        config: GateRunnerConfig | None = None,
        *,
        spec: ValidationSpec | None = None,
    ) -> None:
        self._collector = collector
        self._config = config or GateRunnerConfig()
        self._cached_spec = spec
        self._lock = threading.Lock()

    def get_cached_spec(self) -> ValidationSpec:
        """The runner's spec: the one it was given, or the policy's, built once."""
        with self._lock:
            if self._cached_spec is None:
                self._cached_spec = self._adjusted(self._collector.spec(self._config.scope))
            return self._cached_spec

    def set_cached_spec(self, spec: ValidationSpec | None) -> None:
        """Replaces the runner's spec; None has it built from the policy again."""
        with self._lock:
            self._cached_spec = spec

    def run_per_issue_gate(self, gate_input: PerIssueGateInput) -> PerIssueGateOutput:
        """Collects, judges, and says what the next attempt starts from."""
        spec = gate_input.spec or self.get_cached_spec()
        state = gate_input.retry_state
        evidence, facts = self._collector.collect(
            gate_input.issue_id, gate_input.log_path, state, spec
        )
        judgement = evaluate(spec, evidence, facts, state)
        return PerIssueGateOutput(
            gate_result=judgement.result,
            new_log_offset=evidence.end,
            retry_state=_next_state(judgement, state, evidence),
            retry=_worth_another(judgement.result),
        )

    def _adjusted(self, spec: ValidationSpec) -> ValidationSpec:
        config, coverage, retry = self._config, spec.coverage, spec.retry
        if config.coverage_threshold is not None:
            coverage = msgspec.structs.replace(
                coverage or CoverageRule(), min_percent=config.coverage_threshold
            )
        if config.max_gate_retries is not None:
            retry = msgspec.structs.replace(retry, max_attempts=config.max_gate_retries)
        required = tuple(n for n in spec.required if n not in config.disable_validations)
        return msgspec.structs.replace(spec, required=required, coverage=coverage, retry=retry)


def _next_state(judgement: Judgement, state: RetryState, evidence: Evidence) -> RetryState:
    if judgement.past is not None:
        return state.after_failure(
            judgement.past, log_offset=evidence.end, log_identity=evidence.log or None
        )
    return state.after_infrastructure() if judgement.spoiled else state


def _worth_another(result: GateResult) -> bool:
    return not result.passed and result.next_action.kind not in ("ask_human", "wait")


class AsyncGateRunner:
    """A GateRunner for asyncio: each evaluation runs in a thread, the last result is kept."""

    def __init__(self, runner: GateRunner) -> None:
        self._runner = runner
        self._last: dict[str, GateResult] = {}

    async def run_per_issue_gate(self, gate_input: PerIssueGateInput) -> PerIssueGateOutput:
        """As `GateRunner.run_per_issue_gate`, without blocking the event loop."""
        output = await asyncio.to_thread(self._runner.run_per_issue_gate, gate_input)
        self._last[gate_input.issue_id] = output.gate_result
        return output

    def get_last_gate_result(self, issue_id: str) -> GateResult | None:
        """The issue's last result, None if it was never judged or has been cleared."""
        return self._last.get(issue_id)

    def clear_gate_result(self, issue_id: str) -> None:
        """Forgets the issue's last result. Clearing twice is fine."""
        self._last.pop(issue_id, None)
