"""The twin: GitHub's state, which tests change in Python and the project reads over HTTP."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.twin import contract, environment, events
from tests.twin.clock import Clock
from tests.twin.faults import Faults
from tests.twin.git import Person
from tests.twin.lag import Lag
from tests.twin.rates import Rates
from tests.twin.repository import Repository
from tests.twin.runs import Run
from tests.twin.state import ACTIONS_BOT, Request, Token, User

API = "https://api.github.com"
BOT_ID = 41898282
"""The id of github-actions[bot]."""

FIRST_IDS = {
    "user": 1_000,
    "repository": 700_000_000,
    "issue": 2_400_000_000,
    "comment": 3_100_000_000,
    "event": 15_000_000_000,
    "label": 6_500_000_000,
    "status": 30_000_000_000,
    "reaction": 240_000_000,
    "run": 19_000_000_000,
    "job": 53_000_000_000,
    "artifact": 4_100_000_000,
    "deployment": 900_000_000,
    "environment": 0,
}


class Twin:
    """A GitHub of its own. `checked`: every answer is compared with GitHub's published description,
    what differs is in `violations`."""

    rate_limit = 1000
    """Requests that one token may send in an hour."""
    timeout_seconds = 30.0
    """How long the fault "timeout" keeps a client waiting, at most."""
    retry_after = 1
    """Seconds that the faults' Retry-After names."""
    reset_after = 1
    """Seconds until the reset that the fault "primary" names."""
    url_lifetime = 60
    """Seconds, by the twin's clock, for which an artifact's download address holds."""
    write_limit: tuple[int, int] | None = None
    """How many writes one token may send within how many seconds of the twin's clock; None: any
    number. More are refused as GitHub does beyond a secondary limit."""
    comment_limit = 2500
    """Comments that an issue may have. GitHub's words for one more are as measured in 2026."""
    no_concurrency_api = False
    """Whether the endpoints of concurrency groups are missing, as on servers for enterprises."""

    def __init__(self, directory: Path, *, checked: bool | None = None) -> None:
        self.directory = directory / "twin"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.clock = Clock()
        self.lock = threading.RLock()
        self.repositories: dict[str, Repository] = {}
        self.lag_state = Lag(self.repositories)
        self.users: dict[str, User] = {ACTIONS_BOT: User(ACTIONS_BOT, BOT_ID, "Bot")}
        self.tokens: dict[str, Token] = {}
        self.requests: list[Request] = []
        self.blob_requests: list[Request] = []
        self.violations: list[str] = []
        self.faults = Faults()
        self.rates = Rates(self)
        self.url = API
        self.blob_url = ""
        if checked is None:
            checked = importlib.util.find_spec("jsonschema_rs") is not None
        self.checked = checked
        self.in_request = False
        self._ids = dict(FIRST_IDS)
        self._serving = 0
        self._stop = contextlib.ExitStack()

    # --- the server ---

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """The API's address, for as long as the block runs. May be nested."""
        from tests.twin.server import serving

        if not self._serving:
            if self.checked:
                contract.prepare()
            self.url, self.blob_url = self._stop.enter_context(serving(self))
        self._serving += 1
        try:
            yield self.url
        finally:
            self._serving -= 1
            if not self._serving:
                self._stop.close()

    # --- people and repositories ---

    def user(self, login: str, type: str | None = None) -> User:
        key = login.lower()
        if key not in self.users:
            kind = type or ("Bot" if login.endswith("[bot]") else "User")
            self.users[key] = User(login, self.new_id("user"), kind)
        return self.users[key]

    def somebody(self, login: str) -> Person:
        user = self.user(login)
        return Person(login, f"{user.id}+{login}@users.noreply.github.com", self.clock())

    def repository(self, full_name: str, private: bool = False) -> Repository:
        return self.add(Repository(self, full_name, private=private, parent=None))

    def add(self, repository: Repository) -> Repository:
        self.repositories[repository.full_name.lower()] = repository
        return repository

    def token(
        self,
        text: str,
        repository: Repository | None = None,
        login: str = ACTIONS_BOT,
        permissions: dict[str, str] | None = None,
    ) -> str:
        """Makes a token. Without permissions it is a person's own; with them, an app's: the
        GITHUB_TOKEN of one repository, with the scopes as a workflow writes them."""
        app = None
        if permissions is not None:
            app = login.removesuffix("[bot]") if login.endswith("[bot]") else "github-actions"
        self.tokens[text] = Token(text, repository, self.user(login), permissions, app)
        return text

    # --- time and order ---

    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def happen(self) -> int:
        """Something happens now: the time of it, which nothing else has."""
        if not self.in_request:
            self.lag_state.settle()
        return self.clock.tick()

    def new_id(self, kind: str) -> int:
        self._ids[kind] += 1
        return self._ids[kind]

    def lag(self, reads: int) -> None:
        """The next `reads` requests for a list show the state before the last write that came over
        HTTP (without one since the last change in Python: the state now)."""
        self.lag_state.start(reads)

    def lagging(self, reads: int) -> None:
        """From now on, each write that comes over HTTP is hidden from the next `reads` requests for
        a list: they show the state before the oldest write that they have to hide. 0 ends it."""
        self.lag_state.keep(reads)

    # --- what a runner sees ---

    def event(self, name: str, **subject: Any) -> dict[str, Any]:
        """The payload of a webhook, made from the state."""
        return events.payload(self, name, **subject)

    def environment(
        self,
        repository: Repository,
        event_name: str,
        payload: dict[str, Any],
        run: Run | None = None,
        workflow_ref: str = ".github/workflows/gate.yml",
        token: str | None = None,
    ) -> dict[str, str]:
        """The variables that a runner would set for a job, with fresh files and folders."""
        return environment.variables(
            *(self, repository, event_name, payload),
            run=run,
            workflow=workflow_ref,
            token=token,
        )
