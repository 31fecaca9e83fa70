"""Starting the task whose turn it is: once, in order, again where it was lost, and not for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_malagate.admission.claimed_runs import is_first, still_mine
from pytest_malagate.admission.giving_back import REQUEUES
from pytest_malagate.admission.starting import (
    HOLDER,
    SETTLE_SECONDS,
    STARTS,
    Nothing,
    Started,
)
from pytest_malagate.admission.upkeep import Upkeep, UpkeepSettings
from pytest_malagate.errors import MachineryError
from pytest_malagate.github.control import ACTIVE
from pytest_malagate.github.labels import NEEDS_HUMAN
from tests.admission.scene import AGENT, MAJA, NAME, Scene, processes_apart
from tests.twin import PullRequest, Run, Twin
from tests.twin.scheduler import Died, Once

DISPATCH = r"/dispatches$"


@pytest.fixture(params=[0, 3], ids=["", "lists lag"])
def scene(request: pytest.FixtureRequest, twin: Twin) -> Iterator[Scene]:
    """What it holds is true while lists are up to date, and while they lag."""
    twin.checked = not request.param  # it takes its time: once is enough
    made = Scene(twin)
    twin.lagging(int(request.param))
    with processes_apart():
        yield made


def started(scene: Scene, **given: object) -> Started:
    answer = scene.step(**given)
    assert isinstance(answer, Started), answer
    return answer


def nothing(scene: Scene, **given: object) -> Nothing:
    answer = scene.step(**given)
    assert isinstance(answer, Nothing), answer
    return answer


def settle(scene: Scene) -> None:
    scene.twin.advance(int(SETTLE_SECONDS) + 1)


def evict(scene: Scene) -> None:
    """The newest run is cancelled before it has any job."""
    run = scene.runs[-1]
    run.jobs.clear()
    run.finish("cancelled")
    settle(scene)


def succeed(scene: Scene) -> None:
    """The newest run has done its work, and time has passed since."""
    scene.runs[-1].finish("success")
    settle(scene)


def offered(scene: Scene, task: str, branch: str = "malagate/{}", **given: Any) -> PullRequest:
    """What an agent leaves: an open pull request from the task's branch."""
    name = branch.format(task[1:])
    scene.repo.commit(name, {f"work-{task[1:]}.py": "y = 1"})
    return scene.repo.open_pull(name, author="agent", **given)


def at_gate(scene: Scene, task: str) -> PullRequest:
    """A task whose run has succeeded, with a pull request that is seen to be open."""
    assert started(scene).task == task
    pull = offered(scene, task)
    succeed(scene)
    answer = nothing(scene)
    assert (answer.code, scene.gate().task(task).stage) == ("start.at-gate", "gate")
    return pull


def reconciled(scene: Scene) -> list[tuple[str, str]]:
    """What the reconciler puts right: the check, and whose."""
    store = scene.store()
    done = Upkeep(scene.gate(store), store, UpkeepSettings(ref="main"), now=scene.now).sweep()
    return [(one.check, one.item) for one in done.repaired]


# --- the ordinary way ---


def test_the_earliest_ticket_is_started_with_its_claim(scene: Scene) -> None:
    first, _ = scene.ready(2)
    begun = started(scene)
    (run,) = scene.runs
    assert (begun.task, begun.run_id, begun.again) == (first, run.id, False)
    assert run.inputs == {"task": first, "claim": begun.claim}
    assert begun.claim in run.title
    assert scene.issue(first).labels == {ACTIVE}


def test_the_next_is_started_when_the_run_has_succeeded(scene: Scene) -> None:
    first, second = scene.ready(2)
    started(scene)
    settle(scene)
    assert nothing(scene).code == "start.at-work"
    succeed(scene)
    begun = started(scene)
    assert begun.task == second
    assert begun.notes == (f"{first} is finished: run {scene.runs[0].id} has succeeded",)
    succeed(scene)
    assert nothing(scene).code == "queue.waiting"
    assert scene.kinds(first) == ["added", "claimed", "finished"]


def test_with_nothing_to_do_nothing_is_written(scene: Scene) -> None:
    before = len(scene.twin.requests)
    assert nothing(scene).why == "nothing waits"
    assert {request.method for request in scene.twin.requests[before:]} == {"GET"}


def test_more_inputs_are_handed_on(scene: Scene) -> None:
    scene.repo.commit(
        "main",
        {".github/workflows/other.yml": "on: {workflow_dispatch: {inputs: {model: {}}}}"},
    )
    scene.ready()
    answer = nothing(scene, workflow="other.yml", inputs={"model": "small"})
    assert answer.code == "start.refused"
    assert "task" in answer.why, "the workflow does not declare what it needs"


# --- what is lost ---


def test_a_process_that_dies_before_the_dispatch_leaves_the_same_claim_to_the_next(
    scene: Scene,
) -> None:
    (name,) = scene.ready()
    with pytest.raises(Died):
        scene.step(before=Once(die, path=DISPATCH))
    claim = scene.gate().task(name).claim
    assert nothing(scene).code == "start.settling"
    settle(scene)
    begun = started(scene)
    assert (begun.claim, begun.again, len(scene.runs)) == (claim.id, True, 1)
    assert scene.kinds(name) == ["added", "claimed", "restarted"]


def die() -> None:
    raise Died


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "502", "timeout", "html"])
def test_an_uncertain_answer_is_never_followed_by_another_dispatch_at_once(
    scene: Scene, kind: str
) -> None:
    scene.ready()
    scene.twin.faults.add(kind, method="POST", path=DISPATCH)
    answer = scene.step()
    applied = kind.startswith("applied")
    assert len(scene.runs) == applied
    if isinstance(answer, Nothing):
        assert answer.code == "start.uncertain"
    else:
        assert applied, "it was found in the list"
    scene.step()
    assert len(scene.runs) == applied
    settle(scene)
    scene.step()
    assert len(scene.runs) == 1


def test_a_refused_dispatch_is_said_and_keeps_the_place(scene: Scene) -> None:
    first, _ = scene.ready(2)
    scene.twin.faults.add("forbidden", method="POST", path=DISPATCH)
    assert nothing(scene).code == "start.refused"
    assert scene.gate().status().active == first
    settle(scene)
    assert started(scene).task == first


def test_a_workflow_that_does_not_show_the_claim_is_not_started_for_ever(scene: Scene) -> None:
    (name,) = scene.ready()
    claims = set()
    for _ in range(50):
        answer = scene.step()
        if isinstance(answer, Started):
            claims.add(answer.claim)
            scene.runs[-1].title = "agent"
        settle(scene)
    assert len(scene.runs) == STARTS * len(claims) == STARTS * (REQUEUES + 1)
    assert scene.gate().task(name).state == "finished"
    assert NEEDS_HUMAN in scene.issue(name).labels


# --- what fails ---


def test_an_evicted_run_is_started_again_with_the_same_claim(scene: Scene) -> None:
    scene.ready()
    first = started(scene)
    evict(scene)
    again = started(scene)
    assert (again.claim, again.again) == (first.claim, True)
    succeed(scene)
    assert nothing(scene).code == "queue.waiting"


def test_a_task_whose_runs_are_always_evicted_makes_room_for_others(scene: Scene) -> None:
    first, second = scene.ready(2)
    for _ in range(STARTS):
        assert started(scene).task == first
        evict(scene)
    assert started(scene).task == second


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "startup_failure"])
def test_a_task_that_fails_goes_to_the_end_and_after_some_times_to_a_person(
    scene: Scene, conclusion: str
) -> None:
    first, second = scene.ready(2)
    order = []
    while isinstance(answer := scene.step(), Started):
        order.append(answer.task)
        scene.runs[-1].finish(conclusion if answer.task == first else "success")
        settle(scene)
    assert order == [first, second, *[first] * REQUEUES]
    assert scene.kinds(first)[-2:] == ["parked", "finished"]
    assert scene.issue(first).labels == {NEEDS_HUMAN}
    scene.gate().add(first, "alice")
    assert started(scene).task == first, "a person has made it ready again"
    scene.runs[-1].finish(conclusion)
    settle(scene)
    assert started(scene).task == first, "its failures from before do not count"


def test_a_label_that_cannot_be_put_on_stops_nothing(scene: Scene) -> None:
    (name,) = scene.ready()
    for _ in range(REQUEUES + 1):
        started(scene)
        scene.runs[-1].finish("failure")
    scene.twin.faults.add("forbidden", method="POST", path=r"/labels$", times=9)
    answer = nothing(scene)
    assert any(NEEDS_HUMAN in note for note in answer.notes)
    assert scene.gate().task(name).state == "finished"


# --- what came of a run ---


@pytest.mark.parametrize("branch", ["malagate/{}", "malagate/{}-some-words"])
def test_a_task_with_an_open_pull_request_keeps_its_place_when_its_run_has_ended(
    scene: Scene, branch: str
) -> None:
    first, second = scene.ready(2)
    begun = started(scene)
    pull = offered(scene, first, branch)
    succeed(scene)
    for _ in range(3):
        answer = nothing(scene)
        assert answer.why == f"{first} waits at the stage gate, with pull request #{pull.number}"
        settle(scene)
    task = scene.gate().task(first)
    assert (task.state, task.stage, task.ticket, task.claim.id) == (
        "active",
        "gate",
        1,
        begun.claim,
    )
    assert scene.gate().admission(first).admitted
    assert scene.gate().admission(second).position == 1
    assert len(scene.runs) == 1


def test_a_pull_request_that_no_list_shows_yet_is_waited_for(scene: Scene) -> None:
    first, _ = scene.ready(2)
    started(scene)
    scene.runs[0].finish("success")
    assert nothing(scene).code == "start.settling"
    scene.twin.advance(int(SETTLE_SECONDS) - 30)
    offered(scene, first)
    codes = [nothing(scene).code for _ in range(5)]
    assert set(codes) <= {"start.settling", "start.at-gate"}
    assert codes[-1] == "start.at-gate"


@pytest.mark.parametrize(
    "of_another",
    [
        lambda scene, task: offered(scene, task, "malagate/{}0"),
        lambda scene, task: offered(scene, task, "fix-{}", body=f"Closes {task}"),
        lambda scene, task: offered(scene, task).merge(),
    ],
    ids=["another task's", "said only", "merged"],
)
def test_without_an_open_pull_request_of_its_own_a_task_is_over(
    scene: Scene, of_another: Callable[[Scene, str], object]
) -> None:
    first, second = scene.ready(2)
    started(scene)
    of_another(scene, first)
    succeed(scene)
    assert started(scene).task == second
    assert scene.kinds(first)[-1] == "finished"


def test_what_was_closed_before_anybody_looked_is_given_back(scene: Scene) -> None:
    first, second = scene.ready(2)
    started(scene)
    pull = offered(scene, first)
    pull.close()
    succeed(scene)
    begun = started(scene)
    why = f"pull request #{pull.number} was closed without being merged"
    assert (begun.task, begun.notes) == (second, (f"{first} waits again: {why}",))
    assert scene.gate().task(first).state == "waiting"


def test_what_was_closed_before_the_claim_is_nothing_to_a_run(scene: Scene) -> None:
    (first,) = scene.ready()
    offered(scene, first).close()
    scene.twin.advance(60)
    started(scene)
    succeed(scene)
    assert f"{first} is finished: run" in nothing(scene).notes[0]


def test_whoever_looks_a_task_stays_as_long_as_one_pull_request_of_it_is_open(
    scene: Scene,
) -> None:
    first, second = scene.ready(2)
    whole = at_gate(scene, first)
    part = offered(scene, first, "malagate/{}-part")
    whole.merge("maja")
    settle(scene)
    assert reconciled(scene) == []
    assert nothing(scene).code == "start.at-gate"
    part.merge("maja")
    settle(scene)
    assert reconciled(scene) == [("landed", first)]
    assert started(scene).task == second


def test_what_was_merged_into_a_branch_of_the_task_has_not_landed(scene: Scene) -> None:
    first, second = scene.ready(2)
    whole = at_gate(scene, first)
    offered(scene, first, "malagate/{}-part", base=whole.head_ref).merge("maja")
    whole.close()
    settle(scene)
    assert started(scene).task == second
    assert scene.gate().task(first).state == "waiting"


def test_the_next_starts_when_the_pull_request_was_merged(scene: Scene) -> None:
    first, second = scene.ready(2)
    pull = at_gate(scene, first)
    pull.merge("maja")
    settle(scene)
    begun = started(scene)
    assert begun.task == second
    assert begun.notes == (f"{first} is finished: pull request #{pull.number} was merged",)


@pytest.mark.parametrize("stage", ["gate", "review"])
def test_what_was_closed_without_being_merged_is_given_back_and_not_for_ever(
    scene: Scene, stage: str
) -> None:
    (first,) = scene.ready()
    answer = scene.step()
    while isinstance(answer, Started):
        pull = offered(scene, first)
        succeed(scene)
        assert nothing(scene).code == "start.at-gate"
        if stage == "review":
            scene.gate().advance(first, "review", MAJA)
        pull.close()
        settle(scene)
        answer = scene.step()
    assert "closed without being merged" in answer.notes[0]
    assert len(scene.runs) == REQUEUES + 1
    assert scene.kinds(first).count("requeued") == REQUEUES
    assert scene.kinds(first)[-2:] == ["parked", "finished"]
    assert NEEDS_HUMAN in scene.issue(first).labels


def test_a_new_pull_request_in_place_of_a_closed_one_counts(scene: Scene) -> None:
    first, _ = scene.ready(2)
    at_gate(scene, first).close()
    offered(scene, first, "malagate/{}-again")
    settle(scene)
    assert [nothing(scene).code for _ in range(3)] == ["start.at-gate"] * 3


def test_one_that_the_list_of_the_closed_shows_and_that_is_open_again_counts(scene: Scene) -> None:
    first, _ = scene.ready(2)
    pull = at_gate(scene, first)
    settle(scene)
    pull.close()

    def reopen() -> None:
        pull.reopen()

    # Between the lists and the question about the one itself.
    again = Once(reopen, path=rf"/pulls/{pull.number}$")
    assert nothing(scene, before=again).code == "start.at-gate"
    assert again.done
    assert scene.gate().task(first).state == "active"


def test_an_open_pull_request_keeps_its_task_from_every_claimer(scene: Scene) -> None:
    first, _ = scene.ready(2)
    at_gate(scene, first)
    for _ in range(12):  # three days, with a look every six hours
        scene.twin.advance(6 * 3600)
        assert nothing(scene).code == "start.at-gate"
        assert scene.gate().claim("walt").task is None
    assert len(scene.runs) == 1
    assert scene.gate().task(first).stage == "gate"


def test_nobody_looked_for_long_and_it_is_still_not_started_again(scene: Scene) -> None:
    first, _ = scene.ready(2)
    at_gate(scene, first)
    scene.twin.advance(10 * 86400)
    assert nothing(scene).code == "start.at-gate"
    assert scene.gate().claim("walt").task is None


def test_a_task_at_its_gate_without_any_pull_request_is_given_back_when_its_lease_ends(
    scene: Scene,
) -> None:
    (first,) = scene.ready()
    begun = started(scene, lease=3600.0)
    scene.gate().advance(first, "gate", MAJA, claim=begun.claim)
    assert nothing(scene).why == f"{first} is at gate"
    scene.twin.advance(3601)
    again = started(scene)
    assert (again.task, scene.gate().task(first).stage) == (first, "work")
    assert again.claim != begun.claim


def test_a_task_at_review_without_any_pull_request_is_given_back_when_its_lease_ends(
    scene: Scene,
) -> None:
    (first,) = scene.ready()
    begun = started(scene, lease=3600.0)
    scene.gate().advance(first, "review", MAJA, claim=begun.claim)
    assert nothing(scene).why == f"{first} is at review"
    scene.twin.advance(3601)
    assert started(scene).task == first
    assert scene.kinds(first).count("requeued") == 1


@pytest.mark.parametrize("stage", ["gate", "review"])
def test_a_ticket_for_its_pull_request_takes_nothing_from_a_task(scene: Scene, stage: str) -> None:
    first, second = scene.ready(2)
    pull = at_gate(scene, first)
    if stage == "review":
        scene.gate().advance(first, "review", MAJA)
    scene.gate().add(f"#{pull.number}", "maja")
    scene.twin.advance(86400 * 3)
    answer = nothing(scene)
    assert (answer.code, f"#{pull.number}" in answer.why) == ("start.at-gate", True)
    pull.merge("maja")
    settle(scene)
    assert started(scene).task == second


def test_where_pull_requests_cannot_be_listed_a_task_is_not_ended(scene: Scene) -> None:
    first, _ = scene.ready(2)
    started(scene)
    succeed(scene)
    scene.twin.faults.add("forbidden", path=r"/pulls\?", times=99)
    with pytest.raises(MachineryError):
        scene.step()
    assert scene.gate().task(first).state == "active"


def test_without_the_rule_of_one_at_a_time_a_gate_holds_up_nobody(scene: Scene) -> None:
    first, second = scene.ready(2)
    at_gate(scene, first)
    starter = scene.starter()
    starter._gate = scene.gate(rules={"enabled": False})
    answer = starter.step()
    assert isinstance(answer, Started)
    assert answer.task == second


def test_a_gate_that_another_left_is_taken_over_and_not_worked_on_again(scene: Scene) -> None:
    (first,) = scene.ready()
    claim = scene.gate().claim("malagate-ask", lease=600.0).task.claim
    scene.gate().advance(first, "gate", MAJA, claim=claim.id)
    pull = offered(scene, first)
    scene.twin.advance(601)
    starter = scene.starter()
    starter._gate = scene.gate(rules={"enabled": False})
    answer = starter.step()
    assert isinstance(answer, Nothing)
    assert (answer.code, scene.runs) == ("start.at-gate", [])
    pull.close()
    settle(scene)
    starter.step()
    starter.step()
    assert [run.inputs["task"] for run in scene.runs] == [first]


@pytest.mark.parametrize("end", ["open", "close", "merge"])
def test_with_one_at_a_time_too_a_gate_whose_holder_is_gone_holds_up_nobody(
    scene: Scene, end: str
) -> None:
    first, second = scene.ready(2)
    claim = scene.gate().claim("malagate-ask", lease=3600.0).task.claim
    scene.gate().advance(first, "gate", MAJA, claim=claim.id)
    pull = offered(scene, first)
    if end != "open":
        getattr(pull, end)()
    settle(scene)
    assert nothing(scene).why == f"{first} is at gate"
    scene.twin.advance(3601)
    answer = scene.step()
    if end == "open":
        assert isinstance(answer, Nothing)
        assert (answer.code, scene.gate().task(first).claim.holder) == ("start.at-gate", HOLDER)
    else:
        assert isinstance(answer, Started)
        assert answer.task == (first if end == "close" else second)


@pytest.mark.parametrize("closed", [True, False], ids=["issue closed", "merged"])
def test_the_reconciler_ends_what_has_landed_at_its_gate(scene: Scene, closed: bool) -> None:
    first, second = scene.ready(2)
    pull = at_gate(scene, first)
    if closed:
        scene.issue(first).close("maja")
    else:
        pull.merge("maja")
    assert reconciled(scene) == [("landed", first)]
    assert started(scene).task == second


def test_one_that_is_asked_for_by_name_starts_when_the_one_before_has_landed(scene: Scene) -> None:
    first, second = scene.ready(2)
    pull = at_gate(scene, first)
    waits = scene.starter().start(second)
    assert isinstance(waits, Nothing)
    assert (waits.code, waits.why.split()[0]) == ("queue.waiting", first)
    pull.merge("maja")
    settle(scene)
    begun = scene.starter().start(second)
    assert isinstance(begun, Started)
    assert begun.task == second


# --- two runs of one claim ---


def beside(scene: Scene) -> Run:
    """Another run of the newest claim, dispatched by somebody who read it in the title."""
    newest = scene.runs[-1]
    return scene.repo.run(newest.path, "workflow_dispatch", title=newest.title)


def test_a_later_run_of_a_claim_is_cancelled_and_the_first_goes_on(scene: Scene) -> None:
    (first,) = scene.ready()
    started(scene)
    second = beside(scene)
    settle(scene)
    answer = nothing(scene)
    assert answer.code == "start.at-work"
    assert answer.notes == (
        f"run {second.id} of {first} is cancelled: another of the same claim came first",
    )
    assert second.conclusion == "cancelled"
    assert scene.kinds(first) == ["added", "claimed", "cancelled"]
    assert scene.runs[0].status == "in_progress"
    scene.runs[0].finish("success")
    settle(scene)
    assert nothing(scene).notes[-1].startswith(f"{first} is finished: run {scene.runs[0].id}")


def test_a_later_run_that_waits_for_its_turn_is_left_to_ask_itself(scene: Scene) -> None:
    scene.ready()
    started(scene)
    second = beside(scene)
    second.status = "pending"
    settle(scene)
    assert nothing(scene).notes == ()
    assert second.status == "pending"


def test_a_run_that_cannot_be_cancelled_is_said(scene: Scene) -> None:
    scene.ready()
    started(scene)
    second = beside(scene)
    settle(scene)
    scene.twin.faults.add("forbidden", method="POST", path=r"/cancel$", times=9)
    answer = nothing(scene)
    assert answer.code == "start.at-work"
    assert f"run {second.id}" in answer.notes[0]
    assert "could not be cancelled" in answer.notes[0]


# --- leases and other holders ---


def test_a_run_that_lives_keeps_its_claim_whatever_the_lease_says(scene: Scene) -> None:
    (name,) = scene.ready()
    begun = started(scene, lease=1000.0)
    for _ in range(5):
        scene.twin.advance(900)
        assert nothing(scene, lease=1000.0).code == "start.at-work"
    held = scene.gate().task(name).claim
    assert held.id == begun.claim
    assert held.lease_until > scene.now()


def test_a_claim_whose_lease_ended_without_a_run_is_taken_over(scene: Scene) -> None:
    (name,) = scene.ready()
    with pytest.raises(Died):
        scene.step(before=Once(die, path=DISPATCH), lease=600.0)
    former = scene.gate().task(name).claim
    scene.twin.advance(601)
    begun = started(scene)
    assert begun.claim != former.id
    assert scene.kinds(name)[-1] == "reclaimed"
    assert not still_mine(scene.gate(), name, former.id)


def test_what_somebody_else_holds_is_left_to_him(scene: Scene) -> None:
    first, second = scene.ready(2)
    held = scene.gate().claim("walt").task.claim
    settle(scene)
    answer = nothing(scene)
    assert (answer.code, answer.why) == ("queue.waiting", f"{first} is held by walt")
    scene.gate().finish(first, "walt", claim=held.id)
    assert started(scene).task == second


def test_a_task_in_others_hands_is_not_finished_by_its_run(scene: Scene) -> None:
    first, _ = scene.ready(2)
    begun = started(scene)
    scene.gate().advance(first, "review", MAJA, claim=begun.claim)
    succeed(scene)
    assert nothing(scene).why == f"{first} is at review"
    assert scene.gate().status().active == first


def test_without_the_rule_of_one_at_a_time_each_is_started(scene: Scene) -> None:
    names = scene.ready(3)
    starter = scene.starter()
    starter._gate = scene.gate(rules={"enabled": False})
    begun = [starter.step() for _ in names]
    assert [one.task for one in begun if isinstance(one, Started)] == names


def test_one_task_is_started_by_its_name_in_its_turn_only(scene: Scene) -> None:
    first, second = scene.ready(2)
    starter = scene.starter()
    waits, begun = starter.start(second), starter.start(first)
    scene.twin.lagging(0)
    assert (waits.why, begun.task) == (f"{first} has the earlier ticket", first)
    succeed(scene)
    ended, unknown, later = (starter.start(name) for name in (first, "#999", second))
    assert (ended.code, unknown.code, later.task) == ("start.ended", "queue.waiting", second)
    assert [run.inputs["task"] for run in scene.runs] == [first, second]


# --- the freeze ---


def test_while_frozen_nothing_starts_and_the_place_is_kept(scene: Scene) -> None:
    first, _ = scene.ready(2)
    scene.gate().freeze("on fire", MAJA)
    assert nothing(scene).code == "freeze.active"
    assert scene.gate().status().active is None
    scene.gate().unfreeze(MAJA, "out")
    assert started(scene).task == first


def test_a_claim_that_was_frozen_before_its_start_is_started_when_thawed(scene: Scene) -> None:
    first, _ = scene.ready(2)
    with pytest.raises(Died):
        scene.step(before=Once(die, path=DISPATCH))
    claim = scene.gate().task(first).claim
    scene.gate().freeze("on fire", MAJA)
    for _ in range(3):
        settle(scene)
        assert nothing(scene).code == "freeze.active"
    scene.gate().unfreeze(MAJA, "out")
    begun = started(scene)
    assert (begun.task, begun.claim) == (first, claim.id)


# --- what a worker asks ---


def test_a_worker_knows_whether_it_is_the_one(scene: Scene) -> None:
    scene.ready()
    since = scene.now()
    begun = started(scene)
    second = scene.repo.run(
        workflow=f".github/workflows/{AGENT}", event="workflow_dispatch", title=scene.runs[0].title
    )
    client = scene.client()
    assert is_first(client, AGENT, begun.claim, scene.runs[0].id, since)
    assert not is_first(client, AGENT, begun.claim, second.id, since)
    assert not is_first(client, AGENT, "another", second.id, since)
    scene.runs[0].jobs.clear()
    scene.runs[0].finish("cancelled")
    assert is_first(client, AGENT, begun.claim, second.id, since)


def test_a_claim_is_mine_until_it_is_given_back_and_never_where_nobody_knows(scene: Scene) -> None:
    (name,) = scene.ready()
    begun = started(scene)
    assert still_mine(scene.gate(), name, begun.claim)
    assert not still_mine(scene.gate(), name, "another")
    assert not still_mine(scene.gate(), "#999", begun.claim)
    scene.twin.faults.add("forbidden", times=99)
    assert not still_mine(scene.gate(), name, begun.claim)
    scene.twin.faults.clear()
    scene.gate().finish(name, "agent", claim=begun.claim)
    assert not still_mine(scene.gate(), name, begun.claim)


def test_a_ledger_that_nobody_can_count_in_goes_to_a_person(scene: Scene) -> None:
    (name,) = scene.ready()
    scene.gate().record("note", "alice", "something")
    begun = started(scene)
    pages = [one for one in scene.control.comments if one.body.startswith("<!-- malagate:ledger")]
    pages[1].delete()
    scene.store().rearm(NAME, "maja", "looked at it", at=scene.now())
    scene.gate().unfreeze(MAJA, "all is well")
    assert still_mine(scene.gate(), name, begun.claim)
    scene.runs[0].finish("failure")
    answer = nothing(scene)
    assert "a person has to look" in answer.notes[0]
