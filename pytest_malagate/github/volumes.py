"""The ledger's volumes: the issues whose comments it is, one after the other.

GitHub takes 2,500 comments on an issue and then no more, for good. So the ledger goes on in another
issue before that. The control issue stays what it is, and is the first volume. A later one is an
issue that the writer opens; the page that counts in the place before it names it, so that of two
writers who open one each the same page decides which it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pytest_malagate.github.client import PER_PAGE, Client, GitHubError
from pytest_malagate.github.control import Control
from pytest_malagate.github.issues import issue_of, lock, open_issue, set_state
from pytest_malagate.github.ledger import Written, pages_of
from pytest_malagate.github.records import Comment, Issue
from pytest_malagate.queue.model import Value

_ISSUES = 50
"""Lists of 100 issues in which later volumes are looked for by their text."""


class Measures(Value, frozen=True, kw_only=True):
    """After how many pages the whole state is written again, and how much an issue holds.

    From `volume` comments on the next page is the last one there; with `full` of them GitHub takes
    no more. What lies between is for writes that found no way to open the next volume.
    """

    checkpoint: int = 40
    volume: int = 2300
    full: int = 2500


MEASURES = Measures()


class Volume:
    """One issue's comments, from some page of their list to its end. Methods raise GitHubError.

    `counted` is how many comments the issue itself says that it has. The end is read first, and
    older pages of the list when they are asked for.
    """

    def __init__(self, client: Client, number: int, counted: int, *, locked: bool = True) -> None:
        self.number, self.counted, self.locked = number, counted, locked
        self._client = client
        self._last = max(1, -(-counted // PER_PAGE))
        self._first = self._last
        self._lists: dict[int, dict[int, Comment]] = {}
        self.fetched = 0
        """How many lists were fetched."""

    @property
    def comments(self) -> list[Comment]:
        """Those that were read."""
        found = {number: one for page in self._lists.values() for number, one in page.items()}
        return list(found.values())

    @property
    def begins(self) -> bool:
        """True if the first comment was read."""
        return self._first == 1 and 1 in self._lists

    @property
    def shown(self) -> int:
        """How many comments there are by the list."""
        return PER_PAGE * (self._last - 1) + len(self._lists.get(self._last, ()))

    @property
    def filled(self) -> int:
        """How many there are by either word."""
        return max(self.shown, self.counted)

    @property
    def on_last_list(self) -> int:
        """How many of them the last page of the list holds, if it is not the only one; else 0."""
        return len(self._lists.get(self._last, ())) if self._last > 1 else 0

    def refresh(self, *, wider: bool = False) -> None:
        """Reads the end of the list again, and forgets the rest, which may have moved since.

        `wider`: and the page of the list before the last one. Always from the end backwards: one
        comment's deletion moves all later ones towards the beginning, so what moves from one page
        of the list into another while they are read has been seen already.
        """
        while len(self._fetch(self._last)) >= PER_PAGE:
            self._last += 1
        self._first, self._lists = self._last, {self._last: self._lists[self._last]}
        if wider:
            self.back()

    def back(self) -> bool:
        """Reads one page more of the list; false if there is none."""
        if not self._lists:
            self.refresh()
            return True
        if self._first == 1:
            return False
        self._fetch(self._first - 1)
        self._first -= 1
        return True

    def read_all(self) -> None:
        """Reads the whole list."""
        self.refresh()
        while self.back():
            pass

    def _fetch(self, number: int) -> dict[int, Comment]:
        path = f"/issues/{self.number}/comments"
        got = self._client.get(path, list[Comment], per_page=PER_PAGE, page=number)
        self._lists[number] = {comment.id: comment for comment in got}
        self.fetched += 1
        return self._lists[number]

    def keep_locked(self) -> None:
        """Locks an issue that somebody unlocked: strangers could fill it."""
        if not self.locked:
            with suppress(GitHubError):  # the next writer tries again
                lock(self._client, self.number)
                self.locked = True


def first_volume(client: Client, control: Control) -> Volume:
    """The control issue's comments."""
    return Volume(client, control.number, control.comments)


def later_volume(client: Client, number: int, writer: str) -> Volume | None:
    """That of another issue; None if it is gone, or if it is not the writer's. One request."""
    issue = issue_of(client, number)
    if issue is None or issue.user is None or issue.user.login != writer:
        return None
    return Volume(client, number, issue.comments, locked=issue.locked)


def hinted_volume(client: Client, control: Control) -> Volume | None:
    """The one that the control issue's text names, if it may be one. At most one request."""
    number = control.head.volume if control.head is not None else None
    if number is None or number == control.number:
        return None
    return later_volume(client, number, control.writer)


def read_pages(
    control: Control, issue: int, comments: Iterable[Comment], repository: str | None
) -> list[Written]:
    """The ledger's pages among an issue's comments: see `pages_of`."""
    number = control.number
    return pages_of(comments, control.writer, repository, None if issue == number else number)


def open_volume(client: Client, control: Control, before: int, page: int) -> Volume:
    """Opens an issue for the pages from number `page` on, which follow those in issue `before`.

    Raises GitHubError; where it is `uncertain` there may be one that nobody needs.
    """
    number = control.number
    title = f"malagate: the ledger of #{number} from page {page:,} on"
    body = (
        f"{_marker(number)}\n"
        f"The ledger of #{number} goes on here: its pages up to {page - 1:,} are the comments of "
        f"#{before} and of the issues before it. GitHub takes only so many comments on one issue."
        "\n\n<sub>What counts are the comments, none of which is ever edited or deleted. Without "
        "this issue the repository is frozen.</sub>\n"
    )
    made = open_issue(client, title, body, [])
    volume = Volume(client, made.number, 0, locked=False)
    volume.keep_locked()
    return volume


def close_unneeded(client: Client, volume: Volume) -> None:
    """Closes an issue that was opened and is no volume. If it stays open, it does no harm."""
    with suppress(GitHubError):
        set_state(client, volume.number, "closed")


def marked_volumes(client: Client, control: Control) -> list[int]:
    """The issues whose text says that they are later volumes. Raises GitHubError."""
    pages = client.pages(
        "/issues",
        list[Issue],
        limit=_ISSUES,
        creator=control.writer,
        state="all",
        sort="created",
        direction="asc",
    )
    mark = _marker(control.number)
    return [one.number for page in pages for one in page if (one.body or "").startswith(mark)]


def _marker(number: int) -> str:
    return f"<!-- malagate:volume of {number} -->"
