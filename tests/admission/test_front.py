"""The front of the queue: a task that is over holds up nobody, though no event said so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.admission.front import MOST
from pytest_malagate.admission.sweep import ACTOR
from pytest_malagate.admission.tickets import SETTLED
from pytest_malagate.admission.upkeep import Upkeep, UpkeepSettings
from pytest_malagate.github.control import READY
from tests.admission.scene import NAME, processes_apart
from tests.admission.test_sweep import Floor
from tests.twin import Twin


class Lane(Floor):
    """A floor with labelled issues in the queue, settled."""

    def queue(self, count: int = 2) -> list[Any]:
        """Issues that were labelled and got their tickets a while ago."""
        issues = [self.repo.open_issue(f"work {n}") for n in range(count)]
        for issue in issues:
            issue.add_label(READY)
        self.sweep()
        self.twin.advance(int(SETTLED) + 1)
        return issues

    def names(self) -> list[str]:
        return [task.task for task in self.gate().tasks()]

    def asked(self, since: int) -> list[str]:
        """The issues that were asked for one by one."""
        found = [r.path for r in self.twin.requests[since:] if r.method == "GET"]
        control = f"/repos/{NAME}/issues/{self.control.number}"
        begins = f"/repos/{NAME}/issues/"
        return [
            path
            for path in found
            if path.startswith(begins) and path[len(begins) :].isdecimal() and path != control
        ]


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    twin = Twin(tmp_path)
    with processes_apart():
        yield Lane(twin)
    assert twin.violations == []


def deletes(lane: Lane, issue: Any) -> None:
    lane.repo.delete_issue(issue)


def moves(lane: Lane, issue: Any) -> None:
    lane.repo.transfer(issue, lane.twin.repository("acme/other"))


def moves_out_of_sight(lane: Lane, issue: Any) -> None:
    lane.repo.transfer(issue, lane.twin.repository("mallory/elsewhere", private=True))


def closes_unseen(lane: Lane, issue: Any) -> None:
    issue.state, issue.closed_at = "closed", lane.twin.clock()


WAYS: list[Callable[[Lane, Any], None]] = [deletes, moves, moves_out_of_sight, closes_unseen]


# --- the issue ---


@pytest.mark.parametrize("way", WAYS)
def test_a_task_in_front_whose_issue_is_over_leaves_the_queue(
    lane: Lane, way: Callable[[Lane, Any], None]
) -> None:
    first, second = lane.queue()
    name = f"#{first.number}"
    pull = lane.pull(f"malagate/{second.number}")
    way(lane, first)
    dry = lane.sweep(dry_run=True)
    assert any(line.startswith(f"withdraw {name}: its issue is ") for line in dry.would)
    assert lane.names() == [name, f"#{second.number}"]
    done = lane.sweep()
    assert done.withdrawn == (name,)
    assert lane.names() == [f"#{second.number}"]
    assert any(note.startswith(f"{name} leaves the queue: its issue is ") for note in done.notes)
    line = next(e for e in lane.store().ledger(NAME) if (e.task, e.kind) == (name, "withdrawn"))
    assert line.actor == ACTOR
    assert lane.told(pull) == ("success", "may land")
    assert not lane.sweep().moved


def test_one_that_has_just_got_its_ticket_may_only_be_missing_from_the_list(lane: Lane) -> None:
    (task,) = lane.ready(1)  # without a label
    before = len(lane.twin.requests)
    lane.sweep()
    assert lane.asked(before) == []
    assert lane.names() == [task]


def test_one_that_was_just_given_back_is_not_asked_for(lane: Lane) -> None:
    (issue,) = lane.queue(1)
    lane.gate().claim("agent")
    lane.twin.advance(7200)
    lane.gate().requeue(f"#{issue.number}", "agent")
    issue.label_names[:] = []  # the list does not show it yet
    before = len(lane.twin.requests)
    lane.sweep()
    assert lane.asked(before) == []


def test_an_open_issue_without_the_label_keeps_its_place(lane: Lane) -> None:
    (task,) = lane.ready(1)
    lane.twin.advance(int(SETTLED) + 1)
    assert not lane.sweep().moved
    assert lane.names() == [task]


@pytest.mark.parametrize("kind", ["502", "forbidden", "html", "reset"])
def test_an_issue_that_cannot_be_asked_for_stays_and_the_sweep_goes_on(
    lane: Lane, kind: str
) -> None:
    first, second = lane.queue()
    deletes(lane, first)
    lane.twin.faults.add(kind, path=rf"/issues/{first.number}$", times=99)
    other = lane.repo.open_issue("more")
    other.add_label(READY)
    done = lane.sweep(patience=0.0)
    name = f"#{first.number}"
    assert any(note.startswith(f"{name} could not be asked for") for note in done.notes)
    assert (done.withdrawn, done.added) == ((), (f"#{other.number}",))
    assert lane.names() == [name, f"#{second.number}", f"#{other.number}"]
    lane.twin.faults.clear()
    assert lane.sweep().withdrawn == (name,)


def test_only_the_first_few_are_asked_for(lane: Lane) -> None:
    lane.ready(MOST + 4)
    lane.twin.advance(int(SETTLED) + 1)
    before = len(lane.twin.requests)
    lane.sweep()
    assert len(lane.asked(before)) == MOST


def test_a_sweep_asks_for_nothing_more_where_the_list_shows_them_all(lane: Lane) -> None:
    lane.queue(4)
    for n in range(3):
        lane.pull(f"t{n}")
    lane.sweep()
    before = len(lane.twin.requests)
    done = lane.sweep()
    assert lane.asked(before) == []
    assert not [r for r in lane.twin.requests[before:] if r.query.get("state") == "closed"]
    assert done.requests <= 8


# --- the pull request ---


def test_who_waited_in_front_and_was_merged_makes_way_for_the_next(lane: Lane) -> None:
    first, second = lane.queue()
    pulls = [lane.pull(f"malagate/{issue.number}-words") for issue in (first, second)]
    lane.sweep()
    assert [lane.told(pull)[0] for pull in pulls] == ["success", "pending"]  # type: ignore[index]
    pulls[0].merge(by="maja")
    dry = lane.sweep(dry_run=True)
    merged = f"#{first.number}: its pull request #{pulls[0].number} was merged"
    assert f"finish {merged}" in dry.would
    done = lane.sweep()
    assert done.finished == (f"#{first.number}",)
    assert lane.names() == [f"#{second.number}"]
    assert lane.told(pulls[1]) == ("success", "may land")
    lane.sweep()
    assert first.state == "open"
    assert READY not in first.labels
    assert lane.names() == [f"#{second.number}"]


def test_several_that_were_merged_one_behind_the_other_go_together(lane: Lane) -> None:
    issues = lane.queue(3)
    pulls = [lane.pull(f"malagate/{issue.number}") for issue in issues]
    lane.sweep()
    pulls[0].merge()
    pulls[1].merge()
    assert lane.sweep().finished == tuple(f"#{issue.number}" for issue in issues[:2])


def test_another_try_that_was_closed_later_does_not_hide_the_one_that_was_merged(
    lane: Lane,
) -> None:
    first, _ = lane.queue()
    merges, closes = (lane.pull(f"malagate/{first.number}-{word}") for word in ("a", "b"))
    lane.sweep()
    merges.merge()
    lane.twin.advance(60)
    closes.close()
    assert lane.sweep().finished == (f"#{first.number}",)


@pytest.mark.parametrize("what", ["closed", "pushed", "behind", "a fork's"])
def test_nothing_else_ends_a_task_that_waits(lane: Lane, what: str) -> None:
    first, second = lane.queue()
    number = second.number if what == "behind" else first.number
    if what == "a fork's":
        fork = lane.repo.fork("mallory")
        fork.commit(f"malagate/{number}", {"evil.py": "x = 1"})
        pull = lane.repo.open_pull(f"malagate/{number}", fork=fork, author="mallory")
    else:
        pull = lane.pull(f"malagate/{number}")
    lane.sweep()
    acts: dict[str, Callable[[], object]] = {
        "closed": pull.close,
        "pushed": lambda: lane.repo.commit(f"malagate/{number}", {"more.py": "y = 1"}),
    }
    acts.get(what, pull.merge)()
    before = len(lane.twin.requests)
    done = lane.sweep()
    assert any(r.query.get("state") == "closed" for r in lane.twin.requests[before:])
    assert done.finished == ()
    assert lane.names() == [f"#{first.number}", f"#{second.number}"]


def test_what_was_merged_before_the_task_was_given_back_is_not_its_end(lane: Lane) -> None:
    (issue,) = lane.queue(1)
    pull = lane.pull(f"malagate/{issue.number}")
    lane.sweep()
    lane.gate().claim("agent")
    pull.merge()
    lane.twin.advance(60)
    lane.gate().requeue(f"#{issue.number}", "maja")
    assert lane.sweep().finished == ()
    assert lane.names() == [f"#{issue.number}"]


def test_merges_that_cannot_be_read_are_said_and_hold_up_nothing(lane: Lane) -> None:
    first, _ = lane.queue()
    pull, other = lane.pull(f"malagate/{first.number}"), lane.pull("topic")
    lane.sweep()
    pull.merge()
    lane.repo.commit("topic", {"more.py": "y = 1"})
    lane.twin.faults.add("502", path="state=closed", times=99)
    done = lane.sweep(patience=0.0)
    assert any("what was merged could not be asked for" in note for note in done.notes)
    assert (done.finished, done.untold) == ((), "")
    assert (lane.told(other) or ("",))[0] == "pending"


@pytest.mark.parametrize("way", ["list", "ledger"])
def test_a_merge_is_asked_for_until_it_was_seen_to(lane: Lane, way: str) -> None:
    first, second = lane.queue()
    pulls = [lane.pull(f"malagate/{issue.number}-words") for issue in (first, second)]
    lane.sweep()
    pulls[0].merge("maja")
    if way == "list":
        lane.twin.faults.add("502", path="state=closed", times=99)
    else:
        lane.twin.faults.add("502", method="POST", path=r"/comments$", times=99)
    lane.sweep(patience=0.0)
    lane.twin.faults.clear()
    lane.twin.advance(1800)  # the dashboard is written anew
    assert lane.sweep().finished == (f"#{first.number}",)
    assert lane.told(pulls[1]) == ("success", "may land")
    before = len(lane.twin.requests)
    lane.sweep()
    assert not [r for r in lane.twin.requests[before:] if r.query.get("state") == "closed"]


def test_a_head_that_no_sweep_has_seen_is_the_tasks_all_the_same(lane: Lane) -> None:
    first, second = lane.queue()
    pull, other = lane.pull(f"malagate/{first.number}-a"), lane.pull(f"malagate/{second.number}")
    lane.sweep()
    lane.repo.commit(f"malagate/{first.number}-a", {"more.py": "y = 1"})
    pull.merge("maja")
    assert lane.sweep().finished == (f"#{first.number}",)
    assert lane.told(other) == ("success", "may land")


@pytest.mark.parametrize("branch", ["malagate/{}", "malagate/{}-words"])
def test_what_no_sweep_has_seen_is_the_reconcilers_to_find(lane: Lane, branch: str) -> None:
    first, second = lane.queue()
    lane.pull(branch.format(first.number)).merge("maja")
    lane.sweep()
    store = lane.store()
    settings = UpkeepSettings(ref="main")
    done = Upkeep(lane.gate(store), store, settings, now=lane.now).sweep()
    found = [one.item for one in done.repaired if one.check == "landed"]
    assert found == [f"#{first.number}"]
    assert lane.names() == [f"#{second.number}"]


@pytest.mark.parametrize("stacked", [False, True], ids=["beside", "stacked"])
def test_a_task_is_not_over_as_long_as_another_pull_request_of_it_is_open(
    lane: Lane, stacked: bool
) -> None:
    first, second = lane.queue()
    branch = f"malagate/{first.number}"
    whole, other = lane.pull(branch), lane.pull(f"malagate/{second.number}")
    part = lane.pull(f"{branch}-part", base=branch if stacked else "main")
    lane.sweep()
    part.merge("maja")
    for _ in range(2):
        assert lane.sweep().finished == ()
        assert lane.told(whole) == ("success", "may land")
        assert (lane.told(other) or ("",))[0] == "pending"
    whole.merge("maja")
    assert lane.sweep().finished == (f"#{first.number}",)
    assert lane.told(other) == ("success", "may land")


def test_what_went_into_a_branch_of_the_task_itself_has_not_landed(lane: Lane) -> None:
    first, _ = lane.queue()
    branch = f"malagate/{first.number}"
    lane.repo.commit(branch, {"b.py": "y = 1"})
    part = lane.pull(f"{branch}-part", base=branch)
    lane.sweep()
    part.merge("maja")
    assert lane.sweep().finished == ()


# --- a ticket beside the task's ---


@pytest.mark.parametrize("before", [False, True], ids=["task first", "pull request first"])
def test_a_label_on_the_pull_request_of_a_task_makes_nobody_wait(lane: Lane, before: bool) -> None:
    issue = lane.repo.open_issue("work")
    pull = lane.pull(f"malagate/{issue.number}")
    for one in (pull, issue) if before else (issue, pull):
        one.add_label(READY, lane.twin.user("maja"))
        done = lane.sweep()
    own = f"#{pull.number}"
    assert any(n.startswith(f"{own} leaves the queue: it is a pull request of") for n in done.notes)
    assert done.finished == (own,)
    assert lane.names() == [f"#{issue.number}"]
    assert lane.told(pull) == ("success", "may land")
    lane.sweep()
    assert READY not in pull.labels
    assert not lane.sweep().moved
    assert lane.names() == [f"#{issue.number}"]


def test_a_pull_request_of_a_task_that_is_over_may_have_its_own_ticket(lane: Lane) -> None:
    (issue,) = lane.queue(1)
    pull = lane.pull(f"malagate/{issue.number}")
    issue.close("maja")
    pull.add_label(READY, lane.twin.user("maja"))
    lane.sweep()
    assert lane.names() == [f"#{pull.number}"]
    assert not lane.sweep().moved
