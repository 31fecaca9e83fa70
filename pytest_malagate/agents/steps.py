"""What the loop tells while agents work, beside what the coordinator tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

StepKind = Literal[
    "base",  # the tests of the base are run, or were found not to be known
    "resumed",  # a loop that was killed had claimed it: this one goes on
    "attempt",  # an agent was started
    "agent_ended",
    "judged",
    "repeated",  # the machinery broke, or a result was flaky: judged again, nobody is charged
    "stopping",  # a freeze or a lost claim ends what runs
    "branch",  # where a completed issue's work is
    "done",  # an earlier run completed it
    "warning",
]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `at` is in seconds since the epoch; texts may be hostile.

    `issue` is None for what concerns no single one. `codes` are those of the verdict's reasons.
    """

    kind: StepKind
    issue: str | None = None
    detail: str = ""
    at: float = 0.0
    attempt: int | None = None
    max_attempts: int | None = None
    verdict: str | None = None
    codes: tuple[str, ...] = ()
    branch: str | None = None


Tell = Callable[[Step], None]
"""Where steps go; called in the event loop's thread."""
