"""The pull requests of a task: is one open, and if none is, how did the last one end?

One rule for all who ask how a task stands: as long as one is open, nothing is over; else one that
was merged is its end, unless it went into a branch of the task itself; else one that was closed.
Which pull request is a task's is what `landing` says, nothing that a text claims. Failure
direction: closed. Lists lag, so one that is not shown as open is asked for itself before anybody
goes by its end; and what cannot be told is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from pytest_malagate.admission.landing import is_part, task_of
from pytest_malagate.github.client import Client
from pytest_malagate.github.freeze_issues import moment_of
from pytest_malagate.github.pulls import open_pulls
from pytest_malagate.github.records import Pull, Value

IsQueued = Callable[[str], bool]
"""Whether a task waits or is active."""

_PAGES = 10
"""Pages of 100 pull requests that ended, those changed last first, that are looked through."""


class OwnPull(Value, frozen=True, kw_only=True):
    """A task's pull request that counts. `closed`: without being merged."""

    number: int
    state: Literal["open", "merged", "closed"]


class Offered(Pull, frozen=True, kw_only=True):
    """A pull request with its text, and when it was closed."""

    body: str | None = None
    closed_at: str | None = None


IsIts = Callable[[Offered], bool]
"""Whether a pull request is a task's."""


def open_of(client: Client, task: str, is_queued: IsQueued) -> OwnPull | None:
    """The oldest open pull request of a task. One request for each 100 that are open.

    Raises GitHubError.
    """
    return open_one(open_pulls(client), task, is_queued)


def open_one(pulls: Iterable[Pull], task: str, is_queued: IsQueued) -> OwnPull | None:
    """The oldest of a task's among pull requests that are open."""
    found = [pull.number for pull in pulls if task_of(pull, is_queued) == task]
    return OwnPull(number=min(found), state="open") if found else None


def own_pull(client: Client, task: str, is_queued: IsQueued, since: float) -> OwnPull | None:
    """The pull request by which it is told how a task stands: open, else merged, else closed.

    What ended before `since` (seconds since the epoch) is not counted. As `open_of`; where none is
    open, a request more for each 100 that changed since then, and one for each that is the task's.
    Raises GitHubError.
    """
    return open_of(client, task, is_queued) or ended_of(client, task, is_queued, since)


def ended_of(client: Client, task: str, is_queued: IsQueued, since: float) -> OwnPull | None:
    """As `own_pull`, for whom no list shows an open one: what is open again counts all the same."""
    return ended_by(client, task, lambda pull: task_of(pull, is_queued) == task, since)


def open_by(client: Client, is_its: IsIts) -> OwnPull | None:
    """As `open_of`, by what somebody else calls a task's pull request."""
    pages = client.pages("/pulls", list[Offered], limit=20, whole=True, state="open")
    found = [pull.number for page in pages for pull in page if is_its(pull)]
    return OwnPull(number=min(found), state="open") if found else None


def ended_by(client: Client, task: str, is_its: IsIts, since: float) -> OwnPull | None:
    """As `ended_of`, by what somebody else calls a task's pull request."""
    asked = [
        client.get(f"/pulls/{pull.number}", Offered)
        for pull in _changed(client, since)
        if is_its(pull) and not is_merged_part(pull, task)
    ]
    found = [
        OwnPull(number=pull.number, state=_state(pull))
        for pull in asked
        if pull.state == "open" or moment_of(pull.closed_at or "") >= since - 1.0
    ]
    return min(found, key=lambda one: (FIRST.index(one.state), -one.number), default=None)


FIRST = ("open", "merged", "closed")
"""Which state tells how a task stands, where its pull requests have several."""


def _state(pull: Pull) -> Literal["open", "merged", "closed"]:
    if pull.state == "open":
        return "open"
    return "merged" if pull.merged_at is not None else "closed"


def is_merged_part(pull: Pull, task: str) -> bool:
    """True for what was merged into a branch of the task itself: that is no end of it."""
    return pull.merged_at is not None and is_part(pull, task)


def _changed(client: Client, since: float) -> Iterator[Offered]:
    """Those that are closed and changed since then, as far as `_PAGES` go."""
    for page in client.pages(
        "/pulls", list[Offered], limit=_PAGES, state="closed", sort="updated", direction="desc"
    ):
        yield from page
        if page and moment_of(page[-1].updated_at) < since - 1.0:
            return
