"""What a coordinator is offered: issues, and whoever knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pytest_malagate.queue.model import Value

IssueStatus = Literal["ready", "in_progress", "blocked", "done"]


class Issue(Value, frozen=True, kw_only=True):
    """A piece of work. Every text in it is hostile, the id too.

    `priority` 0 is the most urgent. `epic` is the id of the issue that it is a part of; an issue
    that has parts says `is_epic` and is never started itself. `updated_at` is in seconds since
    the epoch.
    """

    id: str
    title: str = ""
    body: str = ""
    priority: int = 2
    status: IssueStatus = "ready"
    epic: str | None = None
    is_epic: bool = False
    blocked_by: tuple[str, ...] = ()
    updated_at: float = 0.0
    labels: tuple[str, ...] = ()
    url: str = ""


class IssueProvider(Protocol):
    """Where issues come from."""

    async def issues(self) -> Sequence[Issue]:
        """Every issue that is not done, in the provider's own order.

        What an issue is blocked by and is not among them counts as done. Raises MachineryError
        for what may pass, and UsageError for what somebody has to put right.
        """
