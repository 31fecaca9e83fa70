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
from contextlib import suppress

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.issues import (
    add_labels,
    ensure_label,
    issue_of,
    label_exists,
    labelled,
    lock,
    open_issue,
    pin,
    set_state,
)
from pytest_malagate.github.records import Issue
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
TITLE = "malagate: queue and freeze"
MAX_MEMORY = 45_000
"""Bytes that a sweep's memory may have, packed."""

_HEAD = re.compile(r"<!-- head (\d{1,12}) (\S{0,80}) (\d{1,12}) (\S{0,80}) -->")
_MEMORY = re.compile(r"<!-- memory ([A-Za-z0-9+/=]+) -->")
_MAX_UNPACKED = 4 * 1024 * 1024


class Head(Value, frozen=True, kw_only=True):
    """The newest page and the newest entry of the ledger, number and digest, as the body says."""

    page: tuple[int, str] = (0, "")
    entry: tuple[int, str] = (0, "")


class Control(Value, frozen=True, kw_only=True):
    """The control issue. `writer` is who alone may write the ledger: whoever opened the issue.

    `trouble` (code, words) is why it is no sign that the repository is open; None if it is one.
    """

    number: int
    writer: str
    comments: int
    head: Head | None
    memory: bytes = b""
    trouble: tuple[str, str] | None = None


def find_control(client: Client, number: int | None) -> Control | None:
    """The control issue: the one of that number, or the only one with the label; None if none has.

    Raises GitHubError, and FreezeTrouble if there is no telling which it is, or if it is gone.
    """
    if number is not None:
        issue = issue_of(client, number)
        if issue is None:
            text = f"the control issue #{number} is gone: deleted, or moved elsewhere"
            raise FreezeTrouble("freeze.control-missing", text)
        return _control(issue)
    found = [one for one in labelled(client, CONTROL, state="all") if one.pull_request is None]
    if len(found) > 1:
        numbers = ", ".join(f"#{one.number}" for one in found)
        text = f"several issues carry {CONTROL}: {numbers}; take it off all but one"
        raise FreezeTrouble("freeze.control-ambiguous", text)
    if not found:
        return None
    # The list may be behind. Of the issue itself we need how far the ledger goes by now.
    return find_control(client, found[0].number)


def _control(issue: Issue) -> Control:
    body = issue.body or ""
    head = _head(body)
    return Control(
        number=issue.number,
        writer=issue.user.login if issue.user else "",
        comments=issue.comments,
        head=head,
        memory=_memory(body),
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


def _head(body: str) -> Head | None:
    match = _HEAD.search(body) if body.startswith(MARKER) else None
    if match is None:
        return None
    page, digest, entry, entry_digest = match.groups()
    return Head(page=(int(page), digest.strip("-")), entry=(int(entry), entry_digest.strip("-")))


def _memory(body: str) -> bytes:
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
    marks = f"<!-- head {page} {digest or '-'} {entry} {entry_digest or '-'} -->"
    packed = base64.b64encode(zlib.compress(memory, 9)).decode() if memory else ""
    kept = f"\n<!-- memory {packed} -->" if packed and len(packed) <= MAX_MEMORY else ""
    return f"{MARKER}\n{shown}\n{marks}{kept}\n"


def set_up(client: Client, shown: str) -> int:
    """Makes the labels and the control issue, and returns its number.

    Raises GitHubError, and FreezeTrouble if there was a control issue once: a new one would
    forget its freezes.
    """
    if label_exists(client, CONTROL):
        text = (
            f"the label {CONTROL} is there, and no issue carries it: put it back on the control "
            "issue; or, if there was none, delete the label, and the next run sets up afresh"
        )
        raise FreezeTrouble("freeze.control-missing", text)
    for name, (color, description) in LABELS.items():
        ensure_label(client, name, color, description)
    issue = open_issue(client, TITLE, write_body(shown, Head(), b""), [CONTROL])
    lock(client, issue.number)
    with suppress(GitHubError):  # it is only easier to find when it is pinned
        pin(client, issue)
    return issue.number


def put_back(client: Client, number: int) -> None:
    """Makes the control issue the sign again that it was: open, with its label."""
    set_state(client, number, "open")
    add_labels(client, number, [CONTROL])
