"""What a workflow hears of a mode that failed: frozen, and not admitted."""

from __future__ import annotations

import json

import pytest

from pytest_malagate.action import entry
from tests.action.office import COMMANDS, TICK, Office

FAILING = ["admit", "freeze", "unfreeze", "coordinate", "reconcile", "post-deploy"]


@pytest.mark.parametrize("mode", FAILING)
def test_a_mode_that_is_asked_wrongly_is_heard_as_frozen(armed: Office, mode: str) -> None:
    told = armed.dispatch("maja", mode=mode, store="nowhere", reason="x", command="true")
    assert told.exit_code == 2
    assert (told.outputs["frozen"], told.outputs["admitted"]) == ("true", "false")
    (why,) = json.loads(told.outputs["reasons"])
    assert "no github:OWNER/REPO" in why["message"]


@pytest.mark.parametrize("mode", ["admit", "unfreeze", "coordinate", "reconcile"])
@pytest.mark.parametrize("trouble", ["policy", "lock", "bug"])
def test_a_mode_that_failed_is_heard_as_frozen(
    armed: Office, mode: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = COMMANDS if mode == "unfreeze" else TICK
    if trouble == "policy":
        armed.twin.faults.add("502", times=200, path="/contents")
    if trouble == "bug":
        monkeypatch.setattr(entry, "read_environment", lambda _: 1 / 0)
    told = armed.dispatch("maja", mode=mode, reason="x", alone=None if trouble == "lock" else alone)
    assert told.exit_code == 3
    assert (told.outputs["frozen"], told.outputs["admitted"]) == ("true", "false")
    assert json.loads(told.outputs["reasons"])[0]["code"] == "freeze.active"


@pytest.mark.parametrize("mode", ["gate", "collect"])
def test_the_gate_says_nothing_of_freezes(armed: Office, mode: str) -> None:
    told = armed.dispatch("maja", mode=mode, store="nowhere")
    assert told.exit_code == 2
    assert "frozen" not in told.outputs


@pytest.mark.parametrize("frozen", [False, True])
def test_a_dry_freeze_tells_what_stands(armed: Office, frozen: bool) -> None:
    if frozen:
        armed.burns()
    since = len(armed.twin.requests)
    told = armed.dispatch("tina", mode="freeze", reason="x", dry_run="true")
    assert (told.exit_code, told.outputs["frozen"]) == (0, str(frozen).lower()), told.log
    assert "would freeze: x" in told.log
    assert armed.writes(since) == []
