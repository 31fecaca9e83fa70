"""What keeps issues from starting: others that are not done, and what is wrong with their epics."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pytest_malagate.coordinate.issues import Issue

_NAMED = 5
"""How many blockers a sentence names."""


class Blocking:
    """Which issues are blocked, and by what.

    `known` is all that the provider told, by id; `is_open` are the ids of what is not done.
    """

    def __init__(self, known: Mapping[str, Issue], is_open: Collection[str]) -> None:
        self._known, self._open = known, is_open
        self._epics = frozenset(
            issue.id for issue in known.values() if issue.is_epic and self._itself(issue)
        )

    def holds(self, issue: Issue, epics: Collection[str]) -> bool:
        """Whether the issue is blocked, or one of the epics above it is."""
        return self._itself(issue) or not self._epics.isdisjoint(epics)

    def why(self, issue: Issue, failed: Collection[str] = frozenset()) -> str:
        """Why a blocked issue is; `failed` are ids that failed in this run."""
        if self._itself(issue):
            return self._words("", issue, failed)
        epic = next(one for one in epics_above(issue, self._known) if one in self._epics)
        return self._words(f"its epic {epic} is ", self._known[epic], failed)

    def _itself(self, issue: Issue) -> bool:
        return issue.status == "blocked" or any(one in self._open for one in issue.blocked_by)

    def _words(self, who: str, issue: Issue, failed: Collection[str]) -> str:
        blockers = [one for one in dict.fromkeys(issue.blocked_by) if one in self._open]
        if not blockers:
            return (
                f"the status of its epic {issue.id} is blocked" if who else "its status is blocked"
            )
        named = [self._named(issue, one, failed) for one in blockers[:_NAMED]]
        if len(blockers) > _NAMED:
            named.append(f"and {len(blockers) - _NAMED} more")
        return f"{who}blocked by {'; '.join(named)}"

    def _named(self, issue: Issue, blocker: str, failed: Collection[str]) -> str:
        """A blocker, with why it may stay one."""
        if blocker == issue.id:
            return "itself"
        if blocker in failed:
            return f"{blocker}, which failed"
        if self._known[blocker].is_epic:
            return f"{blocker}, an epic, which a person ends"
        if self._known[blocker].status == "in_progress":
            return f"{blocker}, which is in progress"
        return blocker


def epics_above(issue: Issue, known: Mapping[str, Issue]) -> Iterator[str]:
    """The epic that the issue is a part of, the one which that is a part of, and so on."""
    seen: set[str] = set()
    epic = issue.epic
    while epic and epic not in seen:
        yield epic
        seen.add(epic)
        epic = known[epic].epic if epic in known else None
