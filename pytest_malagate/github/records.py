"""GitHub's answers as this project's own values: only the fields that are used, each typed.

Field names are GitHub's own. Times are ISO 8601 in UTC, as GitHub writes them.
"""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the values. Fields of GitHub's that are not named here are ignored."""


class Account(Value, frozen=True, kw_only=True):
    """Somebody, or something, that acts on GitHub. `type` is `User`, `Bot` or `Organization`."""

    login: str
    type: str = "User"


class RepositoryRef(Value, frozen=True, kw_only=True):
    """A repository, as other answers name it."""

    id: int
    full_name: str
    owner: Account


class Branch(Value, frozen=True, kw_only=True):
    """One side of a pull request. `repo` is None if that repository was deleted."""

    ref: str
    sha: str
    repo: RepositoryRef | None = None


class BranchName(Value, frozen=True, kw_only=True):
    """A branch that is there."""

    name: str


class Label(Value, frozen=True, kw_only=True):
    """A label's name."""

    name: str


class AutoMerge(Value, frozen=True, kw_only=True):
    """That a pull request lands by itself as soon as it may, and who asked for that."""

    merge_method: str = ""
    enabled_by: Account | None = None


class Pull(Value, frozen=True, kw_only=True):
    """A pull request. `merge_commit_sha` is GitHub's test merge of an open one.

    `merged_at` is None for one that was not merged. Only the lists and the single answers of the
    API have all fields; an event may lack some.
    """

    number: int
    state: str
    title: str = ""
    updated_at: str = ""
    merged_at: str | None = None
    auto_merge: AutoMerge | None = None
    head: Branch
    base: Branch
    user: Account | None = None
    labels: tuple[Label, ...] = ()
    merge_commit_sha: str | None = None
    draft: bool = False


class Run(Value, frozen=True, kw_only=True):
    """A workflow run. `path` is its workflow file; an `@ref` may follow it.

    `name` is the workflow's; `display_title` is what its `run-name` came to.
    """

    id: int
    event: str
    head_sha: str
    head_branch: str | None = None
    name: str | None = None
    display_title: str = ""
    created_at: str = ""
    path: str = ""
    status: str | None = None
    conclusion: str | None = None
    run_attempt: int = 1
    repository: RepositoryRef | None = None
    head_repository: RepositoryRef | None = None

    @property
    def file(self) -> str:
        """The workflow file's path, without a ref."""
        return self.path.partition("@")[0]


class RunsPage(Value, frozen=True, kw_only=True):
    """A page of runs, newest first. A filtered list ends after 1,000 of `total_count`."""

    total_count: int = 0
    workflow_runs: tuple[Run, ...]


class Job(Value, frozen=True, kw_only=True):
    """A job of a run. `run_attempt` is the attempt in which it ran."""

    run_attempt: int = 1


class JobsPage(Value, frozen=True, kw_only=True):
    """A page of jobs."""

    jobs: tuple[Job, ...]


class ArtifactRun(Value, frozen=True, kw_only=True):
    """Which run made an artifact."""

    id: int
    repository_id: int | None = None
    head_repository_id: int | None = None
    head_branch: str | None = None
    head_sha: str | None = None


class Artifact(Value, frozen=True, kw_only=True):
    """A workflow artifact. `digest` is that of the bytes to be downloaded."""

    id: int
    name: str
    size_in_bytes: int
    expired: bool
    digest: str | None = None
    workflow_run: ArtifactRun | None = None


class ArtifactsPage(Value, frozen=True, kw_only=True):
    """A page of artifacts, newest first."""

    total_count: int
    artifacts: tuple[Artifact, ...]


class Comment(Value, frozen=True, kw_only=True):
    """A comment on an issue or a pull request."""

    id: int
    body: str | None = None
    user: Account | None = None
    created_at: str = ""
    updated_at: str = ""


class Issue(Value, frozen=True, kw_only=True):
    """An issue, or a pull request seen as one: then `pull_request` is there.

    `comments` is how many there are. `repository_url` says where it lives now: issues move.
    """

    id: int
    number: int
    state: str
    node_id: str = ""
    title: str = ""
    body: str | None = None
    user: Account | None = None
    labels: tuple[Label, ...] = ()
    comments: int = 0
    locked: bool = False
    created_at: str = ""
    updated_at: str = ""
    closed_at: str | None = None
    repository_url: str = ""
    pull_request: dict[str, object] | None = None

    def has_label(self, name: str) -> bool:
        """True if it bears the label; GitHub's names of labels have no case."""
        return any(label.name.lower() == name.lower() for label in self.labels)


class IssueEvent(Value, frozen=True, kw_only=True):
    """Something that was done to an issue: `labeled`, `unlabeled`, `closed`, `reopened` and more.

    `label` is there where one was put on or taken off; `issue` is the issue as it is now.
    """

    id: int
    event: str
    created_at: str = ""
    actor: Account | None = None
    label: Label | None = None
    issue: Issue | None = None


class Hash(Value, frozen=True, kw_only=True):
    """The name of a git object."""

    sha: str


class CommitBody(Value, frozen=True, kw_only=True):
    """What a commit holds: its tree."""

    tree: Hash


class ChangedFile(Value, frozen=True, kw_only=True):
    """A file that a commit or a change touches."""

    filename: str
    previous_filename: str | None = None


class CommitAnswer(Value, frozen=True, kw_only=True):
    """A commit. `files` are those that differ from its first parent, 300 a page."""

    sha: str
    commit: CommitBody
    parents: tuple[Hash, ...] = ()
    files: tuple[ChangedFile, ...] = ()


class Comparison(Value, frozen=True, kw_only=True):
    """How a head stands to a base. `files` are those of the whole change, 300 at most.

    `commits` are those that the base has not, oldest first, 250 at most.
    """

    status: str
    base_commit: CommitAnswer
    merge_base_commit: CommitAnswer
    commits: tuple[CommitAnswer, ...] = ()
    files: tuple[ChangedFile, ...] = ()
    total_commits: int = 0


class StatusAnswer(Value, frozen=True, kw_only=True):
    """A commit status."""

    state: str
    context: str
    description: str | None = None


class CombinedStatus(Value, frozen=True, kw_only=True):
    """The newest status of each context of a commit."""

    statuses: tuple[StatusAnswer, ...]


class Reacted(Value, frozen=True, kw_only=True):
    """A reaction to a comment."""

    content: str


class Entry(Value, frozen=True, kw_only=True):
    """A name in a directory of a revision."""

    name: str


class FileAnswer(Value, frozen=True, kw_only=True):
    """A file of a revision. `encoding` is `none`, and `content` empty, for more than a megabyte."""

    type: str
    content: str
    encoding: str


class Permission(Value, frozen=True, kw_only=True):
    """What somebody may do. `role_name` knows `triage` and `maintain`; `permission` does not."""

    permission: str
    role_name: str = ""
    user: Account | None = None


class Dispatched(Value, frozen=True, kw_only=True):
    """The run that a dispatch began."""

    workflow_run_id: int


class GroupMember(Value, frozen=True, kw_only=True):
    """A run, or one job of it, that holds or waits for a concurrency group.

    `position` is only told where a run's own groups were asked for; 0 holds the group.
    """

    run_id: int
    status: str
    run_name: str = ""
    job_id: int | None = None
    job_name: str | None = None
    position: int | None = None


class Group(Value, frozen=True, kw_only=True):
    """A concurrency group and who is in it, the holder first."""

    group_name: str
    group_members: tuple[GroupMember, ...] = ()
    total_count: int = 0


class GroupsOfRun(Value, frozen=True, kw_only=True):
    """The concurrency groups that a run or one of its jobs is in, each with its places there."""

    concurrency_groups: tuple[Group, ...]


class GroupRow(Value, frozen=True, kw_only=True):
    """A concurrency group in a list."""

    group_name: str
    last_acquired_at: str | None = None


class GroupsPage(Value, frozen=True, kw_only=True):
    """A page of the concurrency groups that somebody holds or waits for."""

    concurrency_groups: tuple[GroupRow, ...]
