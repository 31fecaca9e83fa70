"""Tells open pull requests whether they may land: only what changed, and within a budget.

Failure direction: closed. Nobody is called admitted on a look that is old. A write that fails keeps
no other from being told, unless it would fail for all: what is left, the next sweep tells, and what
failed it tells last, so that heads which keep failing starve nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from pytest_malagate.admission.looks import Look
from pytest_malagate.admission.statuses import CONTEXT, Wanted, wanted_of
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.statuses import set_status, stands
from pytest_malagate.github.sweep_memory import FAILED, SweepMemory

LOOK_AGAIN = 30.0
"""Seconds for which a look at the freezes is good enough to call a pull request admitted."""

IN_A_ROW = 5
"""Errors one after another after which it is taken for GitHub's trouble, and not for a head's."""

_OF_ALL = frozenset({401, 403, 429})  # the token's rights, or its rate limit
_SHOWN = 5  # errors that are told one by one

replace = msgspec.structs.replace


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """No status is written after `until` (seconds since the epoch), nor while fewer than `reserve`
    requests of the token's hour are left."""

    until: float
    reserve: int


def failed_last(due: Sequence[Wanted], told: Mapping[str, str]) -> list[Wanted]:
    """Those whose telling failed behind all others, and of them the oldest failure first."""
    failed = {head: place for place, head in enumerate(told) if told[head] == FAILED}
    return sorted(due, key=lambda one: failed.get(one.head, -1))


class Teller:
    """Writes statuses. `look` looks anew, `url` is where a person reads more.

    `untold` counts those whom an error kept from being told, and says why; empty if there is none.
    """

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
        self.untold = ""
        self.written = 0
        self._client, self._look = client, look
        self._url, self._now, self._budget = url, now, budget

    def tell(self, due: Sequence[Wanted], last: Look, memory: SweepMemory) -> SweepMemory:
        """Tells them in this order, and returns what is to be remembered."""
        told, after = dict(memory.statuses), memory.after
        errors: list[str] = []
        left, kept_off, row, planned_on = 0, 0, 0, last
        for index, planned in enumerate(due):
            if self._is_used_up():
                self.notes.append("the budget of this sweep is used up; the next one goes on")
                left = len(due) - index
                break
            one, last = self._still(planned, planned_on, last)
            error = self._try(one, last)
            if error is None:
                told[one.head], row = one.said, 0
                after = one.pull.number if one.state == "success" else after
                continue
            words = f"#{one.pull.number}: {error}"
            if _is_gone(error):
                self.notes.append(words)
                continue
            errors.append(words)
            told.pop(one.head, None)  # it goes behind those that failed before
            told[one.head], row = FAILED, row + 1
            if row >= IN_A_ROW or error.status in _OF_ALL:
                kept_off = len(due) - index - 1
                break
        self._say(errors, kept_off)
        unfinished = left + kept_off + len(errors)
        return replace(memory, statuses=told, after=after, unfinished=unfinished)

    def _say(self, errors: Sequence[str], kept_off: int) -> None:
        if not errors:
            return
        count = len(errors) + kept_off
        one, several = "1 pull request was not told where it stands", "not told where they stand"
        words = one if count == 1 else f"{count} pull requests were {several}"
        self.untold = f"{words}, because of an error: {errors[0]}"
        more = errors[1:_SHOWN]
        self.notes += [self.untold, *(f"not told, either: {one}" for one in more)]

    def _try(self, one: Wanted, last: Look) -> GitHubError | None:
        try:
            self._set(one, last)
        except GitHubError as error:
            return error
        return None

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


def _is_gone(error: GitHubError) -> bool:
    """True where the head is no more: somebody has pushed another, which is told by the next sweep.

    A commit that has its thousand statuses is refused by the same number, and is not told.
    """
    return error.status == 422 and "No commit found" in str(error)
