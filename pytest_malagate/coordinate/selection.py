"""Which issues may start, and in which order: a function of what the provider said.

The order is the same for the same issues in the same order of the provider, which decides where
nothing else does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from pytest_malagate.coordinate.blocking import Blocking, epics_above
from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.issues import Issue


class Selection(NamedTuple):
    """What may start, the first one first, and what is left out for nothing but its blockers."""

    ready: tuple[Issue, ...]
    blocked: tuple[Issue, ...]
    blocking: Blocking

    def why(self, issue: Issue, failed: Collection[str] = frozenset()) -> str:
        """Why a blocked issue is; `failed` are ids that failed in this run."""
        return self.blocking.why(issue, failed)


def select(
    issues: Iterable[Issue],
    config: CoordinatorConfig,
    *,
    exclude: Collection[str] = frozenset(),
    completed: Collection[str] = frozenset(),
) -> tuple[Issue, ...]:
    """The issues that may start, the first one first; see `sort_out`."""
    return sort_out(issues, config, exclude=exclude, completed=completed).ready


def sort_out(
    issues: Iterable[Issue],
    config: CoordinatorConfig,
    *,
    exclude: Collection[str] = frozenset(),
    completed: Collection[str] = frozenset(),
) -> Selection:
    """What may start, and what is blocked; of two issues with one id the first.

    `exclude` are ids that are out of the question, such as those that run; `completed` are done
    whatever the provider says, so they block nothing. Left out are epics themselves, what is in
    progress unless the settings ask for it, and what the settings leave out. Of the rest is
    blocked what is so itself or is part of an epic that is (an issue in progress, too).
    """
    known = first_of_each(issues)
    is_open = {issue.id for issue in known.values() if issue.status != "done"} - set(completed)
    blocking = Blocking(known, is_open)
    wip = config.resume or config.prioritize_wip
    only = None if config.only_ids is None else set(config.only_ids)
    ready: list[Issue] = []
    blocked: list[Issue] = []
    for issue in known.values():
        if issue.id in exclude or issue.id not in is_open or issue.is_epic:
            continue
        if (only is not None and issue.id not in only) or (
            issue.status == "in_progress" and not wip
        ):
            continue
        epics = tuple(epics_above(issue, known)) if issue.epic else ()
        if (epics and config.orphans_only) or config.epic_id not in (None, *epics):
            continue
        (blocked if blocking.holds(issue, epics) else ready).append(issue)
    return Selection(tuple(_ordered(ready, config)), tuple(blocked), blocking)


def unknown_ids(issues: Iterable[Issue], config: CoordinatorConfig) -> tuple[str, ...]:
    """Those of `only_ids` that are not among the issues."""
    known = {issue.id for issue in issues}
    wanted = config.only_ids or ()
    if not isinstance(wanted, tuple):
        wanted = tuple(sorted(wanted))
    return tuple(one for one in dict.fromkeys(wanted) if one not in known)


def unknown_epic(issues: Iterable[Issue], config: CoordinatorConfig) -> bool:
    """Whether an epic is asked for that is not among the issues, and none of them is part of."""
    known = first_of_each(issues)
    return config.epic_id is not None and not any(
        config.epic_id in ((issue.id,) if issue.is_epic else ())
        or config.epic_id in epics_above(issue, known)
        for issue in known.values()
    )


def first_of_each(issues: Iterable[Issue]) -> dict[str, Issue]:
    """The issues by id, in their order; of two with one id the first."""
    known: dict[str, Issue] = {}
    for issue in issues:
        known.setdefault(issue.id, issue)
    return known


def _ordered(issues: list[Issue], config: CoordinatorConfig) -> list[Issue]:
    if isinstance(config.only_ids, tuple):
        place = {one: number for number, one in reversed(list(enumerate(config.only_ids)))}
        issues = sorted(issues, key=lambda issue: place[issue.id])
    elif config.focus:
        issues = _by_epic(issues)
    else:
        issues = sorted(issues, key=lambda issue: issue.priority)
    if config.prioritize_wip:
        issues = sorted(issues, key=lambda issue: issue.status != "in_progress")
    return issues


def _by_epic(issues: Sequence[Issue]) -> list[Issue]:
    """One epic's issues after the other's; those without an epic are a group like the others.

    First the group with the most urgent issue, then the one that changed last; the same inside.
    """
    groups: dict[str | None, list[Issue]] = {}
    for issue in issues:
        groups.setdefault(issue.epic or None, []).append(issue)

    def urgency(group: list[Issue]) -> tuple[int, float]:
        newest = max(issue.updated_at for issue in group)
        return min(issue.priority for issue in group), -newest

    ordered: list[Issue] = []
    for group in sorted(groups.values(), key=urgency):
        ordered += sorted(group, key=lambda issue: (issue.priority, -issue.updated_at))
    return ordered
