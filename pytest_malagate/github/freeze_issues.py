"""Freezes as issues: each is one open issue with a label, and a line of the ledger.

Setting is easy: whoever may put the label on an issue has frozen the repository, at once. The
ledger takes such a freeze over when it is next written, and from then on taking the label off or
closing the issue changes nothing until a clear is on the ledger, too.

Failure direction: closed. A list that did not come whole, or a label that is not defined, is
trouble and so means frozen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import FROZEN
from pytest_malagate.github.issues import (
    label_exists,
    labelled,
    open_issue,
    set_state,
    take_off,
)
from pytest_malagate.github.ledger import State
from pytest_malagate.github.records import BranchName, Issue, IssueEvent
from pytest_malagate.queue.model import Freeze, FreezeMode, Value
from pytest_malagate.queue.store import FreezeTrouble
from pytest_malagate.report.text import code, plain, prose

_MARK = re.compile(r"\A<!-- malagate:freeze (\d{1,9}) -->")
_BRANCH = re.compile(r"^branch:[ \t]*(\S{1,200})[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_HARD = re.compile(r"^mode:[ \t]*hard[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|^```.*?(?:^```|\Z)", re.MULTILINE | re.DOTALL)
_REASON = 500
_EVENTS_PAGES = 50


class Unknown(Value, frozen=True, kw_only=True):
    """A labelled issue that no freeze of the ledger has: a freeze that somebody set by hand."""

    issue: int
    reason: str
    actor: str
    at: float
    mode: FreezeMode
    branch: str | None


def labelled_frozen(client: Client) -> tuple[Issue, ...]:
    """The issues and pull requests with the label, open or not. Raises FreezeTrouble."""
    try:
        if not label_exists(client, FROZEN):
            text = f"the label {FROZEN} is gone: deleted or renamed; make it again"
            raise FreezeTrouble("freeze.label-missing", text)
        return labelled(client, FROZEN, state="all")
    except GitHubError as error:
        raise FreezeTrouble("freeze.api", str(error)) from error


def mark_of(issue: Issue, writer: str) -> int | None:
    """The freeze that we opened an issue for; None if it was not we who opened it."""
    if issue.user is None or issue.user.login != writer:
        return None
    match = _MARK.match(issue.body or "")
    return int(match[1]) if match else None


def known_issues(state: State, issues: Sequence[Issue], writer: str) -> dict[int, int]:
    """Which of the ledger's freezes has which issue."""
    links, shown = dict(state.issues), {issue.number for issue in issues}
    for issue in issues:
        number = mark_of(issue, writer)
        if number in state.freezes and links.get(number) not in shown:
            links[number] = issue.number  # the first one, or one in place of what is gone
    return links


def unknown_freezes(
    client: Client, state: State, issues: Sequence[Issue], writer: str, mode: FreezeMode
) -> list[Unknown]:
    """The freezes that the ledger does not know, oldest issue first. Raises FreezeTrouble.

    A closed issue, a merged pull request say, is one if it got the label after it was closed; the
    others show a freeze that was set before, and is on the ledger or over.
    """
    opened = [issue for issue in issues if issue.state == "open"]
    known = set(known_issues(state, opened, writer).values())
    found = []
    for issue in sorted(issues, key=lambda issue: issue.number):
        if issue.number in known or mark_of(issue, writer) in state.freezes:
            continue
        try:
            history = freeze_events(client, issue.number)
        except GitHubError as error:
            raise FreezeTrouble("freeze.api", str(error)) from error
        if issue.state != "open" and not (history and shows(history[-1])):
            continue
        events = [event for event in history if shows(event)]
        cleared = state.cleared.get(issue.number)
        if cleared is not None and not any(event.created_at >= cleared for event in events):
            continue  # cleared; that its issue still shows it is mended by the next sweep
        people = [event for event in events if event.actor and event.actor.login != writer]
        found.append(_unknown(client, issue, people or events, mode))
    return found


def label_events(client: Client, number: int) -> list[IssueEvent]:
    """When an issue became a freeze: see `freeze_events`."""
    return [event for event in freeze_events(client, number) if shows(event)]


def freeze_events(client: Client, number: int) -> list[IssueEvent]:
    """What showed an issue as a freeze, or hid it, the oldest first. Raises GitHubError, also
    for more events than can be read: those that count are the newest, and come last."""
    path = f"/issues/{number}/events"
    pages = client.pages(path, list[IssueEvent], limit=_EVENTS_PAGES, whole=True)
    return [event for page in pages for event in page if shows(event) or hides(event)]


def shows(event: IssueEvent) -> bool:
    """True for what makes an issue a freeze: the label, or that it was opened again with it."""
    return event.event == "reopened" or (event.event == "labeled" and is_frozen_label(event))


def hides(event: IssueEvent) -> bool:
    """True for what ends that."""
    return event.event == "closed" or (event.event == "unlabeled" and is_frozen_label(event))


def is_frozen_label(event: IssueEvent) -> bool:
    """True if the label of an event is the freeze's."""
    return event.label is not None and event.label.name.lower() == FROZEN


def _unknown(
    client: Client, issue: Issue, events: Sequence[IssueEvent], mode: FreezeMode
) -> Unknown:
    last = events[-1] if events else None
    who = last.actor if last is not None and last.actor is not None else issue.user
    # A body is anybody's text. It counts only where whoever froze wrote it, and can be read there.
    own = who is not None and issue.user is not None and who.login == issue.user.login
    body = _UNSEEN.sub("", issue.body or "") if own else ""
    branch, note = _branch(client, body)
    return Unknown(
        issue=issue.number,
        reason=plain(f"{issue.title} (#{issue.number}){note}", _REASON),
        actor=plain(who.login, 100) if who is not None else "somebody",
        at=moment_of(last.created_at if last is not None else issue.created_at),
        mode="hard" if _HARD.search(body) else mode,
        branch=branch,
    )


def _branch(client: Client, body: str) -> tuple[str | None, str]:
    """The one branch that a freeze is for, or None for all with why. Raises FreezeTrouble."""
    named = {match[1] for match in _BRANCH.finditer(body)}
    if not named:
        return None, ""
    if len(named) > 1:
        return None, "; it names several branches, so it holds for all"
    branch = named.pop()
    try:
        found = client.find(f"/branches/{quote(branch, safe='')}", BranchName)
    except GitHubError as error:
        raise FreezeTrouble("freeze.api", str(error)) from error
    if found is None:
        return None, f"; there is no branch {branch}, so it holds for all"
    return found.name, ""  # of a branch that was renamed GitHub tells the new name


def moment_of(text: str) -> float:
    """GitHub's time in seconds since the epoch; 0 for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


# --- what people see of it ---


def open_for(client: Client, freeze: Freeze, repository: str) -> int:
    """Opens the issue of a freeze of the ledger and returns its number. Raises GitHubError."""
    title = f"Frozen: {plain(freeze.reason, 180)}"
    return open_issue(client, title, _body(freeze, repository), [FROZEN]).number


def _body(freeze: Freeze, repository: str) -> str:
    scope = f"the branch {code(freeze.branch)}" if freeze.branch else code(repository)
    about = f" It is about {code(freeze.work_item)}." if freeze.work_item else ""
    return (
        f"<!-- malagate:freeze {freeze.id} -->\n"
        f"{_MODE_WORDS[freeze.mode]} in {scope}, by {code(freeze.actor)}:\n\n"
        f"> {prose(freeze.reason, 2000)}\n\n{about}\n\n"
        "A person who may clear it closes this issue, takes the label off, or comments\n\n"
        '    /gate unfreeze reason:"why it is safe again"\n\n'
        "Closed by anybody else, it is opened again.\n"
    )


_MODE_WORDS: dict[FreezeMode, str] = {
    "drain": "**Frozen (drain):** what runs may land, nothing new starts",
    "pause": "**Frozen (pause):** nothing starts and nothing lands",
    "hard": "**Frozen (hard):** nothing starts or lands, and what runs is told to stop",
}


def show_cleared(client: Client, number: int, *, ours: bool) -> None:
    """Closes our issue of a freeze that was cleared; from another's only the label is taken."""
    take_off(client, number, FROZEN)
    if ours:
        set_state(client, number, "closed")
