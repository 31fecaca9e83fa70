"""What the twin remembers of people, issues, comments, statuses, artifacts and tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.twin.repository import Repository

RANK = {"none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}
"""Roles, the weakest first."""

ACTIONS_BOT = "github-actions[bot]"
ACTIONS_APP = 15368
"""The id of the app that every GITHUB_TOKEN belongs to."""


@dataclass(frozen=True)
class User:
    login: str
    id: int
    type: str = "User"


@dataclass(frozen=True)
class Token:
    """A credential: who it speaks for, where, and what it may do (GITHUB_TOKEN's scopes).
    `permissions` None: a person's own token, which may do what the person may."""

    text: str
    repository: Repository | None
    user: User
    permissions: dict[str, str] | None
    app: str | None = None

    def may(self, scope: str, level: str) -> bool:
        if self.permissions is None:
            return True
        has = self.permissions.get(scope, "none")
        return has == "write" or (has == "read" and level == "read")


@dataclass(eq=False)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(eq=False)
class Reaction:
    id: int
    user: User
    content: str
    created_at: int


@dataclass(eq=False)
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    issue: Issue = field(repr=False)
    user: User
    body: str
    created_at: int
    updated_at: int
    app: str | None = None
    reactions: list[Reaction] = field(default_factory=list)

    @property
    def author(self) -> str:
        return self.user.login

    def edit(self, body: str) -> None:
        twin = self.issue.repository.twin
        self.body, self.updated_at = body, twin.happen()

    def delete(self) -> None:
        self.issue.repository.twin.happen()
        self.issue.comments.remove(self)


@dataclass(eq=False)
class IssueEvent:
    """Something that happened to an issue: labeled, unlabeled, closed, reopened, ..."""

    id: int
    event: str
    user: User
    created_at: int
    label: str | None = None
    app: str | None = None
    assignee: User | None = None


@dataclass(eq=False)
class Issue:
    """An issue. A pull request is one, too."""

    repository: Repository = field(repr=False)
    number: int
    id: int
    title: str
    body: str | None
    user: User
    created_at: int
    updated_at: int
    state: str = "open"
    state_reason: str | None = None
    closed_at: int | None = None
    label_names: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[IssueEvent] = field(default_factory=list)
    app: str | None = None
    pinned: bool = False
    locked: bool = False
    lock_reason: str | None = None
    assignees: list[User] = field(default_factory=list)
    parent: Issue | None = field(default=None, repr=False)
    sub_issues: list[Issue] = field(default_factory=list, repr=False)
    blocked_by: list[Issue] = field(default_factory=list, repr=False)
    blocking: list[Issue] = field(default_factory=list, repr=False)

    @property
    def labels(self) -> set[str]:
        return set(self.label_names)

    @property
    def author(self) -> str:
        return self.user.login

    def comment(self, *, author: str, body: str) -> Comment:
        return self.add_comment(self.repository.twin.user(author), body)

    def add_comment(self, user: User, body: str, app: str | None = None) -> Comment:
        twin = self.repository.twin
        now = twin.happen()
        comment = Comment(twin.new_id("comment"), self, user, body, now, now, app)
        self.comments.append(comment)
        self.updated_at = now
        return comment

    def note(
        self,
        event: str,
        user: User,
        label: str | None = None,
        app: str | None = None,
        assignee: User | None = None,
    ) -> None:
        twin = self.repository.twin
        now, number = twin.happen(), twin.new_id("event")
        self.events.append(IssueEvent(number, event, user, now, label, app, assignee))
        self.updated_at = now

    def add_label(self, name: str, user: User | str = "", app: str | None = None) -> None:
        """Sets a label, which the repository gets if it has none of that name."""
        label = self.repository.ensure_label(name)
        if label.name not in self.label_names:
            self.label_names.append(label.name)
            self.note("labeled", self._someone(user), label.name, app)

    def remove_label(self, name: str, user: User | str = "", app: str | None = None) -> None:
        held = [one for one in self.label_names if one.lower() == name.lower()]
        for one in held:
            self.label_names.remove(one)
            self.note("unlabeled", self._someone(user), one, app)

    def set_state(
        self, state: str, user: User, reason: str | None = None, app: str | None = None
    ) -> None:
        if state == self.state:
            return
        self.state = state
        self.note("closed" if state == "closed" else "reopened", user, app=app)
        self.closed_at = self.updated_at if state == "closed" else None
        self.state_reason = (reason or "completed") if state == "closed" else "reopened"

    def close(self, by: User | str | None = None) -> None:
        """By its author, unless somebody else is named."""
        self.set_state("closed", self.user if by is None else self._someone(by))

    def reopen(self, by: User | str | None = None) -> None:
        self.set_state("open", self.user if by is None else self._someone(by))

    def lock(self, by: User | str = "", reason: str | None = None) -> None:
        """From now on only those with write access comment over HTTP."""
        if not self.locked:
            self.locked, self.lock_reason = True, reason
            self.note("locked", self._someone(by))

    def unlock(self, by: User | str = "") -> None:
        if self.locked:
            self.locked, self.lock_reason = False, None
            self.note("unlocked", self._someone(by))

    def assign(self, *logins: str, by: User | str = "") -> None:
        for login in logins:
            user = self.repository.twin.user(login)
            if user not in self.assignees:
                self.assignees.append(user)
                self.note("assigned", self._someone(by), assignee=user)

    def add_sub_issue(self, child: Issue, by: User | str = "") -> None:
        """A child has one parent: whatever it had before loses it."""
        if child.parent is not None:
            child.parent.remove_sub_issue(child, by)
        child.parent = self
        self.sub_issues.append(child)
        self.note("sub_issue_added", self._someone(by))
        child.note("parent_issue_added", self._someone(by))

    def remove_sub_issue(self, child: Issue, by: User | str = "") -> None:
        child.parent = None
        self.sub_issues.remove(child)
        self.note("sub_issue_removed", self._someone(by))
        child.note("parent_issue_removed", self._someone(by))

    def block_by(self, other: Issue, by: User | str = "") -> None:
        self.blocked_by.append(other)
        other.blocking.append(self)
        self.note("blocked_by_added", self._someone(by))
        other.note("blocking_added", self._someone(by))

    def _someone(self, user: User | str) -> User:
        if isinstance(user, User):
            return user
        return self.repository.twin.user(user or self.repository.owner.login)


@dataclass(frozen=True)
class Status:
    """A commit status."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    user: User
    created_at: int

    @property
    def creator(self) -> str:
        return self.user.login


@dataclass(eq=False)
class Artifact:
    """An upload of a run. `filename` None: a zip; otherwise a single file as it is."""

    id: int
    name: str
    data: bytes
    digest: str | None
    created_at: int
    expires_at: int
    attempt: int
    run_id: int
    filename: str | None = None
    gone: bool = False
    deleted: bool = False


@dataclass(eq=False)
class Job:
    id: int
    name: str
    attempt: int
    status: str
    conclusion: str | None
    started_at: int
    completed_at: int | None = None


@dataclass(frozen=True)
class MergeGroup:
    """A merge queue's test commit."""

    repository: Repository = field(repr=False)
    head_sha: str
    head_ref: str
    base_sha: str
    base_ref: str
    pull_number: int


@dataclass(frozen=True)
class Request:
    """A request as the server saw it. `status` 0: it got no answer."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    token: str | None
    body: Any
    headers: dict[str, str]
    fault: str | None = None
