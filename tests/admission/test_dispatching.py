"""A coordinator whose agents run on GitHub: claimed, started once, awaited, given back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pytest_malagate.admission.asking import HOLDER as ASKER
from pytest_malagate.admission.asking import CommentSpawner
from pytest_malagate.admission.dispatching import DispatchSpawner
from pytest_malagate.admission.giving_back import REQUEUES
from pytest_malagate.admission.providing import Apart, GitHubProvider
from pytest_malagate.admission.starting import HOLDER, SETTLE_SECONDS
from pytest_malagate.coordinate.coordinator import CoordinatorConfig, IssueExecutionCoordinator
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.outcomes import IssueOutcome, RunResult
from pytest_malagate.errors import UsageError
from pytest_malagate.github.control import READY
from pytest_malagate.github.labels import NEEDS_HUMAN
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.serial import SerialGate
from tests.admission.scene import AGENT, MAJA, NAME, Scene, processes_apart
from tests.twin import Run, Twin
from tests.twin.scheduler import Once

POLL = 30.0
DISPATCH = r"/dispatches$"


class Coordinated(Scene):
    """The scene with a coordinator in it. Its agents end when `ends` says so, at each poll."""

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.conclusions: dict[str, str] = {}
        self.takes = 60
        self.outcomes: dict[str, IssueOutcome] = {}
        self.most = 0
        self.polls: list[Callable[[], object]] = []

    def ready(self, count: int = 1) -> list[str]:
        names = super().ready(count)
        for name in names:
            self.issue(name).add_label(READY, "alice")
        return names

    async def wait(self, seconds: float) -> None:
        """Nobody waits but the twin's clock; agents end meanwhile."""
        await asyncio.sleep(0)
        self.twin.advance(int(seconds))
        if self.polls:
            self.polls.pop(0)()
        live = [run for run in self.runs if run.status != "completed"]
        self.most = max(self.most, len(live))
        for run in live:
            if self.now() - run.created_at >= self.takes:
                run.finish(self.conclusions.get(str(run.inputs["task"]), "success"))

    def coordinate(
        self, *, before: Any = None, rules: dict[str, Any] | None = None, **config: Any
    ) -> RunResult:
        store = self.store(before=before)
        gate = SerialGate(store, NAME, SerialRules(**(rules or {})), now=self.now)
        starter = self.starter_of(gate, store)
        apart, client = Apart(), store.client(NAME)
        spawner = DispatchSpawner(
            gate,
            starter,
            client,
            workflow=AGENT,
            actor="maja",
            apart=apart,
            poll_seconds=config.pop("poll", POLL),
            timeout=config.pop("timeout", 6 * 3600.0),
            now=self.now,
            sleep=self.wait,
        )
        return self.run(spawner, GitHubProvider(client, apart=apart), **config)

    def starter_of(self, gate: SerialGate, store: Any) -> Any:
        from pytest_malagate.admission.starting import Starter

        return Starter(gate, store, workflow=AGENT, ref="main", now=self.now)

    def asking(self, **given: Any) -> CommentSpawner:
        store = self.store(before=given.pop("before", None))
        return CommentSpawner(
            self.gate(store),
            store.client(NAME),
            now=self.now,
            sleep=self.wait,
            poll_seconds=POLL,
            **given,
        )

    def run(self, spawner: Any, provider: Any = None, **config: Any) -> RunResult:
        async def finalize(issue: Issue, outcome: IssueOutcome) -> bool:
            self.outcomes[issue.id] = outcome
            return False

        provider = provider or GitHubProvider(self.client())
        options = {"max_agents": 4, "resume": True} | config
        coordinator = IssueExecutionCoordinator(
            provider,
            CoordinatorConfig(**options),
            spawn=spawner,
            finalize=finalize,
            now=self.now,
            sleep=self.wait,
        )
        return asyncio.run(coordinator.run())

    @property
    def live(self) -> list[Run]:
        return [run for run in self.runs if run.status != "completed"]


@pytest.fixture
def scene(twin: Twin) -> Iterator[Coordinated]:
    """Answers are compared with GitHub's description only where a test says so: it takes time."""
    twin.checked = False
    with processes_apart():
        yield Coordinated(twin)


# --- workflow runs ---


def test_all_that_is_ready_is_worked_on_one_at_a_time_in_the_queues_order(
    scene: Coordinated,
) -> None:
    scene.twin.checked = True
    names = scene.ready(3)
    for name, priority in zip(names, ("P4", "P2", "P0"), strict=True):
        scene.issue(name).add_label(priority)
    result = scene.coordinate()
    assert (result.exit_code, result.completed) == (0, tuple(names))
    assert [run.inputs["task"] for run in scene.runs] == names
    assert scene.most == 1
    assert {scene.gate().task(name).state for name in names} == {"finished"}


def test_several_run_at_once_where_the_queue_allows_it(scene: Coordinated) -> None:
    names = scene.ready(3)
    scene.takes = 3000
    result = scene.coordinate(rules={"enabled": False})
    assert (result.exit_code, set(result.completed), scene.most) == (0, set(names), 3)


def test_one_request_a_poll_is_enough_for_all_that_run(scene: Coordinated) -> None:
    scene.ready(3)
    scene.takes = 3000
    counts: list[int] = []
    scene.polls = [lambda: counts.append(len(scene.twin.requests)) for _ in range(12)]
    scene.coordinate(rules={"enabled": False}, max_agents=3)
    steps = [after - before for before, after in itertools.pairwise(counts[3:])]
    assert set(steps) == {1}


def test_a_run_that_fails_is_a_failed_issue_and_the_queue_knows(scene: Coordinated) -> None:
    first, second = scene.ready(2)
    scene.conclusions[first] = "failure"
    result = scene.coordinate()
    assert (result.exit_code, result.failed, result.completed) == (1, (first,), (second,))
    assert "failure" in scene.outcomes[first].detail
    assert scene.gate().task(first).state == "waiting", "for a later run, at the queue's end"


def test_a_limit_holds(scene: Coordinated) -> None:
    scene.ready(3)
    result = scene.coordinate(max_issues=2)
    assert (result.exit_reason, len(scene.runs)) == ("limit_reached (2)", 2)


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "502", "timeout", "truncated"])
def test_a_lost_answer_never_starts_a_second_run(scene: Coordinated, kind: str) -> None:
    (name,) = scene.ready()
    scene.takes = 600
    scene.twin.faults.add(kind, method="POST", path=DISPATCH)
    result = scene.coordinate()
    assert (result.completed, len(scene.runs)) == ((name,), 1)


def test_a_freeze_right_before_the_dispatch_stops_it_and_the_place_is_kept(
    scene: Coordinated,
) -> None:
    first, _ = scene.ready(2)

    def freeze() -> None:
        scene.gate().freeze("it burns", MAJA)

    # Right behind the claim: the next thing would be the look before the dispatch.
    claim = Once(freeze, method="PATCH", path=rf"/issues/{scene.control.number}$")
    result = scene.coordinate(before=claim)
    assert claim.done
    assert (scene.runs, result.exit_code) == ([], 4)
    assert scene.gate().task(first).state == "active"
    scene.gate().unfreeze(MAJA, "it is out")
    scene.twin.advance(int(SETTLE_SECONDS) + 1)
    assert scene.coordinate().exit_code == 0
    assert scene.runs[0].inputs["task"] == first


def test_while_frozen_nothing_is_claimed(scene: Coordinated) -> None:
    names = scene.ready(3)
    scene.gate().freeze("it burns", MAJA)
    before = len(scene.twin.requests)
    result = scene.coordinate()
    assert result.exit_reason == "waiting (3)"
    assert {scene.gate().task(name).state for name in names} == {"waiting"}
    assert len(scene.twin.requests) - before < 30, "one answer does for all"


def test_a_task_of_somebody_else_is_waited_for(scene: Coordinated) -> None:
    first, _ = scene.ready(2)
    scene.gate().claim("an agent of mine", task=first)
    result = scene.coordinate()
    assert (result.exit_reason, scene.runs) == ("waiting (2)", [])


def test_what_an_earlier_coordinator_left_is_picked_up_and_not_started_again(
    scene: Coordinated,
) -> None:
    (name,) = scene.ready()
    scene.step()
    result = scene.coordinate()
    assert (result.completed, len(scene.runs)) == ((name,), 1)


def test_an_evicted_run_is_started_again(scene: Coordinated) -> None:
    (name,) = scene.ready()
    scene.takes = 10_000

    def evict() -> None:
        (run,) = scene.live
        run.jobs.clear()
        run.finish("cancelled")
        scene.takes = 600

    scene.polls = [evict]
    result = scene.coordinate()
    assert (result.completed, len(scene.runs)) == ((name,), 2)
    claims = {run.inputs["claim"] for run in scene.runs}
    assert len(claims) == 1


def test_polls_that_fail_end_no_work(scene: Coordinated) -> None:
    (name,) = scene.ready()
    scene.takes = 1200
    scene.polls = [lambda: scene.twin.faults.add("forbidden", path="/runs", times=10)]
    assert scene.coordinate().completed == (name,)


def test_a_run_that_takes_too_long_is_released_and_goes_on(scene: Coordinated) -> None:
    (name,) = scene.ready()
    scene.takes = 10**6
    scene.coordinate(timeout=3600.0, poll=300.0)
    assert scene.outcomes[name].state == "released"
    assert scene.gate().task(name).state == "active"
    assert len(scene.live) == 1


def test_a_claim_that_was_taken_over_is_let_go(scene: Coordinated) -> None:
    (name,) = scene.ready()
    scene.takes = 10**6

    def take_over() -> None:
        gate = scene.gate()
        gate.requeue(name, "maja")
        gate.claim("maja", task=name)
        scene.live[0].finish("failure")

    scene.polls = [take_over]
    scene.coordinate(max_issues=1)
    assert scene.outcomes[name].state == "released"
    assert scene.gate().task(name).claim.holder == "maja"


def test_long_work_keeps_its_lease(scene: Coordinated) -> None:
    (name,) = scene.ready()
    scene.takes = 5 * 3600
    result = scene.coordinate(poll=600.0)
    assert (result.completed, len(scene.runs)) == ((name,), 1)
    assert scene.kinds(name) == ["added", "claimed", "finished"]


def test_a_workflow_that_is_not_there_is_a_failed_start(scene: Coordinated) -> None:
    (name,) = scene.ready()
    scene.twin.faults.add("not-found", method="POST", path=DISPATCH)
    result = scene.coordinate()
    assert (result.exit_code, result.failed) == (1, (name,))
    assert scene.gate().task(name).claim.holder == HOLDER


# --- what came of it ---


def test_an_issue_whose_pull_request_is_open_is_completed_and_the_next_one_waits(
    scene: Coordinated,
) -> None:
    first, second = scene.ready(2)
    scene.polls = [opened(scene, f"malagate/{first[1:]}")]
    result = scene.coordinate()
    assert (result.completed, result.exit_reason, result.exit_code) == ((first,), "waiting (1)", 4)
    (pull,) = scene.repo.pulls
    assert scene.outcomes[first].detail == (
        f"{first} waits at the stage gate, with pull request #{pull.number}"
    )
    again = scene.coordinate()
    assert (again.started, again.exit_reason) == (0, "waiting (2)")
    assert [run.inputs["task"] for run in scene.runs] == [first]
    assert scene.gate().task(first).stage == "gate"
    assert scene.gate().task(second).state == "waiting"


@pytest.mark.parametrize("priority", ["P0", "P4"], ids=["asked first", "asked last"])
@pytest.mark.parametrize("closed", [True, False], ids=["issue closed", "issue open"])
def test_the_next_coordinator_starts_the_next_task_when_it_has_landed(
    scene: Coordinated, closed: bool, priority: str
) -> None:
    first, second = scene.ready(2)
    scene.polls = [opened(scene, f"malagate/{first[1:]}")]
    scene.coordinate()
    scene.issue(first).add_label(priority)
    (pull,) = scene.repo.pulls
    pull.merge("maja")
    if closed:
        scene.issue(first).close("maja")
    scene.twin.advance(int(SETTLE_SECONDS) + 1)
    assert scene.coordinate().completed == (second,)
    assert scene.gate().task(first).state == "finished"


def test_a_pull_request_that_was_closed_makes_room_and_its_task_comes_again(
    scene: Coordinated,
) -> None:
    first, second = scene.ready(2)
    scene.polls = [opened(scene, f"malagate/{first[1:]}")]
    scene.coordinate()
    (pull,) = scene.repo.pulls
    pull.close()
    scene.twin.advance(int(SETTLE_SECONDS) + 1)
    result = scene.coordinate()
    assert result.completed == (second, first)
    assert {scene.gate().task(name).state for name in (first, second)} == {"finished"}


# --- comments and assignment ---


def opened(scene: Coordinated, branch: str, body: str = "", fork: str = "") -> Callable[[], object]:
    def do() -> None:
        source = scene.repo.fork(fork) if fork else scene.repo
        source.commit(branch, {"b.py": "y = 1"})
        scene.repo.open_pull(
            branch, fork=source if fork else None, body=body, author=fork or "agent"
        )

    return do


def test_an_agent_is_asked_by_one_comment_and_ends_with_its_pull_request(
    scene: Coordinated,
) -> None:
    scene.twin.checked = True
    (name,) = scene.ready()
    scene.polls = [lambda: None, opened(scene, "fix", f"Fixes {name}, at last")]
    result = scene.run(scene.asking(text="@agent please work on this"))
    assert result.completed == (name,)
    (comment,) = scene.issue(name).comments
    assert comment.body.startswith("@agent please work on this\n")
    task = scene.gate().task(name)
    assert (task.state, task.stage, task.claim.holder) == ("active", "gate", ASKER)


def test_a_pull_request_that_was_merged_before_it_was_seen_ends_its_task(
    scene: Coordinated,
) -> None:
    first, second = scene.ready(2)
    number = first[1:]

    def land() -> None:
        opened(scene, f"malagate/{number}")()
        scene.repo.pulls[-1].merge("maja")

    scene.polls = [land]
    scene.run(scene.asking(timeout=300))
    assert scene.outcomes[first].state == "completed"
    assert scene.gate().task(first).state == "finished"
    assert second in scene.outcomes, "its turn came in the same run"


@pytest.mark.parametrize(
    ("branch", "body", "fork", "counts"),
    [
        ("malagate/{n}", "", "", True),
        ("malagate/{n}-fix", "", "", True),
        ("malagate/{n}0", "", "", False),
        ("x", "closes #{n}", "", True),
        ("x", "Resolved: #{n}.", "", True),
        ("x", "closes #{n}0 and mentions #{n}", "", False),
        ("x", "see #{n}", "", False),
        ("malagate/{n}", "closes #{n}", "mallory", False),
        ("x", "closes #{n}", "copilot", True),
    ],
)
def test_only_a_pull_request_that_may_speak_for_the_issue_counts(
    scene: Coordinated, branch: str, body: str, fork: str, counts: bool
) -> None:
    (name,) = scene.ready()
    number = name[1:]
    scene.polls = [opened(scene, branch.format(n=number), body.format(n=number), fork)]
    scene.run(scene.asking(timeout=300, agents=("copilot",)), max_issues=1)
    assert scene.outcomes[name].state == ("completed" if counts else "released")
    assert scene.gate().task(name).state == ("active" if counts else "waiting")


def test_a_comment_whose_answer_was_lost_is_not_written_twice(scene: Coordinated) -> None:
    (name,) = scene.ready()
    path = rf"/issues/{name[1:]}/comments"
    scene.twin.faults.add("applied-502", method="POST", path=path)
    assert scene.run(scene.asking()).exit_reason == "waiting (1)"
    scene.polls = [opened(scene, f"malagate/{name[1:]}")]
    assert scene.run(scene.asking()).completed == (name,)
    assert len(scene.issue(name).comments) == 1


class Killed(BaseException):
    """The job's own time is up."""


def asked_in_a_job(scene: Coordinated, name: str, seconds: float = 3600.0) -> str:
    """A run that asks for one issue, in a job that lives so long; what came of it."""
    end, spawner = scene.now() + seconds, scene.asking()

    async def wait(length: float) -> None:
        if scene.now() >= end:
            raise Killed
        await scene.wait(length)

    spawner._sleep = wait

    async def go() -> str:
        issue = next(one for one in await GitHubProvider(scene.client()).issues() if one.id == name)
        answer = await spawner(issue)
        if not isinstance(answer, asyncio.Task):
            return f"{answer.kind}: {answer.reason}"
        try:
            return (await answer).state
        except Killed:
            return "killed"

    return asyncio.run(go())


def test_an_agent_that_leaves_nothing_holds_the_queue_no_longer_than_its_time_in_all(
    scene: Coordinated,
) -> None:
    first, second = scene.ready(2)
    began, ends = scene.now(), []
    while scene.gate().task(first).claim is not None or not ends:
        ends.append(asked_in_a_job(scene, first))
        assert len(ends) < 12
    assert 4 * 3600 <= scene.now() - began <= 5 * 3600
    assert ends[0] == "killed"
    assert scene.gate().task(first).state == "waiting"
    assert len(scene.issue(first).comments) == 1
    assert scene.gate().claim("walt").task.task == second


def test_an_agent_that_never_leaves_anything_is_asked_a_few_times_and_then_a_person_is(
    scene: Coordinated,
) -> None:
    (first,) = scene.ready()
    for _ in range(REQUEUES + 1):
        assert scene.gate().task(first).state == "waiting"
        asked_in_a_job(scene, first)
        scene.twin.advance(6 * 3600)  # no job, and the lease has ended
        told = asked_in_a_job(scene, first)
    assert told.startswith("failed: ")
    assert scene.kinds(first)[-2:] == ["parked", "finished"]
    assert NEEDS_HUMAN in scene.issue(first).labels
    assert len(scene.issue(first).comments) == REQUEUES + 1


@pytest.mark.parametrize("stage", ["gate", "review"])
@pytest.mark.parametrize("body", ["", "closes {}"])
def test_what_was_asked_for_and_closed_unmerged_is_given_back_at_the_next_look(
    scene: Coordinated, body: str, stage: str
) -> None:
    first, second = scene.ready(2)
    branch = "x" if body else f"malagate/{first[1:]}"
    scene.polls = [opened(scene, branch, body.format(first))]
    assert asked_in_a_job(scene, first) == "completed"
    if stage == "review":
        scene.gate().advance(first, "review", MAJA)
    assert asked_in_a_job(scene, first) == "completed", "it is still there"
    (pull,) = scene.repo.pulls
    pull.close()
    told = asked_in_a_job(scene, first)
    why = f"pull request #{pull.number} was closed without being merged"
    assert told == f"waiting: {first} waits again: {why}"
    assert scene.gate().task(first).state == "waiting"
    assert scene.gate().claim("walt").task.task == second


def test_one_that_was_opened_late_is_not_given_back(scene: Coordinated) -> None:
    (first,) = scene.ready()
    assert asked_in_a_job(scene, first) == "killed"
    opened(scene, "x", f"closes {first}")()
    scene.twin.advance(12 * 3600)
    assert asked_in_a_job(scene, first) == "completed"
    assert scene.gate().task(first).stage == "gate"


def test_while_github_does_not_answer_nothing_is_given_back(scene: Coordinated) -> None:
    (first,) = scene.ready()
    scene.polls = [lambda: scene.twin.faults.add("forbidden", path=r"/pulls", times=10**4)]
    assert asked_in_a_job(scene, first, 5 * 3600) == "released"
    assert scene.gate().task(first).state == "active"
    scene.twin.faults.clear()
    assert asked_in_a_job(scene, first).startswith("waiting: ")
    assert scene.gate().task(first).state == "waiting"


def test_an_agent_may_be_assigned_instead(scene: Coordinated) -> None:
    scene.twin.checked = True
    (name,) = scene.ready()
    scene.twin.user("copilot")
    scene.polls = [opened(scene, "x", f"closes {name}", "copilot")]
    result = scene.run(scene.asking(assignee="copilot"))
    assert result.completed == (name,)
    assert [one.login for one in scene.issue(name).assignees] == ["copilot"]
    assert scene.issue(name).comments == []


def test_whom_github_does_not_assign_is_said_and_the_task_given_back(scene: Coordinated) -> None:
    (name,) = scene.ready()
    result = scene.run(scene.asking(assignee="nobody-here"))
    assert result.failed == (name,)
    assert scene.gate().task(name).state == "waiting"


def test_a_freeze_right_before_the_comment_stops_it(scene: Coordinated) -> None:
    (name,) = scene.ready()
    freeze = Once(
        lambda: scene.gate().freeze("it burns", MAJA),
        method="PATCH",
        path=rf"/issues/{scene.control.number}$",
    )
    assert scene.run(scene.asking(before=freeze)).exit_reason == "waiting (1)"
    assert scene.issue(name).comments == []


def test_there_is_something_to_ask(scene: Coordinated) -> None:
    with pytest.raises(UsageError):
        scene.asking(text=" ")


def test_what_waits_for_github_is_called_alone() -> None:
    apart, inside = Apart(), []

    def work() -> int:
        inside.append(1)
        most = len(inside)
        inside.pop()
        return most

    async def several() -> list[int]:
        calls: list[Awaitable[int]] = [apart(work) for _ in range(20)]
        return list(await asyncio.gather(*calls))

    assert asyncio.run(several()) == [1] * 20
