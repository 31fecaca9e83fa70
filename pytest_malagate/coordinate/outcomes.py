"""What a start, a piece of work and a whole run come to, and the callbacks that say so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.queue.model import Value


class IssueOutcome(Value, frozen=True, kw_only=True):
    """How the work on an issue ended.

    Neither a completed nor a failed issue starts again in the run. A released one may: it was
    given back, and does not count towards `max_issues`.
    """

    state: Literal["completed", "failed", "released"]
    detail: str = ""


class Refused(Value, frozen=True, kw_only=True):
    """Why an issue was not started.

    `waiting` passes (the queue, a freeze, a claim held elsewhere): the issue is asked for again at
    a later poll. `failed` does not: it counts as a failed issue, though not as a start.
    """

    kind: Literal["waiting", "failed"]
    reason: str


class RunResult(Value, frozen=True, kw_only=True):
    """What a run came to. `started` counts every start, those of released issues included.

    | exit_code | exit_reason |
    |---|---|
    | 130 | `interrupted` |
    | 3 | `aborted: WHY`, `poll failed 3 times: WHY` |
    | 1 | one of the others, where an issue failed |
    | 4 | `waiting (N)`, `blocked (N)`, `waiting (N), blocked (M)`: so is all that is left |
    | 0 | `drained`, `limit_reached (N)`, `no_agents`, `none_ready` |
    """

    started: int
    completed: tuple[str, ...]
    failed: tuple[str, ...]
    exit_code: int
    exit_reason: str


Spawn = Callable[[Issue], Awaitable["asyncio.Task[IssueOutcome] | Refused"]]
"""Starts the work on an issue. An exception is a failed start.

The task belongs to the coordinator from then on. One that is cancelled has released its issue,
unless it returns an outcome all the same.
"""

Finalize = Callable[[Issue, IssueOutcome], Awaitable[bool]]
"""Called once for each start, when the work has ended. True: there is follow-up work to ask for.

An exception makes the issue a failed one.
"""

Abort = Callable[[str, tuple[Issue, ...]], Awaitable[None]]
"""Called once, with the first reason and with what runs; all that still runs is then cancelled."""

ReadyToStart = Callable[[Issue], Awaitable[Refused | None]]
"""Asked immediately before each spawn (queue, freeze). An exception is a refusal that passes."""
