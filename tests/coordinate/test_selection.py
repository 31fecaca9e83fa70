"""Which issues may start, beyond the order that table K asks for."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.selection import select, sort_out, unknown_epic
from tests.coordinate.scene import issue


def chosen(*issues: Any, completed: Any = (), **settings: Any) -> str:
    config = CoordinatorConfig(**settings)
    return " ".join(one.id for one in select(issues, config, completed=set(completed)))


EPIC = {"is_epic": True}


@pytest.mark.parametrize(
    ("issues", "expected"),
    [
        ([issue("a", status="blocked"), issue("b")], "b"),
        ([issue("a", status="done"), issue("b", blocked_by=("a",))], "b"),
        ([issue("a", blocked_by=("gone",))], "a"),
        ([issue("a", blocked_by=("b",)), issue("b")], "b"),
        ([issue("a", blocked_by=("a",))], ""),
        ([issue("a", status="in_progress", blocked_by=("b",)), issue("b")], "b"),
        ([issue("a", epic="E"), issue("E", status="blocked", **EPIC)], ""),
        ([issue("a", epic="E"), issue("E", epic="F", **EPIC), issue("F", blocked_by=("b",), **EPIC), issue("b")], "b"),
        ([issue("a", epic="E"), issue("E", epic="F", **EPIC), issue("F", epic="E", **EPIC)], "a"),
        ([issue("a", epic="nobody knows")], "a"),
    ],
    ids=str,
)  # fmt: skip
def test_blocked_work_is_left_out(issues: Any, expected: str) -> None:
    assert chosen(*issues) == expected
    assert chosen(*issues, resume=True) == expected


def test_what_has_completed_blocks_nothing_whatever_the_provider_says() -> None:
    assert chosen(issue("a"), issue("b", blocked_by=("a",)), completed=["a"]) == "b"


def test_an_epic_holds_the_parts_of_its_parts() -> None:
    issues = [issue("F", epic="E", **EPIC), issue("a", epic="F"), issue("b", epic="G"), issue("c")]
    assert chosen(*issues, epic_id="E") == "a"


def test_an_empty_epic_is_none() -> None:
    assert chosen(issue("a", epic=""), orphans_only=True) == "a"


@pytest.mark.parametrize("focus", [True, False])
def test_where_nothing_else_decides_the_provider_does(focus: bool) -> None:
    names = "cabfed"
    assert chosen(*map(issue, names), focus=focus) == " ".join(names)
    assert chosen(*(issue(n, epic=n) for n in names), focus=focus) == " ".join(names)


A_PERSON = ", an epic, which a person ends"


@pytest.mark.parametrize(
    ("issues", "why"),
    [
        ([issue("a", status="blocked")], {"a": "its status is blocked"}),
        ([issue("a", blocked_by=("b",)), issue("b")], {"a": "blocked by b"}),
        ([issue("a", blocked_by=("b",)), issue("b", status="in_progress")], {"a": "blocked by b, which is in progress"}),
        ([issue("a", blocked_by=("lost",)), issue("lost")], {"a": "blocked by lost, which failed"}),
        ([issue("a", blocked_by=("a",))], {"a": "blocked by itself"}),
        ([issue("b", blocked_by=("e",)), issue("e", **EPIC), issue("c", epic="e")], {"b": f"blocked by e{A_PERSON}"}),
        ([issue("a", blocked_by=("b", "gone", "c")), issue("b"), issue("c")], {"a": "blocked by b; c"}),
        ([issue("a", epic="E"), issue("E", status="blocked", **EPIC)], {"a": "the status of its epic E is blocked"}),
        (
            [issue("c", epic="F"), issue("F", epic="E", **EPIC), issue("E", blocked_by=("b",), **EPIC), issue("b")],
            {"c": "its epic E is blocked by b"},
        ),
        ([issue("E", blocked_by=("a",), **EPIC), issue("a")], {}),
        ([issue("a"), issue("b", status="in_progress"), issue("c", status="done", blocked_by=("a",))], {}),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_left_out_because_it_is_blocked_is_told_apart(issues: Any, why: Any) -> None:
    chosen = sort_out(issues, CoordinatorConfig())
    assert {one.id: chosen.why(one, failed={"lost"}) for one in chosen.blocked} == why


def test_a_hundred_blockers_are_counted_and_some_are_named() -> None:
    names = [f"b{number}" for number in range(100)]
    chosen_ = sort_out(
        [issue("a", blocked_by=tuple(names)), *map(issue, names)], CoordinatorConfig()
    )
    assert chosen_.why(chosen_.blocked[0]) == "blocked by b0; b1; b2; b3; b4; and 95 more"


@pytest.mark.parametrize(
    ("settings", "left_out"),
    [
        ({}, "a b wip"),
        ({"only_ids": ("b",)}, "b"),
        ({"epic_id": "E"}, "b"),
        ({"orphans_only": True}, "a wip"),
    ],
    ids=str,
)
def test_what_the_settings_leave_out_is_not_called_blocked(settings: Any, left_out: str) -> None:
    issues = [
        issue("a", blocked_by=("x",)),
        issue("b", blocked_by=("x",), epic="E"),
        issue("wip", blocked_by=("x",), status="in_progress"),
        issue("x"),
        issue("y", blocked_by=("x",)),
        issue("E", **EPIC),
    ]
    chosen_ = sort_out(issues, CoordinatorConfig(resume=True, **settings), exclude={"y"})
    assert " ".join(one.id for one in chosen_.blocked) == left_out


@pytest.mark.parametrize(
    ("epic", "unknown"), [(None, False), ("E", False), ("far", False), ("nope", True), ("c", True)]
)
def test_an_epic_is_known_by_itself_or_by_its_parts(epic: str | None, unknown: bool) -> None:
    issues = [issue("E", **EPIC), issue("F", epic="far", **EPIC), issue("c", epic="F")]
    assert unknown_epic(issues, CoordinatorConfig(epic_id=epic)) is unknown


@pytest.mark.parametrize("names", [{"c", "a", "gone"}, frozenset("ac"), dict.fromkeys("ca").keys()])
def test_a_set_of_ids_says_which_and_nothing_of_their_order(names: Any) -> None:
    issues = [issue("b", priority=0), issue("c", priority=1), issue("a", priority=2)]
    assert chosen(*issues, only_ids=names) == "c a"
    assert chosen(*issues, only_ids=["a", "c"]) == "a c"
