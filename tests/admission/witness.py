"""What really happened on the twin, beside what any process believed, and what may never have.

It reads the ledger with eyes of its own, and takes down the truth at the moment at which a process
begins a look, so that what the process does upon that look can be held against it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pytest_malagate.github.control import FROZEN
from pytest_malagate.github.ledger import MARKER, State, read_page
from pytest_malagate.github.records import Account
from pytest_malagate.github.records import Comment as Shown
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import Entry
from pytest_malagate.queue.store import FreezeTrouble
from tests.admission.scene import BOT, NAME, PEOPLE, Scene
from tests.twin import Comment, Issue, Run
from tests.twin.clock import iso
from tests.twin.routing import Answer, Incoming

BROKEN = (
    "two live claims at once",
    "starts while frozen",
    "starts without a fresh look",
    "starts for a claim that does not count",
    "starts beside a claim that lives",
    "admissions while frozen",
    "clears without an authorised record",
    "tasks finished twice",
    "ready tasks that never started",
    "ledgers that are not whole",
    "processes that broke",
    "never quiet",
)
"""What must be zero."""


@dataclass(frozen=True)
class Truth:
    """How it stood when a process began a look. `hand` are the issues that freeze by a label."""

    ledger: frozenset[int]
    hand: frozenset[int]
    defined: bool
    claims: frozenset[str]


@dataclass
class Eyes:
    """What a process saw in its last look: the truth then, and the list of labelled issues."""

    truth: Truth
    listed: frozenset[int] | None = None
    wrote: int = 0


@dataclass(frozen=True)
class Act:
    """What somebody did to clear a freeze: `issue` None is a command, for all."""

    login: str
    issue: int | None


@dataclass
class Witness:
    """One schedule's. `count` has what went wrong and what was done."""

    scene: Scene
    count: Counter[str] = field(default_factory=Counter)
    acts: list[Act] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lag: int = 0

    def __post_init__(self) -> None:
        self.volume = self.scene.control
        self.state = State()
        self.entries: list[Entry] = []
        self._read = 0
        self._eyes: dict[str, Eyes] = {}
        self._active: str | None = None
        self.read()

    def broken(self, kind: str, words: str) -> None:
        """Something that must never be."""
        assert kind in BROKEN, kind
        self.count[kind] += 1
        self.said.append(f"{kind}: {words}")

    # --- the ledger, read by the rules alone ---

    def read(self) -> None:
        """Plays the comments that are new, and goes on in the issue that the last one names."""
        while True:
            for comment in self.volume.comments:
                if comment.id > self._read:
                    self._read = comment.id
                    if comment.author == BOT and comment.body.startswith(MARKER):
                        self._play(comment)
            if self.state.next in (None, self.volume.number):
                return
            self.volume = self.scene.repo.issues[self.state.next]
            self.count["volumes of the ledger"] += 1

    def _play(self, comment: Comment) -> None:
        at = iso(comment.created_at) or ""
        shown = Shown(
            id=comment.id,
            body=comment.body,
            user=Account(login=comment.author),
            created_at=at,
            updated_at=at,
        )
        try:
            page = read_page(shown, NAME)
        except FreezeTrouble as error:
            self.broken("ledgers that are not whole", str(error))
            return
        if page.seq != self.state.seq + 1 or page.previous != self.state.digest:
            self.count["pages that came too late"] += 1
            return
        issues = dict(self.state.issues) | dict(page.issues)
        self.state.turn(page, at)
        for entry in page.entries:
            self._judge(entry, issues)
        active = [task.task for task in self.state.tasks.values() if task.state == "active"]
        if len(active) > 1:
            self.broken("two live claims at once", ", ".join(active))

    def _judge(self, entry: Entry, issues: dict[int, int]) -> None:
        self.entries.append(entry)
        self.count[f"entries: {entry.kind}"] += 1
        if entry.kind == "claimed":
            if self._active is not None:
                self.broken("two live claims at once", f"{self._active} and {entry.task}")
            self._active = entry.task
        elif entry.kind in ("finished", "requeued"):
            if self._active != entry.task:
                self.broken("tasks finished twice", f"{entry.task} was not active")
            self._active = None
        elif entry.kind == "cleared" and entry.freeze is not None:
            issue = issues.get(entry.freeze)
            allowed = [
                act for act in self.acts if act.login == entry.actor and act.issue in (None, issue)
            ]
            if PEOPLE.get(entry.actor) not in ("maintain", "admin") or not allowed:
                words = f"freeze {entry.freeze} (#{issue}) by {entry.actor}: {self.acts}"
                self.broken("clears without an authorised record", words)

    # --- what freezes by hand ---

    def frozen_by_hand(self) -> frozenset[int]:
        """Open issues that bear the label, those left out that were cleared since."""
        return frozenset(
            issue.number
            for issue in self.scene.repo.issues.values()
            if issue.state == "open" and FROZEN in issue.labels and self._counts(issue)
        )

    def _counts(self, issue: Issue) -> bool:
        if issue.number in self.state.issues.values():
            return True
        if issue.author == BOT:
            return False  # a freeze of the ledger's, or one that was
        cleared = self.state.cleared.get(issue.number)
        made = [
            iso(event.created_at) or ""
            for event in issue.events
            if event.event == "reopened" or (event.event == "labeled" and event.label == FROZEN)
        ]
        return cleared is None or any(at > cleared for at in made)

    def truth(self) -> Truth:
        """As it stands now."""
        tasks = self.state.tasks.values()
        return Truth(
            ledger=frozenset(self.state.freezes),
            hand=self.frozen_by_hand(),
            defined=FROZEN in self.scene.repo.labels_by_name,
            claims=frozenset(
                task.claim.id for task in tasks if task.claim and task.state == "active"
            ),
        )

    # --- what processes do ---

    def look(self, process: str) -> None:
        """A process begins to look."""
        self._eyes[process] = Eyes(self.truth())

    def requested(self, process: str, incoming: Incoming, answer: Answer | None) -> None:
        """A request has come back, or nothing has. What it did, it did."""
        self.read()
        self.count["requests"] += 1
        path, query = incoming.path, incoming.query
        applied = answer is None or answer.status < 400
        if incoming.method != "GET" and process in self._eyes:
            self._eyes[process].wrote += 1
        if path.endswith("/issues") and query.get("labels") == FROZEN:
            if answer is not None and answer.status == 200 and process in self._eyes:
                rows = json.loads(answer.raw or b"[]")
                self._eyes[process].listed = frozenset(row["number"] for row in rows)
        elif incoming.method == "POST" and "/statuses/" in path and applied:
            self._status(process, json.loads(incoming.data))

    def dispatched(self, process: str, run: Run, before: list[Run]) -> None:
        """GitHub has begun a run that a process asked for."""
        self.count["dispatches"] += 1
        claim, task = str(run.inputs["claim"]), str(run.inputs["task"])
        eyes = self._eyes[process]
        if eyes.wrote > 1:
            self.broken("starts without a fresh look", f"{task}: {eyes.wrote - 1} writes after it")
        self._held_against(eyes, "starts while frozen", task)
        if claim not in eyes.truth.claims:
            self.broken("starts for a claim that does not count", f"{task} {claim}")
        now = self.truth()
        for other in before:
            theirs = str(other.inputs.get("claim"))
            lives = other.status != "completed" and theirs in now.claims
            if lives and theirs != claim:
                self.broken("starts beside a claim that lives", f"{task} beside {other.title}")
            self.count["runs beside one of the same claim"] += lives and theirs == claim

    def _status(self, process: str, said: dict[str, Any]) -> None:
        if said.get("context") != "malagate/admission":
            return
        self.count[f"admissions: {said['state']}"] += 1
        if said["state"] == "success":
            self._held_against(self._eyes[process], "admissions while frozen", said["description"])

    def _held_against(self, eyes: Eyes, kind: str, words: str) -> None:
        """A freeze that stood when the look began, and still does, had to be seen."""
        now = self.truth()
        missed = eyes.truth.ledger & now.ledger
        if missed:
            self.broken(kind, f"{words}: freezes {sorted(missed)} are on the ledger")
        unseen = eyes.truth.hand & now.hand
        hidden = unseen - (eyes.listed or frozenset())
        if unseen and not (self.lag and hidden == unseen):
            self.broken(kind, f"{words}: issues {sorted(unseen)} bear the label")
        self.count["done under a label that a list did not show yet"] += bool(unseen)
        if not eyes.truth.defined and not now.defined:
            self.broken(kind, f"{words}: the label is gone")


class WatchedStore(GitHubStore):
    """A store that tells the witness when a session begins to look."""

    def __init__(self, witness: Witness, process: str, client: Any) -> None:
        super().__init__(lambda _: client)
        self._witness, self._process = witness, process

    def _control(self, repository: str, *, make: bool) -> Any:
        self._witness.look(self._process)
        return super()._control(repository, make=make)


__all__ = ["BROKEN", "Act", "WatchedStore", "Witness"]
