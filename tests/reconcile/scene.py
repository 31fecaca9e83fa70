"""A queue with tasks, a gate that says what a test wants, and the handlers of the events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_malagate.queue.model import Entry, Stage, Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.reconcile.answers import Unblocked, Verdict
from pytest_malagate.reconcile.config import ReconcileConfig
from pytest_malagate.reconcile.reconciler import Reconciler
from tests.queue.conftest import BOT, MAINTAINER, REPOSITORY, Clock, OpenGate, OpenStore

GRACE = 600.0
LEASE = 60.0


class Scene:
    """Several tasks may be active: what is tested here is not the queue."""

    def __init__(self, open_gate: OpenGate, open_store: OpenStore, clock: Clock) -> None:
        self._open_gate, self._open_store, self.clock = open_gate, open_store, clock
        self.gate = self.another_gate()
        self.green: dict[str, bool] = {}
        self.raises: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.told: list[Unblocked] = []

    def another_gate(self) -> SerialGate:
        """As another process has it."""
        return self._open_gate(enabled=False)

    def ledger(self) -> list[Entry]:
        return list(self._open_store().ledger(REPOSITORY))

    def advances(self) -> list[tuple[str | None, str]]:
        return [(entry.task, entry.detail) for entry in self.ledger() if entry.kind == "advanced"]

    def task(self, name: str, stage: Stage = "gate", *, green: bool = True) -> Task:
        """An active task at a stage. Its lease ends after LEASE seconds."""
        self.green[name] = green
        self.gate.add(name, "alice")
        claimed = self.gate.claim("an agent", task=name, lease=LEASE).task
        assert claimed is not None
        return claimed if stage == "work" else self.gate.advance(name, stage, MAINTAINER)

    def stage(self, name: str) -> str:
        """The task's stage; its state if it is not active."""
        task = self.gate.task(name)
        assert task is not None
        return task.stage if task.state == "active" else task.state

    def judge(self, task: Task) -> Verdict:
        self.asked.append(task.task)
        if task.task in self.raises:
            raise self.raises[task.task]
        return Verdict(green=self.green[task.task], why="the gate said so")

    def handlers(self, gate: SerialGate) -> dict[Stage, Callable[[Task], Task | None]]:
        """What the events call."""

        def claim(task: Task) -> str | None:
            return task.claim.id if task.claim else None

        return {
            "gate": lambda task: gate.advance(task.task, "review", BOT, claim=claim(task)),
            "landing": lambda task: gate.finish(task.task, BOT.name, claim=claim(task)),
        }

    def reconciler(self, gate: SerialGate | None = None, **parts: Any) -> Reconciler:
        gate = gate or self.gate
        given = {
            "judge": self.judge,
            "handlers": self.handlers(gate),
            "config": ReconcileConfig(),
            "notify": self.told.append,
            "now": self.clock,
        }
        return Reconciler(gate, **{**given, **parts})
