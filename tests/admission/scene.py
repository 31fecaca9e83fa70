"""A repository with a queue on the twin, and processes that work on it over the real client."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from pytest_malagate.admission.starting import Nothing, Started, Starter
from pytest_malagate.github import store as store_module
from pytest_malagate.github.client import Manners
from pytest_malagate.github.control import CONTROL, FROZEN
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from tests.twin import Issue, Repository, Run, Twin
from tests.twin.scheduler import After, Before, WiredClient

NAME = "acme/shop"
BOT = "github-actions[bot]"
MAJA = Person(name="maja", rank="maintain", human=True)
AGENT = "agent.yml"
WORKFLOW = """\
name: agent
run-name: "${{ inputs.task }} [${{ inputs.claim }}]"
on:
  workflow_dispatch:
    inputs:
      task: {required: true, type: string}
      claim: {required: true, type: string}
"""
PERMISSIONS = {
    "actions": "write",
    "contents": "read",
    "issues": "write",
    "pull-requests": "write",
    "statuses": "write",
}
PEOPLE = {"maja": "maintain", "walt": "write", "tina": "triage", "rita": "read"}


class NoTurns(dict[str, threading.Lock]):
    """In place of the locks that threads of one process share: these play several processes."""

    def setdefault(self, key: str, default: Any = None) -> threading.Lock:
        return threading.Lock()


@contextlib.contextmanager
def processes_apart() -> Iterator[None]:
    """Within it, stores do not know of each other, as in processes of their own."""
    kept = store_module._TURNS
    store_module._TURNS = NoTurns()
    try:
        yield
    finally:
        store_module._TURNS = kept


class Scene:
    """acme/shop, armed, with a workflow that agents are started by."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.repo: Repository = twin.repository(NAME)
        self.repo.commit("main", {"a.py": "x = 1", f".github/workflows/{AGENT}": WORKFLOW})
        for login, rank in PEOPLE.items():
            self.repo.permission(login, rank)
        twin.token("t-bot", self.repo, login=BOT, permissions=PERMISSIONS)
        self.store().arm(NAME)

    # --- processes ---

    def client(self, **given: Any) -> WiredClient:
        manners = Manners(
            write_spacing=0.0, patience=given.pop("patience", 1e6), sleep=self._sleep, now=self.now
        )
        token, name = given.pop("token", "t-bot"), given.pop("repository", NAME)
        return WiredClient(self.twin, token, name, manners=manners, **given)

    def _sleep(self, seconds: float) -> None:
        self.twin.advance(int(seconds) + 1)

    def now(self) -> float:
        return float(self.twin.clock())

    def store(
        self,
        *,
        before: Before | None = None,
        after: After | None = None,
        token: str = "t-bot",
        patience: float = 1e6,
        **options: Any,
    ) -> GitHubStore:
        """A store of a process of its own."""
        client = self.client(before=before, after=after, token=token, patience=patience)
        return GitHubStore(lambda _: client, **options)

    def gate(self, store: GitHubStore | None = None, **given: Any) -> SerialGate:
        rules = SerialRules(**given.pop("rules", {}))
        return SerialGate(store or self.store(**given), NAME, rules, now=self.now)

    def starter(self, store: GitHubStore | None = None, **given: Any) -> Starter:
        options = {"workflow": AGENT, "ref": "main", "now": self.now}
        for name in ("holder", "lease", "settle", "inputs", "workflow", "ref"):
            if name in given:
                options[name] = given.pop(name)
        store = store or self.store(**given)
        return Starter(self.gate(store), store, **options)  # type: ignore[arg-type]

    def step(self, **given: Any) -> Started | Nothing:
        """One step of a new process."""
        return self.starter(**given).step()

    # --- what there is ---

    @property
    def runs(self) -> list[Run]:
        """Those that were dispatched, the oldest first."""
        return [run for run in self.repo.runs.values() if run.event == "workflow_dispatch"]

    @property
    def control(self) -> Issue:
        return next(issue for issue in self.repo.issues.values() if CONTROL in issue.labels)

    def ready(self, count: int = 1) -> list[str]:
        """Issues with a place in the queue."""
        issues = [self.repo.open_issue(f"work {number}") for number in range(count)]
        names = [f"#{issue.number}" for issue in issues]
        self.gate().arrange([(name, "alice") for name in names])
        return names

    def rename(self, name: str) -> None:
        """The repository has another name from now on; what was written stays what it is."""
        repository, owner = self.repo, name.partition("/")[0]
        del self.twin.repositories[repository.full_name]
        repository.owner = self.twin.user(owner)
        repository.name, repository.full_name = name.partition("/")[2], name
        self.twin.repositories[name] = repository

    def issue(self, task: str) -> Issue:
        return self.repo.issues[int(task[1:])]

    def frozen_by_hand(self, login: str = "tina") -> Issue:
        """An issue with the label: the freeze of a person."""
        issue = self.repo.open_issue("It burns", author=login)
        issue.add_label(FROZEN, self.twin.user(login))
        return issue

    def kinds(self, task: str | None = None) -> list[str]:
        """The kinds of the ledger's lines."""
        entries = self.store().ledger(NAME)
        return [entry.kind for entry in entries if task in (None, entry.task)]
