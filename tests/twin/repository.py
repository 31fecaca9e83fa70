"""A repository of the twin: a bare git repository, and what GitHub knows beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.twin.git import Content, Git
from tests.twin.groups import Groups
from tests.twin.pulls import PullRequest
from tests.twin.runs import Lease, Run
from tests.twin.state import (
    RANK,
    Artifact,
    Comment,
    Issue,
    Label,
    MergeGroup,
    Status,
    User,
)

if TYPE_CHECKING:
    from tests.twin.twin import Twin

DEFAULT_BRANCH_EVENTS = (
    *("workflow_run", "schedule", "issue_comment", "issues", "workflow_dispatch", "label"),
)
"""Events whose runs stand on the tip of the default branch."""

STATUS_LIMIT = 1000
"""Statuses that one commit may have for one context."""


class Repository:
    """`repository.commit(...)`, `.open_pull(...)`, `.run(...)` are what people and runners do;
    everything else is to look at."""

    def __init__(
        self, twin: Twin, full_name: str, *, private: bool, parent: Repository | None
    ) -> None:
        owner, _, self.name = full_name.partition("/")
        self.twin = twin
        self.full_name = full_name
        self.owner = twin.user(owner)
        self.private = private
        self.parent = parent
        self.default_branch: str = parent.default_branch if parent else "main"
        self.id = twin.new_id("repository")
        self.created_at = twin.happen()
        self.git = Git(twin.directory / "git" / f"{full_name}.git")
        self.git.create(self.default_branch, parent.git_dir if parent else None)
        self.forks: list[Repository] = []
        self.roles: dict[str, str] = {owner.lower(): "admin"}
        self.labels_by_name: dict[str, Label] = {}
        self.issues: dict[int, Issue] = {}
        self.gone: dict[int, Issue | None] = {}
        """What a number led to: an issue that was transferred; None: it was deleted."""
        self.runs: dict[int, Run] = {}
        self.all_statuses: list[Status] = []
        self.groups = Groups(self)
        self.last_number = 0

    # --- git ---

    @property
    def git_dir(self) -> Path:
        return self.git.directory

    def tip(self, branch: str) -> str:
        sha = self.git.resolve(f"refs/heads/{branch}")
        assert sha is not None, f"{self.full_name} has no branch {branch}"
        return sha

    def commit(
        self,
        branch: str,
        files: Mapping[str, Content],
        message: str = "work",
        parent: str | None = None,
        author: str | None = None,
    ) -> str:
        """A commit on a branch. A new branch starts at `parent`, else at the default branch's tip."""
        tip = self.git.resolve(f"refs/heads/{branch}")
        start = self.git.resolve(parent) if parent else tip
        if start is None:
            start = self.git.resolve(f"refs/heads/{self.default_branch}")
        self.twin.happen()
        who = self.twin.somebody(author or self.owner.login)
        parents = (start,) if start else ()
        sha = self.git.commit(f"refs/heads/{branch}", files, message, parents, who)
        self.moved(branch)
        return sha

    def moved(self, branch: str) -> None:
        """A branch has a new tip: pull requests from it and to it follow."""
        families = [self, *self.forks, *([self.parent] if self.parent else [])]
        for repository in families:
            for issue in repository.issues.values():
                if not isinstance(issue, PullRequest) or issue.state != "open":
                    continue
                if issue.head_repository is self and issue.head_ref == branch:
                    issue.synchronize()
                elif issue.repository is self and issue.base_ref == branch:
                    issue.remerge()

    def fork(self, owner: str) -> Repository:
        fork = self.twin.add(
            Repository(self.twin, f"{owner}/{self.name}", private=self.private, parent=self)
        )
        for branch, sha in self.git.branches().items():
            fork.git.point(f"refs/heads/{branch}", sha)
        self.forks.append(fork)
        return fork

    # --- people ---

    def permission(self, login: str, role: str) -> None:
        assert role in RANK, role
        self.twin.user(login)
        self.roles[login.lower()] = role

    def role(self, login: str) -> str:
        return self.roles.get(login.lower(), "none" if self.private else "read")

    def association(self, user: User) -> str:
        if user == self.owner:
            return "OWNER"
        if RANK[self.role(user.login)] >= RANK["triage"]:
            return "COLLABORATOR"
        merged = (issue for issue in self.issues.values() if getattr(issue, "merged_at", None))
        return "CONTRIBUTOR" if any(issue.user == user for issue in merged) else "NONE"

    # --- issues and pull requests ---

    @property
    def labels(self) -> set[str]:
        return {label.name for label in self.labels_by_name.values()}

    def ensure_label(self, name: str) -> Label:
        if name.lower() not in self.labels_by_name:
            self.labels_by_name[name.lower()] = Label(self.twin.new_id("label"), name)
        return self.labels_by_name[name.lower()]

    def open_pulls(self, count: int, *, author: str = "alice") -> list[PullRequest]:
        """Many pull requests from branches of this repository, each with a commit of its own: a
        thousand in the time that `open_pull` takes for a handful."""
        base, first = self.tip(self.default_branch), self.last_number + 1
        self.twin.happen()
        numbers = range(first, first + count)
        heads = [f"refs/heads/many-{number}" for number in numbers]
        merges = [f"refs/pull/{number}/merge" for number in numbers]
        who = self.twin.somebody(author)
        self.git.branch_many(base, list(zip(heads, merges, strict=True)), who)
        found = self.git.refs("refs/heads") | self.git.refs("refs/pull")
        made = []
        for head, merge in zip(heads, merges, strict=True):
            number, now = self.next_number(), self.twin.happen()
            words = (f"Change {number}", None, self.twin.user(author), now, now)
            pull = PullRequest(
                *(self, number, self.twin.new_id("issue"), *words),
                head_repository=self,
                head_ref=head.removeprefix("refs/heads/"),
                base_ref=self.default_branch,
                base_sha=base,
                head_sha=found[head],
                merge_sha=found[merge],
            )
            self.issues[number] = pull
            made.append(pull)
        return made

    def rename_label(self, name: str, new: str) -> Label:
        """The issues follow; what their events tell stays as it was."""
        label = self.labels_by_name.pop(name.lower())
        for issue in self.issues.values():
            issue.label_names = [new if one == label.name else one for one in issue.label_names]
        label.name = new
        self.labels_by_name[new.lower()] = label
        self.twin.happen()
        return label

    def delete_label(
        self, name: str, user: User | str = "", app: str | None = None, *, silent: bool = False
    ) -> None:
        """It vanishes from every issue. `silent`: without an event of the issues. GitHub does not
        document that there is one."""
        label = self.labels_by_name[name.lower()]
        for issue in self.issues.values():
            if silent:
                issue.label_names = [one for one in issue.label_names if one != label.name]
            else:
                issue.remove_label(label.name, user, app)
        del self.labels_by_name[name.lower()]
        self.twin.happen()

    def next_number(self) -> int:
        self.last_number += 1
        return self.last_number

    def open_issue(
        self,
        title: str,
        body: str | None = None,
        author: str | User = "alice",
        labels: tuple[str, ...] = (),
    ) -> Issue:
        user = author if isinstance(author, User) else self.twin.user(author)
        now = self.twin.happen()
        issue = Issue(
            self, self.next_number(), self.twin.new_id("issue"), title, body, user, now, now
        )
        self.issues[issue.number] = issue
        for label in labels:
            issue.add_label(label, user)
        return issue

    def open_pull(
        self,
        head: str,
        base: str | None = None,
        fork: Repository | None = None,
        *,
        title: str = "A change",
        body: str | None = None,
        author: str = "alice",
        draft: bool = False,
    ) -> PullRequest:
        now = self.twin.happen()
        pull = PullRequest(
            *(self, self.next_number(), self.twin.new_id("issue"), title, body),
            *(self.twin.user(author), now, now),
            head_repository=fork or self,
            head_ref=head,
            base_ref=base or self.default_branch,
            draft=draft,
        )
        pull.synchronize()
        self.issues[pull.number] = pull
        return pull

    def transfer(self, issue: Issue, other: Repository) -> Issue:
        """The same issue, which then stands in the other repository: with another number and id,
        and with those of its labels that the other repository knows."""
        assert issue.repository is self and not isinstance(issue, PullRequest)
        self.gone[issue.number] = self.issues.pop(issue.number)
        issue.repository, issue.number = other, other.next_number()
        issue.id = self.twin.new_id("issue")
        known = other.labels_by_name
        issue.label_names = [
            known[name.lower()].name for name in issue.label_names if name.lower() in known
        ]
        other.issues[issue.number] = issue
        issue.note("transferred", other.owner)
        return issue

    def delete_issue(self, issue: Issue) -> None:
        assert issue.repository is self and not isinstance(issue, PullRequest)
        self.gone[issue.number] = None
        del self.issues[issue.number]
        if issue.parent is not None:
            issue.parent.sub_issues.remove(issue)
        for child in issue.sub_issues:
            child.parent = None
        for other in issue.blocked_by:
            other.blocking.remove(issue)
        for other in issue.blocking:
            other.blocked_by.remove(issue)
        self.twin.happen()

    @property
    def pulls(self) -> list[PullRequest]:
        return [issue for issue in self.issues.values() if isinstance(issue, PullRequest)]

    def find_comment(self, number: int) -> Comment | None:
        every = (comment for issue in self.issues.values() for comment in issue.comments)
        return next((comment for comment in every if comment.id == number), None)

    def merge_group(self, pull: PullRequest) -> MergeGroup:
        """The merge queue's test commit for one pull request, on a branch of its own."""
        base = self.tip(pull.base_ref)
        self.twin.happen()
        who = self.twin.somebody("github-merge-queue[bot]")
        words = f"Merge pull request #{pull.number} from {pull.head_ref}"
        sha = self.git.merge(base, pull.head_sha, words, who)
        assert sha is not None, "the pull request conflicts with its base"
        ref = f"refs/heads/gh-readonly-queue/{pull.base_ref}/pr-{pull.number}-{base}"
        self.git.point(ref, sha)
        return MergeGroup(self, sha, ref, base, f"refs/heads/{pull.base_ref}", pull.number)

    # --- statuses ---

    def statuses(self, sha: str) -> list[Status]:
        """The newest first."""
        return [status for status in reversed(self.all_statuses) if status.sha == sha]

    def add_status(
        self,
        sha: str,
        state: str,
        context: str = "default",
        description: str | None = None,
        target_url: str | None = None,
        user: User | str = "alice",
    ) -> Status:
        user = user if isinstance(user, User) else self.twin.user(user)
        number, now = self.twin.new_id("status"), self.twin.happen()
        status = Status(number, sha, state, context, description, target_url, user, now)
        self.all_statuses.append(status)
        return status

    # --- runs ---

    def run(
        self,
        workflow: str = ".github/workflows/tests.yml",
        event: str = "pull_request",
        *,
        pull: PullRequest | None = None,
        group: MergeGroup | None = None,
        sha: str | None = None,
        branch: str | None = None,
        name: str | None = None,
        actor: str | None = None,
        jobs: tuple[str, ...] = ("build",),
        concurrency: tuple[str, str] | None = None,
        cancel_in_progress: bool = False,
        job_level: bool = False,
        title: str | None = None,
    ) -> Run:
        """A run that has started, unless it has to wait. Where `pull`, `group`, `sha` and `branch`
        do not say on what, it stands on the default branch. `concurrency` is the group's name and
        its `queue`; with `job_level`, the key stands at the first job."""
        branch, sha, source = self._head(event, pull, group, branch, sha)
        login = actor or (pull.author if pull is not None else self.owner.login)
        user, now = self.twin.user(login), self.twin.happen()
        number = sum(run.path == workflow for run in self.runs.values()) + 1
        run = Run(
            repository=self,
            id=self.twin.new_id("run"),
            path=workflow,
            name=name or Path(workflow).stem,
            event=event,
            head_sha=sha,
            head_branch=branch,
            head_repository=source,
            actor=user,
            run_number=number,
            created_at=now,
            updated_at=now,
            started_at=now,
            title=title or (pull.title if pull is not None else name or Path(workflow).stem),
            pull=pull,
            triggering_actor=user,
        )
        if concurrency is not None:
            run.lease = Lease(*concurrency, cancel_in_progress, job_level)
        self.runs[run.id] = run
        run.begin(jobs)
        return run

    def _head(
        self,
        event: str,
        pull: PullRequest | None,
        group: MergeGroup | None,
        branch: str | None,
        sha: str | None,
    ) -> tuple[str, str, Repository]:
        """The branch, the commit and the repository that a run of an event stands on."""
        if event == "pull_request" and pull is not None:
            return pull.head_ref, sha or pull.head_sha, pull.head_repository
        if event == "pull_request_target" and pull is not None:
            return pull.head_ref, sha or pull.base_sha, pull.head_repository
        if group is not None:
            return group.head_ref.removeprefix("refs/heads/"), group.head_sha, self
        if event in DEFAULT_BRANCH_EVENTS:
            branch = branch if event == "workflow_dispatch" else None
        branch = branch or self.default_branch
        return branch, sha or self.tip(branch), self

    def artifacts(self) -> list[Artifact]:
        """Those that were not deleted, the newest first."""
        every = [one for run in self.runs.values() for one in run.artifacts if not one.deleted]
        return sorted(every, key=lambda one: -one.id)

    def find_artifact(self, number: int) -> Artifact | None:
        return next((one for one in self.artifacts() if one.id == number), None)
