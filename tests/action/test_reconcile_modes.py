"""Modes reconcile and coordinate: what a job prints, writes and ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_malagate.admission.statuses import CONTEXT
from pytest_malagate.github.client import Manners
from pytest_malagate.github.control import ACTIVE, CONTROL, FROZEN, READY, find_control
from pytest_malagate.github.statuses import GATE
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.github.sweep_memory import SweepMemory, read_memory
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from tests.action.stage import GATE_YML, PERMISSIONS, POLICY, Stage, Told
from tests.twin import Issue, PullRequest, Run
from tests.twin.scheduler import WiredClient

QUEUE_YML = ".github/workflows/malagate-queue.yml"
TICK = ("malagate-tick-v0", "single")
LONG = ("malagate-coordinate-v0", "max")
BOT = "github-actions[bot]"
AGENT_YML = ".github/workflows/agent.yml"
AGENT = """\
run-name: "${{ inputs.task }} [${{ inputs.claim }}]"
on:
  workflow_dispatch:
    inputs:
      task: {required: true, type: string}
      claim: {required: true, type: string}
"""
GATE_DISPATCH = """\
name: malagate
on:
  workflow_dispatch:
    inputs:
      pull-request: {required: true, type: string}
"""
MAJA = Person(name="maja", rank="maintain", human=True)


class Yard:
    """acme/shop with a queue, agents' and gate's workflows, and jobs that are run on a schedule."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.twin, self.repo = stage, stage.twin, stage.repo
        self.repo.permission("maja", "maintain")
        self.repo.permission("tina", "triage")
        self.repo.commit("main", {AGENT_YML: AGENT, GATE_YML: GATE_DISPATCH}, message="workflows")
        self.stage.token = self.twin.token(
            "t-queue", self.repo, login=BOT, permissions={**PERMISSIONS, "actions": "write"}
        )
        self.conclusions: dict[str, str] = {}
        self.during: list[Callable[[], object]] = []
        store = self.store()
        store.arm("acme/shop")
        self.stage._sleep = self._sleep  # type: ignore[method-assign]

    def store(self) -> GitHubStore:
        manners = Manners(write_spacing=0.0, now=self.now, sleep=lambda _: None)
        client = WiredClient(self.twin, "t-queue", "acme/shop", manners=manners)
        return GitHubStore(lambda _: client)

    @property
    def gate(self) -> SerialGate:
        return SerialGate(self.store(), "acme/shop", now=self.now)

    def now(self) -> float:
        return float(self.twin.clock())

    def _sleep(self, seconds: float) -> None:
        """While a job waits, time passes, and agents come to their end."""
        self.twin.advance(int(seconds) + 1)
        if self.during:
            self.during.pop(0)()
        for run in self.live:
            if self.now() - run.created_at >= 120:
                run.finish(self.conclusions.get(str(run.inputs["task"]), "success"))

    @property
    def runs(self) -> list[Run]:
        return [run for run in self.repo.runs.values() if run.path == AGENT_YML]

    @property
    def live(self) -> list[Run]:
        return [run for run in self.runs if run.status != "completed"]

    def ready(self, title: str = "work") -> Issue:
        issue = self.repo.open_issue(title)
        issue.add_label(READY, "tina")
        return issue

    def act(self, mode: str, alone: tuple[str, str] | None, **given: Any) -> Told:
        payload = self.twin.event("schedule", repo=self.repo)
        return self.stage.act(
            "schedule", payload, workflow=QUEUE_YML, alone=alone, mode=mode, **given
        )

    def reconcile(self, **given: Any) -> Told:
        return self.act("reconcile", given.pop("alone", TICK), **given)

    def coordinate(self, **given: Any) -> Told:
        return self.act("coordinate", given.pop("alone", LONG), **given)

    def branch(self, name: str) -> str:
        self.repo.commit(name, {f"{name}.py": "y = 1"}, message="work")
        return name

    def admission(self, pull: PullRequest) -> str:
        """The state that a pull request was told last."""
        found = [one for one in self.repo.statuses(pull.head_sha) if one.context == CONTEXT]
        return found[0].state if found else ""

    def remembered(self) -> SweepMemory:
        """What the last sweep left for the next."""
        control = next(one for one in self.repo.issues.values() if CONTROL in one.labels)
        found = find_control(self.store().client("acme/shop"), control.number)
        assert found is not None
        return read_memory(found.memory)

    def state(self, issue: Issue) -> str:
        task = self.gate.task(f"#{issue.number}")
        assert task is not None
        return task.state

    def writes(self) -> int:
        return sum(request.method != "GET" for request in self.twin.requests)


@pytest.fixture
def yard(stage: Stage) -> Iterator[Yard]:
    yield Yard(stage)


# --- reconcile ---


def test_a_sweep_on_a_schedule_gives_tickets_and_says_so(yard: Yard) -> None:
    issue = yard.ready()
    told = yard.reconcile()
    assert told.exit_code == 0, told.log
    assert f"#{issue.number} has a ticket now" in told.log
    assert "malagate reconcile" in told.summary
    assert told.outputs["frozen"] == "false"
    assert yard.state(issue) == "waiting"
    assert yard.runs == [], "starting is not its business"


def test_nothing_to_do_is_one_line(yard: Yard) -> None:
    yard.reconcile()
    told = yard.reconcile()
    assert "nothing to do" in told.log
    assert told.commands() == []


def test_a_task_whose_gate_is_green_goes_on(yard: Yard) -> None:
    issue = yard.ready()
    yard.reconcile()
    name = f"#{issue.number}"
    yard.gate.claim("an agent", task=name)
    yard.gate.advance(name, "gate", MAJA)
    yard.repo.commit(f"malagate/{issue.number}", {"b.py": "y = 1"}, message="work")
    pull = yard.repo.open_pull(f"malagate/{issue.number}")
    yard.repo.add_status(pull.head_sha, "success", GATE, user=BOT)
    yard.twin.advance(3600)
    dry = yard.reconcile(**{"dry-run": "true"})
    assert f"{name} would go on from gate" in dry.log
    told = yard.reconcile()
    assert f"{name} went on from gate" in told.log
    assert yard.gate.task(name).stage == "review"  # type: ignore[union-attr]


def test_what_was_lost_is_repaired_and_told(yard: Yard) -> None:
    pull = yard.stage.opened(fork=False)
    yard.repo.run(pull=pull).finish("success")
    yard.twin.advance(3600)
    told = yard.reconcile()
    assert f"#{pull.number}: " in told.log
    assert "has no verdict" in told.log
    assert "; repaired" in told.log
    asked = [run for run in yard.repo.runs.values() if run.inputs]
    assert [run.inputs for run in asked] == [{"pull-request": str(pull.number)}]


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(yard: Yard) -> None:
    issue = yard.ready()
    yard.reconcile()
    yard.gate.claim("an agent")
    issue.close()
    issue.remove_label(READY)
    before = yard.writes()
    told = yard.reconcile(**{"dry-run": "true"})
    assert yard.writes() == before
    assert "Dry run" in told.summary
    assert f"#{issue.number}" in told.log


@pytest.mark.parametrize("kind", ["502", "html", "forbidden"])
def test_a_github_that_cannot_be_read_is_machinery(yard: Yard, kind: str) -> None:
    yard.twin.faults.add(kind, times=9999, path="/issues")
    before = yard.writes()
    told = yard.reconcile()
    assert (told.exit_code, yard.writes()) == (3, before)
    assert "Traceback" not in told.log


@pytest.mark.parametrize("mode", ["reconcile", "coordinate"])
def test_without_the_lock_nothing_is_written(yard: Yard, mode: str) -> None:
    yard.ready()
    before = yard.writes()
    told = yard.act(mode, None)
    assert (told.exit_code, yard.writes()) == (3, before)
    assert "concurrency" in told.log


def test_the_policy_switches_it_off_and_the_queue_is_swept_all_the_same(yard: Yard) -> None:
    yard.repo.commit("main", {"malagate.yaml": POLICY + "reconcile: {enabled: false}\n"})
    issue = yard.ready()
    told = yard.reconcile()
    assert "the reconciler is off" in told.log
    assert yard.state(issue) == "waiting"


def test_one_check_that_fails_is_a_warning(yard: Yard) -> None:
    yard.twin.no_concurrency_api = False
    yard.twin.faults.add("forbidden", path="status=cancelled", times=99)
    told = yard.reconcile()
    assert told.exit_code == 0
    assert any("evicted" in line for line in told.commands())


def test_hostile_titles_are_no_commands_in_log_or_summary(yard: Yard) -> None:
    yard.ready("::error::x\n::set-output name=y::z <!-- gone --> \x1b[31m")
    yard.reconcile()
    told = yard.coordinate(**{"dry-run": "true"})
    assert told.commands() == []
    assert "\x1b" not in told.log


def test_whoever_could_not_be_told_is_machinery_and_the_rest_is_done(yard: Yard) -> None:
    pulls = [yard.repo.open_pull(yard.branch(f"t{n}")) for n in range(2)]
    issue = yard.ready()
    yard.reconcile()
    yard.gate.claim("an agent")
    issue.close()
    issue.remove_label(READY)
    yard.gate.freeze("on fire", MAJA)
    path = rf"/statuses/{pulls[1].head_sha}"
    yard.twin.faults.add("500", method="POST", path=path, times=99)
    told = yard.reconcile()
    assert told.exit_code == 3
    assert "1 pull request was not told where it stands" in told.summary
    assert any("1 pull request was not told" in line for line in told.commands())
    assert yard.state(issue) == "finished"
    assert (yard.admission(pulls[0]), yard.admission(pulls[1])) == ("failure", "pending")
    yard.twin.faults.clear()
    assert yard.reconcile().exit_code == 0
    assert yard.admission(pulls[1]) == "failure"


# --- coordinate ---


def test_all_that_is_ready_is_worked_on_by_the_policys_workflow(yard: Yard) -> None:
    first, second = yard.ready("one"), yard.ready("two")
    told = yard.coordinate()
    assert told.exit_code == 0, told.log
    assert [run.inputs["task"] for run in yard.runs] == [f"#{first.number}", f"#{second.number}"]
    assert {yard.state(first), yard.state(second)} == {"finished"}
    assert "one task at a time is the rule here" in told.log
    assert "2 started, 2 completed, 0 failed" in told.summary


def test_coordinate_orders_the_queue_and_tells_no_pull_request(yard: Yard) -> None:
    """It runs beside the sweep of `admit`, and would put what it saw over what that one saw."""
    pull = yard.repo.open_pull(yard.branch("t"))
    yard.reconcile()
    kept = yard.remembered()
    yard.twin.advance(7200)
    issue = yard.ready()
    before = len(yard.twin.requests)
    told = yard.coordinate()
    assert told.exit_code == 0, told.log
    assert yard.state(issue) == "finished"
    assert not any("/statuses/" in request.path for request in yard.twin.requests[before:])
    assert (yard.admission(pull), yard.remembered()) == ("success", kept)


def test_what_a_tick_tells_while_coordinate_works_stands(yard: Yard) -> None:
    pull = yard.repo.open_pull(yard.branch("t"))
    yard.ready()

    def frozen_and_told() -> None:
        yard.gate.freeze("on fire", MAJA)
        assert yard.reconcile().exit_code == 0

    yard.during = [frozen_and_told]
    yard.coordinate()
    assert yard.during == []
    assert yard.admission(pull) == "failure"


def test_an_agent_that_fails_is_exit_code_1(yard: Yard) -> None:
    issue = yard.ready()
    yard.conclusions[f"#{issue.number}"] = "failure"
    told = yard.coordinate()
    assert told.exit_code == 1
    assert "failed" in told.summary


def test_while_frozen_nothing_starts_and_it_says_why(yard: Yard) -> None:
    yard.ready()
    yard.repo.open_issue("It burns").add_label(FROZEN, "tina")
    told = yard.coordinate()
    assert (told.exit_code, yard.runs) == (4, [])
    assert "frozen by tina" in told.log
    assert told.outputs["frozen"] == "true"


def test_several_at_once_where_the_policy_allows_it(yard: Yard) -> None:
    policy = POLICY + "serial: {enabled: false}\ncoordinate: {max_agents: 3, max_issues: 3}\n"
    yard.repo.commit("main", {"malagate.yaml": policy}, message="several")
    for number in range(4):
        yard.ready(f"work {number}")
    most: list[int] = []
    yard.during = [lambda: most.append(len(yard.live)) for _ in range(4)]
    told = yard.coordinate()
    assert told.exit_code == 0, told.log
    assert (max(most), len(yard.runs)) == (3, 3)
    assert "limit_reached (3)" in told.log


def test_the_parts_of_an_epic_need_no_label(yard: Yard) -> None:
    epic, part = yard.repo.open_issue("epic"), yard.repo.open_issue("part")
    epic.add_sub_issue(part)
    other = yard.ready("other")
    yard.reconcile()
    yard.gate.finish(f"#{other.number}", "maja")
    told = yard.coordinate(epic=f"#{epic.number}")
    assert told.exit_code == 0, told.log
    assert [run.inputs["task"] for run in yard.runs] == [f"#{part.number}"]


def test_somebody_elses_agent_is_asked_by_a_comment(yard: Yard) -> None:
    issue = yard.ready()

    def answer() -> None:
        yard.repo.commit("fix", {"b.py": "y = 1"}, message="work")
        yard.repo.open_pull("fix", body=f"Closes #{issue.number}")

    yard.during = [lambda: None, answer]
    told = yard.coordinate(ask="@agent please work on this issue")
    assert told.exit_code == 0, told.log
    (comment,) = issue.comments
    assert comment.body.startswith("@agent please work on this issue")
    assert ACTIVE in issue.labels


def test_a_comment_or_an_assignment_but_not_both(yard: Yard) -> None:
    told = yard.coordinate(ask="hello", assign="maja")
    assert told.exit_code == 2


def test_a_dry_run_of_coordinate_starts_nothing(yard: Yard) -> None:
    issue = yard.ready("add a test")
    before = yard.writes()
    told = yard.coordinate(**{"dry-run": "true"})
    assert (told.exit_code, yard.writes()) == (0, before)
    assert f"would start #{issue.number}, when it is its turn: add a test" in told.log
