"""What a sweep is told, and what it answers: values."""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_malagate.queue.model import Stage, Value

Outcome = Literal[
    "advanced",
    "would-advance",
    "human",
    "no-handler",
    "grace",
    "working",
    "red",
    "held",
    "moved",
    "unmoved",
]
"""What came of one look at a task. All but the first two leave it where it is:

`human`: a person ends this stage · `no-handler`: nobody here advances it · `grace`: it has not
stood there for long enough · `working`: somebody is at it · `red`: the gate does not pass it ·
`held`: it is not admitted (frozen) · `moved`: somebody else was faster · `unmoved`: its handler
left it as it was.
"""

LEFT_ALONE = frozenset({"human", "no-handler", "grace"})
"""Outcomes for which nothing had to be asked: they use up nothing of a sweep's budget."""


class Verdict(Value, frozen=True, kw_only=True):
    """What the gate would say. Not green: red or inconclusive, which is the same to a sweep."""

    green: bool
    why: str = ""


class Look(Value, frozen=True, kw_only=True):
    """One look at one task. `to` is the stage, or the state, that it went to; None if to none.

    `stood` is how long the task had stood there, in seconds.
    """

    task: str
    stage: Stage
    outcome: Outcome
    why: str = ""
    to: str | None = None
    stood: float = 0.0


class Unblocked(Value, frozen=True, kw_only=True):
    """The one notification about a task that a sweep advanced. `stood` as in `Look`."""

    repository: str
    task: str
    stage: Stage
    to: str
    at: float
    stood: float


class Found(Value, frozen=True, kw_only=True):
    """Something that is not as it ought to be. `remedy` is for a person.

    `repairable`: a sweep repairs it by itself; `repaired`: this one did.
    """

    check: str
    item: str
    problem: str
    remedy: str
    repairable: bool = False
    repaired: bool = False


class Trouble(Value, frozen=True, kw_only=True):
    """An item that could not be handled, and why. The others were."""

    item: str
    why: str


class Budget(Value, frozen=True, kw_only=True):
    """How much one sweep may do: so many items, for so many seconds. None: no such bound."""

    items: int | None = None
    seconds: float | None = None


class Sweep(Value, frozen=True, kw_only=True):
    """What one sweep did. `off` says why it did nothing at all; None if it was not switched off.

    `looked_at` counts tasks, `checked` checks. `looks` are in the order of work, `advanced` those
    of them that came to something (of a dry run: that would); `skipped` counts the rest by
    outcome. `findings` holds the `repaired` ones, too.
    `next_cursor` is where the next sweep begins: empty if this one got round.
    """

    off: str | None = None
    dry_run: bool = False
    looked_at: int = 0
    checked: int = 0
    advanced: tuple[Look, ...] = ()
    repaired: tuple[Found, ...] = ()
    findings: tuple[Found, ...] = ()
    skipped: dict[str, int] = msgspec.field(default_factory=dict)
    errors: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    next_cursor: str = ""


class Totals(Value, frozen=True, kw_only=True):
    """What a reconciler did since it was made."""

    sweeps: int = 0
    advanced: int = 0
    repaired: int = 0
    errors: int = 0

    def after(self, sweep: Sweep) -> Totals:
        """The totals with one sweep more."""
        return Totals(
            sweeps=self.sweeps + 1,
            advanced=self.advanced + sum(look.outcome == "advanced" for look in sweep.advanced),
            repaired=self.repaired + len(sweep.repaired),
            errors=self.errors + len(sweep.errors),
        )
