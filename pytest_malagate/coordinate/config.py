"""How a coordinator is set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import Value

_FLAGS = ("prioritize_wip", "focus", "orphans_only", "watch", "resume")


class CoordinatorConfig(Value, frozen=True, kw_only=True):
    """What a coordinator starts, in which order, how much of it at once and in total.

    max_agents: issues that are worked on at once; with 0 or less nothing starts, and an event
        says so.
    max_issues: starts in a run, those of issues that were released left out. None: no limit.
    epic_id: only parts of this epic, and parts of its parts.
    only_ids: only these issues; in this order, unless it is a set, which has none.
    orphans_only: only issues that belong to no epic.
    focus: one epic after the other; without it, by priority alone. An `only_ids` that has an
        order goes before.
    resume: issues that are in progress are picked up too.
    prioritize_wip: so they are, and before all others.
    watch: goes on polling when nothing is ready; else the run ends.
    poll_seconds: the time between two polls, and before a failed one is repeated.
    poll_tries: polls that may fail in a row; with the last of them the run ends.
    idle_seconds: the least time between two events that say that nothing is ready.

    A sequence in `only_ids` becomes a tuple, a set a frozenset. Raises UsageError for another
    type than is said here, a `max_issues` below 0, and times and tries that are not positive.
    """

    max_agents: int = 1
    max_issues: int | None = None
    epic_id: str | None = None
    only_ids: Sequence[str] | AbstractSet[str] | None = None
    prioritize_wip: bool = False
    focus: bool = True
    orphans_only: bool = False
    watch: bool = False
    poll_seconds: float = 60.0
    idle_seconds: float = 300.0
    poll_tries: int = 3
    resume: bool = False

    def __post_init__(self) -> None:
        if not _is_whole(self.max_agents):
            raise UsageError("max_agents must be a whole number")
        check_max_issues(self.max_issues)
        if not (self.epic_id is None or isinstance(self.epic_id, str)):
            raise UsageError("epic_id must be an issue's id, or None")
        msgspec.structs.force_setattr(self, "only_ids", _ids(self.only_ids))
        for flag in _FLAGS:
            if not isinstance(getattr(self, flag), bool):
                raise UsageError(f"{flag} must be True or False")
        if not (_is_number(self.poll_seconds) and 0 < self.poll_seconds < math.inf):
            raise UsageError("poll_seconds must be a positive number of seconds")
        if not (_is_number(self.idle_seconds) and self.idle_seconds >= 0):
            raise UsageError("idle_seconds must be a number of seconds, 0 or more")
        if not (_is_whole(self.poll_tries) and self.poll_tries >= 1):
            raise UsageError("poll_tries must be a whole number, 1 or more")


def check_max_issues(limit: int | None) -> None:
    """Raises UsageError for what is no limit."""
    if limit is not None and not (_is_whole(limit) and limit >= 0):
        raise UsageError("max_issues must be a whole number, 0 or more, or None for no limit")


def _ids(given: object) -> tuple[str, ...] | frozenset[str] | None:
    if given is None:
        return None
    # The letters of a text are a sequence of texts, too, and never what was meant.
    if isinstance(given, (Sequence, AbstractSet)) and not isinstance(given, str):
        ids = tuple(given)
        if all(isinstance(one, str) for one in ids):
            return ids if isinstance(given, Sequence) else frozenset(ids)
    raise UsageError("only_ids must be a tuple, a list or a set of issues' ids, or None")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
