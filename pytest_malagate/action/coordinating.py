"""The mode coordinate: hands ready issues to agents, for the length of one job.

Agents are runs of the policy's `coordinate.workflow`; or, with the input `ask` or `assign`, those
of somebody else, who are asked by a comment or by being assigned. The coordinator runs once: when
nothing is ready any more, or all that is left waits, the job ends. Whatever still runs then goes
on, and the next run picks it up.

The queue is put in order first, and pull requests are told nothing: this job runs beside the sweep
of `admit`, and of two that write statuses the slower would put what it saw over what the other saw
since, a freeze included. That sweep tells them. What this job does starts none, since GitHub makes
no events of what a workflow's own token does: it comes with the next push, the next label that a
person moves, or with its schedule, a quarter of an hour later or as late as GitHub lets it be. A
claim changes nothing that was told before, for who is claimed stood in front already; a ticket that
only this job's sweep has given is told as late as that, and so is the agent's new pull request,
which until then has no status and cannot land where one is required.

Exit codes are the coordinator's: 0 all done or nothing to do, 1 an issue failed, 3 machinery, 4
all that is left waits.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping

from pytest_malagate.action.desk import Desk, Job, open_desk, say
from pytest_malagate.action.reconciling import sweeper_of
from pytest_malagate.action.rules import base_policy
from pytest_malagate.action.telling import write_outputs, write_summary
from pytest_malagate.admission.asking import TEXT, CommentSpawner
from pytest_malagate.admission.dispatching import DispatchSpawner
from pytest_malagate.admission.providing import Apart, GitHubProvider
from pytest_malagate.admission.starting import Starter
from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.coordinator import IssueExecutionCoordinator
from pytest_malagate.coordinate.events import Event
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome, RunResult, Spawn
from pytest_malagate.coordinate.selection import select
from pytest_malagate.errors import ExitCode, MachineryError, UsageError
from pytest_malagate.github.epochs import Lock
from pytest_malagate.policy import CoordinatePolicy
from pytest_malagate.report.text import code, plain, prose

LOCK = Lock(name="malagate-coordinate", queue="max")
"""A lock of its own: this job waits for others, and nobody ought to wait for it. Against the other
modes the ledger's own order protects it."""

_UNTOLD = frozenset({"poll", "idle"})

Sleep = Callable[[float], Awaitable[None]]


def coordinate(job: Job) -> int | ExitCode:
    """Coordinates once. Raises MachineryError, UsageError, PolicyError."""
    desk = open_desk(job, lock=LOCK)
    try:
        return _coordinated(desk, _sleep_of(job))
    finally:
        desk.close()


def _sleep_of(job: Job) -> Sleep:
    """How this job waits: as its client does, where somebody said how."""
    manners = job.manners
    if manners is None:
        return asyncio.sleep

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        manners.sleep(seconds)

    return sleep


def _coordinated(desk: Desk, sleep: Sleep) -> int | ExitCode:
    job, runner = desk.job, desk.job.runner
    policy = base_policy(desk.client, runner.default_branch, job.inputs.policy).coordinate
    swept = sweeper_of(desk, tells=False).sweep(dry_run=job.inputs.dry_run)
    if swept.problem is not None:
        raise MachineryError(f"nothing was started: {swept.problem}")
    epic, apart = job.inputs.epic or None, Apart()
    provider = GitHubProvider(desk.client, epic_id=epic, apart=apart)
    config = _config(desk, policy, epic)
    if job.inputs.dry_run:
        return _would_start(provider, config)
    spawn = _spawner(desk, policy, apart, sleep)
    result, told = asyncio.run(_run(provider, config, spawn, now=job.now, sleep=sleep))
    say(f"{result.exit_reason}: {_counts(result)}")
    write_summary(runner.step_summary, [summary(result, told)])
    write_outputs(runner.output, {"frozen": str(swept.frozen).lower()})
    return result.exit_code


def _config(desk: Desk, wanted: CoordinatePolicy, epic: str | None) -> CoordinatorConfig:
    """Several agents at once only where the queue lets several tasks be active."""
    agents = wanted.max_agents
    if desk.gate.enabled and agents > 1:
        say(f"one task at a time is the rule here: 1 agent instead of {agents}")
        agents = 1
    return CoordinatorConfig(
        max_agents=agents,
        max_issues=wanted.max_issues,
        epic_id=epic,
        resume=True,  # what an earlier run left behind is looked after, and refused if not ours
    )


def _spawner(
    desk: Desk,
    policy: CoordinatePolicy,
    apart: Apart,
    sleep: Sleep,
) -> Spawn:
    ask, login = desk.job.inputs.ask, desk.job.inputs.assign
    if ask and login:
        raise UsageError("inputs ask and assign: name one of them")
    now, runner = desk.job.now, desk.job.runner
    if ask or login:
        return CommentSpawner(
            desk.gate,
            desk.client,
            text=ask or TEXT,
            assignee=login or None,
            apart=apart,
            now=now,
            sleep=sleep,
        )
    return DispatchSpawner(
        desk.gate,
        Starter(
            desk.gate, desk.store, workflow=policy.workflow, ref=runner.default_branch, now=now
        ),
        desk.client,
        workflow=policy.workflow,
        actor=f"run {runner.run_id}",
        add=bool(desk.job.inputs.epic),
        apart=apart,
        now=now,
        sleep=sleep,
    )


def _would_start(provider: GitHubProvider, config: CoordinatorConfig) -> ExitCode:
    for issue in select(provider.read(), config)[:50]:
        say(f"would start {issue.id}, when it is its turn: {issue.title}")
    return ExitCode.PASSED


async def _run(
    provider: GitHubProvider,
    config: CoordinatorConfig,
    spawn: Spawn,
    *,
    now: Callable[[], float],
    sleep: Sleep,
) -> tuple[RunResult, dict[str, IssueOutcome]]:
    """The run, and how each issue ended."""
    outcomes: dict[str, IssueOutcome] = {}

    async def finalize(issue: Issue, outcome: IssueOutcome) -> bool:
        outcomes[issue.id] = outcome
        return False

    coordinator = IssueExecutionCoordinator(
        provider, config, spawn=spawn, finalize=finalize, on_event=_tell, now=now, sleep=sleep
    )
    if threading.current_thread() is threading.main_thread():
        # A runner that is cancelled sends this first: the runs that were started go on.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: coordinator.interrupt(cancel=True))
    return await coordinator.run(), outcomes


def _tell(event: Event) -> None:
    if event.kind not in _UNTOLD:
        words = [event.kind, *([event.issue] if event.issue else [])]
        say(": ".join([" ".join(words), *([event.detail] if event.detail else [])]))


def _counts(result: RunResult) -> str:
    done, failed = len(result.completed), len(result.failed)
    return f"{result.started} started, {done} completed, {failed} failed"


def summary(result: RunResult, outcomes: Mapping[str, IssueOutcome]) -> str:
    """The step summary."""
    lines = [
        f"| {code(name)} | {outcome.state} | {prose(plain(outcome.detail, 200))} |"
        for name, outcome in list(outcomes.items())[:100]
    ]
    table = ["| issue | outcome | |", "|---|---|---|", *lines] if lines else []
    head = f"{prose(result.exit_reason)}: {_counts(result)}"
    return "\n".join(["### malagate coordinate", "", head, "", *table, ""])
