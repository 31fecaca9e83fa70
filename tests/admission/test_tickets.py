"""Who gets a ticket, by labels and their events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.admission.tickets import MOST, Plan, plan
from pytest_malagate.github.control import READY
from pytest_malagate.github.records import Account, Issue, IssueEvent, Label
from pytest_malagate.queue.model import Task

BOT = "github-actions[bot]"


def issue(number: int) -> Issue:
    return Issue(id=number, number=number, state="open", user=Account(login="author"))


def event(id: int, kind: str, number: int, by: str = "tina", label: str = READY) -> IssueEvent:
    labelling = kind in ("labeled", "unlabeled")
    return IssueEvent(
        id=id,
        event=kind,
        actor=Account(login=by),
        created_at="2026-11-02T08:00:00Z",
        label=Label(name=label) if labelling else None,
        issue=issue(number),
    )


def planned(ready: list[int], events: list[IssueEvent], **tasks: str) -> Plan:
    known = {
        f"#{name[1:]}": Task(repository="o/r", task=f"#{name[1:]}", ticket=1, state=state)
        for name, state in tasks.items()
    }
    return plan([issue(number) for number in ready], events, known, writer=BOT)


def test_tickets_go_by_the_order_of_labelling_and_not_of_issues() -> None:
    events = [event(1, "labeled", 9, "walt"), event(2, "labeled", 3), event(3, "labeled", 5)]
    assert planned([3, 5, 9], events).add == (("#9", "walt"), ("#3", "tina"), ("#5", "tina"))


def test_whose_labelling_is_too_long_ago_to_be_told_goes_first() -> None:
    found = planned([3, 7], [event(5, "labeled", 3)])
    assert found.add == (("#7", "author"), ("#3", "tina"))


@pytest.mark.parametrize(
    ("state", "events", "add", "withdraw", "finish", "stale"),
    [
        ("waiting", ["labeled"], False, False, False, False),
        ("waiting", ["unlabeled", "labeled"], True, True, False, False),
        ("waiting", ["closed", "reopened"], False, False, False, False),
        ("active", ["labeled"], False, False, False, False),
        ("active", ["closed"], False, False, True, False),
        ("active", ["closed", "reopened"], False, False, False, False),
        ("finished", ["labeled"], True, False, False, False),
        ("finished", [], False, False, False, True),
    ],
)
def test_what_a_labelled_issue_s_task_gets(
    state: str, events: list[str], add: bool, withdraw: bool, finish: bool, stale: bool
) -> None:
    told = [event(n, kind, 4) for n, kind in enumerate(events, 1)]
    found = planned([4], told, _4=state)
    assert [bool(found.add), bool(found.withdraw), bool(found.finish), bool(found.stale)] == [
        add,
        withdraw,
        finish,
        stale,
    ]


@pytest.mark.parametrize("kind", ["unlabeled", "closed"])
def test_a_waiting_task_whose_label_or_issue_is_gone_is_withdrawn(kind: str) -> None:
    found = planned([], [event(1, "labeled", 4), event(2, kind, 4, "walt")], _4="waiting")
    assert found.withdraw == (("#4", "walt"),)


def test_labels_that_the_ledger_s_writer_moved_ask_for_nothing() -> None:
    """At a claim the label is taken off, and put on again when the task is given back."""
    told = [event(1, "unlabeled", 4, BOT), event(2, "labeled", 4, BOT)]
    assert not planned([4], told, _4="waiting").moves
    assert planned([4], told, _4="finished").stale == (4,)
    assert planned([4], told).add == (("#4", "author"),)


def test_a_label_that_is_only_missing_from_a_list_withdraws_nothing() -> None:
    assert not planned([], [], _4="waiting").moves
    assert not planned([], [event(1, "unlabeled", 4, label="bug")], _4="waiting").moves


def test_a_labelling_that_the_list_does_not_show_yet_is_looked_at_again() -> None:
    events = [event(5, "labeled", 4), event(6, "labeled", 9), event(7, "closed", 1)]
    assert planned([4], events).until == 5
    assert planned([4, 9], events).until == 7


def test_what_does_not_fit_comes_next_time() -> None:
    events = [event(n, "labeled", n) for n in range(1, MOST + 11)]
    found = planned(list(range(1, MOST + 11)), events)
    assert (len(found.add), found.until) == (MOST, 0)


@given(st.data())
def test_telling_events_twice_changes_nothing_but_the_order(data: st.DataObject) -> None:
    """After a plan was carried out, the same events ask for no task a second time."""
    numbers = st.integers(1, 4)
    kinds = st.sampled_from(["labeled", "unlabeled", "closed", "reopened"])
    drawn = data.draw(st.lists(st.tuples(kinds, numbers), max_size=12))
    events = [event(n, kind, number) for n, (kind, number) in enumerate(drawn, 1)]
    ready: dict[int, bool] = {}
    open_: dict[int, bool] = {}
    for kind, number in drawn:
        if kind in ("labeled", "unlabeled"):
            ready[number] = kind == "labeled"
        else:
            open_[number] = kind == "reopened"
    shown = sorted(n for n, on in ready.items() if on and open_.get(n, True))
    first = planned(shown, events)
    assert sorted(task for task, _ in first.add) == [f"#{n}" for n in shown]
    again = planned(shown, [], **{f"_{n}": "waiting" for n in shown})
    assert not again.moves
