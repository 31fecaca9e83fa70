"""A store on GitHub for a command: with the token and the server that the environment names."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Mapping

from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import FreezeMode
from pytest_malagate.report.text import plain

TOKENS = ("MALAGATE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")
"""Where a token is looked for, in this order."""

API_URL = "https://api.github.com"
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")


def open_store(
    environ: Mapping[str, str],
    *,
    number: int | None,
    mode: FreezeMode,
    manners: Manners | None = None,
) -> GitHubStore:
    """The store. `number` is the control issue's, `mode` that of freezes that are set by a label.

    What was read is remembered, so that looking again costs little. The connections end with the
    store. Raises UsageError where there is no token.
    """
    token_of(environ)
    clients: list[Client] = []

    def connect(repository: str) -> Client:
        made = open_client(environ, repository, manners=manners)
        clients.append(made)
        return made

    store = GitHubStore(connect, number=number, writer="malagate command", mode=mode)
    weakref.finalize(store, _close, clients)  # nobody who asks a gate knows that it has connections
    return store


def open_client(
    environ: Mapping[str, str], repository: str, *, manners: Manners | None = None
) -> Client:
    """A client that remembers what it read. Raises UsageError where there is no token, or where
    GITHUB_API_URL is no address."""
    url = environ.get("GITHUB_API_URL") or API_URL
    if _ADDRESS.fullmatch(url) is None:
        text = "is no address of an API, such as https://github.example.com/api/v3"
        raise UsageError(f"GITHUB_API_URL: {plain(url, 80)!r} {text}")
    return Client(token_of(environ), repository, api_url=url, manners=manners, remember=True)


def token_of(environ: Mapping[str, str]) -> str:
    """The token that the environment holds. Raises UsageError where it holds none."""
    token = next((environ[name] for name in TOKENS if environ.get(name)), None)
    if token is None:
        raise UsageError(
            f"the store on GitHub needs a token: set {', '.join(TOKENS[:-1])} or GH_TOKEN"
        )
    return token


def _close(clients: Iterable[Client]) -> None:
    for client in clients:
        client.close()
