"""Who does what when: clients that reach the twin without HTTP, and may be held at any request.

Every request of a wired client passes `before` and `after` on its way. There another process may
do something, this one may die, or it may wait until it is let go on: so a test chooses an
interleaving and needs neither threads that race nor a clock. Faults, lags, limits and the contract
are the twin's own, as over HTTP.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from pytest_malagate.github.client import Client, Manners
from tests.twin import api
from tests.twin.faults import Faults
from tests.twin.routing import Answer, Incoming
from tests.twin.server import noted, spoiled
from tests.twin.twin import Twin

Before = Callable[[Incoming], None]
After = Callable[[Incoming, Answer | None], None]


class Died(BaseException):
    """A process ends here. No `except Exception` of its own may hold it."""


class Wire:
    """Takes the place of PyGithub's requester. `after` is given None where nothing came back."""

    def __init__(self, twin: Twin, token: str, before: Before | None, after: After | None) -> None:
        self._twin, self._token = twin, token
        self.before, self.after = before, after

    def requestJson(
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        input: Any = None,
    ) -> tuple[int, dict[str, Any], str]:
        """As PyGithub's: status, headers by lower-case name, body. Follows what has moved."""
        given = {name.lower(): value for name, value in (headers or {}).items()}
        given["authorization"] = f"token {self._token}"
        query = {name: str(value) for name, value in (parameters or {}).items()}
        data = json.dumps(input).encode() if input is not None else b""
        path = urlsplit(url).path if "://" in url else url  # that of GraphQL is a whole address
        incoming = Incoming(verb, path, query, data, given)
        if self.before is not None:
            self.before(incoming)
        answer = self._exchange(incoming)
        if self.after is not None:
            self.after(incoming, answer)
        told = {name.lower(): value for name, value in answer.headers.items()}
        if answer.status == 301 and "location" in told:
            return self.requestJson(
                verb, urlsplit(told["location"]).path, parameters, headers, input
            )
        return answer.status, told, (answer.raw or b"").decode("utf-8", "replace")

    def _exchange(self, incoming: Incoming) -> Answer:
        twin = self._twin
        query = urlencode(incoming.query)
        asked = f"{incoming.path}?{query}" if query else incoming.path
        fault = twin.faults.strike("api", incoming.method, asked)
        with twin.lock:
            applied = fault is None or fault in Faults.APPLIED
            answer = api.answer(twin, incoming) if applied else None
            broken = spoiled(twin, fault, answer) if fault is not None else answer
            status = broken.status if broken is not None else 0
            twin.requests.append(noted(incoming, status, fault))
        if broken is None or fault == "truncated":
            if self.after is not None:
                self.after(incoming, None)
            kind = requests.Timeout if fault == "timeout" else requests.ConnectionError
            raise kind(f"the twin's fault {fault}")
        return broken

    def close(self) -> None:
        """There is nothing to close."""


class WiredClient(Client):
    """The project's own client, with a wire into the twin instead of a connection."""

    def __init__(
        self,
        twin: Twin,
        token: str,
        repository: str,
        *,
        before: Before | None = None,
        after: After | None = None,
        manners: Manners | None = None,
        remember: bool = False,
    ) -> None:
        super().__init__(token, repository, manners=manners, remember=remember)
        self.wire = Wire(twin, token, before, after)

    def _requester(self, api_version: str) -> Any:
        return self.wire


class Once:
    """A `before` that does something once, before the `nth` request that matches.

    `path` is a regular expression that is searched for in the path, without the query.
    """

    def __init__(
        self, do: Callable[[], object], *, method: str = "", path: str = "", nth: int = 1
    ) -> None:
        self._do, self._method, self._path, self._left = do, method, re.compile(path), nth
        self.done = False

    def __call__(self, incoming: Incoming) -> None:
        if self.done or self._method not in ("", incoming.method):
            return
        if not self._path.search(incoming.path):
            return
        self._left -= 1
        if self._left == 0:
            self.done = True  # first: what is done may send requests itself
            self._do()


class Turns:
    """Processes that take turns at their requests: each is a thread, and only one of them runs.

    `choose` is given the names of those that are not done, and names the one that goes on.
    """

    def __init__(self, choose: Callable[[list[str]], str]) -> None:
        self._choose = choose
        self._may: dict[str, threading.Semaphore] = {}
        self._paused = threading.Semaphore(0)
        self._errors: list[BaseException] = []
        self._ended: set[str] = set()

    def pause(self, name: str) -> None:
        """To be called by a process before each request: lets the others have their turn."""
        self._paused.release()
        self._may[name].acquire()

    def run(self, processes: dict[str, Callable[[], object]]) -> None:
        """Runs them all to their ends, whatever these are; raises what is no death."""
        self._ended.clear()
        threads = {name: self._thread(name, do) for name, do in processes.items()}
        for thread in threads.values():
            thread.start()
        living = list(threads)
        while living:
            name = self._choose(living)
            self._may[name].release()
            self._paused.acquire()
            living = [one for one in living if one not in self._ended]
        for thread in threads.values():
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _thread(self, name: str, do: Callable[[], object]) -> threading.Thread:
        self._may[name] = threading.Semaphore(0)

        def live() -> None:
            self._may[name].acquire()
            try:
                do()
            except Died:
                pass
            except BaseException as error:  # noqa: BLE001 - told by run(), in the test's own thread
                self._errors.append(error)
            finally:
                self._ended.add(name)
                self._paused.release()

        return threading.Thread(target=live, daemon=True)
