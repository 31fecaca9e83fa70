"""The pull requests of a task: is one open, and if none is, how did the last one end?

Which pull request is a task's is what `landing` says, nothing that a text claims. Failure
direction: closed. Lists lag, so one that is not shown as open is asked for itself before anybody
goes by its end; and what cannot be told is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from pytest_malagate.admission.landing import task_of
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


class _Ended(Pull, frozen=True, kw_only=True):
    """A pull request with when it was closed."""

    closed_at: str | None = None


def open_of(client: Client, task: str, is_queued: IsQueued) -> OwnPull | None:
    """The oldest open pull request of a task. One request for each 100 that are open.

    Raises GitHubError.
    """
    found = [pull.number for pull in open_pulls(client) if task_of(pull, is_queued) == task]
    return OwnPull(number=min(found), state="open") if found else None


def own_pull(client: Client, task: str, is_queued: IsQueued, since: float) -> OwnPull | None:
    """The pull request by which it is told how a task stands: open, else merged, else closed.

    What ended before `since` (seconds since the epoch) is not counted. As `open_of`; where none is
    open, a request more for each 100 that changed since then, and one for each that is the task's.
    Raises GitHubError.
    """
    standing = open_of(client, task, is_queued)
    if standing is not None:
        return standing
    asked = [
        client.get(f"/pulls/{pull.number}", _Ended)
        for pull in _changed(client, since)
        if task_of(pull, is_queued) == task
    ]
    found = [
        OwnPull(number=pull.number, state=_state(pull))
        for pull in asked
        if pull.state == "open" or moment_of(pull.closed_at or "") >= since - 1.0
    ]
    return min(found, key=lambda one: (_FIRST.index(one.state), -one.number), default=None)


_FIRST = ("open", "merged", "closed")


def _state(pull: Pull) -> Literal["open", "merged", "closed"]:
    if pull.state == "open":
        return "open"
    return "merged" if pull.merged_at is not None else "closed"


def _changed(client: Client, since: float) -> Iterator[Pull]:
    """Those that are closed and changed since then, as far as `_PAGES` go."""
    for page in client.pages(
        "/pulls", list[Pull], limit=_PAGES, state="closed", sort="updated", direction="desc"
    ):
        yield from page
        if page and moment_of(page[-1].updated_at) < since - 1.0:
            return
