"""The claims of a loop: how it comes by them, what it says of those that others have, the end.

A task that is not in the queue is added to it, and keeps its place there for as long as the loop
lives. What the loop added and did not finish is withdrawn at the end: a later run may have other
issues, and must not stand behind a ticket that nobody will ever use.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from pytest_malagate.agents.holding import CLAIMS, PATIENCE_SECONDS, Hold, Holding, held, left_in
from pytest_malagate.agents.lease import LEASE_SECONDS, Lease
from pytest_malagate.agents.names import safe_name, task_of_issue
from pytest_malagate.agents.process import undisturbed
from pytest_malagate.coordinate.outcomes import Refused
from pytest_malagate.errors import MachineryError, MalagateError, UsageError
from pytest_malagate.queue.answers import Admission
from pytest_malagate.queue.model import HELD_STAGES, Claim, Task, abandoned
from pytest_malagate.queue.serial import SerialGate

QUEUE_WAITING = "queue.waiting"
_HALF_A_DAY = 43_200.0


class Claims:
    """The claims of one loop. `directory` holds its issues' records; `now` is in epoch seconds.

    `patience`, in seconds, is for other loops of this directory that are just ending. Not to be
    used for one issue from two tasks at once.
    """

    def __init__(
        self,
        gate: SerialGate,
        holder: str,
        directory: Path,
        *,
        now: Callable[[], float] = time.time,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._gate, self._holder, self._directory, self._clock = gate, holder, directory, now
        self._patience = patience
        self._open: dict[str, tuple[Lease, Hold]] = {}
        self._own: dict[str, int] = {}  # the tickets of the tasks that we added
        self._first_seen: dict[str, float] = {}  # when the leases of others' claims were to end

    async def take(
        self, issue: str, *, on_end: Callable[[str], None] | None = None
    ) -> Lease | Refused:
        """Claims an issue's task, added to the queue if need be; the claim reads the freeze.

        A claim whose loop was killed is taken up: nobody works under it any more. A store that
        fails is no claim: it is asked again later.
        """
        try:
            hold = await held(self._path(issue), patience=self._patience)
        except MachineryError as error:
            return _waits(str(error))
        if hold is None:
            return _waits("another loop works on it here, or still ends what it started")
        task = task_of_issue(issue)
        try:
            # Seen through: a claim that was made must not be forgotten.
            return await undisturbed(asyncio.to_thread(self._taken, task, hold, on_end))
        except MalagateError as error:  # claimed a moment ago, or a store that fails
            return _waits(str(error))
        finally:
            if task not in self._open:
                hold.release(forget=hold.left is None)

    def release(self, lease: Lease) -> None:
        """Lets other loops on this machine at the issue; its work has been seen to.

        A claim that could not be ended in the store is left to be taken up.
        """
        _, hold = self._open.pop(lease.task)
        self._keep_own(lease.task, lease.ticket)
        hold.release(forget=lease.over or lease.lost)

    def is_left(self, task: Task) -> bool:
        """Whether a loop of this directory claimed a task and was killed: `take` goes on with it.

        False where that cannot be told.
        """
        left = left_in(self._path(task.task)) if _needs_holder(task) else None
        return left is not None and task.claim is not None and task.claim.id == left.claim

    def close(self) -> list[str]:
        """Gives back what is still claimed, and withdraws what waits and is our own.

        Returns what could not be done, in words.
        """
        troubles = []
        for lease, _ in tuple(self._open.values()):
            try:
                lease.give_back()
            except MachineryError as error:
                troubles.append(f"the claim on {lease.task} stays: {error}")
            self.release(lease)
        for task in tuple(self._own):
            try:
                self._withdraw(task)
            except MachineryError as error:
                troubles.append(f"{task} stays in the queue: {error}")
        return troubles

    def _path(self, issue: str) -> Path:
        return self._directory / CLAIMS / safe_name(issue)

    def _keep_own(self, task: str, ticket: int | None) -> None:
        """What we added is ours as long as it waits where we put it back to."""
        if self._own.pop(task, None) is not None and ticket is not None:
            self._own[task] = ticket

    # --- what is done in another thread ---

    def _taken(
        self, task: str, hold: Hold, on_end: Callable[[str], None] | None
    ) -> Lease | Refused:
        """Raises UsageError and MachineryError."""
        known = self._known(task)
        taken = self._taken_up(known, hold.left)
        resumed = taken is not None
        if taken is None:
            if known is not None and known.state == "active" and not self._is_free(known):
                return _waits(self._of_first(known))
            if known is None or known.state == "finished":
                self._own[task] = self._gate.add(task, self._holder).ticket
            answer = self._claimed(task)
            if isinstance(answer, Refused):
                return answer
            taken = answer
        if self._own.get(task) != taken.ticket:  # ours is gone, and somebody else added it
            self._own.pop(task, None)
        lease = Lease(self._gate, taken, self._holder, on_end=on_end, resumed=resumed)
        try:
            hold.write(Holding(claim=lease.claim, own=task in self._own))
        except MachineryError:
            lease.give_back()
            self._keep_own(task, lease.ticket)
            raise
        self._open[task] = lease, hold
        return lease

    def _known(self, task: str) -> Task | None:
        try:
            return self._gate.task(task)
        except MachineryError:
            # A file that was named and is not there: whoever writes makes it. Else it fails again.
            self._gate.arrange(())
            return self._gate.task(task)

    def _taken_up(self, known: Task | None, left: Holding | None) -> Task | None:
        """The task, if it is claimed as a loop left it that was killed. Raises MachineryError."""
        if known is None or left is None or not _needs_holder(known):
            return None
        if known.claim is None or known.claim.id != left.claim:
            return None
        with suppress(UsageError):  # somebody claims it this moment
            self._gate.renew(known.task, left.claim, lease=LEASE_SECONDS)
            self._gate.record("resumed", self._holder, "its loop was killed", task=known.task)
            if left.own:
                self._own[known.task] = known.ticket
            return known
        return None

    def _claimed(self, task: str) -> Task | Refused:
        """Raises UsageError and MachineryError."""
        answer = self._gate.claim(self._holder, task=task, lease=LEASE_SECONDS)
        if answer.task is None and self._made_way(task, answer.refused):
            answer = self._gate.claim(self._holder, task=task, lease=LEASE_SECONDS)
        if answer.task is not None:
            return answer.task
        return _waits(self._words(task, answer.refused))

    def _is_free(self, task: Task) -> bool:
        return abandoned(task, self._clock())

    def _made_way(self, task: str, refused: Admission | None) -> bool:
        """Whether nothing but tickets of our own stood before a task; they were withdrawn.

        Their issues are not to be begun now, or they would have been asked for first.
        """
        if refused is None or refused.code != QUEUE_WAITING:
            return False
        before = _before(task, self._gate.tasks())
        if not before or any(self._own.get(one.task) != one.ticket for one in before):
            return False
        for one in before:
            self._withdraw(one.task)
        return True

    def _withdraw(self, task: str) -> None:
        """Takes a task of ours out of the queue, if it waits there as we added it."""
        ticket, known = self._own.pop(task), self._gate.task(task)
        if known is not None and known.state == "waiting" and known.ticket == ticket:
            with suppress(UsageError):  # somebody has just done something with it
                self._gate.finish(task, self._holder, seen=known)

    # --- words ---

    def _words(self, task: str, refused: Admission | None) -> str:
        """Why a task was not handed out, and what a person can do about it."""
        if refused is None:
            return "it is not its turn"
        if refused.code != QUEUE_WAITING:
            return refused.reason
        before = _before(task, self._gate.tasks())
        return self._of_first(before[0]) if before else refused.reason

    def _of_first(self, first: Task) -> str:
        name, how = first.task, self._gate.how
        if first.state == "waiting":
            return f"{name} has the earlier ticket; if nobody will claim it: {how.finish(name)}"
        if first.claim is None or not _needs_holder(first):
            return f"{name} is at {first.stage}; when that is over: {how.finish(name)}"
        return f"{name} is held by {self._of_claim(first.claim, how.requeue(name))}"

    def _of_claim(self, claim: Claim, way_out: str) -> str:
        """Says a time only as long as the holder gives no sign of life.

        With each sign it would be another sentence, and a loop that watches tells each.
        """
        seen = self._first_seen.setdefault(claim.id, claim.lease_until)
        if claim.lease_until > seen:
            return f"{claim.holder}, who is at work on it"
        ends = _moment(claim.lease_until, self._clock())
        return f"{claim.holder}, lease ends {ends}; if nobody works on it: {way_out}"


def _waits(why: str) -> Refused:
    return Refused(kind="waiting", reason=why)


def _needs_holder(task: Task) -> bool:
    return task.state == "active" and task.stage in HELD_STAGES


def _before(task: str, tasks: Sequence[Task]) -> list[Task]:
    """What keeps a task from its turn: the active ones, else those with an earlier ticket."""
    active = [one for one in tasks if one.state == "active"]
    if active:
        return active
    waiting = sorted((one for one in tasks if one.state == "waiting"), key=lambda one: one.ticket)
    return list(takewhile(lambda one: one.task != task, waiting))


def _moment(moment: float, now: float) -> str:
    """A time of this machine's clock; with the date, if it is not within half a day."""
    near = abs(moment - now) < _HALF_A_DAY
    return time.strftime("at %H:%M" if near else "on %Y-%m-%d at %H:%M", time.localtime(moment))
