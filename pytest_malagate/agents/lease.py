"""A claim on a task: taken before an agent starts, kept while it works, given back at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pytest_malagate.coordinate.outcomes import Refused
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.model import Task
from pytest_malagate.queue.serial import SerialGate

LEASE_SECONDS = 900.0
"""How long a claim outlives a coordinator that was killed."""

RENEW_SECONDS = 60.0


class Lease:
    """A held claim. `stop` is set when the work has to end; `why` then says why."""

    def __init__(self, gate: SerialGate, task: Task, holder: str) -> None:
        if task.claim is None:
            raise MachineryError(f"{task.task} was handed out without a claim")
        self.task, self.claim, self.holder = task.task, task.claim.id, holder
        self.stop = asyncio.Event()
        self.why = ""
        self.lost = False
        self._gate, self._until = gate, task.claim.lease_until
        self._over = False

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
        if self._over or self.lost:
            return
        self._gate.record(kind, self.holder, detail, task=self.task)
        self._end_claim(self._gate.finish)

    def give_back(self) -> None:
        """Puts the task at the end of the queue. Raises MachineryError."""
        if not (self._over or self.lost):
            self._end_claim(self._gate.requeue)

    def _end_claim(self, how: Callable[..., Task]) -> None:
        with suppress(UsageError):  # somebody else has it: then it is theirs to end
            how(self.task, self.holder, claim=self.claim)
        self._over = True


async def claimed(gate: SerialGate, task: str, holder: str) -> Lease | Refused:
    """Adds the task to the queue and claims it; the claim reads the freeze.

    A store that fails is no claim: it is asked again later.
    """
    try:
        await asyncio.to_thread(gate.add, task, holder)
        answer = await asyncio.to_thread(gate.claim, holder, task=task, lease=LEASE_SECONDS)
    except (UsageError, MachineryError) as error:  # claimed elsewhere, or a store that fails
        return Refused(kind="waiting", reason=str(error))
    if answer.task is None:
        reason = answer.refused.reason if answer.refused else "it is not its turn"
        return Refused(kind="waiting", reason=reason)
    return Lease(gate, answer.task, holder)
