"""The store on GitHub: a control issue, whose comments are the ledger and so all of the state.

What an exclusive session wrote becomes one comment, which counts only if nobody else's took its
place (see `ledger`, `book`). The concurrency group of the workflow is the lock that spares runs
that trouble; it is proved before the first write, and nothing depends on it alone. Labels, the
issues of freezes and the control issue's text are views, written after the ledger and mended by
the next sweep.

Failure directions: what cannot be read is trouble and means frozen (`freeze_issues`, `control`).
A view that could not be written is a warning: the ledger has what counts.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.book import Book
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import (
    ACTIVE,
    READY,
    Control,
    find_control,
    put_back,
)
from pytest_malagate.github.dashboard import dashboard
from pytest_malagate.github.epochs import Proof, next_epoch
from pytest_malagate.github.freeze_issues import mark_of, open_for, show_cleared
from pytest_malagate.github.issues import add_labels, issue_of, take_off
from pytest_malagate.github.ledger import Page, State
from pytest_malagate.github.lock import LockProof
from pytest_malagate.github.session import GitHubSession
from pytest_malagate.github.setting_up import complete, set_up, withdraw
from pytest_malagate.github.showing import Left, Showing
from pytest_malagate.github.sweep_memory import SweepMemory
from pytest_malagate.github.volumes import MEASURES, Measures
from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import Entry, Freeze, FreezeMode, Task
from pytest_malagate.queue.store import FreezeTrouble

Connect = Callable[[str], Client]
_ISSUE_TASK = re.compile(r"#([1-9][0-9]{0,8})")
_TURNS: dict[str, threading.Lock] = {}
"""Threads of one process take turns, as GitHub asks of whoever sends requests."""


def issue_number(task: str) -> int | None:
    """The issue or pull request that a task is: `#12`. None for a task of another name."""
    match = _ISSUE_TASK.fullmatch(task)
    return int(match[1]) if match else None


class GitHubStore:
    """See `queue.store.Store`. Not for use by several threads; each may have one of its own.

    `connect` opens a client for a repository. `number` is the control issue's; without it, it is
    found by its label. `writer` says on each page who wrote it, `mode` is that of a freeze that
    somebody set by a label. `sets_up`: a session for reading makes the control issue, too, where
    there never was one. `now` is in seconds since the epoch. `warnings` are views that could not be
    written.
    """

    how = How(on_github=True)
    measures: Measures = MEASURES
    """How much a volume of the ledger holds."""

    def __init__(
        self,
        connect: Connect,
        *,
        number: int | None = None,
        prove: Proof | None = None,
        writer: str = "",
        mode: FreezeMode = "pause",
        sets_up: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.warnings: list[str] = []
        self._connect, self._prove = connect, prove
        self._pinned, self._writer, self._mode = number, writer, mode
        self._sets_up, self._now = sets_up, now
        self._clients: dict[str, Client] = {}
        self._numbers: dict[str, int] = {}
        self._proofs: dict[str, LockProof | None] = {}
        self._cursors: dict[str, int] = {}
        self._left: dict[str, bytes] = {}

    def client(self, repository: str) -> Client:
        """The client for a repository."""
        key = repository.lower()
        if key not in self._clients:
            self._clients[key] = self._connect(repository)
        return self._clients[key]

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients.values():
            client.close()

    # --- the store's protocol ---

    @contextmanager
    def exclusive(self, repository: str) -> Iterator[GitHubSession]:
        """See `Store`. The first one sets up labels and the control issue. Raises GitHubError."""
        with _TURNS.setdefault(repository.lower(), threading.Lock()):
            self._be_alone(repository)
            control = self._control(repository, make=True)
            book = self._book(repository, control)
            state = self._sound(control, book)
            session = self._session(repository, control, state, writable=True)
            self._keep_epoch(repository, session)
            yield session
            self._commit(repository, control, book, state, session)
            self._look_after(repository, control)

    @contextmanager
    def reading(self, repository: str) -> Iterator[GitHubSession]:
        """See `Store`. Raises FreezeTrouble, also for what GitHub does not tell."""
        try:
            control = self._control(repository, make=self._sets_up)
            state = self._book(repository, control).state()
        except GitHubError as error:
            raise FreezeTrouble("freeze.api", str(error)) from error
        session = self._session(repository, control, state, writable=False)
        session.labels.read()
        if self._sets_up:
            self._look_after(repository, control)
        yield session

    def ledger(self, repository: str) -> Iterator[Entry]:
        """See `Store`. Raises FreezeTrouble at a page that is missing or was edited."""
        control = self._control(repository, make=False)
        yield from self._book(repository, control).entries()

    def ledger_head(self, repository: str) -> tuple[int, str] | None:
        """See `Store`: as the control issue's text says."""
        head = self._control(repository, make=False).head
        if head is None:
            return 0, ""
        return head.entry if head.page[0] else None

    # --- beyond it ---

    def arm(self, repository: str) -> int:
        """The number of the control issue, which is made if there never was one."""
        control = self._control(repository, make=True)
        self._look_after(repository, control)
        return control.number

    def keep(self, repository: str, seen: GitHubSession, memory: SweepMemory) -> None:
        """Leaves a sweep's memory for the next, and shows what a session saw, or what is newer.

        What another sweep has left since that session began is not forgotten (see `showing`). Two
        requests, and more where others write.
        """
        if seen.control.head is None:
            return  # its text is evidence, and stays as it is
        key, base = repository.lower(), seen.control.memory
        left = Left(memory=memory, base=base, known=frozenset({base, self._left.get(key, base)}))
        showing = self._showing(repository, seen.control, seen.state)

        def leave() -> None:
            self._left[key] = showing.leave(left)

        self._view(leave)

    def take_over(self, repository: str) -> None:
        """Writes the freezes that people set by labels into the ledger.

        Raises ConflictError if somebody else writes at the same time, who does it then.
        """
        with self.exclusive(repository) as session:
            session.freezes()

    def rearm(self, repository: str, actor: str, reason: str, at: float) -> None:
        """Begins the ledger anew where it cannot be read, or where its end was lost.

        Everything that can still be read is kept, and the repository is frozen until a person has
        looked. The caller has checked that `actor` may do that. Raises GitHubError, FreezeTrouble,
        and ConflictError if somebody else began anew or wrote at the same time.
        """
        self._be_alone(repository)
        client, control = self.client(repository), self._control(repository, make=True)
        said = Entry(
            seq=0, at=at, kind="rearmed", actor=actor, repository=repository, detail=reason
        )
        page = Page(
            repository=repository,
            seq=0,
            previous="",
            nonce=secrets.token_hex(8),
            writer=self._writer,
            entries=(said,),
        )
        state = self._book(repository, control).begin_anew(page, self._mode)
        put_back(client, control.number)
        for freeze in state.freezes.values():
            if freeze.id not in state.issues:
                self._view(partial(open_for, client, freeze, repository))
        self._view(partial(self._showing(repository, control, state, pages=1).show, anew=True))
        if not control.locked:
            self._view(partial(complete, client, control))
        self._book(repository, self._control(repository, make=False)).confirm(state)

    def looked_until(self, repository: str, event: int) -> None:
        """The next page says that issue events up to this one were looked at."""
        self._cursors[repository.lower()] = event

    # --- opening ---

    def _be_alone(self, repository: str) -> None:
        key = repository.lower()
        if self._prove is not None and key not in self._proofs:
            self._proofs[key] = self._prove(self.client(repository))

    def _keep_epoch(self, repository: str, session: GitHubSession) -> None:
        """Raises MachineryError for a lock of an epoch that is over, or that may not begin yet."""
        proof = self._proofs.get(repository.lower())
        epoch = next_epoch(self.client(repository), proof, session) if proof is not None else None
        if epoch is None:
            return
        detail = f"epoch {session.state.epoch} is over, {epoch} begins"
        session.append(
            Entry(
                seq=0,
                at=round(self._now(), 3),
                kind="rotated",
                actor=self._writer or session.control.writer,
                repository=repository,
                detail=detail,
            )
        )
        session.moved_epoch = epoch

    def _control(self, repository: str, *, make: bool) -> Control:
        client, key = self.client(repository), repository.lower()
        found = find_control(client, self._pinned or self._numbers.get(key))
        if found is None and make:
            self._be_alone(repository)
            shown = dashboard(State(), SweepMemory())
            self._numbers[key] = set_up(client, shown)
            found = find_control(client, self._numbers[key])
        if found is None:
            text = (
                f"{repository} has no control issue, so nobody knows whether it is frozen: "
                "run the mode admit once, which makes one"
            )
            raise FreezeTrouble("freeze.control-missing", text)
        self._numbers[key] = found.number
        return found

    def _book(self, repository: str, control: Control) -> Book:
        return Book(self.client(repository), control, repository, self.measures)

    def _sound(self, control: Control, book: Book) -> State:
        """The state to write upon. Nothing is built on a ledger whose end may have been cut off."""
        if control.head is None:
            raise FreezeTrouble(*(control.trouble or ("freeze.control-edited", "it was edited")))
        return book.state()

    def _session(
        self, repository: str, control: Control, state: State, *, writable: bool
    ) -> GitHubSession:
        return GitHubSession(
            self.client(repository),
            control,
            state,
            repository,
            mode=self._mode,
            writable=writable,
        )

    # --- closing ---

    def _commit(
        self, repository: str, control: Control, book: Book, state: State, session: GitHubSession
    ) -> None:
        session.moved_cursor = self._cursors.get(repository.lower())
        nonce = secrets.token_hex(8)
        page = session.page(state.seq + 1, state.digest, nonce, self._writer)
        if page is None:
            return
        after = book.add(page, state, session.state)
        self._cursors.pop(repository.lower(), None)
        self._show_tasks(repository, state, session)
        self._hide_cleared(repository, control, state, session)
        links = self._open_issues(repository, session, after)
        if links:
            after = self._link(repository, book, after, links)
        self._view(self._showing(repository, control, after, pages=2 if links else 1).show)

    def _showing(
        self, repository: str, control: Control, state: State, *, pages: int = 0
    ) -> Showing:
        """`pages` were written since the control issue was looked at."""
        return Showing(
            self.client(repository),
            control.number,
            state,
            comments=control.comments + pages,
            newest=lambda control: self._book(repository, control).state(),
        )

    def _look_after(self, repository: str, control: Control) -> None:
        """Ends a set-up that was interrupted, and locks an issue that somebody unlocked."""
        if control.trouble is not None:
            return
        client, name = self.client(repository), f"the control issue #{control.number}"
        for number in control.spare:
            if self._view(partial(withdraw, client, number)):
                self.warnings.append(f"#{number} was a second, empty one beside {name}: closed")
        if not control.locked and self._view(partial(complete, client, control)):
            self.warnings.append(f"{name} was not locked: it is now")

    def _show_tasks(self, repository: str, before: State, session: GitHubSession) -> None:
        client = self.client(repository)
        for task in session.changed_tasks:
            number, known = issue_number(task.task), before.tasks.get(task.task)
            was = known.state if known is not None else None
            if number is not None and task.state != was:
                self._view(partial(show_task, client, number, task, was))

    def _open_issues(self, repository: str, session: GitHubSession, after: State) -> dict[int, int]:
        """Opens the issues of the freezes that a session set and that stand: each one's issue."""
        client, links = self.client(repository), {}

        def opened(freeze: Freeze) -> None:
            links[freeze.id] = open_for(client, freeze, repository)

        for freeze in session.new_freezes:
            if freeze.id in after.freezes:  # else somebody cleared it in between
                self._view(partial(opened, freeze))
        return links

    def _link(self, repository: str, book: Book, state: State, links: dict[int, int]) -> State:
        """Writes down which freeze has which issue: else nobody knows whose it was once it is
        closed. Failure direction: closed, for a freeze without an issue gets another."""
        page = Page(
            repository=repository,
            seq=state.seq + 1,
            previous=state.digest,
            nonce=secrets.token_hex(8),
            writer=self._writer,
            issues=links,
        )
        after = state.copy()
        after.issues |= links
        try:
            return book.add(page, state, after)
        except MachineryError as error:  # of whatever kind: the freeze itself is on the ledger
            self.warnings.append(str(error))
            return after

    def _hide_cleared(
        self, repository: str, control: Control, before: State, session: GitHubSession
    ) -> None:
        client = self.client(repository)
        for number in session.cleared:
            issue = session.state.issues.get(number) or before.issues.get(number)
            if issue is not None:
                self._view(partial(close_cleared, client, issue, control.writer))

    def _view(self, write: Callable[[], object]) -> bool:
        """Writes what people see; false if it could not be written.

        Failure direction: open, because the ledger has what counts.
        """
        try:
            write()
        except GitHubError as error:
            self.warnings.append(str(error))
            return False
        return True


def show_task(client: Client, number: int, task: Task, was: str | None) -> None:
    """Makes the labels of a task's issue say what the ledger says. Raises GitHubError."""
    if task.state == "active":
        add_labels(client, number, [ACTIVE])
        take_off(client, number, READY)
    elif task.state == "waiting" and was == "active":
        add_labels(client, number, [READY])
        take_off(client, number, ACTIVE)
    elif task.state == "finished" and was == "active":
        take_off(client, number, ACTIVE)
    # The label of what was withdrawn is gone as a rule, and may be on again by now, which asks for
    # another ticket: the sweep tells.


def close_cleared(client: Client, number: int, writer: str) -> None:
    """Makes the issue of a freeze that was cleared say so. Raises GitHubError."""
    issue = issue_of(client, number)
    if issue is not None and issue.state == "open":
        show_cleared(client, number, ours=mark_of(issue, writer) is not None)
