"""All that is known of a subject, into a GateResult. What could not be asked is a problem."""

from __future__ import annotations

import msgspec

from pytest_malagate.action.baseline import find_baseline, joined_population
from pytest_malagate.action.binding import Bound, bind
from pytest_malagate.action.gathering import Gathered, gather
from pytest_malagate.action.history import Recalled, recall
from pytest_malagate.action.inputs import Inputs
from pytest_malagate.action.memory import Memory
from pytest_malagate.action.rules import base_policy, changes_to_rule, testing_workflow
from pytest_malagate.action.subjects import Judged
from pytest_malagate.collect.joining import Joined, join
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Accepted, CoverageReport, Facts
from pytest_malagate.gate.judge import Judgement, evaluate
from pytest_malagate.gate.population import Population
from pytest_malagate.gate.reasons import REASONS
from pytest_malagate.gate.result import PolicyUsed, Subject
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.policy import Policy


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation came to.

    `memory` is what it found, brought up to date; None where it could not be read, so that
    nothing may be written in its place. `populations` are the tests of a whole run.
    """

    judgement: Judgement
    memory: Memory | None
    bound: Bound
    populations: dict[str, Population]


class _Known(msgspec.Struct, kw_only=True):
    """What was found out so far."""

    policy: Policy | None = None
    gathered: Gathered = Gathered()
    joined: Joined | None = None
    bound: Bound = Bound()
    recalled: Recalled | None = None
    rule_changes: tuple[str, ...] = ()
    baseline: Population | None = None
    baseline_run: int | None = None
    own_workflow: str | None = None
    problems: list[tuple[str, str]] = []
    warnings: list[tuple[str, str]] = []


class Evaluation:
    """One evaluation of one subject.

    `memory` replaces the one that would be read, where a command in a comment has changed it.
    Failure direction: closed. Whatever GitHub does not tell makes the verdict inconclusive; a
    policy that is wrong raises PolicyError.
    """

    def __init__(
        self,
        client: Client,
        runner: RunnerEnvironment,
        inputs: Inputs,
        subject: Judged,
        memory: Memory | None = None,
    ) -> None:
        self._client, self._runner, self._inputs = client, runner, inputs
        self._subject = subject
        self._known = _Known(problems=list(subject.problems))
        if memory is not None:
            self._known.recalled = Recalled(memory=memory)

    def run(self) -> Verdict:
        """Asks, binds, compares, judges. Raises PolicyError and UsageError of the base's policy."""
        known = self._known
        steps = (
            self._evidence,
            self._binding,
            self._rules,
            self._rule_changes,
            self._memory,
            self._comparison,
        )
        for step in steps:
            try:
                step()
            except GitHubError as error:
                known.problems.append(("machinery.github", str(error)))
        return self._judge()

    # --- the steps ---

    def _rules(self) -> None:
        """The base's policy, where its branch is now."""
        ref = self._known.bound.tip or self._subject.base_branch
        self._known.policy = base_policy(self._client, ref, self._inputs.policy)

    def _memory(self) -> None:
        subject, known = self._subject, self._known
        if subject.pull is None or known.recalled is not None:
            return
        known.recalled = recall(self._client, self._runner, subject, subject.pull)
        known.warnings.extend(known.recalled.warnings)

    def _evidence(self) -> None:
        known = self._known
        known.gathered = gather(self._client, self._runner, self._inputs, self._subject)
        known.problems.extend(known.gathered.problems)
        if known.gathered.parts:
            known.joined = join(known.gathered.parts)

    def _binding(self) -> None:
        subject, known = self._subject, self._known
        known.bound = bind(self._client, subject, known.gathered.parts)
        known.problems.extend(known.bound.problems)
        known.warnings.extend(known.bound.warnings)
        if known.bound.tip is not None:
            self._subject = msgspec.structs.replace(subject, base=known.bound.tip)

    def _rule_changes(self) -> None:
        known, path = self._known, self._inputs.policy
        known.own_workflow = testing_workflow(self._client, self._subject, known.bound)
        if known.policy is not None and not known.bound.problems:
            known.rule_changes = changes_to_rule(
                self._client, self._subject, known.bound, known.policy, path
            )

    def _comparison(self) -> None:
        subject, known = self._subject, self._known
        if subject.pull is None or known.bound.base is None or known.recalled is None:
            return
        memory = known.recalled.memory
        found = find_baseline(self._client, self._runner, subject, known.bound.base, memory)
        if found.baseline is None:
            text = f"Removed tests and lost coverage were not looked for: {found.why}"
            known.warnings.append(("baseline.missing", text))
        else:
            known.baseline = joined_population(found.baseline.populations)
        known.baseline_run = found.run

    # --- the verdict ---

    def _judge(self) -> Verdict:
        known, subject = self._known, self._subject
        policy = known.policy or Policy()
        memory = known.recalled.memory if known.recalled else None
        evidence = self._believable()
        populations = known.joined.populations if known.joined else {}
        state = memory.retry if memory else RetryState()
        judgement = evaluate(
            policy.spec(subject.scope),
            evidence,
            self._facts(policy, memory, joined_population(populations)),
            state,
            rerun=_is_rerun(state, subject.head),
        )
        if memory is not None and known.baseline_run is not None:
            memory = memory.trusting(known.baseline_run)
        return Verdict(
            judgement=judgement, memory=memory, bound=known.bound, populations=populations
        )

    def _believable(self) -> Evidence:
        """The joined evidence without what only an agent's own word stands behind.

        A resolution marker says that nothing had to be changed; a pull request is a change. And a
        call in an agent's session log happened on the agent's machine, not in this run.
        """
        if self._known.joined is None:
            return Evidence()
        evidence = self._known.joined.evidence
        commands = {
            name: tuple(run for run in runs if run.source == "run")
            for name, runs in evidence.commands.items()
        }
        return msgspec.structs.replace(evidence, resolutions=(), commands=commands, fresh=True)

    def _facts(self, policy: Policy, memory: Memory | None, population: Population | None) -> Facts:
        known, subject, pull = self._known, self._subject, self._subject.pull
        return Facts(
            subject=Subject(
                repository=self._runner.repository,
                pull_request=pull.number if pull else None,
                commit=subject.head,
                tree=known.bound.tree,
                base=subject.base,
            ),
            policy=PolicyUsed(source=policy.file or "default", digest=policy.digest),
            trust=subject.trust,
            judged_tree=known.bound.tree,
            working_tree=known.bound.tree,
            rule_changes=known.rule_changes,
            unjudged=policy.unjudged,
            coverage_report=_no_report(policy),
            touched=known.bound.touched,
            own_workflow=known.own_workflow,
            population=population,
            baseline_population=known.baseline,
            accepted=_accepted(memory, subject.head),
            stopped=memory.stopped if memory else None,
            warnings=(*known.warnings, *self._odd_conclusion()),
            problems=tuple(dict.fromkeys(known.problems)),
        )

    def _odd_conclusion(self) -> tuple[tuple[str, str], ...]:
        """A run that failed although nothing that it recorded did."""
        conclusion = self._subject.conclusion
        if conclusion in (None, "success") or self._known.problems or self._recorded_failure():
            return ()
        text = f"The run that recorded the evidence ended as {conclusion}"
        return (("run.conclusion", text),)

    def _recorded_failure(self) -> bool:
        evidence = self._believable()
        tests = any(run.failures_total or not run.finish for run in evidence.tests.values())
        commands = [run for runs in evidence.commands.values() for run in runs]
        return tests or any(run.exit_code != 0 for run in commands)


def _is_rerun(state: RetryState, head: str) -> bool:
    return state.gate_attempt > 1 and state.previous_commit_hash == head


def _accepted(memory: Memory | None, head: str) -> tuple[Accepted, ...]:
    """What was accepted for this head; a push takes it back."""
    entries = memory.accepted if memory else ()
    return tuple(
        Accepted(code=entry.code, actor=entry.actor, reason=entry.reason)
        for entry in entries
        if entry.head == head and entry.code in REASONS
    )


def _no_report(policy: Policy) -> CoverageReport | None:
    """A report of another tool is a file of the change's own; no artifact carries it yet."""
    path = policy.coverage.report if policy.coverage else None
    if path is None:
        return None
    text = f"{path} is not read from artifacts; measure by coverage.source"
    return CoverageReport(path=path, code="coverage.report-missing", message=text)
