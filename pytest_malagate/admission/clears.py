"""Freezes that people cleared by hand: taken for cleared only if the person may, else put back.

Failure direction: closed. Where it cannot be told who did it, or what that person may, the freeze
stands and its issue is opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pytest_malagate.admission.authors import is_author
from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import FROZEN
from pytest_malagate.github.freeze_issues import (
    freeze_events,
    hides,
    is_frozen_label,
    moment_of,
    open_for,
)
from pytest_malagate.github.issues import add_labels, comment_on, issue_of, set_state, take_off
from pytest_malagate.github.ledger import State
from pytest_malagate.github.people import person
from pytest_malagate.github.records import Issue, IssueEvent
from pytest_malagate.github.session import GitHubSession
from pytest_malagate.queue.freezing import check_clear
from pytest_malagate.queue.model import Freeze, Person, Value
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.report.text import code, plain, prose

_SETTLED = 120.0  # seconds after which every list shows an issue
Became = Literal["cleared", "put_back", "reopened"]


class Cleared(Value, frozen=True, kw_only=True):
    """What became of freezes whose issues were not as they should be: numbers of freezes."""

    cleared: tuple[int, ...] = ()
    put_back: tuple[int, ...] = ()
    reopened: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class Clears:
    """Looks after the issues of a repository's freezes. Every method raises GitHubError."""

    def __init__(self, client: Client, gate: SerialGate, now: Callable[[], float]) -> None:
        self._client, self._gate, self._now = client, gate, now
        self._people: dict[str, Person] = {}

    def look_after(self, state: State, hidden: Sequence[int]) -> Cleared:
        """Freezes that no open, labelled issue shows: those that a person cleared who may are
        cleared, the others are shown again."""
        came: dict[str, list[int]] = {"cleared": [], "put_back": [], "reopened": []}
        notes = []
        for number in hidden:
            try:
                became = self._look_after(state.freezes[number], state.issues.get(number))
            except GitHubError as error:  # the others, and the queue, are not held up by one
                notes.append(f"freeze {number}: {error}")
                continue
            if became is not None:
                came[became].append(number)
        kinds = {kind: tuple(numbers) for kind, numbers in came.items()}
        return Cleared(notes=tuple(notes), **kinds)

    def _look_after(self, freeze: Freeze, number: int | None) -> Became | None:
        issue = issue_of(self._client, number) if number is not None else None
        if number is None and self._now() - freeze.at < _SETTLED:
            return None  # its issue is being opened, and no list shows it yet
        if issue is None:
            open_for(self._client, freeze, self._gate.repository)
            return "reopened"
        if issue.state == "open" and issue.has_label(FROZEN):
            return None  # only the list lags
        event = self._last(issue.number)
        if event is None and issue.has_label(FROZEN):
            return None  # the label came after it was closed, as on a merged pull request
        if event is None and self._now() - moment_of(issue.updated_at) < _SETTLED:
            return None  # no list shows yet who did it
        if event is not None and self._clear(freeze, issue, event):
            return "cleared"
        self._put_back(issue, event)
        return "put_back"

    def show_brief(self, session: GitHubSession, events: Sequence[IssueEvent]) -> int:
        """Puts the label on again where somebody took it off who may not, before any sweep saw it.

        Returns on how many issues. The next session takes them over as it does with any other.
        """
        state, found = session.state, 0
        known = {issue.number for issue in session.labels.issues()} | set(state.issues.values())
        for number, (on, off) in _taken_off(events).items():
            if number in known or on.created_at <= state.cleared.get(number, ""):
                continue
            if off.actor is not None and self.may_clear(off.actor.login, f"#{number}"):
                continue
            issue = issue_of(self._client, number)
            if issue is not None:
                self._put_back(issue, off)
                found += 1
        return found

    def _clear(self, freeze: Freeze, issue: Issue, event: IssueEvent) -> bool:
        if event.actor is None or not self.may_clear(event.actor.login, freeze.work_item):
            return False
        who = self.person(event.actor.login)
        how = "closed" if event.event == "closed" else "unlabelled"
        reason = f"#{issue.number} was {how} by {plain(who.name, 100)}"
        try:
            return freeze.id in self._gate.unfreeze(who, reason, only=[freeze.id])
        except UsageError:
            return False

    def _last(self, number: int) -> IssueEvent | None:
        """What hid a freeze's issue last, since it last became a freeze.

        Whatever was done before that cleared another freeze, or none.
        """
        last = max(freeze_events(self._client, number), key=_id, default=None)
        return last if last is not None and hides(last) else None

    def may_clear(self, login: str, work_item: str | None) -> bool:
        """True for a person whose clear of a freeze about `work_item` would count."""
        try:
            check_clear(self._gate.rules, self.person(login), "asked")
        except UsageError:
            return False
        return not is_author(self._client, login, work_item)

    def person(self, login: str) -> Person:
        """Somebody, with what he may do here. Asked once."""
        if login not in self._people:
            found = person(self._client, login)
            self._people[login] = Person(name=found.login, rank=found.rank, human=found.human)
        return self._people[login]

    def _put_back(self, issue: Issue, event: IssueEvent | None) -> None:
        merged = bool((issue.pull_request or {}).get("merged_at"))
        if merged:  # cannot be opened again; a label that is newer than the merge shows it
            take_off(self._client, issue.number, FROZEN)
        elif issue.state != "open":
            set_state(self._client, issue.number, "open")
        if merged or not issue.has_label(FROZEN):
            add_labels(self._client, issue.number, [FROZEN])
        comment_on(self._client, issue.number, self._explained(event))

    def _explained(self, event: IssueEvent | None) -> str:
        who = event.actor.login if event is not None and event.actor is not None else "somebody"
        needs = self._gate.rules.clear_needs
        return (
            f"{code(who, 60)} may not clear this freeze, so it stands. It takes a person with the "
            f"permission {prose(needs)} here, who is not the author of what it is about: such a "
            "person closes this issue, takes the label off, or comments\n\n"
            '    /gate unfreeze reason:"why it is safe again"\n'
        )


def _taken_off(events: Sequence[IssueEvent]) -> dict[int, tuple[IssueEvent, IssueEvent]]:
    """Issues on which the freeze's label was put and then hidden: both events."""
    on: dict[int, IssueEvent] = {}
    off: dict[int, IssueEvent] = {}
    for event in events:
        if event.issue is None:
            continue
        number = event.issue.number
        if event.event == "labeled" and is_frozen_label(event):
            on[number] = event
            off.pop(number, None)
        elif number in on and hides(event):
            off[number] = event
    return {number: (on[number], event) for number, event in off.items()}


def _id(event: IssueEvent) -> int:
    return event.id
