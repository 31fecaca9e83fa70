"""The serial gate and the freeze: one task at a time in a repository, and nothing while frozen.

Failure directions, chosen here and tested by table S:

* Queue trouble fails open. If the condition "no earlier task is unfinished" cannot be built or
  asked, the claim proceeds with a warning: a bug in the queue must not wedge everybody.
* Freeze trouble fails closed. If it cannot be read whether the repository is frozen, it is, with a
  typed reason: landing onto a burning production costs more than waiting.

The rules stand here once; a store only holds state (see `store`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import msgspec

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.answers import NEXT_BROKEN, Admission, Claimed, SerialRules, Status
from pytest_malagate.queue.freezing import (
    check_clear,
    check_set,
    code_of,
    held_up,
    read_freezes,
    shortened,
)
from pytest_malagate.queue.given import check_given, check_lease, check_name
from pytest_malagate.queue.how import How
from pytest_malagate.queue.model import (
    HUMAN_STAGES,
    STAGES,
    Claim,
    Entry,
    Freeze,
    FreezeMode,
    Person,
    Stage,
    Task,
    abandoned,
    ledger_problem,
)
from pytest_malagate.queue.scope import in_scope
from pytest_malagate.queue.store import ConflictError, Session, Store
from pytest_malagate.queue.turns import next_task
from pytest_malagate.queue.view import View

T = TypeVar("T")

LEASE_SECONDS = 4 * 3600.0
"""How long a claim holds without a word from its holder."""

SHORT_LEDGER = 5_000
"""Entries that are verified in passing: some ten milliseconds."""

CONFLICTS = 40
"""How often what was not alone is done again. A store that has a lock never needs it."""

replace = msgspec.structs.replace


class SerialGate:
    """The rules over one repository's state in a store. Safe to share among threads if it is.

    `store` is a SQLiteStore of `queue.sqlite`, a GitHubStore of `github.store` or another Store
    (see `queue.store`), `repository` a name such as owner/name. `now` is in seconds since the
    epoch. Making one and methods that write raise UsageError for what is asked wrongly, and the
    latter MachineryError if the store fails; those that ask do not.
    """

    def __init__(
        self,
        store: Store,
        repository: str,
        rules: SerialRules | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        check_given(store, repository, rules)
        self.repository = repository
        self.rules = rules or SerialRules()
        self._store, self._clock = store, now
        self._in_scope, self._warnings = in_scope(repository, self.rules.repos)

    def _now(self) -> float:
        return round(self._clock(), 3)

    @property
    def enabled(self) -> bool:
        """Whether one task at a time is the rule here."""
        return self.rules.enabled and self._in_scope

    # --- tasks ---

    def add(self, task: str, actor: str) -> Task:
        """Makes a task ready: it gets a ticket. One that is ready or active keeps its own."""
        check_name(task)
        return self._alone(lambda session: self._add(session, task, actor))

    def arrange(
        self, added: Sequence[tuple[str, str]], withdrawn: Sequence[tuple[str, str]] = ()
    ) -> tuple[Task, ...]:
        """Withdraws tasks that wait and adds others, in this order and all at once.

        Each is a task and who asked for it. Returns the added ones; withdrawing what does not
        wait changes nothing.
        """
        for task, _ in added:
            check_name(task)

        def work(session: Session) -> tuple[Task, ...]:
            for task, actor in withdrawn:
                known = session.task(task)
                if known is not None and known.state == "waiting":
                    self._moved(session, known, actor, "withdrawn", "", state="finished")
            return tuple(self._add(session, task, actor) for task, actor in added)

        return self._alone(work)

    def claim(
        self, holder: str, *, task: str | None = None, lease: float = LEASE_SECONDS
    ) -> Claimed:
        """Hands out the earliest ticket, if no earlier task is unfinished and nothing is frozen.

        `task` asks for one task and is refused while it is not its turn. A task whose lease has
        ended is handed out again, with a higher fence: its former holder's word counts no more.
        """
        check_lease(lease)

        def work(session: Session) -> Claimed:
            reading = read_freezes(session, self.rules)
            if reading.frozen:
                return Claimed(refused=held_up(reading), warnings=self._warnings)
            condition = self._turn(session, task)
            if isinstance(condition, Admission):
                return Claimed(refused=condition, warnings=condition.warnings)
            chosen, warnings = condition
            made = self._hand_out(session, chosen, holder, lease)
            return Claimed(task=made, warnings=warnings)

        return self._alone(work)

    def renew(self, task: str, claim: str, *, lease: float = LEASE_SECONDS) -> Admission:
        """Prolongs a lease. Not admitted: the holder has to stop."""
        check_lease(lease)

        def work(session: Session) -> Admission:
            held, now = _held(session, task, claim), self._now()
            if held.claim is not None:
                prolonged = replace(held.claim, lease_until=round(now + lease, 3))
                session.put(replace(held, claim=prolonged, changed_at=now))
            reading = read_freezes(session, self.rules)
            if reading.frozen and reading.mode == "hard":
                return held_up(reading, stop=True)
            return Admission(admitted=True, position=0)

        return self._alone(work)

    def advance(
        self,
        task: str,
        stage: Stage,
        actor: Person,
        *,
        claim: str | None = None,
        seen: Task | None = None,
    ) -> Task:
        """Moves an active task to a later stage. A stage that people end, only a person ends.

        `seen`, here as in `requeue` and `finish`: refused if the task is not as it was then.
        """
        if stage not in STAGES:
            raise UsageError(f"{stage!r} is no stage: {', '.join(STAGES)}")

        def work(session: Session) -> Task:
            held = _held(session, task, claim, seen)
            if STAGES.index(stage) <= STAGES.index(held.stage):
                raise UsageError(f"{task} is at {held.stage}; rework takes it back")
            passed = STAGES[STAGES.index(held.stage) : STAGES.index(stage)]
            if not actor.human and (human := HUMAN_STAGES & set(passed)):
                raise UsageError(f"{task} has to go through {min(human)}, which a person ends")
            return self._moved(session, held, actor.name, "advanced", stage, stage=stage)

        return self._alone(work)

    def rework(self, task: str, actor: str, *, claim: str | None = None) -> Task:
        """Takes an active task back to its work. It stays active and waits for nobody."""

        def work(session: Session) -> Task:
            held = _held(session, task, claim)
            return self._moved(session, held, actor, "reworked", held.stage, stage="work")

        return self._alone(work)

    def requeue(
        self, task: str, actor: str, *, claim: str | None = None, seen: Task | None = None
    ) -> Task:
        """Gives an active task back: it goes to the end of the queue, with a new ticket."""

        def work(session: Session) -> Task:
            held, ticket = _held(session, task, claim, seen), session.next_number("ticket")
            back = replace(held, state="waiting", stage="work", ticket=ticket, claim=None)
            return self._moved(session, back, actor, "requeued", f"ticket {ticket}")

        return self._alone(work)

    def finish(
        self, task: str, actor: str, *, claim: str | None = None, seen: Task | None = None
    ) -> Task:
        """Ends a task. Whoever names a claim is refused if it is not the one that counts."""

        def work(session: Session) -> Task:
            known = session.task(task)
            if seen is not None:
                _check_unchanged(known, seen)
            if known is not None and known.state == "finished" and _is_claim(known, claim):
                return known  # the answer to the first call may have been lost
            if known is not None and known.state == "waiting" and claim is None:
                return self._moved(session, known, actor, "withdrawn", "", state="finished")
            held = _held(session, task, claim)
            return self._moved(session, held, actor, "finished", "", state="finished")

        return self._alone(work)

    def tasks(self) -> tuple[Task, ...]:
        """Active tasks, then those that wait, each by ticket."""
        with self._store.reading(self.repository) as session:
            return (*session.tasks("active"), *session.tasks("waiting"))

    def task(self, task: str) -> Task | None:
        """A task in whatever state; None if it was never added."""
        with self._store.reading(self.repository) as session:
            return session.task(task)

    # --- questions ---

    @property
    def how(self) -> How:
        """How people act on the store."""
        return self._store.how

    @contextmanager
    def look(self) -> Iterator[View]:
        """One look, of which many things may be asked. Never raises for a store that fails."""
        session, problem = None, None
        with ExitStack() as stack:
            try:
                session = stack.enter_context(self._store.reading(self.repository))
            except MachineryError as error:
                problem = error
            yield View(
                session,
                self.rules,
                serial=self.enabled,
                warnings=self._warnings,
                problem=problem,
                how=self.how,
            )

    def admission(self, task: str, *, landing: bool = True, branch: str | None = None) -> Admission:
        """May this task's change go on, landing or not? Never raises for a store that fails."""
        with self.look() as view:
            return view.admission(task, landing=landing, branch=branch)

    def status(self, *, verify: bool | None = None) -> Status:
        """Everything at a glance. Never raises for a store that fails.

        The ledger is verified if it is asked for, or if it is short and nobody said no.
        """
        flags = Status(
            repository=self.repository,
            enabled=self.enabled,
            freeze_enabled=self.rules.freeze_enabled,
            warnings=self._warnings,
        )
        try:
            with self.look() as view:
                found = view.status(flags, self._now)
            sound = self._ledger_sound() if verify or (verify is None and self._short()) else None
        except MachineryError as error:
            closed = self.rules.freeze_enabled
            return replace(
                flags,
                frozen=closed,
                problem=str(error),
                problem_code=code_of(error),
                next=NEXT_BROKEN,
            )
        return replace(found, ledger_ok=sound)

    def ledger(self) -> Iterator[Entry]:
        """The ledger, oldest entry first. Raises MachineryError."""
        return self._store.ledger(self.repository)

    def ledger_problem(self) -> str | None:
        """A hole in the ledger or an edit, in words; None if it is whole. Raises MachineryError."""
        head = self._store.ledger_head(self.repository)  # first: the ledger may grow meanwhile
        return ledger_problem(self._store.ledger(self.repository), head=head)

    def _short(self) -> bool:
        try:
            head = self._store.ledger_head(self.repository)
        except MachineryError:
            return True  # so that it is not called whole
        return head is None or head[0] <= SHORT_LEDGER

    def _ledger_sound(self) -> bool:
        """Fails closed: a ledger that cannot be read is not whole."""
        try:
            return self.ledger_problem() is None
        except MachineryError:
            return False

    # --- the freeze ---

    def freeze(
        self,
        reason: str,
        actor: Person,
        *,
        mode: FreezeMode | None = None,
        work_item: str | None = None,
        branch: str | None = None,
        because: tuple[str, str] | None = None,
    ) -> Freeze:
        """Sets a freeze beside those that stand. Setting is easy: `triage` is enough.

        `because` is a line of the ledger before it, kind and detail, about the same work item.
        """
        check_set(self.rules, actor, reason, mode)
        reason = shortened(reason)

        def work(session: Session) -> Freeze:
            made = Freeze(
                id=session.next_number("freeze"),
                reason=reason,
                actor=actor.name,
                at=self._now(),
                mode=mode or self.rules.mode,
                work_item=work_item,
                branch=branch,
            )
            session.put_freeze(made)
            if because is not None:
                self._log(session, because[0], actor.name, work_item, shortened(because[1]))
            self._log(session, "frozen", actor.name, None, f"{made.mode}: {reason}", made.id)
            return made

        return self._alone(work)

    def unfreeze(
        self, actor: Person, reason: str, *, only: Iterable[int] | None = None
    ) -> tuple[int, ...]:
        """Clears freezes and returns their ids: `only` these, or all that stand now.

        Clearing is hard: it takes a person with `freeze.clear_needs` and a reason.
        """
        check_clear(self.rules, actor, reason)
        reason = shortened(reason)
        named = None if only is None else frozenset(only)
        seen: list[frozenset[Freeze]] = []  # by the first try: another clears nothing newer

        def work(session: Session) -> tuple[int, ...]:
            standing = session.freezes()
            if not seen:
                seen.append(frozenset(one for one in standing if named is None or one.id in named))
            wanted = [one.id for one in standing if one in seen[0]]
            cleared = tuple(number for number in wanted if session.clear_freeze(number))
            for number in cleared:
                self._log(session, "cleared", actor.name, None, reason, number)
            return cleared

        return self._alone(work)

    def record(self, kind: str, actor: str, detail: str, *, task: str | None = None) -> None:
        """Adds a line to the ledger about what changed neither a task nor a freeze."""
        self._alone(lambda session: self._log(session, kind, actor, task, shortened(detail)))

    # --- how it is decided ---

    def _alone(self, work: Callable[[Session], T]) -> T:
        """Does a piece of work in an exclusive session, again if somebody else was faster."""
        for left in reversed(range(CONFLICTS)):
            try:
                with self._store.exclusive(self.repository) as session:
                    done = work(session)
            except ConflictError:
                if not left:
                    raise
            else:
                return done
        raise AssertionError("the last try returns or raises")

    def _turn(self, session: Session, task: str | None) -> tuple[Task, tuple[str, ...]] | Admission:
        """The task to hand out, or why none is."""
        asked = session.task(task) if task is not None else None
        if task is not None and (asked is None or asked.state == "finished"):
            raise UsageError(f"{task} is not in the queue: add it first")
        warnings = self._warnings
        try:
            blocked, chosen = next_task(session, asked, serial=self.enabled, now=self._now())
        except Exception as error:  # noqa: BLE001 - queue trouble fails open: see the module's head
            text = f"the queue's condition could not be asked ({error}); the claim proceeds"
            warnings, blocked = (*warnings, text), None
            chosen = asked if asked is not None else session.first("waiting")
        if blocked is not None:
            return replace(blocked, warnings=warnings)
        if chosen is None:
            return Admission(
                admitted=False, code="queue.waiting", reason="nothing waits", warnings=warnings
            )
        return chosen, warnings

    def _add(self, session: Session, task: str, actor: str) -> Task:
        known = session.task(task)
        if known is not None and known.state != "finished":
            return known
        made = Task(
            repository=self.repository,
            task=task,
            ticket=session.next_number("ticket"),
            added_at=self._now(),
            changed_at=self._now(),
        )
        session.put(made)
        self._log(session, "added", actor, task, f"ticket {made.ticket}")
        return made

    def _hand_out(self, session: Session, task: Task, holder: str, lease: float) -> Task:
        if task.state == "active" and not abandoned(task, self._now()):
            raise UsageError(f"{task.task} is claimed already")
        claim = Claim(
            id=secrets.token_hex(12),
            fence=session.next_number("fence"),
            holder=holder,
            at=self._now(),
            lease_until=round(self._now() + lease, 3),
        )
        kind = "reclaimed" if task.state == "active" else "claimed"
        return self._moved(
            session, task, holder, kind, f"fence {claim.fence}", state="active", claim=claim
        )

    def _moved(
        self, session: Session, task: Task, actor: str, kind: str, detail: str, **changes: object
    ) -> Task:
        moved: Task = replace(task, changed_at=self._now(), **changes)
        session.put(moved)
        self._log(session, kind, actor, task.task, detail)
        return moved

    def _log(
        self,
        session: Session,
        kind: str,
        actor: str,
        task: str | None,
        detail: str,
        freeze: int | None = None,
    ) -> None:
        session.append(
            Entry(
                seq=0,
                at=self._now(),
                kind=kind,
                actor=actor,
                repository=self.repository,
                task=task,
                freeze=freeze,
                detail=detail,
            )
        )


def _held(session: Session, task: str, claim: str | None, seen: Task | None = None) -> Task:
    """The active task; a claim that is named must be the one that counts."""
    known = session.task(task)
    if seen is not None:
        _check_unchanged(known, seen)
    if known is None or known.state != "active":
        state = "not in the queue" if known is None else known.state
        raise UsageError(f"{task} is {state}, not active")
    if not _is_claim(known, claim):
        raise UsageError(f"the claim on {task} is not yours any more: somebody else has it")
    return known


def _check_unchanged(known: Task | None, seen: Task) -> None:
    if known != seen:
        raise UsageError(f"{seen.task} changed meanwhile: somebody was faster")


def _is_claim(task: Task, claim: str | None) -> bool:
    return claim is None or (task.claim is not None and task.claim.id == claim)
