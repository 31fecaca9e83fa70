"""Table R: which tasks a sweep advances, which it leaves alone, and what it says of either."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.model import STAGES, Stage, Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Unblocked, Verdict
from pytest_malagate.reconcile.config import ReconcileConfig
from tests.queue.conftest import BOT, MAINTAINER, REPOSITORY
from tests.reconcile.embedded import open_store
from tests.reconcile.scene import GRACE, LEASE, Scene

__all__ = ["open_store"]  # a fixture

LOG = "pytest_malagate.reconcile"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOG)
    return caplog


# --- R1, R3: what is advanced ---


def test_a_task_whose_event_was_lost_is_advanced_once_through_the_ordinary_handler(
    scene: Scene,
) -> None:
    scene.task("x-1")
    called: list[str] = []
    ordinary = scene.handlers(scene.gate)["gate"]

    def handler(task: Task) -> Task | None:
        called.append(task.task)
        return ordinary(task)

    reconciler = scene.reconciler(handlers={"gate": handler})
    scene.clock.passes(GRACE)
    first, second = reconciler.sweep(), reconciler.sweep()
    assert [(look.task, look.stage, look.to) for look in first.advanced] == [
        ("x-1", "gate", "review")
    ]
    assert second.advanced == ()
    assert called == ["x-1"]
    assert scene.stage("x-1") == "review"
    assert scene.advances() == [("x-1", "gate"), ("x-1", "review")]


def test_what_landed_is_finished_through_its_own_handler(scene: Scene) -> None:
    scene.task("x-1", "landing")
    scene.clock.passes(GRACE)
    (look,) = scene.reconciler().sweep().advanced
    assert (look.stage, look.to) == ("landing", "finished")
    assert scene.stage("x-1") == "finished"


@pytest.mark.parametrize(
    ("stood", "outcome"), [(GRACE - 0.001, "grace"), (GRACE, "advanced"), (GRACE * 9, "advanced")]
)
def test_a_task_is_left_within_its_grace_and_advanced_at_its_end(
    scene: Scene, stood: float, outcome: str
) -> None:
    scene.task("x-1")
    scene.clock.passes(stood)
    (look,) = scene.reconciler().sweep().looks
    assert look.outcome == outcome
    assert (scene.asked == []) is (outcome == "grace")


def test_a_task_that_waits_for_its_turn_is_none_of_the_reconcilers_business(scene: Scene) -> None:
    scene.gate.add("x-1", "alice")
    scene.clock.passes(GRACE)
    assert scene.reconciler().sweep().looked_at == 0


# --- R2, R6: what is left alone without a question ---


def test_a_task_that_somebody_works_on_is_left_and_the_gate_is_not_asked(scene: Scene) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    reconciler = scene.reconciler(working=lambda task: task.task == "x-1")
    assert reconciler.sweep().skipped == {"working": 1}
    assert (scene.asked, scene.stage("x-1")) == ([], "gate")


def test_a_lease_that_has_not_ended_is_work_where_nobody_says_otherwise(scene: Scene) -> None:
    scene.task("x-1")
    reconciler = scene.reconciler(config=ReconcileConfig(grace_minutes=0))
    assert reconciler.sweep().skipped == {"working": 1}
    assert scene.asked == []
    scene.clock.passes(LEASE)
    assert len(reconciler.sweep().advanced) == 1


@pytest.mark.parametrize("green", [True, False])
def test_a_stage_that_a_person_ends_is_left_whatever_the_gate_says(
    scene: Scene, green: bool
) -> None:
    scene.task("x-1", "review", green=green)
    scene.clock.passes(GRACE)

    def handler(task: Task) -> Task:
        return scene.gate.advance(task.task, "landing", MAINTAINER)

    sweep = scene.reconciler(handlers={"review": handler}).sweep()
    assert (sweep.skipped, scene.asked, scene.stage("x-1")) == ({"human": 1}, [], "review")


def test_a_stage_without_a_handler_is_left(scene: Scene) -> None:
    scene.task("x-1", "work")
    scene.clock.passes(GRACE)
    assert scene.reconciler().sweep().skipped == {"no-handler": 1}


@pytest.mark.parametrize(
    ("mode", "stage", "goes"),
    [
        *(("drain", "gate", True), ("drain", "landing", True)),
        *(("pause", "gate", True), ("pause", "landing", False)),
        *(("hard", "gate", False), ("hard", "landing", False)),
    ],
)
def test_while_frozen_only_that_is_advanced_which_the_freeze_lets_go_on(
    scene: Scene, mode: Any, stage: Stage, goes: bool
) -> None:
    scene.task("x-1", stage)
    scene.gate.freeze("it burns", MAINTAINER, mode=mode)
    scene.clock.passes(GRACE)
    sweep = scene.reconciler().sweep()
    assert (len(sweep.advanced), sweep.skipped.get("held", 0)) == ((1, 0) if goes else (0, 1))
    if not goes:
        scene.gate.unfreeze(MAINTAINER, "it is out")
        assert len(scene.reconciler().sweep().advanced) == 1


# --- R5: silence on red ---


def test_a_red_task_is_left_without_a_word_however_often_it_is_looked_at(
    scene: Scene, logged: pytest.LogCaptureFixture
) -> None:
    scene.task("x-1", green=False)
    before = scene.ledger()
    reconciler = scene.reconciler()
    for _ in range(30):
        scene.clock.passes(GRACE)
        assert reconciler.sweep().skipped == {"red": 1}
    assert (scene.told, logged.records, scene.ledger()) == ([], [], before)
    scene.green["x-1"] = True
    assert len(reconciler.sweep().advanced) == 1


# --- R7: one item's trouble ---


def test_a_task_that_raises_is_logged_and_the_others_are_handled(
    scene: Scene, logged: pytest.LogCaptureFixture
) -> None:
    for name in ("x-1", "x-2", "x-3"):
        scene.task(name)
    scene.raises["x-2"] = RuntimeError("the log\x1b[2J is gone")
    scene.clock.passes(GRACE)
    sweep = scene.reconciler().sweep()
    assert [look.task for look in sweep.advanced] == ["x-1", "x-3"]
    assert [(trouble.item, trouble.why) for trouble in sweep.errors] == [
        ("x-2", "RuntimeError: the log\x1b[2J is gone")
    ]
    (warning,) = [record for record in logged.records if record.levelno >= logging.WARNING]
    assert "x-2 could not be handled" in warning.getMessage()
    assert "\x1b" not in warning.getMessage()


def raising(error: Exception) -> Any:
    def raises(_task: Task) -> Any:
        raise error

    return raises


@pytest.mark.parametrize(
    "parts",
    [
        {"working": raising(MachineryError("who works is not known"))},
        {"handlers": {"gate": raising(MachineryError("the store is gone"))}},
        {"handlers": {"gate": raising(UsageError("you may not"))}},
    ],
    ids=["working", "handler", "a handler that refuses for good"],
)
def test_whatever_fails_for_a_task_is_its_trouble_and_leaves_it_where_it_is(
    scene: Scene, parts: dict[str, Any]
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    sweep = scene.reconciler(**parts).sweep()
    assert ([trouble.item for trouble in sweep.errors], sweep.advanced) == (["x-1"], ())
    assert scene.stage("x-1") == "gate"
    assert scene.told == []


class Unreadable(SerialGate):
    """Its store cannot be read."""

    def tasks(self) -> tuple[Task, ...]:
        raise MachineryError("the store is gone")


def test_a_store_that_cannot_be_read_is_no_empty_one(scene: Scene) -> None:
    scene.gate.__class__ = Unreadable
    with pytest.raises(MachineryError, match="the store is gone"):
        scene.reconciler().sweep()


def test_a_handler_that_does_nothing_advances_nothing(scene: Scene) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    sweep = scene.reconciler(handlers={"gate": lambda task: None}).sweep()
    assert (sweep.skipped, scene.told) == ({"unmoved": 1}, [])


# --- R9: what is said of an advance ---


def test_an_advance_is_one_line_one_count_and_one_notification(
    scene: Scene, logged: pytest.LogCaptureFixture
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    reconciler = scene.reconciler()
    sweep = reconciler.sweep()
    (line,) = [record.getMessage() for record in logged.records]
    assert "x-1 advanced from gate to review" in line
    assert len(sweep.advanced) == reconciler.totals.advanced == 1
    assert scene.told == [
        Unblocked(
            repository=REPOSITORY,
            task="x-1",
            stage="gate",
            to="review",
            at=scene.clock.now,
            stood=GRACE,
        )
    ]
    reconciler.sweep()
    assert (reconciler.totals.sweeps, reconciler.totals.advanced) == (2, 1)
    assert (len(scene.told), len(logged.records)) == (1, 1)


def test_nobody_is_notified_where_that_is_off(
    scene: Scene, logged: pytest.LogCaptureFixture
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    assert len(scene.reconciler(config=ReconcileConfig(notify=False)).sweep().advanced) == 1
    assert scene.told == []
    assert len(logged.records) == 1


def test_a_notifier_that_raises_is_a_warning_and_the_task_has_advanced(scene: Scene) -> None:
    for name in ("x-1", "x-2"):
        scene.task(name)
    scene.clock.passes(GRACE)
    sweep = scene.reconciler(notify=raising(OSError("no line"))).sweep()
    assert len(sweep.advanced) == 2
    assert [warning for warning in sweep.warnings if "x-1" in warning and "no line" in warning]
    assert sweep.errors == ()


# --- dry runs ---


def test_a_dry_run_says_what_it_would_do_and_why_and_writes_nothing(
    scene: Scene, logged: pytest.LogCaptureFixture
) -> None:
    scene.task("x-1")
    scene.task("x-2", green=False)
    scene.clock.passes(GRACE)
    before = scene.ledger()
    reconciler = scene.reconciler()
    sweep = reconciler.sweep(dry_run=True)
    assert [(look.task, look.outcome, look.why) for look in sweep.looks] == [
        ("x-1", "would-advance", "the gate said so"),
        ("x-2", "red", "the gate said so"),
    ]
    assert (scene.ledger(), scene.told, logged.records) == (before, [], [])
    assert reconciler.totals.sweeps == 0


# --- R11: races ---


@pytest.mark.parametrize("attempt", range(3))
def test_two_reconcilers_and_the_event_s_handler_at_once_advance_a_task_once(
    scene: Scene, attempt: int
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    together = threading.Barrier(3, timeout=30)
    branches: list[str] = []

    def judge(task: Task) -> Verdict:
        together.wait()
        return Verdict(green=True)

    def racing(gate: SerialGate) -> dict[Stage, Any]:
        ordinary = scene.handlers(gate)["gate"]

        def handler(task: Task) -> Task | None:
            moved = ordinary(task)
            branches.append(task.task)
            return moved

        return {"gate": handler}

    def event() -> None:
        gate = scene.another_gate()
        seen, handler = gate.task("x-1"), racing(gate)["gate"]
        together.wait()
        try:
            handler(seen)
        except UsageError:
            return
        advanced.append(1)

    def sweep() -> None:
        gate = scene.another_gate()
        reconciler = scene.reconciler(gate, judge=judge, handlers=racing(gate))
        done = reconciler.sweep()
        assert done.errors == ()
        advanced.append(len(done.advanced))

    advanced: list[int] = []
    threads = [threading.Thread(target=work) for work in (event, sweep, sweep)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(advanced) == 1
    assert branches == ["x-1"]
    assert scene.advances() == [("x-1", "gate"), ("x-1", "review")]
    assert len(scene.gate.tasks()) == 1


def test_an_event_that_comes_while_the_gate_is_asked_leaves_nothing_to_do(scene: Scene) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)

    def judge(task: Task) -> Verdict:
        scene.handlers(scene.another_gate())["gate"](task)
        return Verdict(green=True)

    sweep = scene.reconciler(judge=judge).sweep()
    assert (sweep.skipped, sweep.errors, scene.told) == ({"moved": 1}, (), [])
    assert scene.advances().count(("x-1", "review")) == 1


def test_an_event_that_comes_just_before_the_handler_writes_is_somebody_who_was_faster(
    scene: Scene,
) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    ordinary = scene.handlers(scene.gate)["gate"]

    def handler(task: Task) -> Task | None:
        ordinary(task)
        return ordinary(task)

    sweep = scene.reconciler(handlers={"gate": handler}).sweep()
    assert (sweep.skipped, sweep.errors, scene.told) == ({"moved": 1}, (), [])


@pytest.mark.parametrize("change", ["rework", "requeue", "finish", "renew", "claim"])
def test_a_verdict_on_a_task_that_is_not_as_it_was_counts_for_nothing(
    scene: Scene, change: str
) -> None:
    seen = scene.task("x-1")
    assert seen.claim is not None
    scene.clock.passes(GRACE)

    def changes() -> None:
        if change == "renew":
            scene.gate.renew("x-1", seen.claim.id)
        elif change == "claim":
            assert scene.gate.claim("another", task="x-1").task is not None
        else:
            getattr(scene.gate, change)("x-1", "alice")

    def judge(task: Task) -> Verdict:
        changes()
        return Verdict(green=True)

    before = scene.advances()
    assert scene.reconciler(judge=judge).sweep().skipped == {"moved": 1}
    assert scene.advances() == before


# --- every stage ---


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_is_left_without_a_handler_being_asked_for_it(scene: Scene, stage: Stage) -> None:
    scene.task("x-1", stage)
    scene.clock.passes(GRACE)
    (look,) = scene.reconciler().sweep().looks
    expected = {"work": "no-handler", "review": "human", "deployed": "no-handler"}
    assert look.outcome == expected.get(stage, "advanced")
    assert BOT.human is False
