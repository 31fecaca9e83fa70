"""The verdict on a worktree: by the policy, the tests and the files of the base.

It is the gate of one's own machine, told more than it finds out by itself: which tests the base
has, and which files differ from it. What an agent could say in the evidence log is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path

import msgspec

from pytest_malagate.agents.evidence import Rule
from pytest_malagate.agents.worktrees import Worktree, touched
from pytest_malagate.base_policy import rule_changes
from pytest_malagate.collect.population import read_population
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import Evidence, SessionFinished, TestRun
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
from pytest_malagate.repository import Repository

replace = msgspec.structs.replace


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of the base, or why they are not known."""

    population: Population | None = None
    why: str = ""


class WorktreeGate(LocalGate):
    """The gate of one worktree. `out` is where its evidence lies, outside of the worktree.

    `late` are the validations whose time was up.
    """

    def __init__(
        self,
        worktree: Worktree,
        out: Path,
        rule: Rule,
        baseline: Baseline,
        *,
        task: str,
        late: Collection[str] = (),
    ) -> None:
        repository = Repository.discover(worktree.path)
        if repository is None:
            raise MachineryError(f"{worktree.path} is no git worktree any more")
        own, self.unreadable = _own_policy(worktree.root)
        place = Place(root=worktree.root, out=out, policy=own, repository=repository)
        super().__init__(place, task=task, base=worktree.base)
        self._rule, self._baseline, self._worktree = rule, baseline, worktree
        self._late = late

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
        believed = _charged(_believable(evidence), self._late)
        return believed, replace(
            facts,
            rule_changes=self._rule_changes(),
            touched=touched(self._worktree, facts.subject.commit or self._worktree.base),
            population=population_of(self.place.log_path, believed),
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


def population_of(log: Path, evidence: Evidence) -> Population | None:
    """The tests of all whole runs; None where one is not whole, so that nobody knows."""
    runs = evidence.tests.values()
    if not runs or not all(_whole(run) for run in runs):
        return None
    return _joined([read_population(log, run) for run in runs])


def _whole(run: TestRun) -> bool:
    finish = run.finish
    return finish is not None and not (finish.partial or finish.interrupted or run.collect_failed)


def _joined(every: Iterable[Population]) -> Population:
    parts = list(every)
    return Population(
        ran=frozenset().union(*(part.ran for part in parts)),
        skipped=frozenset().union(*(part.skipped for part in parts)),
        set_aside=frozenset().union(*(part.set_aside for part in parts)),
        percent=next((part.percent for part in parts if part.percent is not None), None),
        commit=parts[0].commit,
        tree=parts[0].tree,
    )


def _believable(evidence: Evidence) -> Evidence:
    """Without what only an agent's word stands behind: markers, and calls in a session's log."""
    commands = {
        name: tuple(run for run in runs if run.source == "run")
        for name, runs in evidence.commands.items()
    }
    return replace(evidence, resolutions=(), commands=commands)


def _charged(evidence: Evidence, late: Collection[str]) -> Evidence:
    """With an end for test runs that we ended because their time was up.

    A run without an end is nobody's fault, and would be repeated; one that hangs is the work's.
    """
    tests = {
        name: replace(run, finish=_cut_short(run)) if name in late and not run.finish else run
        for name, run in evidence.tests.items()
    }
    return replace(evidence, tests=tests)


def _cut_short(run: TestRun) -> SessionFinished:
    return SessionFinished(
        session=run.start.session,
        at=run.start.at,
        duration=0.0,
        exitstatus=1,
        collected=run.reported,
        reported=run.reported,
        counts=run.outcomes,
        partial=("its time was up",),
        tree_after=run.start.tree,
    )


def _own_policy(root: Path) -> tuple[Policy, str | None]:
    """The worktree's own policy, or why it cannot be read."""
    try:
        return load_policy(root), None
    except PolicyError as error:
        return Policy(), str(error).partition("\n")[0]
