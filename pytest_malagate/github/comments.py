"""Comments, and the one that is ours: found by its marker and its author, edited in place.

A comment is never created twice. Where the answer to a creation is lost, the list is asked whether
it was carried out; if the list does not say so, nothing more is tried now, because the list lags,
and the next evaluation finds the comment or writes it, and the one after that looks once more.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.records import Comment, Reacted

MARKER = "<!-- malagate:gate -->"
MAX_BODY = 60_000
"""Bytes of a comment: under GitHub's 65,536 characters however they are counted."""

_PAGES = 10


def ours(comment: Comment, login: str | None) -> bool:
    """True for a comment that begins with the marker and was written by `login`.

    Where nobody knows as whom we write, any bot: a person cannot register a bot's name.
    """
    author = comment.user
    if author is None or not (comment.body or "").startswith(MARKER):
        return False
    return author.type == "Bot" if login is None else author.login == login


def find(client: Client, number: int, login: str | None) -> list[Comment]:
    """Our comments on an issue or a pull request, oldest first."""
    pages = client.pages(f"/issues/{number}/comments", list[Comment], limit=_PAGES)
    found = [comment for page in pages for comment in page if ours(comment, login)]
    return sorted(found, key=lambda comment: comment.id)


def edit(client: Client, comment_id: int, body: str) -> bool:
    """Replaces a comment's text; false if somebody deleted it."""
    try:
        client.write("PATCH", f"/issues/comments/{comment_id}", {"body": body}, Comment)
    except GitHubError as error:
        if error.status in (404, 410):
            return False
        raise
    return True


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """Our comment: its id, and as whom it was written (None: not known)."""

    id: int
    login: str | None = None


def speak(
    client: Client, number: int, body: str, known: Spoken | None, *, doubtful: bool = False
) -> Spoken:
    """Writes our comment on a pull request; `known` is what an earlier evaluation wrote.

    `doubtful`: that or an earlier one may have written another, which is looked for and deleted.
    Raises GitHubError; if it is `uncertain`, a comment may have been written that no list shows.
    """
    if known is not None and not doubtful and edit(client, known.id, body):
        return known
    login = known.login if known else None
    standing = find(client, number, login)
    for surplus in standing[1:]:
        _delete(client, surplus.id)
    if standing and edit(client, standing[0].id, body):
        return _spoken(standing[0])
    if known is not None and doubtful and edit(client, known.id, body):
        return known  # the list lags
    try:
        return _spoken(client.create(f"/issues/{number}/comments", {"body": body}, Comment))
    except GitHubError as error:
        carried_out = find(client, number, login) if error.uncertain else []
        if not carried_out:
            raise
        return _spoken(carried_out[0])


def _delete(client: Client, comment_id: int) -> None:
    """Takes a comment away, if it is still there."""
    try:
        client.write("DELETE", f"/issues/comments/{comment_id}")
    except GitHubError as error:
        if error.status not in (404, 410):
            raise


def _spoken(comment: Comment) -> Spoken:
    return Spoken(id=comment.id, login=comment.user.login if comment.user else None)


def react(client: Client, comment_id: int, content: str) -> None:
    """Puts a reaction on a comment; doing it again changes nothing."""
    client.write("POST", f"/issues/comments/{comment_id}/reactions", {"content": content}, Reacted)
