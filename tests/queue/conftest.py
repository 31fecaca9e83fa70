"""What the queue's tests stand on. `open_store` runs over every store there is.

A new store joins the contract by a line in STORES.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.queue.store import Store

REPOSITORY = "owner/repository"
MAINTAINER = Person(name="maintainer", rank="maintain", human=True)
TRIAGER = Person(name="triager", rank="triage", human=True)
BOT = Person(name="agent[bot]", rank="admin", human=False)

OpenStore = Callable[[], Store]
OpenGate = Callable[..., SerialGate]


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def _sqlite(folder: Path) -> OpenStore:
    return lambda: SQLiteStore(folder / "state.db")


STORES: dict[str, Callable[[Path], OpenStore]] = {"sqlite": _sqlite}


@pytest.fixture(params=sorted(STORES))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the test's store; each call is another object on the same state, as after a restart."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_gate(open_store: OpenStore, clock: Clock) -> OpenGate:
    """A gate on the test's store: `open_gate(repository, enabled=…)`, rules as in SerialRules."""

    def opened(repository: str = REPOSITORY, **rules: object) -> SerialGate:
        return SerialGate(open_store(), repository, SerialRules(**rules), now=clock)

    return opened


@pytest.fixture
def gate(open_gate: OpenGate) -> SerialGate:
    return open_gate()
