"""A fair order: a sweep that may do only so much begins where the last one ended.

Items are walked in the order of their keys, from the first key behind the cursor, round the end.
An item that raises is an item that was handled, so it cannot hold up those behind it. What was
added or has gone since does no harm: a cursor is a place between keys, not an item.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pytest_malagate.reconcile.answers import Budget
from pytest_malagate.reconcile.checks import Finding

_WITHIN = "\n"  # between a check's key and the finding at which a sweep ended


class Cursor(Protocol):
    """Where the last sweep ended, kept from one to the next. Both may raise MachineryError."""

    def load(self) -> str:
        """What was saved last; empty if nothing was."""

    def save(self, place: str) -> None:
        """Keeps a place."""


def rotated(keys: Iterable[str], cursor: str) -> list[str]:
    """The keys in the order of this sweep.

    A check in the middle of which the last one ended stands at both ends: first with the findings
    that were left, last with those before them.
    """
    ordered = sorted(keys)
    key, within, _ = cursor.partition(_WITHIN)
    cut = bisect_left(ordered, key) if within else bisect_right(ordered, key)
    resumed = [key] if within and ordered[cut : cut + 1] == [key] else []
    return ordered[cut:] + ordered[:cut] + resumed


def place_within(key: str, finding: Finding) -> str:
    """The cursor of a sweep that ended after a finding, with others left in its check."""
    return f"{key}{_WITHIN}{_name(finding)}"


def findings_due(
    key: str, cursor: str, findings: Iterable[Finding], *, again: bool
) -> Sequence[Finding]:
    """A check's findings that are to be handled when its key comes, for the second time or not."""
    ordered = sorted(findings, key=_name)
    of, within, last = cursor.partition(_WITHIN)
    if of != key or not within:
        return ordered
    cut = bisect_right([_name(finding) for finding in ordered], last)
    return ordered[:cut] if again else ordered[cut:]


def _name(finding: Finding) -> str:
    return f"{finding.item}{_WITHIN}{finding.problem}"


class Allowance:
    """What is left of a budget. One item is always allowed: otherwise nothing would get round."""

    def __init__(self, budget: Budget, timer: Callable[[], float]) -> None:
        self._items, self._timer, self._spent = budget.items, timer, 0
        self._until = None if budget.seconds is None else timer() + budget.seconds

    def spend(self) -> None:
        """One item was handled."""
        self._spent += 1

    @property
    def left(self) -> bool:
        """Whether another item may be handled."""
        if self._spent == 0:
            return True
        if self._items is not None and self._spent >= self._items:
            return False
        return self._until is None or self._timer() < self._until
