"""A reconciler on GitHub: what was lost is found, put right by the ordinary way, and only once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_malagate.admission.run_checks import ASK_AGAIN_SECONDS
from pytest_malagate.admission.starting import HOLDER, SETTLE_SECONDS
from pytest_malagate.admission.upkeep import Upkeep, UpkeepSettings
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.control import ACTIVE, READY
from pytest_malagate.github.statuses import GATE
from pytest_malagate.queue.model import Person, Task
from pytest_malagate.reconcile.answers import Found, Sweep
from pytest_malagate.reconcile.config import ReconcileConfig
from tests.admission.scene import AGENT, BOT, MAJA, NAME, Scene, processes_apart
from tests.twin import Run, Twin
from tests.twin.pulls import PullRequest
from tests.twin.scheduler import Once

GATE_FILE = "malagate.yml"
GATE_WORKFLOW = """\
name: gate
on:
  workflow_dispatch:
    inputs:
      pull-request: {required: true, type: string}
"""
GRACE = 600
SILENT = logging.Logger("silent", logging.CRITICAL)


class Upkept(Scene):
    """The queue's scene with a gate's workflow, pull requests, and a reconciler."""

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.repo.commit("main", {f".github/workflows/{GATE_FILE}": GATE_WORKFLOW})
        self.ticks = 0
        self.told: list[str] = []

    def ready(self, count: int = 1) -> list[str]:
        names = super().ready(count)
        for name in names:
            self.issue(name).add_label(READY, "alice")
        return names

    def tick(self) -> None:
        self.ticks += 1

    def upkeep(self, **given: Any) -> Upkeep:
        settings = UpkeepSettings(
            ref="main",
            gate_workflow=given.pop("gate_workflow", GATE_FILE),
            agent_workflow=AGENT,
            own_workflows=("malagate-queue.yml",),
            trusted=given.pop("trusted", None),
        )
        config = given.pop("config", ReconcileConfig())
        store = self.store(**given)
        gate = self.gate(store)
        return Upkeep(
            gate,
            store,
            settings,
            config=config,
            starter=self.starter(store),
            tick=self.tick,
            notify=lambda unblocked: self.told.append(unblocked.task),
            now=self.now,
            log=SILENT,
        )

    def sweep(self, **given: Any) -> Sweep:
        options = {name: given.pop(name) for name in ("dry_run", "budget") if name in given}
        done = self.upkeep(**given).sweep(**options)
        assert done.errors == (), done.errors
        return done

    def found(self, check: str, **given: Any) -> list[Found]:
        return [one for one in self.sweep(**given).findings if one.check == check]

    def later(self, seconds: int = GRACE + 1) -> None:
        self.twin.advance(seconds)

    def pull(self, branch: str = "work", **given: Any) -> PullRequest:
        self.repo.commit(branch, {"b.py": f"y = {branch!r}"})
        return self.repo.open_pull(branch, **given)

    def tested(self, pull: PullRequest, conclusion: str = "success") -> Run:
        return self.repo.run(pull=pull).finish(conclusion)

    def judged(self, pull: PullRequest, state: str = "success", by: str = BOT) -> None:
        self.repo.add_status(pull.head_sha, state, GATE, user=by)

    def at(self, stage: str, **given: Any) -> Task:
        """A task that is active at a stage."""
        (name,) = self.ready()
        gate = self.gate()
        claimed = gate.claim("an agent", task=name).task
        assert claimed is not None
        return claimed if stage == "work" else gate.advance(name, stage, MAJA)  # type: ignore[arg-type]

    def writes(self) -> int:
        return sum(one.method != "GET" for one in self.twin.requests)

    @property
    def gates(self) -> list[Run]:
        return [run for run in self.runs if run.path.endswith(GATE_FILE)]


@pytest.fixture
def scene(twin: Twin) -> Iterator[Upkept]:
    """Answers are compared with GitHub's description only where a test says so: it takes time."""
    twin.checked = False
    with processes_apart():
        yield Upkept(twin)


# --- nothing to do ---


def test_a_sweep_with_nothing_to_do_writes_nothing_and_asks_little(scene: Upkept) -> None:
    scene.twin.checked = True
    for pull in scene.repo.open_pulls(3):
        scene.judged(pull)
    scene.ready(2)
    scene.later()
    scene.sweep()  # remembers which heads are judged
    writes, before = scene.writes(), len(scene.twin.requests)
    done = scene.sweep()
    assert (done.findings, done.advanced, scene.writes()) == ((), (), writes)
    assert len(scene.twin.requests) - before <= 15


def test_what_costs_a_request_each_is_bounded_and_gets_round(scene: Upkept) -> None:
    pulls = scene.repo.open_pulls(40)
    for pull in pulls:
        scene.tested(pull)
    scene.later()
    first = {one.item for one in scene.found("unjudged", gate_workflow=None)}
    second = {one.item for one in scene.found("unjudged", gate_workflow=None)}
    assert len(first) == 30
    assert first | second == {f"#{pull.number}" for pull in pulls}


def test_a_dry_run_finds_the_same_and_writes_nothing(scene: Upkept) -> None:
    pull = scene.pull()
    scene.tested(pull)
    active = scene.at("work")
    scene.issue(active.task).close()
    scene.later()
    before = scene.writes()
    dry = scene.sweep(dry_run=True)
    assert scene.writes() == before
    wet = scene.sweep()
    assert [one.item for one in dry.findings] == [one.item for one in wet.findings]
    assert not any(one.repaired for one in dry.findings)
    assert all(one.repaired for one in wet.findings)


def test_it_is_an_error_where_the_queue_cannot_be_read(scene: Upkept) -> None:
    scene.twin.faults.add("502", times=999)
    with pytest.raises(MachineryError):
        scene.upkeep(patience=1.0).sweep()


def test_one_check_that_fails_holds_up_no_other(scene: Upkept) -> None:
    active = scene.at("work")
    scene.issue(active.task).close()
    scene.twin.faults.add("forbidden", path="/actions/", times=999)
    done = scene.upkeep().sweep()
    assert {one.item for one in done.errors} >= {"evicted", "wedged"}
    assert [one.item for one in done.repaired] == [active.task]


def test_switched_off_it_asks_for_nothing(scene: Upkept) -> None:
    before = len(scene.twin.requests)
    done = scene.sweep(config=ReconcileConfig(off="because"))
    assert (done.off, len(scene.twin.requests)) == ("because", before)


# --- tasks whose gate is green ---


@pytest.mark.parametrize(
    ("state", "by", "stage"),
    [
        ("success", BOT, "review"),
        ("failure", BOT, "gate"),
        ("pending", BOT, "gate"),
        (None, BOT, "gate"),
        ("success", "walt", "gate"),  # whoever may write here can set a status of any name
    ],
)
def test_a_task_at_its_gate_goes_on_only_for_a_trusted_success_on_its_present_head(
    scene: Upkept, state: str | None, by: str, stage: str
) -> None:
    task = scene.at("gate")
    pull = scene.pull(f"malagate/{task.task[1:]}")
    if state is not None:
        scene.judged(pull, state, by)
    scene.later()
    done = scene.sweep()
    assert scene.gate().task(task.task).stage == stage
    assert [look.to for look in done.advanced] == (["review"] if stage == "review" else [])
    assert scene.told == ([task.task] if stage == "review" else [])


def test_a_verdict_on_an_older_head_advances_nobody(scene: Upkept) -> None:
    task = scene.at("gate")
    pull = scene.pull(f"malagate/{task.task[1:]}-fix")
    scene.judged(pull)
    pull.push({"c.py": "z = 1"})
    scene.later()
    assert scene.sweep().advanced == ()
    scene.judged(pull)
    assert len(scene.sweep().advanced) == 1


def test_a_fork_may_name_its_branch_as_it_likes(scene: Upkept) -> None:
    task = scene.at("gate")
    fork = scene.repo.fork("mallory")
    branch = f"malagate/{task.task[1:]}"
    fork.commit(branch, {"b.py": "y = 1"})
    pull = scene.repo.open_pull(branch, fork=fork, author="mallory")
    scene.judged(pull)
    scene.later()
    assert scene.sweep().advanced == ()


def test_a_task_with_two_pull_requests_is_not_guessed_at(scene: Upkept) -> None:
    task = scene.at("gate")
    for suffix in ("a", "b"):
        scene.judged(scene.pull(f"malagate/{task.task[1:]}-{suffix}"))
    scene.later()
    done = scene.sweep()
    (look,) = done.looks
    assert (look.outcome, "several" in look.why) == ("red", True)


def test_a_review_is_a_persons_and_a_grace_is_given(scene: Upkept) -> None:
    task = scene.at("review")
    scene.judged(scene.pull(f"malagate/{task.task[1:]}"))
    scene.later()
    assert scene.sweep().skipped == {"human": 1}


# R11: the event's handler and the reconciler, at every request of the sweep that may matter.
@pytest.mark.parametrize("nth", [1, 3, 6, 9, 12, 15])
def test_r11_the_handler_and_the_reconciler_advance_once(scene: Upkept, nth: int) -> None:
    task = scene.at("gate")
    scene.judged(scene.pull(f"malagate/{task.task[1:]}"))
    scene.later()

    def handler() -> None:
        scene.gate().advance(task.task, "review", Person(name=BOT), seen=task)

    once = Once(handler, nth=nth)
    done = scene.sweep(before=once)
    assert once.done
    assert scene.kinds(task.task).count("advanced") == 2, "to the gate, and out of it"
    assert len(done.advanced) == 0


def test_r11_the_handler_is_refused_where_the_reconciler_was_faster(scene: Upkept) -> None:
    task = scene.at("gate")
    scene.judged(scene.pull(f"malagate/{task.task[1:]}"))
    scene.later()
    assert len(scene.sweep().advanced) == 1
    with pytest.raises(UsageError, match="faster"):
        scene.gate().advance(task.task, "review", Person(name=BOT), seen=task)
    assert scene.sweep().advanced == ()


# --- work that is over ---


def test_an_active_task_whose_issue_was_closed_is_finished(scene: Upkept) -> None:
    task = scene.at("work")
    scene.issue(task.task).close()
    (found,) = scene.found("landed")
    assert (found.item, found.repaired) == (task.task, True)
    assert scene.gate().task(task.task).state == "finished"
    assert ACTIVE not in scene.issue(task.task).labels
    assert scene.found("landed") == []


@pytest.mark.parametrize(("ends", "finished"), [("merge", True), ("close", False)])
def test_an_active_task_is_finished_when_its_pull_request_is_merged(
    scene: Upkept, ends: str, finished: bool
) -> None:
    task = scene.at("landing")
    pull = scene.pull(f"malagate/{task.task[1:]}")
    getattr(pull, ends)()
    scene.sweep()
    assert (scene.gate().task(task.task).state == "finished") is finished


def test_who_waits_in_front_and_was_merged_is_finished_and_those_behind_are_asked_for_next(
    scene: Upkept,
) -> None:
    """Nobody had claimed it: it was in front, so its pull request was told that it may land."""
    first, second, third = scene.ready(3)
    for name in (first, third):
        scene.pull(f"malagate/{name[1:]}").merge(by="maja")
    (found,) = scene.found("landed")
    assert (found.item, found.repaired) == (first, True)
    assert "it waits, and pull request" in found.problem
    assert scene.issue(first).state == "open"
    assert [task.task for task in scene.gate().tasks()] == [second, third]
    assert scene.found("landed") == []


def test_what_was_merged_before_a_task_was_given_back_does_not_end_it(scene: Upkept) -> None:
    task = scene.at("work")
    scene.pull(f"malagate/{task.task[1:]}").merge()
    scene.later(60)
    scene.gate().requeue(task.task, "maja")
    assert scene.found("landed") == []
    assert scene.gate().task(task.task).state == "waiting"


def test_a_pull_request_from_before_the_task_says_nothing(scene: Upkept) -> None:
    issue = scene.repo.open_issue("again")
    scene.pull(f"malagate/{issue.number}").merge()
    scene.later()
    scene.gate().add(f"#{issue.number}", "alice")
    scene.gate().claim("an agent")
    assert scene.found("landed") == []


@pytest.mark.parametrize("way", ["delete", "transfer"])
@pytest.mark.parametrize("active", [True, False])
def test_a_task_without_an_issue_leaves_the_queue(scene: Upkept, way: str, active: bool) -> None:
    first, second = scene.ready(2)
    if active:
        scene.gate().claim("an agent")
    gone = first if active else second
    if way == "delete":
        scene.repo.delete_issue(scene.issue(gone))
    else:
        scene.repo.transfer(scene.issue(gone), scene.twin.repository("acme/other"))
    found = scene.found("missing-issues")
    assert [(one.item, one.repaired) for one in found] == [(gone, True)]
    assert scene.gate().task(gone).state == "finished"
    other = second if active else first
    assert scene.gate().task(other).state != "finished"


# --- claims ---


@pytest.mark.parametrize("ends", ["success", "failure", "evicted", "gone"])
def test_a_claim_whose_run_is_over_is_taken_further_by_the_queues_own_step(
    scene: Upkept, ends: str
) -> None:
    (name,) = scene.ready()
    scene.step()
    (run,) = scene.runs
    if ends == "gone":
        del scene.repo.runs[run.id]
    elif ends == "evicted":
        run.jobs.clear()
        run.finish("cancelled")
    else:
        run.finish(ends)
    scene.later(int(SETTLE_SECONDS) + 1)
    found = scene.found("orphaned-claims")
    assert [(one.item, one.repaired) for one in found] == [(name, True)]
    task = scene.gate().task(name)
    expected = {"success": "finished", "failure": "waiting", "evicted": "active", "gone": "active"}
    assert task.state == expected[ends]
    live = [one for one in scene.runs if one.status != "completed"]
    assert len(live) == (expected[ends] == "active")


def test_a_claim_whose_run_is_at_work_is_left_alone(scene: Upkept) -> None:
    scene.ready()
    scene.step()
    scene.later()
    assert scene.found("orphaned-claims") == []
    assert len(scene.runs) == 1


def test_the_lapsed_claim_of_somebody_else_is_told(scene: Upkept) -> None:
    task = scene.at("work")
    scene.later(5 * 3600)
    (found,) = scene.found("lapsed-claims")
    assert (found.item, found.repaired) == (task.task, False)
    assert HOLDER not in found.problem


# --- pull requests without a verdict ---


def test_the_gate_is_asked_for_a_pull_request_that_nobody_judged(scene: Upkept) -> None:
    scene.twin.checked = True
    pull = scene.pull()
    scene.tested(pull)
    assert scene.found("unjudged") == [], "it is too early"
    scene.later()
    (found,) = scene.found("unjudged")
    assert found.repaired
    (run,) = scene.gates
    assert run.inputs == {"pull-request": str(pull.number)}
    (found,) = scene.found("unjudged")
    assert (found.repairable, len(scene.gates)) == (False, 1), "the gate has its time"
    scene.later(int(ASK_AGAIN_SECONDS))
    scene.sweep()
    assert len(scene.gates) == 2
    scene.judged(pull)
    assert scene.found("unjudged") == []


def test_a_new_head_needs_a_verdict_of_its_own(scene: Upkept) -> None:
    pull = scene.pull()
    scene.tested(pull)
    scene.judged(pull)
    scene.later()
    assert scene.found("unjudged") == []
    pull.push({"c.py": "z = 1"})
    scene.tested(pull)
    scene.later()
    assert len(scene.found("unjudged")) == 1


@pytest.mark.parametrize("tests", ["running", "none"])
def test_nothing_is_due_before_the_tests_have_ended(scene: Upkept, tests: str) -> None:
    pull = scene.pull()
    if tests == "running":
        scene.repo.run(pull=pull)
    scene.later()
    assert scene.found("unjudged") == []


@pytest.mark.parametrize("workflow", ["tests.yml", "nowhere.yml", None])
def test_a_gate_that_cannot_be_asked_so_is_a_persons_to_ask(
    scene: Upkept, workflow: str | None
) -> None:
    scene.repo.commit("main", {".github/workflows/tests.yml": "on: pull_request"})
    scene.tested(scene.pull())
    scene.later()
    (found,) = scene.found("unjudged", gate_workflow=workflow)
    assert not found.repaired
    assert "/gate retry" in found.remedy


def test_a_head_that_moves_meanwhile_is_not_asked_for(scene: Upkept) -> None:
    pull = scene.pull()
    scene.tested(pull)
    scene.later()
    push = Once(lambda: pull.push({"c.py": "z = 1"}), path=rf"/pulls/{pull.number}$")
    (found,) = scene.found("unjudged", before=push)
    assert (push.done, found.repaired, scene.gates) == (True, False, [])


def test_a_head_of_two_pull_requests_is_told(scene: Upkept) -> None:
    one = scene.pull("twice")
    scene.repo.commit("other", {"d.py": "1"})
    two = scene.repo.open_pull("twice", base="other")
    (found,) = scene.found("ambiguous-heads")
    assert f"#{one.number}, #{two.number}" in found.problem


# --- runs and groups ---


def test_an_evicted_run_is_found_once_and_made_up_for(scene: Upkept) -> None:
    scene.twin.checked = True
    ours = scene.repo.run(".github/workflows/malagate-queue.yml", "schedule")
    other = scene.repo.run(".github/workflows/deploy.yml", "push")
    worked = scene.repo.run(".github/workflows/malagate-queue.yml", "schedule")
    for run in (ours, other):
        run.jobs.clear()
    for run in (ours, other, worked):
        run.finish("cancelled")
    found = {one.item: one.repaired for one in scene.found("evicted")}
    assert found == {f"run {ours.id}": True, f"run {other.id}": False}
    assert scene.ticks == 1
    assert scene.found("evicted") == []


def test_a_wedged_group_is_told_with_what_to_do(scene: Upkept) -> None:
    scene.twin.checked = True
    scene.repo.groups.phantom("malagate-tick-v0")
    scene.repo.run(event="push", concurrency=("malagate-tick-v0", "max"))
    (found,) = scene.found("wedged")
    assert (found.item, found.repairable) == ("malagate-tick-v0", False)
    assert "MALAGATE_EPOCH" in found.remedy


# --- labels ---


def test_labels_that_say_other_than_the_ledger_are_put_right(scene: Upkept) -> None:
    scene.twin.checked = True
    active, waiting = scene.ready(2)
    scene.gate().claim("an agent")
    stranger = scene.repo.open_issue("not in the queue", labels=(ACTIVE,))
    scene.issue(active).remove_label(ACTIVE, BOT)
    scene.issue(waiting).remove_label(READY, BOT)
    found = scene.found("labels")
    assert {one.item: one.repaired for one in found} == {
        active: True,
        waiting: True,
        f"#{stranger.number}": True,
    }
    assert scene.issue(active).labels == {ACTIVE}
    assert scene.issue(waiting).labels == {READY}
    assert stranger.labels == set()
    assert scene.found("labels") == []


def test_a_closed_issue_whose_task_has_ended_shows_no_turn(scene: Upkept) -> None:
    """A process died after the end was on the ledger, and before it took the label off."""
    (task,) = scene.ready(1)
    scene.gate().claim("agent")
    issue = scene.issue(task)
    issue.close()
    scene.twin.faults.add("forbidden", method="DELETE", times=5)
    scene.gate().finish(task, "agent")
    scene.twin.faults.clear()
    scene.twin.lagging(0)
    assert ACTIVE in issue.labels
    assert [one.repaired for one in scene.found("labels")] == [True]
    assert ACTIVE not in issue.labels


def test_a_ready_label_that_a_person_took_off_stays_off(scene: Upkept) -> None:
    (waiting,) = scene.ready()
    scene.issue(waiting).remove_label(READY, "maja")
    (found,) = scene.found("labels")
    assert not found.repaired
    assert scene.issue(waiting).labels == set()


def test_a_list_that_lags_takes_no_label_off(scene: Upkept) -> None:
    (name,) = scene.ready()
    scene.twin.lagging(50)
    scene.gate().claim("an agent")
    assert scene.found("labels") == []
    scene.twin.lagging(0)
    assert scene.issue(name).labels == {ACTIVE}


def test_hostile_names_are_no_more_than_words(scene: Upkept) -> None:
    issue = scene.repo.open_issue("::error::\x1b[31m `rm -rf` <!-- x -->", author="alice")
    issue.add_label(READY, "alice")
    scene.gate().add(f"#{issue.number}", "alice")
    scene.gate().claim("an agent")
    issue.close()
    (found,) = scene.found("landed")
    assert found.repaired
    assert NAME.startswith("acme")
