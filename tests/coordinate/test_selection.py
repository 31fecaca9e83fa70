"""Which issues may start, beyond the order that table K asks for."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.selection import select
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
