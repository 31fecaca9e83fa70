"""Writes the control issue's text, where others write theirs at the same time.

GitHub writes a text whole and without asking what stood there, and freezes take no lock. So
whoever writes looks at the text first, and goes by what is newer there: the ledger's end, from
which the ledger is read again, and the memory, which only sweeps change.

What happens between that look and the write is not seen by it. That a page came in between is seen
by the answer, which says how many comments there are; then the ledger is read, and the text written
again. A writer that dies before that leaves a text that is behind the ledger. That opens nothing,
for the ledger has what counts; but until the next write, which mends it, the text is no proof
against the deletion of the newest pages. In a later volume of the ledger the answer does not tell,
so there only the next write mends it.

A memory that came in between is lost: the writer puts the older one back, which may say of a head
what it was told before. So a sweep that leaves a memory while the text lacks a page that the sweep
knows, whose writer may be about to write, looks again a little later. What it does not see even
then is found like any memory that is not so: sweeps compare now and then a head with what it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import (
    Control,
    Head,
    control_of,
    memory_of,
    with_memory,
    write_body,
)
from pytest_malagate.github.dashboard import dashboard
from pytest_malagate.github.issues import issue_of
from pytest_malagate.github.ledger import State
from pytest_malagate.github.records import Issue
from pytest_malagate.github.sweep_memory import FAILED, SweepMemory, read_memory, write_memory
from pytest_malagate.queue.model import Value

_TRIES = 4
_RESTS = 2  # seconds, more or less, that lie between a look and its write: see Manners

replace = msgspec.structs.replace


class Left(Value, frozen=True, kw_only=True):
    """What a sweep leaves: its memory, the one that it was made from, and all that are no news."""

    memory: SweepMemory
    base: bytes
    known: frozenset[bytes]

    def beside(self, there: bytes) -> SweepMemory:
        """What to leave where the text holds `there` by now."""
        if there in self.known:
            return self.memory
        return merged(self.memory, read_memory(there), read_memory(self.base))


def merged(ours: SweepMemory, theirs: SweepMemory, base: SweepMemory) -> SweepMemory:
    """One memory of two that were made from the same one, of which nobody knows who told last.

    Of a head holds what both say; else what it shows is not known, and it is told again.
    """
    if replace(base, reconciled=ours.reconciled) == ours:  # no sweep's: it has told nobody
        return replace(theirs, reconciled=ours.reconciled)
    statuses = {}
    for head in (*ours.statuses, *theirs.statuses):
        said = {one.statuses.get(head) for one in (ours, theirs)}
        if FAILED in said:
            statuses[head] = FAILED
        elif len(said) == 1:
            statuses[head] = ours.statuses[head]
    reconciled = theirs.reconciled if ours.reconciled == base.reconciled else ours.reconciled
    return replace(ours, statuses=statuses, reconciled=reconciled)


class _There(Value, frozen=True, kw_only=True):
    """The text as it is now."""

    body: str
    control: Control

    @property
    def head(self) -> Head | None:
        return self.control.head


class Showing:
    """The text of a control issue, for a writer who knows the ledger up to `state`.

    `comments` is how many comments that state goes by. `newest` reads the ledger anew.
    """

    def __init__(
        self,
        client: Client,
        number: int,
        state: State,
        *,
        comments: int,
        newest: Callable[[Control], State],
    ) -> None:
        self._client, self._number, self._newest = client, number, newest
        self._state, self._comments = state, comments

    def show(self, *, anew: bool = False) -> None:
        """Shows the ledger; the memory stays. `anew`: also over a text that was edited.

        Raises GitHubError.
        """
        for _ in range(_TRIES):
            there = self._look(anew=anew)
            if self._is_behind(there.head, anew=anew) or self._is_shown(there.head):
                return  # whoever wrote it knew as much
            text = self._text(there.head, there.control.memory)
            if self._write(text) <= there.control.comments:
                return

    def leave(self, left: Left) -> bytes:
        """Leaves a memory, and shows the ledger. Returns what was written of it.

        Raises GitHubError.
        """
        kept: bytes | None = None
        for _ in range(_TRIES):
            there = self._look()
            if there.control.memory == kept and self._is_shown(there.head):
                break
            memory = write_memory(left.beside(there.control.memory))
            behind = self._is_behind(there.head)
            text = with_memory(there.body, memory) if behind else self._text(there.head, memory)
            came = self._write(text) > there.control.comments
            kept = memory_of(text)
            left = replace(left, known=left.known | {kept})
            if not came and (behind or self._is_shown(there.head)):
                break
            for _ in range(_RESTS):  # somebody else's text may be on its way
                self._client.rest()
        return kept or b""

    def _look(self, *, anew: bool = False) -> _There:
        """The text as it is, and the ledger as far as the issue says that it goes."""
        issue = issue_of(self._client, self._number)
        name = f"the control issue #{self._number}"
        if issue is None:
            raise GitHubError(f"{name} is gone: deleted, or moved elsewhere")
        control = control_of(issue)
        if control.head is None and not anew:
            raise GitHubError(f"{name} has lost its text, so it stays as it is")
        more = self._comments < control.comments or self._volume() is not None
        if more or self._is_behind(control.head, anew=anew):
            with suppress(MachineryError):  # then the text is not taken for older than it is
                found = self._newest(control)
                self._state = found if found.seq >= self._state.seq else self._state
        self._comments = control.comments
        return _There(body=issue.body or "", control=control)

    def _page(self) -> tuple[int, str]:
        return self._state.seq, self._state.digest

    def _volume(self) -> int | None:
        """The later volume that is written at present. The control issue does not count there."""
        return self._state.volume if self._state.volume not in (0, self._number) else None

    def _is_shown(self, head: Head | None) -> bool:
        return head is not None and head.page == self._page()

    def _is_behind(self, head: Head | None, *, anew: bool = False) -> bool:
        """True if a text says more than we know: a page that follows, or another in our place.

        `anew`: unless it cannot be so.
        """
        if head is None or self._is_shown(head) or (anew and head.is_made_up(self._state.seq)):
            return False
        return head.page[0] >= self._state.seq

    def _text(self, head: Head | None, memory: bytes) -> str:
        if head is None or not self._is_shown(head):
            head = Head(page=self._page(), entry=self._state.entry, volume=self._volume())
        return write_body(dashboard(self._state, read_memory(memory)), head, memory)

    def _write(self, text: str) -> int:
        """Writes it, and returns how many comments there are now."""
        path = f"/issues/{self._number}"
        return self._client.change("PATCH", path, {"body": text}, Issue).comments
