"""The ledger's book: reads the newest pages of the ledger, and adds one.

A page is written, and then read back: it counts only if no other took its place. What GitHub's
lists show may be older than what was written, but a list that shows our comment shows all that
came before it, so whoever has read his own page back knows where it stands.

The control issue's text may name the volume that is written at present, so that the present is
read with one request more, however many there are. Anybody with write access may edit it, so it is
only a hint: a volume that has ended leads on to the next, one that is none of ours is left for the
control issue, from which all follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.client import PER_PAGE, Client, GitHubError
from pytest_malagate.github.control import Control
from pytest_malagate.github.ledger import (
    Page,
    State,
    Written,
    fits,
    follow,
    read_state,
    replace,
    sealed_entries,
    sealed_page,
    write_page,
)
from pytest_malagate.github.records import Comment
from pytest_malagate.github.salvage import begin_page, salvage
from pytest_malagate.github.volumes import (
    MEASURES,
    Measures,
    Volume,
    close_unneeded,
    first_volume,
    hinted_volume,
    later_volume,
    open_volume,
    read_pages,
)
from pytest_malagate.queue.model import Entry, FreezeMode
from pytest_malagate.queue.store import ConflictError, FreezeTrouble

LOOKS = 40
"""How often a list that lags is read again, at most."""

_COUNTED = 5
"""Looks for which a list that has fewer comments than the issue counts is taken to lag."""

_PAGES_BACK = 50
_TAKEN = "somebody else wrote to the ledger at the same time"


class Book:
    """The ledger of one control issue. Every method raises GitHubError and FreezeTrouble."""

    def __init__(
        self, client: Client, control: Control, repository: str, measures: Measures = MEASURES
    ) -> None:
        self._client, self._control, self._repository = client, control, repository
        self._measures = measures
        self._view: list[Volume] = []
        """The volumes that were read, without a gap: all but the first from their beginning."""
        self._unpacked: dict[Volume, tuple[int, list[Written]]] = {}
        """The pages of each volume, by how often it had been asked for its comments."""

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
        self._check_room(self._home(state))
        return state

    def _is_complete(self) -> bool:
        """False where the list shows fewer comments than the issue itself says that there are.

        So a page is seen whose writer died before he told the head of it. Only a reason to look
        again: what GitHub counts and never shows must not freeze for ever.
        """
        return self._view[-1].shown >= self._view[-1].counted

    def _check_room(self, home: Volume) -> None:
        """Raises FreezeTrouble where nothing can be written any more, not even a freeze."""
        if home.filled >= self._measures.full:
            text = (
                f"#{home.number} holds {home.filled:,} comments, and GitHub takes no more there: "
                "nothing can be written until a person with admin comments /gate rearm on another "
                "issue, which begins a new volume"
            )
            raise FreezeTrouble("freeze.ledger-full", text)

    def _folded(self, *, wider: bool = False) -> State:
        """What the pages come to that the lists show now. `wider`: see `Volume.refresh`."""
        if not self._view:
            found = hinted_volume(self._client, self._control)
            self._view = [found or first_volume(self._client, self._control)]
        self._view[-1].refresh(wider=wider)
        while not all(volume.begins for volume in self._view[1:]):
            self._view.pop(0)
        for _ in range(_PAGES_BACK):
            first = self._view[0]
            whole = first.number == self._control.number and first.begins
            state = read_state(self._pages(), whole=whole, begins=first.begins)
            if state is None:
                self._back()
            elif state.next is not None and state.next != self._view[-1].number:
                self._go_on(state.next)
            else:
                state.volume = self._volume_of(state)
                return state
        text = f"the last {_PAGES_BACK * PER_PAGE:,} comments hold no whole ledger"
        raise FreezeTrouble("freeze.ledger-hole", text)

    def _go_on(self, number: int) -> None:
        """Reads on in the volume that a page names."""
        found = later_volume(self._client, number, self._control.writer)
        if found is None:
            raise _gone(number)
        found.refresh()
        self._view = [*self._view, found] if found.begins else [found]

    def _back(self) -> None:
        """Reads one older list of comments."""
        first = self._view[0]
        if first.back():
            return
        pages = self._pages_in(first)
        if not pages:  # it was only a hint, or its list lags
            self._view = [first_volume(self._client, self._control)]
            self._view[0].refresh()
            return
        page = pages[0].page
        if page is None:
            raise FreezeTrouble(*(pages[0].trouble or ("freeze.ledger-damaged", "damaged")))
        if page.follows is None:
            text = f"the first page of the ledger's volume #{first.number} is missing"
            raise FreezeTrouble("freeze.ledger-hole", text)
        if page.follows == self._control.number:
            before: Volume | None = first_volume(self._client, self._control)
        else:
            before = later_volume(self._client, page.follows, self._control.writer)
        if before is None:
            raise _gone(page.follows)
        before.refresh()
        self._view.insert(0, before)

    def _pages(self) -> list[Written]:
        """All pages that were read, in the order in which GitHub took them."""
        pages = [page for volume in self._view for page in self._pages_in(volume)]
        return sorted(pages, key=lambda written: written.comment)

    def _pages_in(self, volume: Volume) -> list[Written]:
        known = self._unpacked.get(volume)
        if known is None or known[0] != volume.fetched:
            pages = read_pages(self._control, volume.number, volume.comments, self._repository)
            known = self._unpacked[volume] = (volume.fetched, pages)
        return known[1]

    def _volume_of(self, state: State) -> int:
        """The issue in which the last page stands."""
        for volume in reversed(self._view):
            pages = [one.page for one in self._pages_in(volume)]
            if any(page is not None and page.digest == state.digest for page in pages):
                return volume.number
        return self._control.number

    def _home(self, state: State) -> Volume:
        """The volume in which the next page has to stand. Raises ConflictError if that one was
        ended since the state was read."""
        number = state.next or state.volume
        for volume in self._view:
            if volume.number == number:
                return volume
        raise ConflictError(_TAKEN)

    def entries(self) -> Iterator[Entry]:
        """All entries, the oldest first, as far as the pages follow one another.

        Whatever the repository was called then: that was a person's to judge, who began anew.
        """
        seq, digest, head = 0, "", (0, "")
        goes_on: int | None = self._control.number
        seen: set[int] = set()
        while goes_on is not None and goes_on not in seen:
            number, goes_on = goes_on, None
            seen.add(number)
            for got in self._lists_of(number):
                pages = read_pages(self._control, number, got, None)
                for page, _ in follow(seq, digest, pages):
                    seq, digest, goes_on = page.seq, page.digest, page.next
                    for entry in sealed_entries(page.entries, head):
                        head = (entry.seq, entry.digest)
                        yield entry
            hint = hinted_volume(self._client, self._control) if goes_on is None else None
            if hint is not None:  # it was begun anew there, for the one before took no more
                goes_on = hint.number

    def _lists_of(self, number: int) -> Iterator[list[Comment]]:
        """The comments of a volume, list by list."""
        writer, later = self._control.writer, number != self._control.number
        if later and later_volume(self._client, number, writer) is None:
            raise _gone(number)
        path = f"/issues/{number}/comments"
        yield from self._client.pages(path, list[Comment], limit=10_000)

    # --- writing ---

    def add(self, page: Page, state: State, after: State) -> State:
        """Adds the page that follows `state` and leads to `after`, and reads it back.

        Returns the state with it. Raises ConflictError if another took its place. The last page of
        a volume names the next one, which is opened before; if that fails, this one goes on.
        """
        if state.next is not None:
            state = self._begun(state, page)
        page = replace(page, seq=state.seq + 1, previous=state.digest)
        home = self._home(state)
        home.keep_locked()
        following = self._opened(home, page.seq + 1)
        if following is not None:
            page = replace(page, next=following.number)
        try:
            found = self._put(self._with_checkpoint(page, after, home, state), home)
        except (ConflictError, UsageError, GitHubError) as error:
            if following is not None and not getattr(error, "uncertain", False):
                close_unneeded(self._client, following)
            raise
        if found.next is None:
            return found
        try:
            return self._begun(found, page)
        except MachineryError:  # the page counts, and whoever writes next begins the volume
            return found

    def _opened(self, home: Volume, page: int) -> Volume | None:
        """The next volume, if it is time for it and GitHub opens one."""
        if home.filled < self._measures.volume:
            return None
        try:
            return open_volume(self._client, self._control, home.number, page)
        except GitHubError:  # there is room left in this one, and the next writer tries again
            return None

    def _begun(self, state: State, for_page: Page) -> State:
        """Writes the first page of the volume that the last page names: the whole state.

        Of two who do that one was first, and both said the same. Raises ConflictError if anything
        else was written.
        """
        home = self._home(state)
        page = Page(
            repository=self._repository,
            seq=state.seq + 1,
            previous=state.digest,
            nonce=f"{for_page.nonce}-{home.number}",
            writer=for_page.writer,
            follows=state.volume,
        )
        home.keep_locked()
        carrying = replace(page, checkpoint=state.checkpoint())
        try:
            found = self._put(carrying if self._fits(carrying, home) else page, home)
        except ConflictError:
            found = self._folded()
        first = self._taken(page.seq, home)
        same = first is not None and first.follows is not None and not first.root
        if not same or found.seq != page.seq:
            raise ConflictError(_TAKEN)
        return found

    def _put(self, page: Page, home: Volume) -> State:
        """Writes a page and reads it back. Raises ConflictError if another took its place."""
        page = self._sealed(page, home)
        for _ in range(2):  # a page that was sent twice counts once
            comment = self._send(page, home)
            found = self._read_back(page, home)
            if found is None:
                continue
            if self._counts(page, home):
                return found
            self._withdraw(page, comment, home)
            raise ConflictError(_TAKEN)
        text = "nobody knows whether the ledger was written: GitHub does not show the comment"
        raise GitHubError(text, uncertain=True)

    def _sealed(self, page: Page, home: Volume) -> Page:
        number = self._control.number
        return sealed_page(replace(page, control=None if home.number == number else number))

    def _fits(self, page: Page, home: Volume) -> bool:
        return fits(write_page(self._sealed(page, home)))

    def _counts(self, page: Page, home: Volume) -> bool:
        """Whether a page has its place: told by the place alone.

        What was read may begin at a checkpoint that somebody wrote after it, and not hold it.
        """
        first = self._taken(page.seq, home)
        return first is not None and first.nonce == page.nonce

    def _taken(self, seq: int, home: Volume) -> Page | None:
        """The page that took a place, or one behind it: the first that GitHub has.

        Reads back to a page that stands before that place, so that none is overlooked.
        """
        while True:
            pages = [one.page for one in self._pages_in(home) if one.page is not None]
            if any(page.seq < seq for page in pages) or not home.back():
                return next((page for page in pages if page.seq >= seq), None)

    def begin_anew(self, page: Page, mode: FreezeMode) -> State:
        """Adds a page from which reading begins, with all that can still be read, and a freeze.

        `page` holds the entry that says who asked for it; the rest is filled in. It stands where
        the next page would, or in a new volume if that one takes no more: see `confirm`.
        """
        kept, home = salvage(self._client, self._control, self._repository)
        head, seq = self._control.head, kept.seq
        if head is not None and not head.is_made_up(seq):
            seq = max(seq, head.page[0])
        page = begin_page(replace(page, seq=seq + 1), kept, mode, partial(self._fits, home=home))
        if home.number != kept.volume:
            page = replace(page, follows=kept.volume)
        if home.filled >= self._measures.full:
            page = replace(page, follows=home.number)
            home = open_volume(self._client, self._control, home.number, page.seq)
        home.keep_locked()
        page = self._sealed(page, home)
        self._send(page, home)
        found = self._read_back(page, home)
        if found is None or not self._counts(page, home):
            raise ConflictError(_TAKEN)
        return found

    def confirm(self, begun: State) -> None:
        """Raises ConflictError if the ledger as it is found now does not hold that beginning.

        Two who begin anew, each in a volume of his own, both count there; only one of the volumes
        is where the control issue's text leads. Waits as `state`.
        """
        self.state()
        pages = (written.page for written in self._pages())
        if not any(page is not None and page.digest == begun.digest for page in pages):
            raise ConflictError(_TAKEN)

    def _with_checkpoint(self, page: Page, after: State, home: Volume, state: State) -> Page:
        """Carries the whole state now and then, and never together with a clear (its moment is
        GitHub's, and not known yet)."""
        due = state.since_checkpoint >= self._measures.checkpoint or (
            state.since_checkpoint >= home.on_last_list > 0
        )
        if not due or page.cleared:
            return page
        carrying = replace(page, checkpoint=after.checkpoint())
        return carrying if self._fits(carrying, home) else page

    def _send(self, page: Page, home: Volume) -> Comment | None:
        """The comment; None if nobody knows whether it was taken."""
        path = f"/issues/{home.number}/comments"
        try:
            made = self._client.create(path, {"body": write_page(page)}, Comment)
        except GitHubError as error:
            if error.uncertain:
                return None
            raise
        writer, me = self._control.writer, made.user.login if made.user else ""
        if me != writer:
            self._withdraw(page, made, home)
            raise UsageError(
                f"only {writer} writes the ledger of {self._repository}, and this token is {me}'s: "
                "let the workflow do it"
            )
        return made

    def _read_back(self, page: Page, home: Volume) -> State | None:
        """The state once the list of its volume shows our page; None if it never does."""
        for _ in range(LOOKS):
            if page.root:
                self._view = [home]
            if self._view[-1] is not home:
                home.refresh(wider=True)
            try:
                state = self._folded(wider=True)
            except FreezeTrouble:
                if not page.root or self._shows(page, home):
                    raise
            else:
                if self._shows(page, home):
                    return state
            if not self._client.rest():  # what is begun anew has no hole once the list shows it
                break
        return None

    def _shows(self, page: Page, home: Volume) -> bool:
        return any(one.page and one.page.nonce == page.nonce for one in self._pages_in(home))

    def _withdraw(self, page: Page, comment: Comment | None, home: Volume) -> None:
        """Takes away a page that does not count. It would not count either if it stayed."""
        pages = self._pages_in(home)
        ids = [one.comment for one in pages if one.page and one.page.nonce == page.nonce]
        for number in {*ids, *([comment.id] if comment else [])}:
            try:
                self._client.write("DELETE", f"/issues/comments/{number}")
            except GitHubError:
                continue


def _behind(head: int, seen: int) -> FreezeTrouble:
    text = f"the ledger has {head} pages, and the list of comments shows {seen}"
    return FreezeTrouble("freeze.ledger-behind", text)


def _gone(number: int) -> FreezeTrouble:
    text = f"the ledger's volume #{number} is gone: deleted, or moved elsewhere"
    return FreezeTrouble("freeze.ledger-hole", text)
