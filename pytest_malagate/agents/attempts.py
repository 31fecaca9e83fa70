"""One issue's attempts: an agent, its evidence, the verdict, and again while it is worth it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pytest_malagate.agents.bases import Bases
from pytest_malagate.agents.environment import of_agent
from pytest_malagate.agents.evidence import Recorder, Rule
from pytest_malagate.agents.judging import Baseline, WorktreeGate, judged
from pytest_malagate.agents.lease import Lease
from pytest_malagate.agents.names import filled
from pytest_malagate.agents.process import Ending, run_process
from pytest_malagate.agents.steps import Step, StepKind, Tell
from pytest_malagate.agents.worktrees import Worktree, gather, state_of
from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.result import GateResult, encode
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.runner import PerIssueGateOutput
from pytest_malagate.gate.spec import RetryRule, ValidationScope
from pytest_malagate.local import write_file
from pytest_malagate.queue.attempts import AttemptStore
from pytest_malagate.report.agent import agent_view


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every attempt of every issue.

    `timeout`, in seconds, is for an agent's run and for each validation. `max_attempts` None is
    the policy's number. `env` is what agents and validations inherit.
    """

    template: tuple[str, ...]
    env: dict[str, str]
    timeout: float = 3600.0
    max_attempts: int | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One issue, and what its work is judged by. `directory` is where its records are kept."""

    issue: Issue
    task: str
    worktree: Worktree
    rule: Rule
    baseline: Baseline
    directory: Path

    @property
    def retry(self) -> RetryRule:
        """How many attempts there are."""
        return self.rule.policy.retry


class Attempts:
    """The attempts at one issue. `over` says whether nothing new is to be begun (a drain).

    `bases` makes the clean checkouts in which the work is judged.
    """

    def __init__(  # noqa: PLR0913 - what it works with and where it tells
        self,
        case: Case,
        lease: Lease,
        terms: Terms,
        store: AttemptStore,
        bases: Bases,
        *,
        tell: Tell,
        over: Callable[[], bool],
        said: Callable[[str], None] | None = None,
    ) -> None:
        self._case, self._lease, self._terms, self._store = case, lease, terms, store
        self._bases, self._tell, self._over, self._said = bases, tell, over, said
        self._max = terms.max_attempts or case.retry.max_attempts
        self._state = RetryState()
        self._idle_runs = 0

    async def run(self) -> IssueOutcome:
        """Works until the gate passes, stops, or something else does. Raises MachineryError."""
        prepare_directory(self._case.directory)
        self._state = await asyncio.to_thread(self._store.load, self._case.task)
        if self.number > self._max:  # we did not live to say so
            return IssueOutcome(state="failed", detail=f"all {self._max} attempts were used up")
        while True:
            if self._over():
                return _released("no further attempt was begun: the loop is ending")
            if (why := await self._lease.barred()) is not None:
                return _released(why)
            if (outcome := await self._attempt()) is not None:
                return outcome

    @property
    def number(self) -> int:
        """The attempt that is being made, 1 for the first."""
        return self._state.gate_attempt

    async def _attempt(self) -> IssueOutcome | None:
        """One attempt; None if another one is worth it."""
        before = await asyncio.to_thread(state_of, self._case.worktree)
        ending = await self._work()
        if self._lease.stop.is_set():
            return _released(self._lease.why)
        after = await asyncio.to_thread(state_of, self._case.worktree)
        if ending.why == "ended" and ending.status != 0 and before == after:
            return self._broke(ending)
        return await self._judge()

    def _broke(self, ending: Ending) -> IssueOutcome | None:
        """An agent that failed and changed nothing did not get to work: nobody is charged."""
        self._idle_runs += 1
        words = f"the agent changed nothing: {ending.words}"
        if self._idle_runs >= self._case.retry.max_infra_attempts:
            return IssueOutcome(state="failed", detail=f"{words}, {self._idle_runs} times")
        self._step("repeated", f"{words}; it is started again")
        return None

    async def _work(self) -> Ending:
        """Runs the agent once."""
        case, number = self._case, self.number
        feedback = self._feedback(number - 1)
        env = of_agent(
            self._terms.env,
            issue=case.issue.id,
            title=case.issue.title,
            body=case.issue.body,
            attempt=number,
            max_attempts=self._max,
            worktree=case.worktree.path,
            feedback=feedback if number > 1 and feedback.is_file() else None,
        )
        log = case.directory / f"attempt-{number}.log"
        self._step("attempt", str(log))
        ending = await run_process(
            filled(self._terms.template, {"issue": case.issue.id, "attempt": str(number)}),
            cwd=case.worktree.root,
            env=env,
            log=log,
            timeout=self._terms.timeout,
            stop=self._lease.stop,
            said=self._said,
        )
        trouble = f"; {ending.log_trouble}" if ending.log_trouble else ""
        self._step("agent_ended", f"{ending.words}{trouble}")
        return ending

    async def _judge(self) -> IssueOutcome | None:
        """Gathers and judges; again where the machinery broke or a result was not counted."""
        case, number = self._case, self.number
        left = await asyncio.to_thread(gather, case.worktree, case.task, number)
        why = ""
        for _ in range(case.retry.max_infra_attempts):
            try:
                output = await self._evaluated(number, left.commit)
            except MachineryError as error:
                why = str(error)
                self._step("repeated", why)
                continue
            if self._lease.stop.is_set():
                return _released(self._lease.why)
            result = output.gate_result
            why = in_words(result)
            await self._remember(output, number)
            self._step("judged", why, result=result)
            if result.passed:
                return await self._passed(left.commit)
            if not output.retry:
                break
            if result.attempt.counted:
                return None
            self._step("repeated", f"not counted: {result.attempt.reason}")
        return IssueOutcome(state="failed", detail=why)

    async def _passed(self, commit: str) -> IssueOutcome:
        """What passed is completed where a person will look for it, and nowhere else."""
        why = await self._bases.moved(self._case.worktree.branch, commit)
        if why is not None:
            return IssueOutcome(state="failed", detail=why)
        return IssueOutcome(state="completed", detail=commit)

    async def _evaluated(self, number: int, commit: str) -> PerIssueGateOutput:
        """Records evidence of a commit and judges it, both in a clean checkout.

        What the agent left beside the commit has no part in it. Raises MachineryError.
        """
        case, terms = self._case, self._terms
        out = case.directory / f"attempt-{number}"
        spec = case.rule.policy.spec(ValidationScope.TASK)
        name, base = f"judged-{case.worktree.path.name}", case.worktree.base
        async with self._bases.clean(name, commit, base=base) as checkout:
            recorded = await Recorder(case.rule, spec, terms.env).record(
                checkout.root, out, timeout=terms.timeout, stop=self._lease.stop
            )
            gate = await asyncio.to_thread(
                WorktreeGate, checkout, out, case.rule, case.baseline,
                task=case.task, recorded=recorded,
            )  # fmt: skip
            return await asyncio.to_thread(judged, gate, case.task, self._state, terms.max_attempts)

    async def _remember(self, output: PerIssueGateOutput, number: int) -> None:
        """What the next attempt starts from, kept for the case that we do not live to make it."""
        self._state = output.retry_state
        view = encode(agent_view(output.gate_result))
        await asyncio.to_thread(write_file, self._feedback(number), view)
        await asyncio.to_thread(self._store.update, self._case.task, lambda _: self._state)

    def _feedback(self, number: int) -> Path:
        return self._case.directory / f"attempt-{number}" / "feedback.json"

    def _step(self, kind: StepKind, detail: str, *, result: GateResult | None = None) -> None:
        self._tell(
            Step(
                kind=kind,
                issue=self._case.issue.id,
                detail=detail,
                at=time.time(),
                attempt=self.number if result is None else result.attempt.number,
                max_attempts=self._max,
                verdict=result.verdict if result else None,
                codes=tuple(why.code for why in result.reasons) if result else (),
            )
        )


def _released(why: str) -> IssueOutcome:
    return IssueOutcome(state="released", detail=why)


def in_words(result: GateResult) -> str:
    """Why, in a line: the first reason, and what ends the attempts, if anything does."""
    if not result.reasons:
        return result.verdict
    first, *rest = result.reasons
    ends = [why.message for why in rest if why.code.startswith(("progress.", "retry."))]
    return "; ".join([first.message, *ends])
