"""What is judged. Which pull request, head and run it is comes from the event and the API alone."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from pytest_malagate.action.inputs import Inputs
from pytest_malagate.errors import UsageError
from pytest_malagate.gate.spec import ValidationScope
from pytest_malagate.github.artifacts import Trusted
from pytest_malagate.github.client import Client
from pytest_malagate.github.contents import commit_at
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.github.pulls import pull_of, pull_of_run
from pytest_malagate.github.records import Pull, Run
from pytest_malagate.github.runs import latest_of_head, run_of, vouch

Trust = Literal["job", "workflow", "verified"]

_NEVER_RAN = frozenset({"cancelled", "timed_out", "startup_failure", "action_required", "stale"})
OWN_EVENTS = frozenset({"workflow_run", "issue_comment", "schedule", "workflow_dispatch", "push"})
"""Events that run the default branch's own workflow file, on the default branch."""

BASELINE_EVENTS = frozenset({"push", "schedule", "workflow_dispatch"})


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One subject.

    `head` is the commit that the status belongs to, `base` the commit that the rules come from.
    `pull` is None for a merge group and for a pushed commit. `run` is the workflow run that holds
    the evidence; None: it lies in this job's own workspace. `allowed` are the runs, as
    `ID.ATTEMPT`, that evidence may come from. `writable` is false where the token can only read.
    """

    head: str
    base: str
    base_branch: str
    trust: Trust
    run: Run | None
    source: tuple[int, int]
    scope: ValidationScope = ValidationScope.TASK
    pull: Pull | None = None
    writable: bool = True
    conclusion: str | None = None
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def keeps_baseline(self) -> bool:
        """True for what landed: its tests are what a later change is compared with."""
        return self.scope is ValidationScope.GLOBAL


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """There is nothing to judge; `why` says so for the log.

    `head` is a commit whose status has to say it (`code` is the reason's code), if there is one.
    """

    why: str
    head: str | None = None
    code: str | None = None


def find_subject(client: Client, runner: RunnerEnvironment, inputs: Inputs) -> Judged | Nothing:
    """What this event asks to judge. Raises GitHubError, UsageError."""
    event = runner.event
    if event.workflow_run is not None:
        return _of_run(client, runner, inputs, event.workflow_run)
    if runner.event_name == "pull_request" and event.pull_request is not None:
        return _own_pull(runner, event.pull_request)
    if event.merge_group is not None:
        group = event.merge_group
        branch = group.base_ref.removeprefix("refs/heads/")
        return _own(runner, head=group.head_sha, base=group.base_sha, branch=branch)
    if runner.event_name == "push":
        return _own_push(runner)
    if inputs.pull_request is not None:
        return subject_of_pull(client, runner, inputs, pull_of(client, inputs.pull_request), None)
    raise UsageError(
        f"mode gate: the event {runner.event_name} names nothing to judge; set the input "
        "pull-request, or start the workflow by workflow_run, pull_request, merge_group or push"
    )


# --- evidence of another run --------------------------------------------------------------------


def _of_run(
    client: Client, runner: RunnerEnvironment, inputs: Inputs, run: Run
) -> Judged | Nothing:
    ours = runner.event.repository.id
    if run.repository is not None and run.repository.id != ours:
        return Nothing(why="the run belongs to another repository")
    if run.event == "pull_request":
        found = pull_of_run(client, run)
        if found.pull is None:
            head = run.head_sha if found.code == "subject.ambiguous" else None
            return Nothing(why=found.message, head=head, code=found.code)
        return _pull_by_run(runner, inputs, found.pull, run)
    if run.head_repository is None or run.head_repository.id != ours:
        return Nothing(why=f"a run for {run.event} from another repository is not judged")
    if run.event == "merge_group":
        return _group_by_run(client, runner, inputs, run)
    if run.event in BASELINE_EVENTS and run.head_branch == runner.default_branch:
        return replace(_judged_run(runner, inputs, run), scope=ValidationScope.GLOBAL)
    return Nothing(why=f"a run for {run.event} on {run.head_branch} has nothing to judge")


def subject_of_pull(
    client: Client, runner: RunnerEnvironment, inputs: Inputs, pull: Pull, run_id: int | None
) -> Judged | Nothing:
    """A pull request by its number; `run_id` is the run that its evidence was in before."""
    run = run_of(client, run_id) if run_id is not None else None
    if run is not None and vouch(run, own_runs(runner)):
        return _verified_again(pull, run)
    if run is None:
        run = latest_of_head(client, pull.head.sha, "pull_request")
    if run is None:
        return Nothing(why=f"no run has tested {pull.head.sha[:12]} yet")
    if run.head_sha != pull.head.sha:
        return Nothing(why=f"the head of #{pull.number} has moved on from {run.head_sha[:12]}")
    return _pull_by_run(runner, inputs, pull, run)


def _verified_again(pull: Pull, run: Run) -> Judged:
    """The default branch's own run tested the change before; its evidence names the commit."""
    return Judged(
        head=pull.head.sha,
        base=pull.base.sha,
        base_branch=pull.base.ref,
        trust="verified",
        run=run,
        source=(run.id, run.run_attempt),
        pull=pull,
    )


def own_runs(runner: RunnerEnvironment, *also: tuple[str, frozenset[str]]) -> Trusted:
    """Runs of this very workflow file, as the default branch has it.

    `also` are other branches that are trusted, each with its events.
    """
    return Trusted(
        repository_id=runner.event.repository.id,
        workflow=runner.workflow,
        sources=((runner.default_branch, OWN_EVENTS), *also),
    )


def _pull_by_run(runner: RunnerEnvironment, inputs: Inputs, pull: Pull, run: Run) -> Judged:
    subject = _judged_run(runner, inputs, run)
    return replace(subject, base=pull.base.sha, base_branch=pull.base.ref, pull=pull)


def _group_by_run(
    client: Client, runner: RunnerEnvironment, inputs: Inputs, run: Run
) -> Judged | Nothing:
    """A merge group's base is its first parent: what the queue put it on."""
    parents = commit_at(client, run.head_sha).parents
    if not parents:
        return Nothing(why=f"{run.head_sha[:12]} is no merge group", head=run.head_sha)
    branch = group_branch(run.head_branch or "") or runner.default_branch
    return replace(_judged_run(runner, inputs, run), base=parents[0].sha, base_branch=branch)


def group_branch(ref: str) -> str | None:
    """`main` of `gh-readonly-queue/main/pr-12-abc…`; None for any other branch."""
    prefix, _, rest = ref.partition("/")
    branch, _, entry = rest.rpartition("/")
    return branch if prefix == "gh-readonly-queue" and entry.startswith("pr-") and branch else None


def _judged_run(runner: RunnerEnvironment, inputs: Inputs, run: Run) -> Judged:
    """What a run tested, as if it had landed: its head is its own base."""
    verified = inputs.evidence_run == "this"
    source = (runner.run_id, runner.run_attempt) if verified else (run.id, run.run_attempt)
    problems: tuple[tuple[str, str], ...] = ()
    if run.conclusion in _NEVER_RAN and not verified:
        problems = (("run.cancelled", f"The run ended as {run.conclusion}"),)
    return Judged(
        head=run.head_sha,
        base=run.head_sha,
        base_branch=runner.default_branch,
        trust="verified" if verified else "workflow",
        run=run,
        source=source,
        conclusion=None if verified else run.conclusion,
        problems=problems,
    )


# --- evidence of this very job ------------------------------------------------------------------


def _own_pull(runner: RunnerEnvironment, pull: Pull) -> Judged:
    fork = pull.head.repo is None or pull.head.repo.id != runner.event.repository.id
    subject = _own(runner, head=pull.head.sha, base=pull.base.sha, branch=pull.base.ref)
    return replace(subject, pull=pull, writable=not fork)


def _own_push(runner: RunnerEnvironment) -> Judged | Nothing:
    event, branch = runner.event, runner.default_branch
    if event.ref != f"refs/heads/{branch}":
        return Nothing(why=f"a push to {event.ref} has nothing to judge")
    pushed = event.after or ""
    if not pushed.strip("0"):
        return Nothing(why=f"{branch} was deleted")
    subject = _own(runner, head=pushed, base=pushed, branch=branch)
    return replace(subject, scope=ValidationScope.GLOBAL)


def _own(runner: RunnerEnvironment, *, head: str, base: str, branch: str) -> Judged:
    return Judged(
        head=head,
        base=base,
        base_branch=branch,
        trust="job",
        run=None,
        source=(runner.run_id, runner.run_attempt),
    )
