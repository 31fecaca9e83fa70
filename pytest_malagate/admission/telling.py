"""Tells open pull requests whether they may land: only what changed, and within a budget.

Failure direction: closed. Nobody is called admitted on a look that is old, and a write that was
refused ends the telling: what is left, the next sweep tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from pytest_malagate.admission.looks import Look
from pytest_malagate.admission.statuses import CONTEXT, Wanted, wanted_of
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.statuses import set_status, stands
from pytest_malagate.github.sweep_memory import SweepMemory

LOOK_AGAIN = 30.0
"""Seconds for which a look at the freezes is good enough to call a pull request admitted."""

replace = msgspec.structs.replace


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """No status is written after `until` (seconds since the epoch), nor while fewer than `reserve`
    requests of the token's hour are left."""

    until: float
    reserve: int


class Teller:
    """Writes statuses. `look` looks anew, `url` is where a person reads more."""

    def __init__(
        self,
        client: Client,
        look: Callable[[], Look],
        *,
        url: str,
        now: Callable[[], float],
        budget: Budget,
        doubtful: bool = False,
    ) -> None:
        self._doubtful = doubtful
        self.notes: list[str] = []
        self.written = 0
        self._client, self._look = client, look
        self._url, self._now, self._budget = url, now, budget

    def tell(self, due: Sequence[Wanted], last: Look, memory: SweepMemory) -> SweepMemory:
        """Tells them in this order, and returns what is to be remembered."""
        told, after = dict(memory.statuses), memory.after
        left, planned_on = 0, last
        for index, planned in enumerate(due):
            if self._is_used_up():
                self.notes.append("the budget of this sweep is used up; the next one goes on")
                left = len(due) - index
                break
            one, last = self._still(planned, planned_on, last)
            try:
                self._set(one, last)
            except GitHubError as error:
                self.notes.append(f"#{one.pull.number}: {error}")
                if error.status == 422:  # its head is gone, or has a thousand statuses
                    continue
                left = len(due) - index
                break
            told[one.head] = one.said
            after = one.pull.number if one.state == "success" else after
        return replace(memory, statuses=told, after=after, unfinished=left)

    def _set(self, one: Wanted, last: Look) -> None:
        """Where nobody knows what was told it is looked up: a commit takes 1,000 statuses."""
        sha = one.pull.head.sha
        unknown = self._doubtful or last.session is None
        if unknown and stands(self._client, sha, one.state, one.text, context=CONTEXT):
            return
        set_status(self._client, sha, one.state, one.text, self._url, context=CONTEXT)
        self.written += 1

    def _still(self, one: Wanted, planned_on: Look, last: Look) -> tuple[Wanted, Look]:
        """A plan to admit is as old as the look that it was made on, and not as the newest."""
        if one.state != "success":
            return one, last
        if self._now() - last.at > LOOK_AGAIN:
            last = self._look()
        if last is planned_on:
            return one, last
        return wanted_of((one.pull, *one.others), last.admission), last

    def _is_used_up(self) -> bool:
        left = self._client.remaining
        return self._now() >= self._budget.until or (
            left is not None and left < self._budget.reserve
        )
