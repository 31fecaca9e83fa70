"""How a coordinator is set."""

from __future__ import annotations

import math

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import Value


class CoordinatorConfig(Value, frozen=True, kw_only=True):
    """What a coordinator starts, in which order, how much of it at once and in total.

    max_agents: issues that are worked on at once; with 0 or less nothing starts, and an event
        says so.
    max_issues: starts in a run, those of issues that were released left out. None: no limit.
    epic_id: only parts of this epic, and parts of its parts.
    only_ids: only these issues, in this order.
    orphans_only: only issues that belong to no epic.
    focus: one epic after the other; without it, by priority alone. `only_ids` has its own order.
    resume: issues that are in progress are picked up too.
    prioritize_wip: so they are, and before all others.
    watch: goes on polling when nothing is ready; else the run ends.
    poll_seconds: the time between two polls, and before a failed one is repeated.
    poll_tries: polls that may fail in a row; with the last of them the run ends.
    idle_seconds: the least time between two events that say that nothing is ready.

    Raises UsageError for times and tries that are not positive.
    """

    max_agents: int = 1
    max_issues: int | None = None
    epic_id: str | None = None
    only_ids: tuple[str, ...] | None = None
    prioritize_wip: bool = False
    focus: bool = True
    orphans_only: bool = False
    watch: bool = False
    poll_seconds: float = 60.0
    idle_seconds: float = 300.0
    poll_tries: int = 3
    resume: bool = False

    def __post_init__(self) -> None:
        if not (self.poll_seconds > 0 and math.isfinite(self.poll_seconds)):
            raise UsageError("poll_seconds must be a positive number of seconds")
        if not self.idle_seconds >= 0:
            raise UsageError("idle_seconds must be a number of seconds, 0 or more")
        if self.poll_tries < 1:
            raise UsageError("poll_tries must be 1 or more")
