"""A claim on a task: kept while an agent works, and given back or finished at the end.

How it is come by stands in `claims`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.serial import SerialGate

LEASE_SECONDS = 900.0
"""How long a claim outlives a coordinator that was killed."""

RENEW_SECONDS = 60.0


class Lease:
    """A held claim. `stop` is set when the work has to end; `why` then says why.

    `on_end` is told that, too, once. `resumed`: a loop that was killed had it before us.
    """

    def __init__(
        self,
        gate: SerialGate,
        task: Task,
        holder: str,
        *,
        on_end: Callable[[str], None] | None = None,
        resumed: bool = False,
    ) -> None:
        if task.claim is None:
            raise MachineryError(f"{task.task} was handed out without a claim")
        self.task, self.claim, self.holder = task.task, task.claim.id, holder
        self.stop = asyncio.Event()
        self.why = ""
        self.lost = False
        self.over = False
        """Whether the claim was ended."""
        self.ticket: int | None = None
        """The task's place in the queue, once it was given back."""
        self.resumed = resumed
        self._gate, self._until = gate, task.claim.lease_until
        self._on_end = on_end

    async def keep(self, *, now: Callable[[], float], every: float = RENEW_SECONDS) -> None:
        """Renews until it is cancelled, or has to stop.

        A store that fails is asked again: it stops the work when the lease has run out.
        """
        while not self.stop.is_set():
            await asyncio.sleep(every)
            try:
                answer = await asyncio.to_thread(
                    self._gate.renew, self.task, self.claim, lease=LEASE_SECONDS
                )
            except UsageError as error:
                self.lost = True
                self.end(str(error))
            except MachineryError as error:
                if now() > self._until:
                    self.end(f"the claim ran out, and could not be renewed: {error}")
            else:
                self._until = now() + LEASE_SECONDS
                if answer.stop or not answer.admitted:
                    self.end(answer.reason)

    def end(self, why: str) -> None:
        """Tells the work to end; the first reason stays."""
        if not self.stop.is_set():
            self.why = why
            self.stop.set()
            if self._on_end is not None:
                self._on_end(why)

    async def barred(self) -> str | None:
        """Why no further attempt may start; None if one may. The freeze is read anew."""
        if self.stop.is_set():
            return self.why
        answer = await asyncio.to_thread(self._gate.admission, self.task, landing=False)
        return None if answer.admitted else answer.reason

    def finish(self, kind: str, detail: str) -> None:
        """Ends the task, with a line in the ledger. Raises MachineryError.

        Nothing is done for a claim that is not ours any more, and nothing twice.
        """
        if self.over or self.lost:
            return
        self._gate.record(kind, self.holder, detail, task=self.task)
        self._end_claim(self._gate.finish)

    def give_back(self) -> None:
        """Puts the task at the end of the queue. Raises MachineryError."""
        if not (self.over or self.lost):
            back = self._end_claim(self._gate.requeue)
            self.ticket = None if back is None else back.ticket

    def _end_claim(self, how: Callable[..., Task]) -> Task | None:
        ended = None
        with suppress(UsageError):  # somebody else has it: then it is theirs to end
            ended = how(self.task, self.holder, claim=self.claim)
        self.over = True
        return ended


def unmergeable(gate: SerialGate) -> str | None:
    """Why what a loop has completed must not be merged yet; None if it may be.

    It was under way, so `drain` lets it land. Freezes that cannot be read let nothing land.
    """
    with gate.look() as view:
        reading = view.freezes()
    return reading.words() if reading.frozen and not reading.leaves_running(landing=True) else None
