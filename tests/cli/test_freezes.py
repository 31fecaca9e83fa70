"""`malagate freeze` and `malagate unfreeze`: setting is easy, clearing is for people."""

from __future__ import annotations

import pytest

from pytest_malagate.queue.local_person import MACHINE_VARIABLES
from tests.cli.queue_commands import Desk


def test_a_freeze_stands_with_reason_actor_mode_and_task(desk: Desk) -> None:
    made = desk.does("freeze", "checkout", "answers 500", "--task", "x-9", "--mode", "drain")
    status = desk.status()
    assert status["frozen"] is True
    assert status["freezes"] == [made]
    assert {k: made[k] for k in ("id", "reason", "actor", "mode", "work_item")} == {
        "id": 1,
        "reason": "checkout answers 500",
        "actor": "alice",
        "mode": "drain",
        "work_item": "x-9",
    }


def test_the_mode_is_the_policy_s_where_none_is_given(desk: Desk) -> None:
    desk.policy("freeze: {mode: hard}")
    assert desk.does("freeze", "stop")["mode"] == "hard"


def test_clearing_says_how_many_and_clearing_again_none(desk: Desk) -> None:
    desk.does("freeze", "one")
    desk.does("freeze", "two")
    desk.does("freeze", "three")
    first = desk.does("unfreeze", "2", "--reason", "fixed")
    assert first == {"cleared": [2], "count": 1, "frozen": True, "standing": [1, 3]}
    said = desk.says("unfreeze", "--reason", "fixed")
    assert said.out == "2 freezes cleared: 1, 3\nproject is not frozen\n"
    again = desk.does("unfreeze", "--reason", "fixed")
    assert again == {"cleared": [], "count": 0, "frozen": False, "standing": []}


def test_a_freeze_that_does_not_stand_is_named(desk: Desk) -> None:
    desk.does("freeze", "one")
    said = desk.says("unfreeze", "7", "--reason", "fixed")
    assert said.exit == 0
    assert said.out == "0 freezes cleared\nnot standing: 7\nproject is still frozen by 1\n"


def test_clearing_needs_a_reason(desk: Desk) -> None:
    desk.does("freeze", "one")
    with pytest.raises(SystemExit) as refused:
        desk.says("unfreeze")
    assert refused.value.code == 2
    assert desk.says("unfreeze", "--reason", " ").exit == 2
    assert desk.status()["frozen"] is True


@pytest.mark.parametrize("variable", MACHINE_VARIABLES)
def test_no_agent_clears_a_freeze_whatever_it_calls_itself(desk: Desk, variable: str) -> None:
    desk.is_machine(variable, "1")
    desk.does("freeze", "an agent may set one")
    for argv in ([], ["--actor", "alice"], ["--actor", "bob"]):
        said = desk.says("unfreeze", "--reason", "I am sure", *argv)
        assert (said.exit, said.out) == (2, "")
        assert "only a person may" in said.err
        assert f"{variable} is set" in said.err
    assert desk.status()["frozen"] is True


def test_no_bot_clears_a_freeze(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.does("freeze", "one")
    said = desk.says("unfreeze", "--reason", "x", "--actor", "helper[BOT]")
    assert said.exit == 2
    assert "helper[BOT] is a bot's name" in said.err
    monkeypatch.setenv("LOGNAME", "helper[bot]")
    assert desk.says("unfreeze", "--reason", "x", "--actor", "alice").exit == 2
    assert desk.status()["frozen"] is True


@pytest.mark.parametrize("value", ["", "0", "false", "False"])
def test_a_variable_that_says_no_makes_nobody_an_agent(desk: Desk, value: str) -> None:
    desk.does("freeze", "one")
    desk.is_machine("CI", value)
    assert desk.does("unfreeze", "--reason", "fixed")["count"] == 1


def test_where_the_layer_is_off_setting_one_says_so(desk: Desk) -> None:
    desk.does("freeze", "set while it was on")
    desk.policy("freeze: {enabled: false}")
    said = desk.says("freeze", "on fire")
    assert (said.exit, said.out) == (2, "")
    assert "freeze.enabled is false" in said.err
    status = desk.status()
    assert (status["freeze_enabled"], status["frozen"]) == (False, False)
    assert "the freeze is off" in desk.says("status").out


def test_set_and_clear_are_on_the_ledger_with_actor_and_reason(desk: Desk) -> None:
    from pytest_malagate import LocalGate
    from pytest_malagate.queue.sqlite import SQLiteStore

    desk.does("freeze", "on fire", "--actor", "bob")
    desk.does("unfreeze", "--reason", "put out")
    place = LocalGate(desk.path).place
    entries = list(SQLiteStore(place.state_path).ledger("project"))
    assert [(e.kind, e.actor, e.freeze, e.detail) for e in entries] == [
        ("frozen", "bob", 1, "pause: on fire"),
        ("cleared", "alice", 1, "put out"),
    ]


def test_a_hostile_reason_is_shown_as_plain_text(desk: Desk) -> None:
    desk.does("freeze", "\x1b[2Jdown\n::error::all is well\u202e")
    for argv in (["status"], ["queue", "claim"], ["status", "--task", "x"]):
        out = desk.says(*argv).out
        assert "down : :error" in out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_a_freeze_that_cannot_be_written_is_trouble(desk: Desk) -> None:
    desk.breaks_the_store()
    said = desk.says("freeze", "on fire")
    assert (said.exit, said.out) == (3, "")
