"""The verdict on a commit, in a clean checkout: by the policy, the tests and the files of the base.

It is the gate of one's own machine, told more than it finds out by itself: which tests the base
has, and which files differ from it. What the evidence log says counts for nothing; what was seen
when it was recorded does.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import msgspec

from pytest_malagate.agents.evidence import Rule
from pytest_malagate.agents.recorded import Recorded
from pytest_malagate.agents.worktrees import Worktree, repository_of, touched
from pytest_malagate.base_policy import rule_changes
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.runner import (
    GateRunner,
    GateRunnerConfig,
    PerIssueGateInput,
    PerIssueGateOutput,
)
from pytest_malagate.gate.spec import Severity, ValidationKind, ValidationScope, ValidationSpec
from pytest_malagate.local import LocalGate, Place
from pytest_malagate.policy import Policy, PolicyError, load_policy

replace = msgspec.structs.replace


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of the base, or why they are not known."""

    population: Population | None = None
    why: str = ""


class WorktreeGate(LocalGate):
    """The gate of one checkout. `out` is where its evidence log lies, outside of the checkout.

    `recorded` is what its validations came to. Raises MachineryError where they have put another
    commit, or none, in the place of the one that is judged.
    """

    def __init__(
        self,
        worktree: Worktree,
        out: Path,
        rule: Rule,
        baseline: Baseline,
        *,
        task: str,
        recorded: Recorded,
    ) -> None:
        repository = repository_of(worktree)
        if repository.head() != worktree.commit:
            raise MachineryError(f"{worktree.path} was put on another commit while it was judged")
        own, self.unreadable = _own_policy(worktree.root)
        place = Place(root=worktree.root, out=out, policy=own, repository=repository)
        super().__init__(place, task=task, base=worktree.base)
        self._rule, self._baseline, self._worktree = rule, baseline, worktree
        self._recorded = recorded

    @cached_property
    def policy(self) -> Policy:
        """The policy that judges, never the worktree's."""
        return self._rule.policy

    def spec(self, scope: ValidationScope) -> ValidationSpec:
        """What that policy requires. A change that breaks the policy file cannot pass."""
        spec = self.policy.spec(scope)
        if self.unreadable is None:
            return spec
        return replace(spec, integrity=replace(spec.integrity, policy_changed=Severity.FAIL))

    def collect(
        self, issue_id: str, log_path: Path | None, state: RetryState, spec: ValidationSpec
    ) -> tuple[Evidence, Facts]:
        """As LocalGate, with the tests of the base. Raises GitError."""
        evidence, facts = super().collect(issue_id, log_path, state, spec)
        return self._recorded.over(evidence), replace(
            facts,
            subject=replace(facts.subject, repository=self._worktree.repository),
            rule_changes=self._rule_changes(),
            touched=touched(self._worktree, facts.subject.commit or self._worktree.base),
            population=self._recorded.population(),
            baseline_population=self._baseline.population,
            warnings=(*facts.warnings, *self._warnings(spec)),
        )

    def _rule_changes(self) -> tuple[str, ...]:
        if self.unreadable is not None:
            return (f"it cannot be read any more: {self.unreadable}",)
        return rule_changes(self.policy, self.place.policy)

    def _warnings(self, spec: ValidationSpec) -> tuple[tuple[str, str], ...]:
        if self._baseline.population is not None or not needs_baseline(spec):
            return ()
        text = f"Removed tests and lost coverage were not looked for: {self._baseline.why}"
        return (("baseline.missing", text),)


def judged(
    gate: WorktreeGate, task: str, state: RetryState, max_attempts: int | None
) -> PerIssueGateOutput:
    """One evaluation; the result is written beside its evidence. Raises MachineryError."""
    config = GateRunnerConfig(max_gate_retries=max_attempts)
    output = GateRunner(gate, config).run_per_issue_gate(
        PerIssueGateInput(issue_id=task, retry_state=state)
    )
    gate.place.write(output.gate_result)
    return output


def needs_baseline(spec: ValidationSpec) -> bool:
    """Whether the policy asks anything that only the tests of the base can answer."""
    required = [spec.validation(name) for name in spec.required]
    if not any(one is not None and one.kind is ValidationKind.TEST for one in required):
        return False
    rule = spec.integrity
    asked = {rule.tests_removed, rule.skips_added} != {Severity.OFF}
    return asked or (spec.coverage is not None and spec.coverage.no_decrease)


def _own_policy(root: Path) -> tuple[Policy, str | None]:
    """The worktree's own policy, or why it cannot be read."""
    try:
        return load_policy(root), None
    except PolicyError as error:
        return Policy(), str(error).partition("\n")[0]
