"""The ledger as comments: what one comment says, and what all of them come to.

Each comment of the ledger is a page: everything that one exclusive session changed, so that it is
there as a whole or not at all. Pages are numbered, and each carries the digest of the one before
it. Of two that claim the same place the one that was written first counts, by GitHub's own order
of comments; the other never happened. So no lock is needed for the ledger to stay one, and a late
or repeated write does no harm. An issue takes only so many comments, so the ledger has volumes: a
page may name the issue in which the next one stands (see `volumes`).

Failure direction: closed. A page that is missing, was edited, or cannot be read makes the ledger
unreadable; nothing is guessed.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pytest_malagate.gate.encoding import encode_json
from pytest_malagate.github.records import Comment
from pytest_malagate.queue.model import Entry, Freeze, Task, Value, sealed
from pytest_malagate.queue.store import FreezeTrouble
from pytest_malagate.report.text import code, plain, prose

MARKER = "<!-- malagate:ledger -->"
SCHEMA = "malagate/ledger@1"
FINISHED_KEPT = 200
"""Finished tasks that a state remembers, the newest."""

MAX_BODY = 60_000
"""Bytes of a page's comment, below GitHub's 65,536 characters."""

_MAX_PAGE = 8 * 1024 * 1024  # bytes of a page when it is unpacked
_PACKED = re.compile(r"<!-- page ([A-Za-z0-9+/=]{4,}) -->\s*\Z")
_SHOWN_ENTRIES = 30

replace = msgspec.structs.replace


class Checkpoint(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The whole state after a page, so that older pages need not be read."""

    tasks: tuple[Task, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    issues: dict[int, int] = msgspec.field(default_factory=dict)
    cleared: dict[int, str] = msgspec.field(default_factory=dict)
    numbers: dict[str, int] = msgspec.field(default_factory=dict)
    entry: tuple[int, str] = (0, "")
    epoch: int = 0
    cursor: int = 0


class Page(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What one session changed. `digest` is that of all other fields.

    `issues` names the issue of a freeze, `numbers` the counters, `epoch` that of the concurrency
    group, `cursor` the last issue event that was looked at; each only if it changed. `root`: a
    person began anew with its checkpoint, because what was before could not be read.

    `next` is the issue in which the page after this one stands: it is the last of its volume. In a
    later volume each page names the control issue (`control`), so that no other ledger's page is
    taken for one of this, and the first one the volume before it (`follows`).
    """

    schema: str = SCHEMA
    repository: str
    seq: int
    previous: str
    nonce: str
    writer: str = ""
    entries: tuple[Entry, ...] = ()
    tasks: tuple[Task, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    cleared: tuple[int, ...] = ()
    issues: dict[int, int] = msgspec.field(default_factory=dict)
    numbers: dict[str, int] = msgspec.field(default_factory=dict)
    epoch: int | None = None
    cursor: int | None = None
    checkpoint: Checkpoint | None = None
    root: bool = False
    next: int | None = None
    control: int | None = None
    follows: int | None = None
    digest: str = ""


class State:
    """What the pages so far come to. `cleared` are the issues of freezes that were cleared, each
    with GitHub's time of the page that cleared it. `next` is that of the last page; `volume` is the
    issue in which that one stands, for whoever looked (0: nobody did)."""

    def __init__(self, checkpoint: Checkpoint | None = None) -> None:
        start = checkpoint or Checkpoint()
        self.seq, self.digest = 0, ""
        self.next: int | None = None
        self.volume = 0
        self.entry = start.entry
        self.tasks = {task.task: task for task in start.tasks}
        self.freezes = {freeze.id: freeze for freeze in start.freezes}
        self.issues, self.cleared = dict(start.issues), dict(start.cleared)
        self.numbers = dict(start.numbers)
        self.epoch, self.cursor = start.epoch, start.cursor
        self.since_checkpoint = 0

    def copy(self) -> State:
        """Another one, to be changed."""
        made = State(self.checkpoint())
        made.seq, made.digest = self.seq, self.digest
        made.next, made.volume = self.next, self.volume
        made.since_checkpoint = self.since_checkpoint
        return made

    def checkpoint(self) -> Checkpoint:
        """The state as a value."""
        return Checkpoint(
            tasks=tuple(self.tasks.values()),
            freezes=tuple(self.freezes.values()),
            issues=dict(self.issues),
            cleared=dict(self.cleared),
            numbers=dict(self.numbers),
            entry=self.entry,
            epoch=self.epoch,
            cursor=self.cursor,
        )

    def put(self, task: Task) -> None:
        """Adds or replaces a task, and forgets the oldest of too many finished ones."""
        self.tasks.pop(task.task, None)
        self.tasks[task.task] = task
        finished = [name for name, known in self.tasks.items() if known.state == "finished"]
        for name in finished[: max(len(finished) - FINISHED_KEPT, 0)]:
            del self.tasks[name]

    def clear(self, number: int, moment: str) -> None:
        """Takes a freeze away; its issue is known as cleared at that moment."""
        self.freezes.pop(number, None)
        issue = self.issues.pop(number, None)
        if issue is not None:
            self.cleared[issue] = moment
            for oldest in list(self.cleared)[: max(len(self.cleared) - FINISHED_KEPT, 0)]:
                del self.cleared[oldest]

    def link(self, number: int, issue: int, moment: str) -> None:
        """A freeze's issue. One that was opened after the freeze was cleared is cleared, too."""
        if number in self.freezes:
            self.issues[number] = issue
        else:
            self.cleared[issue] = moment

    def turn(self, page: Page, moment: str, *, salvaged: bool = False) -> None:
        """Applies the page that follows. `moment` is GitHub's time of its comment.

        `salvaged`: pages before it may be lost, so an issue of a freeze that nobody knows is none
        of a freeze that was cleared; whoever finds it with its label takes it for a new one.
        """
        for task in page.tasks:
            self.put(task)
        for freeze in page.freezes:
            self.freezes[freeze.id] = freeze
        for number, issue in page.issues.items():
            if number in self.freezes or not salvaged:
                self.link(number, issue, moment)
        for number in page.cleared:
            self.clear(number, moment)
        self.numbers |= page.numbers
        for entry in sealed_entries(page.entries, self.entry):
            self.entry = (entry.seq, entry.digest)
        self.epoch = self.epoch if page.epoch is None else page.epoch
        self.cursor = self.cursor if page.cursor is None else page.cursor
        self.stand(page)
        self.since_checkpoint = 0 if page.checkpoint else self.since_checkpoint + 1

    def stand(self, page: Page) -> None:
        """It is the last page now."""
        self.seq, self.digest, self.next = page.seq, page.digest, page.next


def sealed_entries(entries: Iterable[Entry], head: tuple[int, str]) -> Iterator[Entry]:
    """The entries as they follow a head: number, digest of the one before, own digest.

    A page leaves these out, because its own digest covers them and they cannot be packed.
    """
    seq, digest = head
    for entry in entries:
        made = sealed(replace(entry, seq=seq + 1, previous=digest))
        seq, digest = made.seq, made.digest
        yield made


# --- one page ---


def sealed_page(page: Page) -> Page:
    """The page with its digest."""
    # A clock may tell whole numbers: as JSON they would differ from what is read back.
    page = msgspec.json.decode(encode_json(replace(page, digest="")), type=Page)
    body = encode_json(page)
    return replace(page, digest=f"sha256:{hashlib.sha256(body).hexdigest()}")


def write_page(page: Page) -> str:
    """The comment of a page: lines for a person, and the page itself in a comment of HTML."""
    packed = base64.b64encode(zlib.compress(encode_json(page), 9)).decode()
    lines = [f"* {_line(entry)}" for entry in page.entries[:_SHOWN_ENTRIES]]
    if len(page.entries) > _SHOWN_ENTRIES:
        lines.append(f"* and {len(page.entries) - _SHOWN_ENTRIES} more")
    lines += [f"* goes on from #{page.follows}"] if page.follows is not None else []
    lines += [f"* the next page stands in #{page.next}"] if page.next is not None else []
    shown = "\n".join(lines) or "* housekeeping"
    return f"{MARKER}\n{shown}\n\n<sub>page {page.seq}</sub>\n<!-- page {packed} -->"


def fits(body: str) -> bool:
    """True if a comment of this text is not too long."""
    return len(body.encode()) <= MAX_BODY


def _line(entry: Entry) -> str:
    words = [prose(entry.kind, 30)]
    if entry.task is not None:
        words.append(code(entry.task, 100))
    if entry.freeze is not None:
        words.append(f"freeze {entry.freeze}")
    words.append(f"by {code(entry.actor, 60)}")
    if entry.detail:
        words.append(f"({prose(entry.detail, 200)})")
    return " ".join(words)


def read_page(comment: Comment, repository: str | None) -> Page:
    """The page in a comment of the ledger. Raises FreezeTrouble for one that is damaged.

    `repository` None: whatever the repository was called when it was written.
    """
    if comment.updated_at != comment.created_at:
        raise FreezeTrouble("freeze.ledger-edited", f"comment {comment.id} was edited")
    packed = _PACKED.search(comment.body or "")
    try:
        if packed is None:
            raise ValueError("it holds no page")
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(packed[1], validate=True), _MAX_PAGE)
        page = msgspec.json.decode(data, type=Page)
    except (ValueError, zlib.error, RecursionError) as error:
        raise _damaged(comment, str(error)) from error
    if page.schema != SCHEMA:
        raise _damaged(comment, "another version of malagate wrote it")
    if sealed_page(page).digest != page.digest:
        raise _damaged(comment, "its digest is wrong")
    if repository is not None and page.repository.lower() != repository.lower():
        raise _of_another_name(comment, page.repository, repository)
    return page


def _damaged(comment: Comment, why: str) -> FreezeTrouble:
    text = f"the ledger's comment {comment.id} cannot be read: {why}"
    return FreezeTrouble("freeze.ledger-damaged", text)


def _of_another_name(comment: Comment, then: str, now: str) -> FreezeTrouble:
    """An issue that was moved here brings another's ledger along, so a person has to say which."""
    text = (
        f"the ledger's comment {comment.id} was written in {plain(then, 100)}, and this is "
        f"{plain(now, 100)}: if the repository was renamed or transferred, a person with admin "
        "comments /gate rearm, which keeps everything; if it was not, this is another's ledger"
    )
    return FreezeTrouble("freeze.ledger-damaged", text)


# --- all pages ---


class Written(Value, frozen=True, kw_only=True):
    """A page, and where and when GitHub took it; or why it cannot be read (`code`, `why`)."""

    comment: int
    moment: str
    page: Page | None = None
    trouble: tuple[str, str] | None = None


def pages_of(
    comments: Iterable[Comment], writer: str, repository: str | None, control: int | None = None
) -> list[Written]:
    """The ledger's pages among comments, in GitHub's order; others' comments are left out.

    `control` is the control issue where the comments are those of a later volume: its writer may
    have written another ledger's pages there.
    """
    found: list[Written] = []
    for comment in sorted(comments, key=lambda comment: comment.id):
        author = comment.user.login if comment.user else None
        if author != writer or not (comment.body or "").startswith(MARKER):
            continue
        at = Written(comment=comment.id, moment=comment.created_at)
        try:
            page = read_page(comment, repository)
        except FreezeTrouble as error:
            found.append(replace(at, trouble=(error.code, error.message)))
        else:
            found += [replace(at, page=page)] if page.control == control else []
    return found


def read_state(pages: Sequence[Written], *, whole: bool, begins: bool = False) -> State | None:
    """What pages come to; None if older ones are needed.

    `whole`: there are no older ones; `begins`: none in the volume of the first of them. Raises
    FreezeTrouble for a hole and for a damaged page.
    """
    if not pages and whole:
        return State()
    start = _starting_point(pages, begins)
    if start is None and not whole:
        return None
    if start is None:
        for _ in follow(0, "", pages):  # says what is wrong with the first of them
            break
        raise FreezeTrouble("freeze.ledger-hole", "the ledger's first page is missing")
    index, page = start
    state = State(page.checkpoint)
    if page.checkpoint is None:
        state.turn(page, pages[index].moment)
    state.stand(page)
    state.since_checkpoint = 0
    for later, moment in follow(state.seq, state.digest, pages[index + 1 :]):
        state.turn(later, moment)
    return state


def _starting_point(pages: Sequence[Written], begins: bool) -> tuple[int, Page] | None:
    """Where reading may begin: the newest checkpoint that surely counts, and its index.

    It counts if the page that it follows is the first in its place, and no other took its own
    before; a person's new beginning (`root`) and the very first page need none before them, nor
    does the first of a later volume: its writer had read the page that names it.
    """
    for index in reversed(range(len(pages))):
        page = pages[index].page
        if page is None or not (page.root or page.seq == 1 or page.checkpoint):
            continue
        before = [other.page for other in pages[:index] if other.page is not None]
        if any(other.seq >= page.seq for other in before):
            continue
        first = page.root or page.seq == 1 or (begins and index == 0 and page.follows is not None)
        there = (other.digest for other in before if other.seq == page.seq - 1)
        if first or next(there, None) == page.previous:
            return index, page
    return None


def follow(seq: int, digest: str, pages: Iterable[Written]) -> Iterator[tuple[Page, str]]:
    """The pages that count after a given one, each with its time. Raises FreezeTrouble."""
    for written in pages:
        page = written.page
        if page is None:
            raise FreezeTrouble(*(written.trouble or ("freeze.ledger-damaged", "damaged")))
        if page.seq <= seq:
            continue  # another took its place before, or it was sent twice
        if not page.root and page.seq > seq + 1:
            text = f"page {seq + 1} of the ledger is missing (page {page.seq} follows)"
            raise FreezeTrouble("freeze.ledger-hole", text)
        if not page.root and page.previous != digest:
            text = f"page {page.seq} of the ledger does not follow the one before it"
            raise FreezeTrouble("freeze.ledger-hole", text)
        seq, digest = page.seq, page.digest
        yield page, written.moment
