"""What was done to a repository's issues since somebody last looked."""

from __future__ import annotations

from pytest_malagate.github.client import Client, TooManyPagesError
from pytest_malagate.github.records import IssueEvent, Value


class Events(Value, frozen=True, kw_only=True):
    """Events, the oldest first. `complete` is false if older ones are missing before them."""

    events: tuple[IssueEvent, ...]
    complete: bool


def issue_events(client: Client, after: int, *, limit: int = 10) -> Events:
    """The events whose id is greater than `after`, of at most `limit` pages of 100.

    With `after` 0 these are all, as far as the pages go. The list lags, so an event may turn up
    behind one that has been seen: whoever keeps the last id as a mark must be able to miss one.
    Raises GitHubError.
    """
    found: dict[int, IssueEvent] = {}
    complete = False
    try:
        for page in client.pages("/issues/events", list[IssueEvent], limit=limit, whole=True):
            found.update((event.id, event) for event in page if event.id > after)
            if any(event.id <= after for event in page):
                break
        complete = True
    except TooManyPagesError:
        complete = False
    return Events(events=tuple(found[number] for number in sorted(found)), complete=complete)
