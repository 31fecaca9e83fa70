"""What the runner says: the repository, this run, and the event that began it.

The variables and the event file come from GitHub, not from a change; the texts in the event
(titles, branch names, comments) come from anybody and are data.

Source: GitHub's documentation of default environment variables and of webhook payloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pytest_malagate.errors import UsageError
from pytest_malagate.github.records import Account, Comment, Label, Pull, RepositoryRef, Run

MAX_EVENT = 32 * 1024 * 1024  # bytes; GitHub's own limit for a payload is 25 MB


class EventRepository(RepositoryRef, frozen=True, kw_only=True):
    """The repository that the workflow belongs to."""

    default_branch: str


class MergeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group in the merge queue."""

    head_sha: str
    head_ref: str
    base_sha: str
    base_ref: str


class IssueRef(msgspec.Struct, frozen=True, kw_only=True):
    """The issue that was commented on. `pull_request` is there if it is a pull request."""

    number: int
    pull_request: dict[str, object] | None = None
    user: Account | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What was deployed, and where to."""

    ref: str = ""
    sha: str = ""
    environment: str = ""


class DeploymentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a deployment."""

    state: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The event's payload, as far as malagate reads it. `label` was put on or taken off."""

    repository: EventRepository
    action: str = ""
    sender: Account | None = None
    workflow_run: Run | None = None
    pull_request: Pull | None = None
    merge_group: MergeGroup | None = None
    issue: IssueRef | None = None
    comment: Comment | None = None
    label: Label | None = None
    deployment: Deployment | None = None
    deployment_status: DeploymentStatus | None = None
    ref: str = ""
    after: str | None = None


class RunnerEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """This job, as the runner describes it.

    `workflow` is the path of this run's own workflow file, `actor` who began the run. `workspace`
    and `temp` are directories of this job; `output` and `step_summary` are the files that the
    runner reads.
    """

    api_url: str
    server_url: str
    repository: str
    event_name: str
    event: Event
    run_id: int
    run_attempt: int
    workflow: str
    workspace: Path
    temp: Path
    output: Path | None
    step_summary: Path | None
    actor: str = ""

    @property
    def run_url(self) -> str:
        """Where a person reads this run."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}"

    @property
    def default_branch(self) -> str:
        """The repository's default branch."""
        return self.event.repository.default_branch


def read_environment(environ: Mapping[str, str]) -> RunnerEnvironment:
    """The runner's environment. Raises UsageError, naming the variable that is wrong."""
    return RunnerEnvironment(
        api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
        server_url=environ.get("GITHUB_SERVER_URL") or "https://github.com",
        repository=_required(environ, "GITHUB_REPOSITORY"),
        event_name=_required(environ, "GITHUB_EVENT_NAME"),
        event=_event(Path(_required(environ, "GITHUB_EVENT_PATH"))),
        run_id=_number(environ, "GITHUB_RUN_ID"),
        run_attempt=_number(environ, "GITHUB_RUN_ATTEMPT"),
        workflow=_workflow(environ),
        workspace=Path(environ.get("GITHUB_WORKSPACE") or "."),
        temp=Path(_required(environ, "RUNNER_TEMP")),
        output=_file(environ, "GITHUB_OUTPUT"),
        step_summary=_file(environ, "GITHUB_STEP_SUMMARY"),
        actor=environ.get("GITHUB_ACTOR", ""),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise UsageError(f"{name} is not set: `malagate action` runs in a GitHub Actions job")
    return value


def _number(environ: Mapping[str, str], name: str) -> int:
    value = _required(environ, name)
    if not value.isdecimal():
        raise UsageError(f"{name} is no number: {value[:40]!r}")
    return int(value)


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value) if value else None


def _workflow(environ: Mapping[str, str]) -> str:
    """`owner/repo/.github/workflows/gate.yml@refs/heads/main` without what stands around."""
    reference = environ.get("GITHUB_WORKFLOW_REF", "")
    path = reference.partition("@")[0]
    return path.removeprefix(f"{environ.get('GITHUB_REPOSITORY', '')}/")


def _event(path: Path) -> Event:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_EVENT + 1)
    except OSError as error:
        raise UsageError(f"the event {path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_EVENT:
        raise UsageError(f"the event {path} has more than {MAX_EVENT} bytes")
    try:
        return msgspec.json.decode(data, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the event {path} is none of GitHub's: {error}") from error
