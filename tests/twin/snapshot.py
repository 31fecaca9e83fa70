"""The twin's state at a moment, for lists that lag behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tests.twin.state import Issue, Label

if TYPE_CHECKING:
    from tests.twin.repository import Repository
    from tests.twin.runs import Run

T = TypeVar("T")


def shallow(one: T) -> T:
    """A shallow copy. (copy.copy takes three times as long, and a thousand issues are copied.)"""
    made = object.__new__(type(one))
    made.__dict__.update(one.__dict__)
    return made


def issue_now(issue: Issue) -> Issue:
    """What may change of an issue is copied; people, events and repositories are shared."""
    old = shallow(issue)
    old.label_names = list(issue.label_names)
    old.events = list(issue.events)
    old.assignees = list(issue.assignees)
    old.sub_issues = list(issue.sub_issues)
    old.blocked_by, old.blocking = list(issue.blocked_by), list(issue.blocking)
    old.comments = []
    for comment in issue.comments:
        kept = shallow(comment)
        kept.issue, kept.reactions = old, list(comment.reactions)
        old.comments.append(kept)
    return old


def run_now(run: Run) -> Run:
    old = shallow(run)
    old.artifacts = [shallow(one) for one in run.artifacts]
    old.jobs = [shallow(one) for one in run.jobs]
    return old


def same_issue(old: Issue, issue: Issue) -> bool:
    """Whether a copy is still what a new one would be. Its comments are copies of their own."""
    if old.__dict__ == issue.__dict__:
        return True
    if len(old.comments) != len(issue.comments):
        return False
    pairs = zip(old.comments, issue.comments, strict=True)
    return all(
        (one.id, one.body, one.updated_at, one.reactions)
        == (two.id, two.body, two.updated_at, two.reactions)
        for one, two in pairs
    ) and old.__dict__ | {"comments": ()} == issue.__dict__ | {"comments": ()}


def same_run(old: Run, run: Run) -> bool:
    if (len(old.jobs), len(old.artifacts)) != (len(run.jobs), len(run.artifacts)):
        return False
    pairs = [
        *zip(old.jobs, run.jobs, strict=True),
        *zip(old.artifacts, run.artifacts, strict=True),
    ]
    parts: dict[str, object] = {"jobs": (), "artifacts": ()}
    return (
        all(one.__dict__ == two.__dict__ for one, two in pairs)
        and old.__dict__ | parts == run.__dict__ | parts
    )


def labels_now(repository: Repository) -> dict[str, Label]:
    return {key: shallow(label) for key, label in repository.labels_by_name.items()}


def snapshot(repository: Repository, last: Repository | None = None) -> Repository:
    """The repository as it is now. Git is not copied, and who is in which group neither. Of what is
    as it was in the `last` snapshot, that one's copies are taken."""
    issues, runs = (last.issues, last.runs) if last is not None else ({}, {})
    old = shallow(repository)
    old.issues, old.runs = {}, {}
    for number, issue in repository.issues.items():
        known = issues.get(number)
        kept = known is not None and same_issue(known, issue)
        old.issues[number] = known if known is not None and kept else issue_now(issue)
    for number, run in repository.runs.items():
        before = runs.get(number)
        kept = before is not None and same_run(before, run)
        old.runs[number] = before if before is not None and kept else run_now(run)
    old.labels_by_name = labels_now(repository)
    old.all_statuses = list(repository.all_statuses)
    return old


@dataclass(frozen=True)
class Before:
    """What a write to one issue at most is about to change: enough to tell later how the repository
    was. A write that may reach further needs a snapshot."""

    repository: Repository
    issue: Issue | None
    labels: dict[str, Label]
    last_number: int
    statuses: int

    @classmethod
    def of(cls, repository: Repository, issue: Issue | None) -> Before:
        return cls(
            repository,
            issue_now(issue) if issue is not None else None,
            labels_now(repository),
            repository.last_number,
            len(repository.all_statuses),
        )

    def view(self) -> Repository:
        """The repository as it was. Holds as long as nothing but that write has happened."""
        old = snapshot(self.repository)
        old.issues = {key: one for key, one in old.issues.items() if key <= self.last_number}
        if self.issue is not None:
            old.issues[self.issue.number] = self.issue
        old.labels_by_name = self.labels
        old.all_statuses = old.all_statuses[: self.statuses]
        return old
