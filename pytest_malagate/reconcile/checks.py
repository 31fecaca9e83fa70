"""What plugs into a sweep beside the tasks: checks that find what is not as it ought to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from pytest_malagate.queue.model import Value


class Finding(Value, frozen=True, kw_only=True):
    """Something wrong with one item. The texts may hold what others wrote; a reader bounds them.

    `item` is a stable name of the thing (a task, `#12`, a run): the sweep's order and cursor go by
    it, and two findings of one check about one item differ in `problem`. `remedy` says in one line
    what helps. `repair` does it: it looks again itself, changes nothing that is right by now, may
    be called any number of times, and returns true if the problem is gone by its doing. None:
    only a person can help. It may raise.
    """

    item: str
    problem: str
    remedy: str
    repair: Callable[[], bool] | None = None


class Check(Protocol):
    """A look at one kind of trouble. `name` is unique in a reconciler, and fit for a log."""

    @property
    def name(self) -> str:
        """Such as `lapsed-claims`."""

    def find(self) -> Iterable[Finding]:
        """All that is wrong now; it writes nothing. May raise: then the check found nothing."""
