"""Issues and their labels: read whole or not at all, written one label at a time.

A list that is longer than what may be read of it is an error, because whoever looks for a freeze
must not take a part for the whole. The label set of an issue is never replaced: that would undo
what somebody else put on in between.

PyGithub follows a moved issue to its new home, writes included; whoever writes to an issue has
asked `issue_of` for it before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import quote

import msgspec

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.records import Comment, Issue, Label

_GONE = (404, 410)


def issue_of(client: Client, number: int) -> Issue | None:
    """An issue; None if it is not there, was deleted, or lives in another repository now.

    Raises GitHubError where that cannot be told.
    """
    try:
        found = client.get(f"/issues/{number}", Issue)
    except GitHubError as error:
        if error.status in _GONE:
            return None
        raise
    return found if found.number == number and _lives_here(client, found) else None


def _lives_here(client: Client, issue: Issue) -> bool:
    return issue.repository_url.lower().endswith(f"/repos/{client.repository.lower()}")


def labelled(
    client: Client,
    label: str,
    *,
    state: Literal["open", "closed", "all"] = "open",
    limit: int = 20,
) -> tuple[Issue, ...]:
    """All issues and pull requests that bear a label, the oldest first.

    Raises GitHubError for more than `limit` pages of 100. A name with a comma cannot be looked
    for. The list lags: it may lack what was labelled a moment ago.
    """
    pages = client.pages(
        "/issues",
        list[Issue],
        limit=limit,
        whole=True,
        labels=label,
        state=state,
        sort="created",
        direction="asc",
    )
    found = {issue.number: issue for page in pages for issue in page}
    return tuple(found.values())


def open_issue(client: Client, title: str, body: str, labels: Sequence[str]) -> Issue:
    """Opens an issue. The labels of the returned one are those that GitHub says it bears.

    GitHub drops labels silently where the author may not label: what is missing is put on once
    more, and the caller has to look whether it is there now. Raises GitHubError; where it is
    `uncertain` an issue may have been opened, and it is the caller's to look for it.
    """
    asked = {"title": title, "body": body, "labels": list(labels)}
    made = client.create("/issues", asked, Issue)
    missing = [name for name in labels if not made.has_label(name)]
    if not missing:
        return made
    try:
        standing = add_labels(client, made.number, missing)
    except GitHubError:  # the issue is there: an error would hide its number, and it its labels
        return made
    return msgspec.structs.replace(made, labels=tuple(Label(name=name) for name in standing))


def set_state(client: Client, number: int, state: Literal["open", "closed"]) -> None:
    """Closes or reopens an issue; doing it again changes nothing."""
    client.write("PATCH", f"/issues/{number}", {"state": state}, Issue)


def add_labels(client: Client, number: int, names: Iterable[str]) -> tuple[str, ...]:
    """Puts labels on an issue, beside those that it has. Returns all that it bears then."""
    body = {"labels": list(names)}
    standing = client.change("POST", f"/issues/{number}/labels", body, list[Label])
    return tuple(label.name for label in standing)


def take_off(client: Client, number: int, name: str) -> None:
    """Takes a label off an issue. That it is not there is fine."""
    try:
        path = f"/issues/{number}/labels/{quote(name, safe='')}"
        client.write("DELETE", path, kind=list[Label])
    except GitHubError as error:
        if error.status != 404:  # somebody was faster
            raise


def label_exists(client: Client, name: str) -> bool:
    """True if the repository has a label of that name. Raises GitHubError where nobody can say."""
    return client.find(f"/labels/{quote(name, safe='')}", Label) is not None


def ensure_label(client: Client, name: str, color: str, description: str) -> None:
    """Makes a label, unless there is one of that name, whatever it looks like.

    `color` is six hexadecimal digits; GitHub keeps 100 characters of a description.
    """
    body = {"name": name, "color": color, "description": description[:100]}
    try:
        client.write("POST", "/labels", body, Label)
    except GitHubError as error:
        if error.status != 422 or not label_exists(client, name):
            raise


def comment_on(client: Client, number: int, body: str) -> Comment:
    """Writes a comment. Raises GitHubError; where it is `uncertain` it may have been written."""
    return client.create(f"/issues/{number}/comments", {"body": body}, Comment)


def pin(client: Client, node_id: str) -> None:
    """Pins an issue above the repository's list. Raises GitHubError, as where three are pinned.

    REST has no word for it.
    """
    query = "mutation($id: ID!) { pinIssue(input: {issueId: $id}) { issue { number } } }"
    client.graphql(query, {"id": node_id})


def lock(client: Client, number: int) -> None:
    """Locks an issue's conversation, so that only those who may write here comment on it."""
    client.write("PUT", f"/issues/{number}/lock")
