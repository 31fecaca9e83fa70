"""Nothing while frozen: modes, branches, who may set and clear, over every store."""

from __future__ import annotations

import pytest

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import MODES, Person
from pytest_malagate.queue.serial import SerialGate
from tests.queue.conftest import BOT, MAINTAINER, TRIAGER, Clock, OpenGate
from tests.queue.test_queue_rules import claim_of, claimed, started


@pytest.mark.parametrize("mode", MODES)
def test_nothing_starts_while_frozen(gate: SerialGate, mode: str) -> None:
    gate.add("A", "somebody")
    gate.freeze("on fire", TRIAGER, mode=mode)
    for answer in (gate.claim("agent"), gate.claim("agent", task="A")):
        assert answer.task is None
        assert answer.refused is not None
        assert answer.refused.code == "freeze.active"
        assert answer.refused.reason == "frozen by triager: on fire"
    assert gate.tasks()[0].state == "waiting"


def test_nothing_that_lapsed_is_handed_out_again_while_frozen(
    gate: SerialGate, clock: Clock
) -> None:
    started(gate, "A")
    gate.freeze("on fire", TRIAGER)
    clock.passes(1e6)
    assert gate.claim("other").task is None


@pytest.mark.parametrize(
    ("mode", "lands", "goes_on", "stop"),
    [
        ("drain", True, True, False),
        ("pause", False, True, False),
        ("hard", False, False, True),
    ],
)
def test_a_mode_says_what_running_work_may_do(
    gate: SerialGate, mode: str, lands: bool, goes_on: bool, stop: bool
) -> None:
    claim = claim_of(started(gate, "A", "B"))
    gate.freeze("on fire", TRIAGER, mode=mode)
    landing = gate.admission("A")
    assert (landing.admitted, landing.stop) == (lands, stop)
    assert gate.admission("A", landing=False).admitted is goes_on
    renewed = gate.renew("A", claim.id)
    assert (renewed.admitted, renewed.stop) == (not stop, stop)
    for waits in (gate.admission("B"), gate.admission("B", landing=False)):
        assert (waits.admitted, waits.code, waits.stop) == (False, "freeze.active", False)


def test_the_strictest_mode_counts(gate: SerialGate) -> None:
    started(gate, "A")
    gate.freeze("one", TRIAGER, mode="drain")
    assert gate.admission("A").admitted
    gate.freeze("two", TRIAGER, mode="hard")
    gate.freeze("three", TRIAGER, mode="pause")
    assert gate.admission("A").stop


def test_the_policy_names_the_mode_of_a_freeze_without_one(open_gate: OpenGate) -> None:
    assert open_gate().freeze("on fire", TRIAGER).mode == "pause"
    assert open_gate(mode="drain").freeze("on fire", TRIAGER).mode == "drain"


def test_a_freeze_does_not_keep_running_work_from_being_recorded(gate: SerialGate) -> None:
    started(gate, "A", "B")
    gate.freeze("on fire", TRIAGER, mode="hard")
    gate.advance("A", "gate", BOT)
    gate.rework("A", "agent")
    gate.finish("A", "agent")
    assert gate.claim("other").task is None
    gate.unfreeze(MAINTAINER, "the fire is out")
    assert claimed(gate).task == "B"


def test_of_two_freezes_one_stays_when_the_other_is_cleared(gate: SerialGate) -> None:
    gate.add("A", "somebody")
    first, second = (gate.freeze(reason, TRIAGER) for reason in ("one", "two"))
    assert gate.unfreeze(MAINTAINER, "fixed", only=[first.id]) == (first.id,)
    assert gate.claim("agent").task is None
    assert gate.status().freezes == (second,)
    assert gate.unfreeze(MAINTAINER, "fixed", only=[first.id, 99]) == ()
    assert gate.unfreeze(MAINTAINER, "fixed") == (second.id,)
    assert gate.unfreeze(MAINTAINER, "fixed") == ()
    assert claimed(gate).task == "A"


def test_a_freeze_is_cleared_once_however_often_it_is_named(gate: SerialGate) -> None:
    made = gate.freeze("one", TRIAGER)
    assert gate.unfreeze(MAINTAINER, "fixed", only=[made.id, made.id]) == (made.id,)


def test_a_freeze_s_number_is_never_given_again(gate: SerialGate) -> None:
    gate.freeze("one", TRIAGER)
    gate.unfreeze(MAINTAINER, "fixed")
    assert gate.freeze("two", TRIAGER).id == 2


def test_a_freeze_holds_in_its_repository_alone(gate: SerialGate, open_gate: OpenGate) -> None:
    gate.freeze("on fire", TRIAGER)
    other = open_gate("owner/other")
    other.add("A", "somebody")
    assert claimed(other).task == "A"
    assert other.unfreeze(MAINTAINER, "fixed") == ()
    assert gate.status().frozen


def test_a_freeze_of_a_branch_holds_landings_on_that_branch(gate: SerialGate) -> None:
    started(gate, "A")
    gate.freeze("release week", TRIAGER, branch="main")
    assert gate.admission("A", branch="main").code == "freeze.active"
    assert gate.admission("A", branch="next").admitted
    # Nobody knows yet on which branch a task will land.
    assert gate.admission("A").code == "freeze.active"


def test_a_freeze_of_a_branch_lets_nothing_start(gate: SerialGate) -> None:
    gate.add("A", "somebody")
    gate.freeze("release week", TRIAGER, branch="main")
    assert gate.claim("agent").task is None


def test_with_the_freeze_layer_off_nothing_is_ever_frozen(
    gate: SerialGate, open_gate: OpenGate
) -> None:
    gate.add("A", "somebody")
    gate.freeze("on fire", TRIAGER, mode="hard")
    off = open_gate(freeze_enabled=False)
    status = off.status()
    assert (status.freeze_enabled, status.frozen, status.freezes) == (False, False, ())
    assert claimed(off).task == "A"
    assert off.admission("A").admitted
    with pytest.raises(UsageError, match=r"freeze\.enabled is false"):
        off.freeze("on fire", TRIAGER)
    assert len(gate.status().freezes) == 1


@pytest.mark.parametrize("rank", ["none", "read", "owner", ""])
def test_who_has_less_than_triage_may_not_freeze(gate: SerialGate, rank: str) -> None:
    with pytest.raises(UsageError, match="needs triage"):
        gate.freeze("on fire", Person(name="x", rank=rank, human=True))
    assert not gate.status().frozen


@pytest.mark.parametrize("rank", ["triage", "write", "maintain", "admin"])
def test_a_bot_may_freeze_and_never_clear(gate: SerialGate, rank: str) -> None:
    bot = Person(name="agent[bot]", rank=rank, human=False)
    gate.freeze("no progress", bot)
    with pytest.raises(UsageError, match="only a person may"):
        gate.unfreeze(bot, "it works on my machine")
    assert gate.status().frozen


@pytest.mark.parametrize(
    ("needs", "rank", "may"),
    [
        ("maintain", "write", False),
        ("maintain", "maintain", True),
        ("maintain", "admin", True),
        ("admin", "maintain", False),
        ("write", "write", True),
        ("maintain", "owner", False),
        ("nonsense", "write", False),
    ],
)
def test_clearing_needs_the_permission_that_the_policy_names(
    open_gate: OpenGate, needs: str, rank: str, may: bool
) -> None:
    gate = open_gate(clear_needs=needs)
    gate.freeze("on fire", TRIAGER)
    person = Person(name="x", rank=rank, human=True)
    if may:
        assert gate.unfreeze(person, "fixed") == (1,)
    else:
        with pytest.raises(UsageError, match="may not clear"):
            gate.unfreeze(person, "fixed")
    assert gate.status().frozen is not may


@pytest.mark.parametrize("reason", ["", " ", "\n\t"])
def test_setting_and_clearing_take_a_reason(gate: SerialGate, reason: str) -> None:
    with pytest.raises(UsageError, match="reason"):
        gate.freeze(reason, TRIAGER)
    gate.freeze("on fire", TRIAGER)
    with pytest.raises(UsageError, match="reason"):
        gate.unfreeze(MAINTAINER, reason)
    assert len(gate.status().freezes) == 1


def test_a_freeze_that_has_stood_for_long_is_asked_about_and_stands(
    open_gate: OpenGate, clock: Clock
) -> None:
    gate = open_gate(ask_after=3 * 3600.0)
    gate.freeze("on fire", BOT)
    clock.passes(3 * 3600 - 1)
    assert gate.status().warnings == ()
    clock.passes(2)
    status = gate.status()
    how = gate.how.clear(1)
    assert status.warnings == (f"freeze 1 has stood for 3 hours: if it is over, {how}",)
    clock.passes(30 * 86400)
    assert "for 30 days" in gate.status().warnings[0]
    assert gate.status().frozen, "it never ends by itself"
    assert open_gate(ask_after=None).status().warnings == ()


def test_a_log_in_place_of_a_reason_keeps_no_freeze_from_being_set_or_cleared(
    gate: SerialGate,
) -> None:
    log = "Traceback ☠ " * 10_000
    gate.freeze(log, BOT, because=("post-deploy", log))
    kept = gate.status().freezes[0].reason
    assert len(kept) < 2100
    assert kept.startswith("Traceback ☠ Traceback")
    assert kept.endswith(" …")
    assert gate.unfreeze(MAINTAINER, log) == (1,)
    gate.record("post-deploy", "deploy", log)
    assert [entry.kind for entry in gate.ledger()] == [
        *("post-deploy", "frozen", "cleared", "post-deploy"),
    ]
    assert max(len(entry.detail) for entry in gate.ledger()) < 2100


def test_a_mode_that_is_none_is_refused(gate: SerialGate) -> None:
    with pytest.raises(UsageError, match="is no mode"):
        gate.freeze("on fire", TRIAGER, mode="gently")


def test_a_degraded_deployment_of_a_finished_task_freezes_the_repository(
    gate: SerialGate, clock: Clock
) -> None:
    started(gate, "A", "B")
    gate.finish("A", "agent")
    made = gate.freeze("smoke test: DEGRADED", BOT, work_item="A")
    status = gate.status()
    assert status.frozen
    assert status.freezes == (made,)
    assert (made.reason, made.work_item, made.at) == ("smoke test: DEGRADED", "A", clock.now)
    assert gate.claim("agent", task="B").task is None
    assert [w.reason for w in status.waiting] == ["frozen by agent[bot]: smoke test: DEGRADED"]
    assert status.next == f"a maintainer clears the freeze: {gate.how.clear()}"
