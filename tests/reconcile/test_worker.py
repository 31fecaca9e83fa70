"""Table R10: the reconciler of a long-lived host."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.checks import Finding
from pytest_malagate.reconcile.reconciler import Reconciler
from tests.reconcile.embedded import open_store
from tests.reconcile.scene import GRACE, Scene

__all__ = ["open_store"]  # a fixture

OFTEN = 0.001


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "malagate-reconciler"]


class Counting:
    """A check that tells when it was asked so often; it never finds anything."""

    name = "counting"

    def __init__(self, until: int = 3) -> None:
        self.asked, self._until, self.reached = 0, until, threading.Event()

    def find(self) -> Iterable[Finding]:
        self.asked += 1
        if self.asked >= self._until:
            self.reached.set()
        return []


def test_it_has_one_worker_however_often_it_is_started_and_none_when_it_is_stopped(
    scene: Scene,
) -> None:
    check = Counting()
    reconciler = scene.reconciler(checks=[check])
    for _ in range(3):
        reconciler.start(OFTEN)
    assert [thread.daemon for thread in workers()] == [True]
    assert check.reached.wait(30)
    reconciler.stop()
    assert workers() == []
    stood = (check.asked, reconciler.totals.sweeps)
    assert stood[1] - stood[0] in (0, 1), "a sweep that is stopped asks no more"
    reconciler.stop()
    assert (check.asked, reconciler.totals.sweeps) == stood


@pytest.mark.parametrize(
    "period", [0, -1, float("nan"), float("inf"), 1e300, None, "60", True], ids=repr
)
def test_a_period_that_is_none_is_refused_and_nothing_is_started(scene: Scene, period: Any) -> None:
    with pytest.raises(UsageError, match="period must be a positive number of seconds"):
        scene.reconciler().start(period)
    assert workers() == []


def test_it_can_be_started_again(scene: Scene) -> None:
    check = Counting(until=1)
    reconciler = scene.reconciler(checks=[check])
    for _ in range(2):
        check.reached.clear()
        reconciler.start(3600)
        assert check.reached.wait(30)
        reconciler.stop()
    assert check.asked == 2
    assert workers() == []


def test_one_that_was_never_started_is_stopped_without_ado(scene: Scene) -> None:
    scene.reconciler().stop()


def test_a_worker_advances_what_a_lost_event_left_behind(scene: Scene) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    told = threading.Event()
    reconciler = scene.reconciler(notify=lambda _: told.set())
    reconciler.start(3600)
    assert told.wait(30)
    reconciler.stop()
    assert scene.stage("x-1") == "review"


class OutOfOrder(SerialGate):
    """Its store cannot be read for the first three times."""

    times = 0

    def tasks(self) -> tuple[Task, ...]:
        self.times += 1
        if self.times <= 3:
            raise MachineryError("the store is gone") if self.times < 3 else ValueError("a bug")
        return super().tasks()


def test_sweeps_that_fail_are_logged_and_do_not_end_it(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    gate = scene.another_gate()
    gate.__class__ = OutOfOrder
    check = Counting(until=1)
    reconciler = scene.reconciler(gate, checks=[check])
    reconciler.start(OFTEN)
    assert check.reached.wait(30)
    reconciler.stop()
    assert caplog.text.count("a sweep failed: the store is gone") == 2
    assert caplog.text.count("a sweep failed: a bug") == 1


def test_who_stops_it_from_its_own_thread_does_not_wait_for_himself(scene: Scene) -> None:
    scene.task("x-1")
    scene.clock.passes(GRACE)
    done = threading.Event()

    def notify(_: object) -> None:
        reconciler.stop()
        done.set()

    reconciler: Reconciler = scene.reconciler(notify=notify)
    reconciler.start(OFTEN)
    assert done.wait(30)
    for thread in workers():
        thread.join(30)
    assert reconciler.totals.advanced == 1


def test_a_sweep_that_is_told_to_stop_ends_after_the_item_that_it_is_at(scene: Scene) -> None:
    for name in ("x-1", "x-2", "x-3"):
        scene.task(name)
    scene.clock.passes(GRACE)
    at_it, go_on = threading.Event(), threading.Event()
    ordinary = scene.handlers(scene.gate)["gate"]

    def handler(task: Task) -> Task | None:
        at_it.set()
        assert go_on.wait(30)
        return ordinary(task)

    reconciler = scene.reconciler(handlers={"gate": handler})
    reconciler.start(3600)
    assert at_it.wait(30)
    stopping = threading.Thread(target=reconciler.stop)
    stopping.start()
    while not reconciler._worker.is_stopping():
        pass
    go_on.set()
    stopping.join(30)
    assert [scene.stage(name) for name in ("x-1", "x-2", "x-3")] == ["review", "gate", "gate"]
    assert reconciler.sweep().looked_at == 3
