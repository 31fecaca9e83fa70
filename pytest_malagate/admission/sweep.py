"""One sweep over a repository on GitHub: whatever is due is done, whoever it was that asked.

It has no payload and may run as often as one likes: a sweep that was evicted, died or ran twice is
made up for by the next. In order: freezes that people set or cleared by hand, tickets, and the
status of every open pull request. Only what changed is written.

Failure directions: a store that cannot be read means frozen, and every pull request is told so. A
write that fails ends what it is part of, and the next sweep does it; of statuses only the one that
failed. Nothing is called open that was not looked at. What a person ought to have been told and
could not be is said (`untold`): a sweep that did not get through is no success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

import msgspec

from pytest_malagate.admission.clears import Clears
from pytest_malagate.admission.front import Over, doubled, merged, without_issue
from pytest_malagate.admission.looks import Look, look
from pytest_malagate.admission.overdue import ask
from pytest_malagate.admission.statuses import (
    CONTEXT,
    Wanted,
    by_head,
    changed,
    in_order,
    wanted_of,
)
from pytest_malagate.admission.telling import Budget, Teller, failed_last
from pytest_malagate.admission.tickets import Plan, asks_anew, plan
from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import GitHubError
from pytest_malagate.github.control import READY
from pytest_malagate.github.events import issue_events
from pytest_malagate.github.issues import labelled, take_off
from pytest_malagate.github.lock import wedged
from pytest_malagate.github.pulls import open_pulls
from pytest_malagate.github.records import Issue, IssueEvent, Pull
from pytest_malagate.github.session import GitHubSession
from pytest_malagate.github.statuses import stands
from pytest_malagate.github.store import GitHubStore, close_cleared
from pytest_malagate.github.sweep_memory import FAILED, SweepMemory, read_memory, write_memory
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.model import Value
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import ConflictError, FreezeTrouble
from pytest_malagate.report.text import plain

HEARTBEAT = 1800.0
"""Seconds after which the dashboard says anew when the last sweep was, though nothing changed."""

ACTOR = "malagate-sweep"

_EVENT_PAGES = 10
_MANY_EVENTS = 300  # more are not read again by every sweep
_AHEAD = 5  # statuses beyond which a sweep that dies could leave many that nobody knows of
_ASKED = 20  # issues whose own events one sweep reads
_NOTE = 300

replace = msgspec.structs.replace


class Swept(Value, frozen=True, kw_only=True):
    """What a sweep came to. `problem` is what could not be read; `would` what a dry run left be.

    Freezes are numbers, tasks names; `unfinished` counts the pull requests that are still to be
    told, and `untold` says of how many that is an error's doing, and which; empty if of none.
    `requests` were sent, repeated ones included.
    """

    frozen: bool = False
    problem: str | None = None
    active: tuple[str, ...] = ()
    waiting: int = 0
    added: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    taken_over: int = 0
    cleared: tuple[int, ...] = ()
    put_back: tuple[int, ...] = ()
    pulls: int = 0
    statuses_written: int = 0
    unfinished: int = 0
    untold: str = ""
    requests: int = 0
    would: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        """True if the ledger has something new."""
        queue = self.added or self.withdrawn or self.finished
        return bool(queue or self.taken_over or self.cleared or self.put_back)


class SweepOptions(Value, frozen=True, kw_only=True):
    """`branches` are the bases in scope, None for all. No status is written after `seconds`, nor
    while fewer than `reserve` requests of the token's hour are left. `groups`: stuck concurrency
    groups are looked for, too. `tells` False: pull requests are told nothing, and nothing of them
    is remembered. That is for whoever sweeps beside the one that tells: of two, the slower would
    write what it saw over what the other saw since.
    """

    server_url: str = "https://github.com"
    branches: tuple[str, ...] | None = None
    seconds: float = 240.0
    reserve: int = 50
    groups: bool = False
    tells: bool = True


class Sweeper:
    """Sweeps one repository. `now` is in seconds since the epoch, `log` takes a line."""

    def __init__(
        self,
        gate: SerialGate,
        store: GitHubStore,
        options: SweepOptions | None = None,
        *,
        now: Callable[[], float] = time.time,
        log: Callable[[str], None] = print,
    ) -> None:
        self._gate, self._store, self._repository = gate, store, gate.repository
        self._client = store.client(gate.repository)
        self._options, self._now, self._log = options or SweepOptions(), now, log
        self._clears = Clears(self._client, gate, now)

    def sweep(self, *, dry_run: bool = False) -> Swept:
        """Does what is due. Never raises for a GitHub that fails: see `problem` and `notes`."""
        began, made = self._now(), self._client.made
        self._store.warnings.clear()
        seen, done = self._look(), Swept()
        try:
            done = self._mend(seen, dry_run=dry_run)
        except (GitHubError, FreezeTrouble, ConflictError, UsageError) as error:
            done = Swept(notes=(str(error),))
        if not dry_run and (done.moved or done.notes):
            seen = self._look()
        if self._options.tells:
            seen, done = self._tell(seen, done, began, dry_run=dry_run)
        done = replace(
            done,
            frozen=seen.view.freezes().frozen,
            problem=seen.view.freezes().problem,
            active=seen.active,
            waiting=seen.waiting,
            requests=self._client.made - made,
            notes=tuple(plain(note, _NOTE) for note in (*done.notes, *self._store.warnings)),
        )
        for note in done.notes:
            self._log(note)
        return done

    def look_at(self, pull: Pull) -> Admission:
        """One pull request, live: nothing is written."""
        return self._look().admission(pull)

    def _look(self) -> Look:
        return look(self._gate, self._store, self._now)

    # --- freezes and tickets ---

    def _mend(self, seen: Look, *, dry_run: bool) -> Swept:
        """Brings the ledger up to what people did. Raises GitHubError and ConflictError."""
        session = seen.session
        if session is None:
            return Swept()
        ready = labelled(self._client, READY)
        events = issue_events(self._client, session.state.cursor, limit=_EVENT_PAGES)
        writer, tasks = session.control.writer, session.state.tasks
        due = plan(ready, events.events, tasks, writer=writer, now=self._now())
        due, over = self._front(self._anew(due, session), session, ready)
        frozen = seen.view.freezes()
        if dry_run:
            would = self._would(session, due, readable=frozen.problem is None)
            return Swept(would=tuple(would), notes=(over.trouble,) if over.trouble else ())
        done = Swept()
        if frozen.problem is None:  # else it is frozen, and nothing can be cleared
            try:
                done = self._freezes(session, events.events)
            except (GitHubError, FreezeTrouble, ConflictError) as error:
                # A freeze that was on for a moment is found by its events: they must come again.
                done, due = Swept(notes=(str(error),)), replace(due, until=0)
        done = replace(done, notes=(*done.notes, *_words(over)))
        try:
            return self._queue(due, done, many=len(events.events) > _MANY_EVENTS)
        except (GitHubError, FreezeTrouble, ConflictError, UsageError) as error:
            return replace(done, notes=(*done.notes, str(error)))

    def _anew(self, due: Plan, session: GitHubSession) -> Plan:
        """The plan with those of the stale labels as requests that were put on anew."""
        add, stale = list(due.add), []
        for number in due.stale[:_ASKED]:
            path = f"/issues/{number}/events"
            pages = self._client.pages(path, list[IssueEvent], limit=_EVENT_PAGES)
            task = session.state.tasks[f"#{number}"]
            told = [event for page in pages for event in page]
            people = [e for e in told if e.actor and e.actor.login != session.control.writer]
            asked = asks_anew(task, people)
            if asked is None:
                stale.append(number)
            else:
                add.append((task.task, asked.actor.login if asked.actor else "somebody"))
        return replace(due, add=tuple(add), stale=tuple(stale))

    def _front(
        self, due: Plan, session: GitHubSession, ready: Sequence[Issue]
    ) -> tuple[Plan, Over]:
        """The plan with those in front that no list shows and that are over."""
        known = {task for task, _ in (*due.withdraw, *due.finish)}
        waiting = [task for task in session.tasks("waiting") if task.task not in known]
        listed = {issue.number for issue in ready}
        over = without_issue(self._client, waiting, listed, self._now())
        named = tuple((task.task, why) for task, why in over.tasks)
        return replace(due, over=named), over

    def _freezes(self, session: GitHubSession, events: Sequence[IssueEvent]) -> Swept:
        over = len(session.taken_over) + self._clears.show_brief(session, events)
        if over:
            self._store.take_over(self._repository)
        came = self._clears.look_after(session.state, self._hidden(session))
        self._hide_cleared(session)
        asked = self._overdue(session, came.cleared)
        return Swept(
            taken_over=over,
            cleared=came.cleared,
            put_back=(*came.put_back, *came.reopened),
            notes=(*came.notes, *asked),
        )

    def _overdue(self, session: GitHubSession, cleared: Collection[int]) -> tuple[str, ...]:
        state, issues = session.state, {one.number: one for one in session.labels.issues()}
        standing = [one for number, one in sorted(state.freezes.items()) if number not in cleared]
        numbers = {one.id: state.issues.get(one.id, 0) for one in standing}
        shown = {freeze: issues[number] for freeze, number in numbers.items() if number in issues}
        return ask(self._client, standing, shown, self._gate.rules, self._now())

    def _hide_cleared(self, session: GitHubSession) -> None:
        """Issues of freezes that were cleared, and that still show one."""
        cleared, standing = session.state.cleared, set(session.state.issues.values())
        for issue in session.labels.issues():
            if issue.number in cleared and issue.number not in standing:
                close_cleared(self._client, issue.number, session.control.writer)

    def _hidden(self, session: GitHubSession) -> list[int]:
        """Freezes of the ledger that no open, labelled issue shows."""
        shown = {issue.number for issue in session.labels.issues()}
        state, fresh = session.state, set(session.taken_over)
        return [
            number
            for number in sorted(state.freezes)
            if number not in fresh and state.issues.get(number) not in shown
        ]

    def _queue(self, due: Plan, done: Swept, *, many: bool) -> Swept:
        finished = []
        for task, actor in due.finish:
            with suppress(UsageError):  # somebody was faster
                self._gate.finish(task, actor)
                finished.append(task)
        if due.until:  # not before: the cursor goes with the page that deals with the events
            self._store.looked_until(self._repository, due.until)
        gone = tuple((task, ACTOR) for task, _ in due.over)
        if due.add or due.withdraw or gone:
            self._gate.arrange(due.add, (*due.withdraw, *gone))
        elif due.until and many:
            self._gate.record("looked", ACTOR, f"issue events up to {due.until}")
        for number in due.stale:
            take_off(self._client, number, READY)
        return replace(
            done,
            added=tuple(task for task, _ in due.add),
            withdrawn=tuple(task for task, _ in (*due.withdraw, *due.over)),
            finished=tuple(finished),
        )

    def _would(self, session: GitHubSession, due: Plan, *, readable: bool) -> Iterator[str]:
        if readable:
            yield from (f"take over freeze {number}" for number in session.taken_over)
            yield from (f"look after freeze {number}" for number in self._hidden(session))
        for task, actor in due.withdraw:
            yield f"withdraw {task}, as {plain(actor, 60)} asked"
        for task, why in due.over:
            yield f"withdraw {task}: {why}"
        for task, actor in due.add:
            yield f"give {task} a ticket, as {plain(actor, 60)} asked"
        for task, _ in due.finish:
            yield f"finish {task}, which was closed"
        for number in due.stale:
            yield f"take {READY} off #{number}, which asks for nothing"

    # --- statuses ---

    def _tell(self, seen: Look, done: Swept, began: float, *, dry_run: bool) -> tuple[Look, Swept]:
        memory = read_memory(seen.session.control.memory) if seen.session else SweepMemory()
        done = replace(done, notes=(*done.notes, *self._stuck()))
        try:
            shown = open_pulls(self._client)
        except GitHubError as error:
            untold = f"nobody was told where they stand, because of an error: {error}"
            return seen, replace(done, untold=untold, notes=(*done.notes, untold))
        ended = _ended(memory, shown)
        seen, done, whole = self._merged(seen, done, ended, shown, dry_run=dry_run)
        if whole:  # else the next sweep asks what became of them
            ended = {}
        pulls = [pull for pull in shown if self._in_scope(pull)]
        wanted = [wanted_of(group, seen.admission) for group in by_head(pulls)]
        # Now and then, or where a status is written anyway: a quiet sweep stays as cheap as it is.
        asks = changed(wanted, memory.statuses) or self._now() - memory.swept_at >= HEARTBEAT
        doubtful = bool(not dry_run and asks and not self._is_so(wanted, memory))
        if doubtful:
            memory = replace(memory, statuses=_failures(memory))
        due = in_order(changed(wanted, memory.statuses), memory.after)
        due = failed_last(due, memory.statuses)
        if dry_run:
            lines = [f"tell #{one.pull.number}: {one.state}, {one.text}" for one in due]
            return seen, replace(done, pulls=len(pulls), would=(*done.would, *lines))
        heads = {one.head for one in wanted}
        open_ones = {head: said for head, said in memory.statuses.items() if head in heads}
        budget = Budget(until=began + self._options.seconds, reserve=self._options.reserve)
        teller = Teller(
            self._client,
            self._look,
            url=self._url(seen),
            now=self._now,
            budget=budget,
            doubtful=doubtful,
        )
        memory = replace(memory, statuses=ended | open_ones)
        if seen.session is not None and len(due) > _AHEAD:
            self._forget(seen.session, memory, due)
        memory = teller.tell(due, seen, memory)
        done = replace(
            done,
            pulls=len(pulls),
            statuses_written=teller.written,
            unfinished=memory.unfinished,
            untold=plain(teller.untold, _NOTE),
            notes=(*done.notes, *teller.notes),
        )
        if seen.session is not None:
            self._keep(seen.session, memory, done)
        return seen, done

    def _merged(
        self,
        seen: Look,
        done: Swept,
        ended: Collection[str],
        pulls: Sequence[Pull],
        *,
        dry_run: bool,
    ) -> tuple[Look, Swept, bool]:
        """Ends tasks whose pull request was merged before anybody had claimed them.

        And such as are a pull request of another task. The last is whether that is all done.
        """
        if seen.session is None:
            return seen, done, False
        queued = {one.task for one in seen.session.state.tasks.values() if one.state != "finished"}
        waiting, is_queued = tuple(seen.session.tasks("waiting")), queued.__contains__
        double = doubled(waiting, pulls, is_queued)
        rest = [task for task in waiting if task not in {one for one, _ in double.tasks}]
        over = merged(self._client, rest, ended, pulls, is_queued)
        whole = not over.trouble
        over = replace(over, tasks=(*double.tasks, *over.tasks))
        if dry_run:
            would = [f"finish {task.task}: {why}" for task, why in over.tasks]
            return seen, replace(done, would=(*done.would, *would)), whole
        finished, notes = [], _words(over)
        try:
            for task, _ in over.tasks:
                with suppress(UsageError):  # somebody has moved it since
                    self._gate.finish(task.task, ACTOR, seen=task)
                    finished.append(task.task)
        except (GitHubError, FreezeTrouble, ConflictError) as error:
            notes.append(str(error))
            whole = False
        done = replace(done, finished=(*done.finished, *finished), notes=(*done.notes, *notes))
        return (self._look() if finished else seen), done, whole

    def _is_so(self, wanted: Sequence[Wanted], memory: SweepMemory) -> bool:
        """Whether what is remembered is so, by one head, each time another.

        A sweep that died, or had no memory to write to, may have told something else since.
        """
        told = [one for one in wanted if memory.statuses.get(one.head) == one.said]
        if not told:
            return True
        one = told[int(self._now() // 60) % len(told)]
        return stands(self._client, one.pull.head.sha, one.state, one.text, context=CONTEXT)

    def _forget(self, session: GitHubSession, memory: SweepMemory, due: Sequence[Wanted]) -> None:
        """Before many are told: if this sweep dies, the next one does not go by what was."""
        heads = {one.head for one in due}
        kept = {head: said for head, said in memory.statuses.items() if head not in heads}
        ahead = replace(memory, statuses=_failures(memory) | kept, unfinished=len(due))
        self._store.keep(self._repository, session, ahead)

    def _in_scope(self, pull: Pull) -> bool:
        return self._options.branches is None or pull.base.ref in self._options.branches

    def _url(self, seen: Look) -> str:
        base = f"{self._options.server_url}/{self._repository}/issues"
        return f"{base}/{seen.session.control.number}" if seen.session is not None else base

    def _stuck(self) -> list[str]:
        if not self._options.groups:
            return []
        with suppress(GitHubError):
            return [
                f"the concurrency group {one.group} is stuck ({one.why}), {one.waiting} runs wait: "
                "freeze the repository, then set the variable MALAGATE_EPOCH one higher"
                for one in wedged(self._client)
            ]
        return []

    def _keep(self, session: GitHubSession, memory: SweepMemory, done: Swept) -> None:
        """Leaves the memory, if it says anything new, or the last word was long ago."""
        before, now = read_memory(session.control.memory), self._now()
        kept = replace(memory, notes=tuple(plain(note, _NOTE) for note in done.notes)[:10])
        # Compared as written: of those whose telling failed the order says who is next.
        same = write_memory(before) == write_memory(kept)
        if same and not done.moved and now - before.swept_at < HEARTBEAT:
            return
        client = self._client
        kept = replace(
            kept, swept_at=now, requests_left=client.remaining, requests_limit=client.limit
        )
        self._store.keep(self._repository, session, kept)


def _words(over: Over) -> list[str]:
    """What to say of tasks that are over."""
    lines = [f"{task.task} leaves the queue: {why}" for task, why in over.tasks]
    return [*lines, over.trouble] if over.trouble else lines


def _ended(memory: SweepMemory, pulls: Sequence[Pull]) -> dict[str, str]:
    """What heads were told that none of the open pull requests has any more."""
    told = memory.statuses
    shown = {pull.head.sha[:length] for length in set(map(len, told)) for pull in pulls}
    return {head: said for head, said in told.items() if head not in shown}


def _failures(memory: SweepMemory) -> dict[str, str]:
    """What is left of a memory that is not believed: whose telling failed."""
    return {head: said for head, said in memory.statuses.items() if said == FAILED}
