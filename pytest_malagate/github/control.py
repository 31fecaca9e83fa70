"""The control issue: where the ledger's comments stand, and whose body is the dashboard.

The body also holds what is not the ledger's: its head (so that an end that was cut off is seen),
and a sweep's memory, which is a hint and never authority. The issue is the positive sign that the
repository may be open: without it, closed, moved or without its label, all is frozen.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable

import msgspec

from pytest_malagate.github.client import Client
from pytest_malagate.github.issues import add_labels, issue_of, labelled, set_state
from pytest_malagate.github.people import person
from pytest_malagate.github.records import Account, Comment, Issue
from pytest_malagate.queue.model import Value
from pytest_malagate.queue.store import FreezeTrouble

CONTROL = "malagate:control"
FROZEN = "malagate:frozen"
READY = "malagate:ready"
ACTIVE = "malagate:active"

LABELS = {
    CONTROL: ("5319e7", "malagate's control issue: its ledger and dashboard"),
    FROZEN: ("b60205", "Nothing starts or lands until a person clears it"),
    READY: ("0e8a16", "Asks for a place in the queue"),
    ACTIVE: ("fbca04", "Its turn: it is being worked on"),
}
"""Each label's colour and description."""

MARKER = "<!-- malagate:control -->"
MAX_MEMORY = 45_000
"""Bytes that a sweep's memory may have, packed."""

_HEAD = re.compile(r"<!-- head (\d{1,18}) (\S{0,80}) (\d{1,18}) (\S{0,80})(?: (\d{1,12}))? -->")
_FAR = 1_000_000  # pages: more than any ledger gets
_MEMORY = re.compile(r"<!-- memory ([A-Za-z0-9+/=]+) -->")
_MAX_UNPACKED = 4 * 1024 * 1024
_SEVERAL = 5  # issues with the label beyond which none is looked at
_COMMENT_PAGES = 3


class Head(Value, frozen=True, kw_only=True):
    """The newest page and the newest entry of the ledger, number and digest, as the body says.

    `volume` is the issue in which that page stands, if it is not the control issue: a hint.
    """

    page: tuple[int, str] = (0, "")
    entry: tuple[int, str] = (0, "")
    volume: int | None = None

    def is_made_up(self, seq: int) -> bool:
        """True if no ledger whose newest page has that number can have got so far: a person wrote
        it. Whoever begins anew is not bound by it, for the counts would end where none is read."""
        return self.page[0] > seq + _FAR


class Control(Value, frozen=True, kw_only=True):
    """The control issue. `writer` is who alone may write the ledger: whoever opened the issue.

    `trouble` (code, words) is why it is no sign that the repository is open; None if it is one.
    `comments` is how many it has. `spare` are others that bear its label and hold nothing: what is
    left of a second set-up at the same time.
    """

    number: int
    node_id: str
    writer: str
    comments: int
    head: Head | None
    memory: bytes = b""
    locked: bool = True
    trouble: tuple[str, str] | None = None
    spare: tuple[int, ...] = ()


def find_control(client: Client, number: int | None) -> Control | None:
    """The control issue: the one of that number, or the only one with the label; None if none has.

    Raises GitHubError, and FreezeTrouble if there is no telling which it is, or if it is gone.
    """
    if number is not None:
        return control_of(_there(client, number))
    found = with_label(client)
    if not found:
        return None
    if len(found) > _SEVERAL:
        raise _ambiguous(found)
    # The list may be behind. Of the issue itself we need how far the ledger goes by now.
    there = [_there(client, one.number) for one in found]
    first, *spare = chosen(client, [one for one in there if not _is_given_up(one)] or there)
    _refuse_a_stranger(client, first)
    return msgspec.structs.replace(control_of(first), spare=tuple(one.number for one in spare))


def with_label(client: Client) -> tuple[Issue, ...]:
    """The issues that bear the control issue's label, open or not. Raises GitHubError."""
    found = labelled(client, CONTROL, state="all")
    return tuple(issue for issue in found if issue.pull_request is None)


def _is_given_up(issue: Issue) -> bool:
    """True for one that is no control issue any more, neither by its label nor by its text."""
    return not issue.has_label(CONTROL) and not (issue.body or "").startswith(MARKER)


def _there(client: Client, number: int) -> Issue:
    issue = issue_of(client, number)
    if issue is None:
        text = f"the control issue #{number} is gone: deleted, or moved elsewhere"
        raise FreezeTrouble("freeze.control-missing", text)
    return issue


def chosen(client: Client, found: Iterable[Issue]) -> list[Issue]:
    """Those that bear the label, the control issue first.

    Two runs that set up at once may leave two. Then it is the one in which something was written;
    else the oldest. Raises FreezeTrouble where that cannot be: one has another author, one is no
    control issue by its text, or two hold something. Whoever may label could else offer an issue of
    their own, and so forget the freezes.
    """
    issues = sorted(found, key=lambda issue: issue.number)
    if len(issues) == 1:
        return issues
    like = len({_author(one) for one in issues}) == 1
    if not like or any(head_of(one.body or "") is None for one in issues):
        raise _ambiguous(issues)
    used = [one for one in issues if not is_untouched(client, one)]
    if len(used) > 1:
        raise _ambiguous(issues)
    first = used[0] if used else issues[0]
    return [first, *(one for one in issues if one is not first)]


def _ambiguous(found: Iterable[Issue]) -> FreezeTrouble:
    numbers = ", ".join(f"#{one.number}" for one in found)
    text = f"several issues carry {CONTROL}: {numbers}; take it off all but one"
    return FreezeTrouble("freeze.control-ambiguous", text)


def _refuse_a_stranger(client: Client, issue: Issue) -> None:
    """Raises FreezeTrouble for an issue of somebody who may not have set it up.

    Whoever may label could take the label off the control issue and put it on one of their own,
    with a ledger of their own.
    """
    if issue.user is None or not might_set_up(client, issue.user):
        text = (
            f"#{issue.number} bears the label {CONTROL}, and its author may not write here: take "
            "it off, and put it back on the control issue; or name that one, github:OWNER/REPO#N"
        )
        raise FreezeTrouble("freeze.control-foreign", text)


def might_set_up(client: Client, author: Account) -> bool:
    """True for an app, and for somebody who may write here. Raises GitHubError."""
    return author.type == "Bot" or person(client, author.login).may("write")


def is_untouched(client: Client, issue: Issue) -> bool:
    """True for a control issue in which no page was ever written, so that nothing is lost with it.

    Others' comments are no pages. An issue that is no control issue, or whose text was edited, is
    not untouched. Raises GitHubError, also where there are too many comments to be looked through.
    """
    if head_of(issue.body or "") != Head():
        return False
    if not issue.comments:
        return True
    path = f"/issues/{issue.number}/comments"
    pages = client.pages(path, list[Comment], limit=_COMMENT_PAGES, whole=True)
    return all(
        one.user is not None and one.user.login != _author(issue) for p in pages for one in p
    )


def _author(issue: Issue) -> str:
    return issue.user.login if issue.user else ""


def control_of(issue: Issue) -> Control:
    """An issue as the control issue that it is."""
    body = issue.body or ""
    head = head_of(body)
    return Control(
        number=issue.number,
        node_id=issue.node_id,
        writer=_author(issue),
        comments=issue.comments,
        head=head,
        memory=memory_of(body),
        locked=issue.locked,
        trouble=_trouble(issue, head),
    )


def _trouble(issue: Issue, head: Head | None) -> tuple[str, str] | None:
    name = f"the control issue #{issue.number}"
    if issue.state != "open":
        return "freeze.control-closed", f"{name} is closed; reopen it"
    if CONTROL not in {label.name.lower() for label in issue.labels}:
        return "freeze.control-unlabelled", f"{name} has lost its label {CONTROL}; put it back"
    if head is None:
        return "freeze.control-edited", f"{name} has lost its text, and with it the ledger's end"
    return None


def head_of(body: str) -> Head | None:
    """The head that a control issue's text says; None if it is none, or was edited."""
    match = _HEAD.search(body) if body.startswith(MARKER) else None
    if match is None:
        return None
    page, digest, entry, entry_digest, volume = match.groups()
    return Head(
        page=(int(page), digest.strip("-")),
        entry=(int(entry), entry_digest.strip("-")),
        volume=int(volume) if volume else None,
    )


def memory_of(body: str) -> bytes:
    """Empty if there is none, or if it was damaged: it is only a hint."""
    match = _MEMORY.search(body)
    if match is None:
        return b""
    try:
        packed = base64.b64decode(match[1], validate=True)
        return zlib.decompressobj().decompress(packed, _MAX_UNPACKED)
    except (binascii.Error, ValueError, zlib.error):
        return b""


def write_body(shown: str, head: Head, memory: bytes) -> str:
    """The body: what a person sees, the ledger's head, a memory if it is not too long."""
    (page, digest), (entry, entry_digest) = head.page, head.entry
    # A dash stands for "none": an empty word would be lost between the blanks.
    volume = f" {head.volume}" if head.volume is not None else ""
    marks = f"<!-- head {page} {digest or '-'} {entry} {entry_digest or '-'}{volume} -->"
    return with_memory(f"{MARKER}\n{shown}\n{marks}\n", memory)


def with_memory(body: str, memory: bytes) -> str:
    """A text with that memory in place of its own, or with none if it would be too long."""
    rest = _MEMORY.sub("", body).rstrip("\r\n") + "\n"
    packed = base64.b64encode(zlib.compress(memory, 9)).decode() if memory else ""
    return f"{rest}<!-- memory {packed} -->\n" if 0 < len(packed) <= MAX_MEMORY else rest


def put_back(client: Client, number: int) -> None:
    """Makes the control issue the sign again that it was: open, with its label."""
    set_state(client, number, "open")
    add_labels(client, number, [CONTROL])
