"""Calls into other people's code, of which none may stop the coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from pytest_malagate.coordinate.outcomes import IssueOutcome
from pytest_malagate.errors import MalagateError

T = TypeVar("T")
P = ParamSpec("P")


class Trouble:
    """What a call raised. `str()` is its text."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        if isinstance(self.error, MalagateError):
            return str(self.error)
        text = str(self.error)
        name = type(self.error).__name__
        return f"{name}: {text}" if text else name


async def answer_of(
    question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T | Trouble:
    """What the call answers, or its trouble. Raises CancelledError if the caller is cancelled."""
    try:
        return await question(*args, **kwargs)
    except asyncio.CancelledError as error:
        # A callback may have awaited something that was cancelled: that is its own trouble.
        caller = asyncio.current_task()
        if caller is None or caller.cancelling():
            raise
        return Trouble(error)
    except Exception as error:  # noqa: BLE001 - one failing callback must not stop the others; the caller of this decides the direction, and never takes trouble for a yes
        return Trouble(error)


def outcome_of(task: asyncio.Task[IssueOutcome], cancelled: str) -> IssueOutcome:
    """What a task that has ended came to; `cancelled` is the detail if it was.

    A task that raised has failed, and so has one that returned anything but an outcome.
    """
    if task.cancelled():
        return IssueOutcome(state="released", detail=cancelled)
    error = task.exception()
    if error is not None:
        return IssueOutcome(state="failed", detail=str(Trouble(error)))
    outcome = task.result()
    if not isinstance(outcome, IssueOutcome):
        kind = type(outcome).__name__
        return IssueOutcome(state="failed", detail=f"it ended without an outcome ({kind})")
    return outcome


def cancel(task: asyncio.Task[IssueOutcome]) -> None:
    """Cancels a task once: a second time would cut short what it does to clean up."""
    if not task.cancelling():
        task.cancel()
