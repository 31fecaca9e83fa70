"""Which issues may start, and in which order: a function of what the provider said.

The order is the same for the same issues in the same order of the provider, which decides where
nothing else does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.issues import Issue


def select(
    issues: Iterable[Issue],
    config: CoordinatorConfig,
    *,
    exclude: Collection[str] = frozenset(),
    completed: Collection[str] = frozenset(),
) -> tuple[Issue, ...]:
    """The issues that may start, the first one first; of two with one id the first.

    `exclude` are ids that are out of the question, such as those that run; `completed` are done
    whatever the provider says, so they block nothing. Left out are epics themselves, what is
    blocked or is part of an epic that is (an issue in progress, too), what is in progress unless
    the settings ask for it, and what the settings leave out.
    """
    known = first_of_each(issues)
    is_open = {issue.id for issue in known.values() if issue.status != "done"} - set(completed)
    wip = config.resume or config.prioritize_wip
    only = None if config.only_ids is None else set(config.only_ids)

    def is_blocked(issue: Issue) -> bool:
        return issue.status == "blocked" or any(one in is_open for one in issue.blocked_by)

    blocked_epics = {issue.id for issue in known.values() if issue.is_epic and is_blocked(issue)}

    def may_start(issue: Issue) -> bool:
        if issue.id in exclude or issue.id not in is_open or issue.is_epic:
            return False
        if only is not None and issue.id not in only:
            return False
        if is_blocked(issue) or (issue.status == "in_progress" and not wip):
            return False
        if not issue.epic:
            return config.epic_id is None
        if config.orphans_only:
            return False
        epics = tuple(_epics(issue, known))
        inside = config.epic_id is None or config.epic_id in epics
        return inside and blocked_epics.isdisjoint(epics)

    return tuple(_ordered([issue for issue in known.values() if may_start(issue)], config))


def unknown_ids(issues: Iterable[Issue], config: CoordinatorConfig) -> tuple[str, ...]:
    """Those of `only_ids` that are not among the issues."""
    known = {issue.id for issue in issues}
    return tuple(one for one in dict.fromkeys(config.only_ids or ()) if one not in known)


def first_of_each(issues: Iterable[Issue]) -> dict[str, Issue]:
    """The issues by id, in their order; of two with one id the first."""
    known: dict[str, Issue] = {}
    for issue in issues:
        known.setdefault(issue.id, issue)
    return known


def _epics(issue: Issue, known: Mapping[str, Issue]) -> Iterator[str]:
    """The epic that the issue is a part of, the one which that is a part of, and so on."""
    seen: set[str] = set()
    epic = issue.epic
    while epic and epic not in seen:
        yield epic
        seen.add(epic)
        epic = known[epic].epic if epic in known else None


def _ordered(issues: list[Issue], config: CoordinatorConfig) -> list[Issue]:
    if config.only_ids is not None:
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
