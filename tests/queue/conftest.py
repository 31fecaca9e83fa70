"""What the queue's tests stand on. `open_store` runs over every store there is.

A new store joins the contract by a line in STORES.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.queue.store import Store
from tests.twin import Twin

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


@contextlib.contextmanager
def _sqlite(folder: Path) -> Iterator[OpenStore]:
    yield lambda: SQLiteStore(folder / "state.db")


@contextlib.contextmanager
def _github(folder: Path, lag: int = 0) -> Iterator[OpenStore]:
    """Over the twin. With `lag`, that many lists after each write show what stood before it.

    What the answers look like is held against GitHub's description in tests/github.
    """
    twin = Twin(folder, checked=False)
    for name in (REPOSITORY, "owner/other"):
        made = twin.repository(name)
        made.commit("main", {"a.py": "x = 1"})
        twin.token(name, made, login="github-actions[bot]", permissions={"issues": "write"})
    with twin.serve() as url:
        manners = Manners(write_spacing=0.0, timeout=10, patience=1e9, sleep=_no_time)

        def connect(repository: str) -> Client:
            return Client(repository.lower(), repository, api_url=url, manners=manners)

        for name in (REPOSITORY, "owner/other"):
            GitHubStore(connect).arm(name)
        twin.lagging(lag)
        yield lambda: GitHubStore(connect)


def _no_time(_: float) -> None:
    """Waits for nothing: the twin's lists catch up with each look at them."""


STORES: dict[str, Callable[[Path], AbstractContextManager[OpenStore]]] = {
    "sqlite": _sqlite,
    "github": _github,
    "github, lists lag": partial(_github, lag=3),
}


@pytest.fixture(params=sorted(STORES))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the test's store; each call is another object on the same state, as after a restart."""
    with STORES[request.param](tmp_path) as opened:
        yield opened


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
