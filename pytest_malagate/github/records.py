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


class Label(Value, frozen=True, kw_only=True):
    """A label's name."""

    name: str


class Pull(Value, frozen=True, kw_only=True):
    """A pull request. `merge_commit_sha` is GitHub's test merge of an open one."""

    number: int
    state: str
    head: Branch
    base: Branch
    user: Account | None = None
    labels: tuple[Label, ...] = ()
    merge_commit_sha: str | None = None
    draft: bool = False


class Run(Value, frozen=True, kw_only=True):
    """A workflow run. `path` is its workflow file; an `@ref` may follow it."""

    id: int
    event: str
    head_sha: str
    head_branch: str | None = None
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
    """A page of runs, newest first."""

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
