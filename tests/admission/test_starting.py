"""Starting the task whose turn it is: once, in order, again where it was lost, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_malagate.admission.claimed_runs import is_first, still_mine
from pytest_malagate.admission.starting import (
    REQUEUES,
    SETTLE_SECONDS,
    STARTS,
    Nothing,
    Started,
)
from pytest_malagate.github.control import ACTIVE
from pytest_malagate.github.labels import NEEDS_HUMAN
from tests.admission.scene import AGENT, MAJA, NAME, Scene, processes_apart
from tests.twin import Twin
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
    scene.runs[0].finish("success")
    begun = started(scene)
    assert begun.task == second
    assert begun.notes == (f"{first} is finished: run {scene.runs[0].id} has succeeded",)
    scene.runs[1].finish("success")
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
    scene.runs[-1].finish("success")
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
    scene.runs[0].finish("success")
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
    scene.runs[0].finish("success")
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
