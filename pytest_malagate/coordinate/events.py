"""What a coordinator tells while it runs."""

from __future__ import annotations

from typing import Literal

from pytest_malagate.queue.model import Value

EventKind = Literal[
    "poll",  # the provider was asked; the detail says how many issues are ready
    "idle",  # nothing is ready and nothing runs; it is watched on
    "started",
    "waiting",  # not started for now; told again only when the reason changes
    "blocked",  # others keep it from starting; told when nothing runs any more, once for a reason
    "refused",  # not started, and it will not be: a failed issue
    "finished",  # the work on an issue ended well, and was finalized
    "failed",
    "released",
    "limit",  # max_issues is reached
    "no_agents",  # max_agents allows none
    "poll_failed",
    "warning",  # an epic or an id of only_ids that nobody knows; a callback that raised
    "aborted",
    "interrupted",
    "draining",
    "ended",  # the last one; the detail is the exit reason
]


class Event(Value, frozen=True, kw_only=True):
    """One thing that happened. `at` is in seconds since the epoch; `detail` may be hostile."""

    kind: EventKind
    issue: str | None = None
    detail: str = ""
    at: float
