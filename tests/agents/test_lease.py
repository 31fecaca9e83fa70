"""A claim is kept while an agent works, and ends the work when it has to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pytest_malagate.agents.lease import LEASE_SECONDS, Lease, unmergeable
from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore

SOON = 0.001  # seconds between two renewals
ALICE = Person(name="alice", rank="admin", human=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.store = SQLiteStore(path / "state.db")
        self.gate = SerialGate(self.store, "o/r", now=self.clock)
        self.told: list[str] = []

    async def claim(self) -> Lease:
        self.gate.add("x-1", "loop")
        task = self.gate.claim("loop", task="x-1", lease=LEASE_SECONDS).task
        assert task is not None
        return Lease(self.gate, task, "loop", on_end=self.told.append)

    async def kept(self, lease: Lease) -> None:
        """Keeps the claim until the work is told to end."""
        await asyncio.wait_for(lease.keep(now=self.clock, every=SOON), 60)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.store.ledger("o/r")]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_hard_freeze_ends_what_runs(scene: Scene) -> None:
    async def play() -> Lease:
        lease = await scene.claim()
        scene.gate.freeze("on fire", ALICE, mode="hard")
        await scene.kept(lease)
        return lease

    lease = asyncio.run(play())
    assert lease.stop.is_set()
    assert "on fire" in lease.why
    lease.end("another reason")
    assert scene.told == [lease.why]


def test_a_claim_that_somebody_else_took_over_ends_what_runs_and_is_left_alone(
    scene: Scene,
) -> None:
    async def play() -> None:
        lease = await scene.claim()
        scene.clock.now += LEASE_SECONDS + 1
        taken = scene.gate.claim("another", task="x-1").task
        await scene.kept(lease)
        assert lease.lost
        lease.finish("completed", "")
        lease.give_back()
        assert scene.gate.task("x-1") == taken

    asyncio.run(play())
    assert "completed" not in scene.kinds()


def test_a_store_that_fails_ends_the_work_when_the_claim_has_run_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def fails(*_: object, **__: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            scene.clock.now += LEASE_SECONDS + 1
        raise MachineryError("the disk is full")

    async def play() -> Lease:
        lease = await scene.claim()
        monkeypatch.setattr(scene.gate, "renew", fails)
        await scene.kept(lease)
        return lease

    lease = asyncio.run(play())
    assert asked == 3
    assert lease.why == "the claim ran out, and could not be renewed: the disk is full"


@pytest.mark.parametrize(("mode", "goes_on"), [("drain", True), ("pause", True), ("hard", False)])
def test_the_freeze_is_read_before_every_attempt(scene: Scene, mode: str, goes_on: bool) -> None:
    async def play() -> str | None:
        lease = await scene.claim()
        scene.gate.freeze("on fire", ALICE, mode=mode)  # type: ignore[arg-type]
        return await lease.barred()

    assert (asyncio.run(play()) is None) == goes_on


@pytest.mark.parametrize(("mode", "held_up"), [("drain", False), ("pause", True), ("hard", True)])
def test_what_was_completed_lands_while_nothing_but_a_drain_stands(
    scene: Scene, mode: str, held_up: bool
) -> None:
    asyncio.run(scene.claim())
    assert unmergeable(scene.gate) is None
    scene.gate.freeze("on fire", ALICE, mode=mode)  # type: ignore[arg-type]
    assert (unmergeable(scene.gate) == "frozen by alice: on fire") == held_up
    scene.gate.finish("x-1", "loop")  # nothing is active any more
    assert (unmergeable(scene.gate) is not None) == held_up


def test_nothing_lands_while_the_freezes_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("no database")
    scene = Scene(tmp_path)
    assert "could not be read whether" in str(unmergeable(scene.gate))


def test_a_claim_ends_once(scene: Scene) -> None:
    async def play() -> None:
        lease = await scene.claim()
        lease.finish("escalated", "why")
        lease.finish("escalated", "why")
        lease.give_back()

    asyncio.run(play())
    assert scene.kinds() == ["added", "claimed", "escalated", "finished"]
