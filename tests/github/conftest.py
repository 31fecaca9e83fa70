"""A repository on the twin, and the project's own client for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_malagate.github.client import Client, Manners
from tests.action.stage import PERMISSIONS
from tests.twin import Repository, Twin

MakeClient = Callable[..., Client]


@pytest.fixture
def repo(twin: Twin) -> Repository:
    """acme/shop with one commit."""
    made = twin.repository("acme/shop")
    made.commit("main", {"a.py": "x = 1\n", ".github/workflows/tests.yml": "name: tests\n"})
    twin.token("t-gate", made, login="github-actions[bot]", permissions=PERMISSIONS)
    return made


@pytest.fixture
def slept() -> list[float]:
    """How long the client waited each time; no test waits itself."""
    return []


@pytest.fixture
def make_client(twin: Twin, repo: Repository, slept: list[float]) -> Iterator[MakeClient]:
    """A client with other manners."""
    made: list[Client] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        twin.advance(int(seconds) + 1)

    def make(token: str = "t-gate", *, remember: bool = False, **manners: Any) -> Client:
        given = {"write_spacing": 0.0, "timeout": 1, "sleep": sleep, "now": time.time} | manners
        client = Client(
            token,
            repo.full_name,
            api_url=twin.url,
            manners=Manners(**given),
            remember=remember,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """The gate's client."""
    return make_client()
