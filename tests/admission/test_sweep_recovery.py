"""What a sweep must still get right after a death, a lag, or somebody else's strange act."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.github.control import CONTROL, FROZEN, READY
from tests.admission.scene import MAJA, NAME, processes_apart
from tests.admission.test_sweep import Floor
from tests.twin import Twin
from tests.twin.scheduler import Died, Once


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with processes_apart():
        yield Floor(Twin(tmp_path))


def said(floor: Floor, pull: Any) -> str:
    return (floor.told(pull) or ("",))[0]


def state_of(floor: Floor, issue: Any) -> str | None:
    task = floor.gate().task(f"#{issue.number}")
    return task.state if task is not None else None


def die() -> None:
    raise Died


def test_after_the_store_could_not_be_read_open_again_is_told(floor: Floor) -> None:
    pull = floor.pull()
    floor.sweep()
    floor.control.remove_label(CONTROL)
    number = next(i.number for i in floor.repo.issues.values() if i.author == "github-actions[bot]")
    floor.sweep()
    assert said(floor, pull) == "error"
    floor.repo.issues[number].add_label(CONTROL)
    floor.twin.advance(1801)
    for _ in range(3):
        floor.sweep()
    assert said(floor, pull) == "success"


def test_a_sweep_that_died_after_its_statuses_is_made_up_for(floor: Floor) -> None:
    pull = floor.pull()
    floor.sweep()
    gate = floor.gate()
    gate.freeze("on fire", MAJA)

    with pytest.raises(Died):
        floor.sweep(before=Once(die, method="PATCH"))
    assert said(floor, pull) == "failure"
    gate.unfreeze(MAJA, "out")
    floor.twin.advance(1801)
    for _ in range(3):
        floor.sweep()
    assert said(floor, pull) == "success"


def test_death_between_finish_and_arrange_loses_no_request(floor: Floor) -> None:
    done, active = floor.repo.open_issue("done"), floor.repo.open_issue("active")
    done.add_label(READY)
    floor.sweep()
    floor.gate().finish(f"#{done.number}", "x")
    active.add_label(READY)
    floor.sweep()
    floor.gate().claim("agent")
    active.close()
    done.add_label(READY, "tina")

    # the second page of the ledger in this sweep is arrange's
    with pytest.raises(Died):
        floor.sweep(before=Once(die, method="POST", path=r"/comments$", nth=2))
    floor.sweep()
    assert state_of(floor, done) == "waiting"


def test_a_label_put_on_while_the_task_is_active_is_not_lost(floor: Floor) -> None:
    one = floor.repo.open_issue("one")
    one.add_label(READY)
    floor.sweep()
    floor.gate().claim("agent")
    one.add_label(READY, "tina")
    floor.repo.open_issue("two").add_label(READY)
    floor.sweep()
    floor.gate().finish(f"#{one.number}", "agent")
    floor.sweep()
    floor.sweep()
    assert state_of(floor, one) == "waiting"


def test_a_task_given_back_whose_label_could_not_be_put_on_stays(floor: Floor) -> None:
    one = floor.repo.open_issue("one")
    one.add_label(READY)
    floor.sweep()
    floor.gate().claim("agent")
    floor.twin.faults.add("forbidden", method="POST", path=r"/labels$", times=5)
    floor.gate().requeue(f"#{one.number}", "agent")
    floor.twin.faults.clear()
    floor.sweep()
    assert state_of(floor, one) == "waiting"


def test_an_edited_control_issue_is_told_though_somebody_asks_for_a_place(floor: Floor) -> None:
    pull = floor.pull()
    floor.sweep()
    floor.control.body = "edited"
    floor.repo.open_issue("work").add_label(READY)
    done = floor.sweep()
    assert done.frozen
    assert said(floor, pull) == "error"


def test_a_deleted_freeze_issue_gets_one_other_issue(floor: Floor) -> None:
    floor.gate().freeze("one", MAJA)
    floor.sweep()
    (first,) = floor.frozen_issues()
    floor.repo.delete_issue(first)
    for _ in range(4):
        floor.sweep()
    assert len(floor.frozen_issues()) == 1


def test_one_head_for_two_bases_is_not_called_open_while_one_is_frozen(floor: Floor) -> None:
    floor.repo.commit("release", {"r.py": "1"}, parent="main")
    floor.pull("a")
    second = floor.repo.open_pull(head="a", base="release")
    floor.gate().freeze("cut", MAJA, branch="release")
    written = [floor.sweep().statuses_written for _ in range(3)]
    assert said(floor, second) == "failure", written
    assert written[-1] == 0


def test_a_label_on_a_closed_issue_does_not_renew_tickets_for_ever(floor: Floor) -> None:
    shut = floor.repo.open_issue("shut")
    shut.close()
    shut.add_label(READY)
    one, two = floor.repo.open_issue("one"), floor.repo.open_issue("two")
    one.add_label(READY)
    two.add_label(READY)
    floor.sweep()
    one.remove_label(READY)
    one.add_label(READY)
    floor.sweep()
    order = floor.gate().tasks()
    pages = len(floor.control.comments)
    for _ in range(3):
        floor.sweep()
    assert floor.gate().tasks() == order
    assert len(floor.control.comments) == pages


def test_an_act_from_before_the_freeze_clears_nothing(floor: Floor) -> None:
    issue = floor.repo.open_issue("It burns", author="tina")
    issue.close("maja")
    issue.reopen("tina")
    issue.add_label(FROZEN, "tina")
    floor.sweep()
    assert floor.gate().status().frozen
    floor.repo.delete_label(FROZEN, "walt", silent=True)
    floor.repo.ensure_label(FROZEN)
    done = floor.sweep()
    cleared = [e for e in floor.store().ledger(NAME) if e.kind == "cleared"]
    assert (done.cleared, cleared) == ((), [])
    assert floor.gate().status().frozen


def test_a_busy_repository_does_not_make_every_sweep_dearer(floor: Floor) -> None:
    floor.sweep()
    noise = floor.repo.open_issue("noise")
    for n in range(250):
        noise.add_label(f"l{n}")
        noise.remove_label(f"l{n}")
    floor.sweep()
    assert floor.sweep().requests <= 8


def test_one_freeze_issue_that_cannot_be_put_back_does_not_stop_the_queue(floor: Floor) -> None:
    floor.gate().freeze("one", MAJA)
    floor.sweep()
    (issue,) = floor.frozen_issues()
    issue.close("walt")
    work = floor.repo.open_issue("work")
    work.add_label(READY)
    floor.twin.faults.add("forbidden", method="PATCH", path=rf"/issues/{issue.number}$", times=50)
    floor.sweep()
    assert state_of(floor, work) == "waiting"
