"""Issues on GitHub as a coordinator's provider.

The issues that bear the ready label, or all parts of an epic, as GitHub relates them; those that
are at work already bear the active label. Pull requests are no issues to work on.

Failure directions. What cannot be read whole is an error, and the coordinator asks again. An issue
that GitHub calls blocked is never offered, even where nobody asked by what.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import ParamSpec, TypeVar

from pytest_malagate.coordinate.issues import Issue, IssueStatus
from pytest_malagate.errors import UsageError
from pytest_malagate.github import records
from pytest_malagate.github.client import Client
from pytest_malagate.github.control import ACTIVE, READY
from pytest_malagate.github.store import issue_number

P = ParamSpec("P")
T = TypeVar("T")

LIST_PAGES = 20
"""Pages of 100 that a list of issues may have."""

QUESTIONS = 50
"""How many issues are asked, in one poll, what blocks them."""

EPICS = 50
"""How many issues of an epic are asked, in one poll, for their own parts."""

NO_PRIORITY = 2
"""Of an issue whose labels name none."""

_PRIORITY = re.compile(r"(?:priority[:/ ] ?|p)([0-4])\Z", re.IGNORECASE)
_PARENT = re.compile(r"/repos/([^/]+/[^/]+)/issues/([1-9][0-9]{0,8})\Z")


class Apart:
    """Calls what waits for GitHub outside of the event loop, one call at a time.

    A client is not for several threads at once: whoever shares one shares this.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the call returns, or raises."""

        def alone() -> T:
            with self._lock:
                return work(*args, **kwargs)

        return await asyncio.to_thread(alone)


class Parts(records.Value, frozen=True, kw_only=True):
    """How many parts an issue has."""

    total: int = 0


class Blockers(records.Value, frozen=True, kw_only=True):
    """How many open issues block one."""

    blocked_by: int = 0


class Row(records.Issue, frozen=True, kw_only=True):
    """An issue in a list, with what GitHub says of its relations. Some servers say nothing."""

    html_url: str = ""
    parent_issue_url: str | None = None
    sub_issues_summary: Parts | None = None
    issue_dependencies_summary: Blockers | None = None


class GitHubProvider:
    """See `IssueProvider`. An issue's id is that of its task: `#12`.

    With `epic_id` all open parts of that issue count, and parts of these, whatever their labels;
    without it, the open issues that bear `label`. `active` marks those at work.
    """

    def __init__(
        self,
        client: Client,
        *,
        label: str = READY,
        active: str = ACTIVE,
        epic_id: str | None = None,
        apart: Apart | None = None,
    ) -> None:
        self._client, self._label, self._active = client, label, active
        self._apart = apart or Apart()
        self._epic = None if epic_id is None else issue_number(epic_id)
        if epic_id is not None and self._epic is None:
            raise UsageError("an epic on GitHub is named by its number, such as #12")

    async def issues(self) -> Sequence[Issue]:
        """Reads them now. Raises GitHubError.

        One request for each 100 issues, and one for each that is blocked.
        """
        return await self._apart(self.read)

    def read(self) -> tuple[Issue, ...]:
        """As `issues`, in the caller's own thread."""
        rows = [row for row in self._rows() if row.pull_request is None and row.state == "open"]
        blockers = dict(self._blockers(rows))
        known = {row.number for row in rows}
        return tuple(self._issue(row, blockers.get(row.number), known) for row in rows)

    # --- which ---

    def _rows(self) -> list[Row]:
        if self._epic is None:
            ready, active = self._labelled(self._label), self._labelled(self._active)
        else:
            ready, active = list(self._below(self._epic)), []
        return list({row.number: row for row in (*ready, *active)}.values())

    def _labelled(self, label: str) -> list[Row]:
        pages = self._client.pages(
            "/issues",
            list[Row],
            limit=LIST_PAGES,
            whole=True,
            labels=label,
            state="open",
            sort="created",
            direction="asc",
        )
        return [row for page in pages for row in page]

    def _below(self, epic: int) -> Iterator[Row]:
        """The parts of an epic, and theirs, each once. GitHub lets no issue be above itself."""
        left, seen, asked = [epic], {epic}, 0
        while left:
            if asked >= EPICS:
                raise UsageError(f"#{epic} has more than {EPICS} parts that have parts themselves")
            asked += 1
            for row in self._related(f"/issues/{left.pop(0)}/sub_issues"):
                if row.number in seen or not self._is_ours(row.repository_url):
                    continue
                seen.add(row.number)
                yield row
                if row.sub_issues_summary is not None and row.sub_issues_summary.total:
                    left.append(row.number)

    def _related(self, path: str) -> list[Row]:
        pages = self._client.pages(path, list[Row], limit=LIST_PAGES, whole=True)
        return [row for page in pages for row in page]

    def _is_ours(self, url: str) -> bool:
        return url.lower().endswith(f"/repos/{self._client.repository.lower()}")

    # --- what blocks them ---

    def _blockers(self, rows: Iterable[Row]) -> Iterator[tuple[int, tuple[Row, ...]]]:
        """What is open and blocks an issue. Only asked where GitHub has said that something is."""
        asked = 0
        for row in rows:
            told = row.issue_dependencies_summary
            if told is None or not told.blocked_by or asked >= QUESTIONS:
                continue
            asked += 1
            found = self._related(f"/issues/{row.number}/dependencies/blocked_by")
            yield row.number, tuple(one for one in found if one.state == "open")

    def _issue(self, row: Row, blockers: tuple[Row, ...] | None, known: set[int]) -> Issue:
        ours = [one for one in blockers or () if self._is_ours(one.repository_url)]
        outside = len(blockers or ()) > len(ours) or any(one.number not in known for one in ours)
        told = row.issue_dependencies_summary
        unknown = blockers is None and told is not None and told.blocked_by > 0
        status: IssueStatus = "in_progress" if row.has_label(self._active) else "ready"
        if outside or unknown:
            # The coordinator takes a blocker that it is not told of for one that is done.
            status = "blocked"
        return Issue(
            id=f"#{row.number}",
            title=row.title,
            body=row.body or "",
            priority=priority_of(label.name for label in row.labels),
            status=status,
            epic=self._parent(row),
            is_epic=row.sub_issues_summary is not None and row.sub_issues_summary.total > 0,
            blocked_by=tuple(f"#{one.number}" for one in ours),
            updated_at=_seconds(row.updated_at),
            labels=tuple(label.name for label in row.labels),
            url=row.html_url,
        )

    def _parent(self, row: Row) -> str | None:
        """The epic: `#12`, or with its repository's name where that is another one."""
        match = _PARENT.search(row.parent_issue_url or "")
        if match is None:
            return None
        here = match[1].lower() == self._client.repository.lower()
        return f"#{match[2]}" if here else f"{match[1]}#{match[2]}"


def priority_of(labels: Iterable[str]) -> int:
    """The most urgent priority that labels name: `priority:1`, `P1`, and the like."""
    found = [int(match[1]) for name in labels if (match := _PRIORITY.match(name.strip()))]
    return min(found, default=NO_PRIORITY)


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
