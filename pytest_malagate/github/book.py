"""The ledger's book: reads the newest pages of the control issue, and adds one.

A page is written, and then read back: it counts only if no other took its place. What GitHub's
lists show may be older than what was written, but a list that shows our comment shows all that
came before it, so whoever has read his own page back knows where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import PER_PAGE, Client, GitHubError
from pytest_malagate.github.control import Control
from pytest_malagate.github.ledger import (
    Page,
    State,
    Written,
    fits,
    follow,
    pages_of,
    read_state,
    replace,
    sealed_entries,
    sealed_page,
    write_page,
)
from pytest_malagate.github.records import Comment
from pytest_malagate.queue.model import Entry, Freeze, FreezeMode
from pytest_malagate.queue.store import ConflictError, Counter, FreezeTrouble

LOOKS = 40
"""How often a list that lags is read again, at most."""

_COUNTED = 5
"""Looks for which a list that has fewer comments than the issue counts is taken to lag."""

_COUNTERS: tuple[Counter, ...] = ("ticket", "fence", "freeze")
_GAP = 1000
"""What a new beginning leaves out of each count: pages that are lost may have given these."""

_PAGES_BACK = 50
_CHECKPOINT_EVERY = 40


class Book:
    """The ledger of one control issue. Every method raises GitHubError and FreezeTrouble."""

    def __init__(self, client: Client, control: Control, repository: str) -> None:
        self._client, self._control, self._repository = client, control, repository
        self._last = max(1, -(-control.comments // PER_PAGE))
        self._first = self._last
        self._comments: dict[int, dict[int, Comment]] = {}

    # --- reading ---

    def state(self) -> State:
        """What the ledger comes to now. Waits for lists that are behind the issue's own word."""
        head = self._control.head
        for look in range(LOOKS):
            state = self._folded()
            reaches = head is None or head.page[0] <= state.seq
            if reaches and (look >= _COUNTED or self._is_complete()):
                break
            if not self._client.rest():
                if reaches:
                    break
                raise _behind(head.page[0] if head else 0, state.seq)
        else:
            raise _behind(head.page[0] if head else 0, state.seq)
        if head is not None and head.page[0] == state.seq and head.page[1] != state.digest:
            text = f"page {state.seq} of the ledger is not the one that was written"
            raise FreezeTrouble("freeze.ledger-edited", text)
        return state

    def _is_complete(self) -> bool:
        """False where the list shows fewer comments than the issue itself says that there are.

        So a page is seen whose writer died before he told the head of it. Only a reason to look
        again: what GitHub counts and never shows must not freeze for ever.
        """
        shown = PER_PAGE * (self._last - 1) + len(self._comments[self._last])
        return shown >= self._control.comments

    def _folded(self) -> State:
        self._refresh()
        while True:
            state = read_state(self._pages(), whole=self._first == 1)
            if state is not None:
                return state
            if self._last - self._first >= _PAGES_BACK:
                text = f"the last {_PAGES_BACK * PER_PAGE} comments hold no whole ledger"
                raise FreezeTrouble("freeze.ledger-hole", text)
            self._first -= 1
            self._fetch(self._first)

    def _refresh(self) -> None:
        """Reads the end of the list again."""
        while len(self._fetch(self._last)) >= PER_PAGE:
            self._last += 1

    def _fetch(self, number: int) -> dict[int, Comment]:
        path = f"/issues/{self._control.number}/comments"
        got = self._client.get(path, list[Comment], per_page=PER_PAGE, page=number)
        self._comments[number] = {comment.id: comment for comment in got}
        return self._comments[number]

    def _pages(self) -> list[Written]:
        comments = [one for page in self._comments.values() for one in page.values()]
        return pages_of(comments, self._control.writer, self._repository)

    def entries(self) -> Iterator[Entry]:
        """All entries, the oldest first, as far as the pages follow one another."""
        path, limit = f"/issues/{self._control.number}/comments", 10_000
        seq, digest, head = 0, "", (0, "")
        for got in self._client.pages(path, list[Comment], limit=limit):
            pages = pages_of(got, self._control.writer, self._repository)
            for page, _ in follow(seq, digest, pages):
                seq, digest = page.seq, page.digest
                for entry in sealed_entries(page.entries, head):
                    head = (entry.seq, entry.digest)
                    yield entry

    # --- writing ---

    def add(self, page: Page, state: State, after: State) -> State:
        """Adds the page that follows `state` and leads to `after`, and reads it back.

        Returns the state with it. Raises ConflictError if another took its place.
        """
        page = self._with_checkpoint(page, state, after)
        for _ in range(2):  # a page that was sent twice counts once
            comment = self._send(page)
            found = self._read_back(page)
            if found is None:
                continue
            if page.nonce in found.nonces:
                return found
            self._withdraw(page, comment)
            raise ConflictError("somebody else wrote to the ledger at the same time")
        text = "nobody knows whether the ledger was written: GitHub does not show the comment"
        raise GitHubError(text, uncertain=True)

    def begin_anew(self, page: Page, mode: FreezeMode) -> State:
        """Adds a page from which reading begins, with all that can still be read, and a freeze.

        `page` holds the entry that says who asked for it; the rest is filled in.
        """
        seq, state = self._salvaged()
        numbers = {name: state.numbers.get(name, 0) + _GAP for name in _COUNTERS}
        entry, number = page.entries[0], numbers["freeze"]
        freeze = Freeze(
            id=number,
            reason="the ledger was begun anew: look at what it may have lost before clearing this",
            actor=entry.actor,
            at=entry.at,
            mode=mode,
        )
        detail = f"{freeze.mode}: {freeze.reason}"
        entries = (entry, replace(entry, kind="frozen", freeze=number, detail=detail))
        page = replace(
            page,
            seq=seq + 1,
            root=True,
            entries=entries,
            freezes=(freeze,),
            numbers=numbers,
        )
        after = state.copy()
        after.turn(page, "")
        sealed = sealed_page(replace(page, checkpoint=after.checkpoint()))
        self._send(sealed)
        found = self._read_back(sealed)
        if found is None or sealed.nonce not in found.nonces:
            raise ConflictError("somebody else wrote to the ledger at the same time")
        return found

    def _salvaged(self) -> tuple[int, State]:
        """The number of the last page that can be read, and what all that can be read come to."""
        self._refresh()
        for number in range(self._first - 1, 0, -1):
            self._fetch(number)
        self._first = 1
        seq, state = 0, State()
        for written in self._pages():
            page = written.page
            if page is not None and page.seq > seq:
                seq = page.seq
                state.turn(page, written.moment, salvaged=True)
        return max(seq, self._control.head.page[0] if self._control.head else 0), state

    def _with_checkpoint(self, page: Page, state: State, after: State) -> Page:
        """Carries the whole state now and then, and never together with a clear (its moment is
        GitHub's, and not known yet)."""
        sealed = sealed_page(page)
        begun = sum(len(found) for number, found in self._comments.items() if number == self._last)
        due = state.since_checkpoint >= _CHECKPOINT_EVERY or (
            state.since_checkpoint >= begun > 0 and self._last > 1
        )
        if not due or page.cleared:
            return sealed
        carrying = sealed_page(replace(page, checkpoint=after.checkpoint()))
        return carrying if fits(write_page(carrying)) else sealed

    def _send(self, page: Page) -> Comment | None:
        """The comment; None if nobody knows whether it was taken."""
        path = f"/issues/{self._control.number}/comments"
        try:
            made = self._client.create(path, {"body": write_page(page)}, Comment)
        except GitHubError as error:
            if error.uncertain:
                return None
            raise
        writer, me = self._control.writer, made.user.login if made.user else ""
        if me != writer:
            self._withdraw(page, made)
            raise UsageError(
                f"only {writer} writes the ledger of {self._repository}, and this token is {me}'s: "
                "let the workflow do it"
            )
        return made

    def _read_back(self, page: Page) -> State | None:
        """The state once the list shows our page; None if it never does."""
        for _ in range(LOOKS):
            try:
                state = self._folded()
            except FreezeTrouble:
                if not page.root or self._shows(page):
                    raise
            else:
                if self._shows(page):
                    return state
            if not self._client.rest():  # what is begun anew has no hole once the list shows it
                break
        return None

    def _shows(self, page: Page) -> bool:
        return any(one.page is not None and one.page.nonce == page.nonce for one in self._pages())

    def _withdraw(self, page: Page, comment: Comment | None) -> None:
        """Takes away a page that does not count. It would not count either if it stayed."""
        ids = [one.comment for one in self._pages() if one.page and one.page.nonce == page.nonce]
        for number in {*ids, *([comment.id] if comment else [])}:
            try:
                self._client.write("DELETE", f"/issues/comments/{number}")
            except GitHubError:
                continue


def _behind(head: int, seen: int) -> FreezeTrouble:
    text = f"the ledger has {head} pages, and the list of comments shows {seen}"
    return FreezeTrouble("freeze.ledger-behind", text)
