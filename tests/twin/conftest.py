"""A repository on the twin, and a client that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.twin import Repository, Twin

EVERYTHING = dict.fromkeys(("statuses", "pull-requests", "issues", "actions", "contents"), "write")


class Client:
    """Requests to one repository, with one token."""

    def __init__(self, twin: Twin, repository: Repository, token: str | None) -> None:
        self._twin = twin
        self._root = f"/repos/{repository.full_name}"
        self.session = requests.Session()
        self.session.trust_env = False
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """A path that begins with a slash stands in the repository; any other is the whole."""
        url = path if path.startswith("http") else f"{self._twin.url}{self._root}{path}"
        options.setdefault("allow_redirects", False)
        options.setdefault("timeout", 30)
        return self.session.request(method, url, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self("POST", path, json=body, **options)


@pytest.fixture
def repo(twin: Twin) -> Repository:
    """acme/shop with one commit."""
    made = twin.repository("acme/shop")
    made.commit(
        "main", {"a.py": "x = 1\n", ".github/workflows/agent.yml": "on: workflow_dispatch\n"}
    )
    return made


@pytest.fixture
def client(twin: Twin, repo: Repository) -> Iterator[Client]:
    """The gate's token with every scope that matters."""
    made = Client(twin, repo, twin.token("t-gate", repo, permissions=EVERYTHING))
    yield made
    made.session.close()


@pytest.fixture
def anonymous(twin: Twin, repo: Repository) -> Iterator[Client]:
    made = Client(twin, repo, None)
    yield made
    made.session.close()
