"""Workflow runs: their attempts, jobs, artifacts, and the concurrency groups they wait in."""

from __future__ import annotations

import copy
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.twin.state import Artifact, Job, User

if TYPE_CHECKING:
    from tests.twin.pulls import PullRequest
    from tests.twin.repository import Repository

RETENTION = 90 * 24 * 3600
PENDING_MAX = 100
"""How many may wait in a group with `queue: max`."""

FIXED_DATE = (2026, 11, 2, 8, 0, 0)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip as actions/upload-artifact makes it; equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(eq=False)
class Run:
    """A run of a workflow. A rerun keeps the id and gets another attempt."""

    repository: Repository = field(repr=False)
    id: int
    path: str
    name: str
    event: str
    head_sha: str
    head_branch: str
    head_repository: Repository = field(repr=False)
    actor: User
    run_number: int
    created_at: int
    updated_at: int
    started_at: int
    title: str
    attempt: int = 1
    status: str = "in_progress"
    conclusion: str | None = None
    pull: PullRequest | None = None
    triggering_actor: User | None = None
    group: str | None = None
    inputs: dict[str, object] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    past: list[Run] = field(default_factory=list, repr=False)
    """The earlier attempts, the first one first."""

    @property
    def latest_jobs(self) -> list[Job]:
        """One job of each name: that of the last attempt that ran it."""
        return list({job.name: job for job in self.jobs}.values())

    def at_attempt(self, number: int) -> Run | None:
        if number == self.attempt:
            return self
        return next((run for run in self.past if run.attempt == number), None)

    def start_jobs(self, names: tuple[str, ...]) -> None:
        twin = self.repository.twin
        state = "queued" if self.status == "pending" else "in_progress"
        for name in names:
            self.jobs.append(Job(twin.new_id("job"), name, self.attempt, state, None, twin.clock()))

    def artifact(
        self,
        name: str,
        files: dict[str, bytes] | bytes = b"",
        *,
        raw: tuple[str, bytes] | None = None,
        expired: bool = False,
        digest: str | None = "auto",
    ) -> Artifact:
        """An upload. `files` is zipped, unless it is the zip's own bytes; `raw` is a file name and
        a single file's bytes, uploaded with `archive: false`. `digest` "auto" is the right one."""
        twin = self.repository.twin
        filename, data = raw if raw is not None else (None, files)
        if isinstance(data, dict):
            data = zipped(data)
        if digest == "auto":
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        now = twin.happen()
        artifact = Artifact(
            id=twin.new_id("artifact"),
            name=name,
            data=data,
            digest=digest,
            created_at=now,
            expires_at=now + RETENTION,
            attempt=self.attempt,
            run_id=self.id,
            filename=filename,
            gone=expired,
        )
        self.artifacts.append(artifact)
        return artifact

    def finish(self, conclusion: str = "success", jobs: dict[str, str] | None = None) -> Run:
        """Ends this attempt. `jobs` gives the conclusion of those that end otherwise."""
        self.updated_at = self.repository.twin.happen()
        self.status, self.conclusion = "completed", conclusion
        for job in self.jobs:
            if job.status != "completed":
                job.status, job.completed_at = "completed", self.updated_at
                ended = conclusion if conclusion in JOB_CONCLUSIONS else "failure"
                job.conclusion = (jobs or {}).get(job.name, ended)
        self.repository.groups.leave(self)
        return self

    def rerun(self, failed_only: bool = False, actor: str | User | None = None) -> Run:
        """Another attempt of the same run. Jobs that are not run again keep their old attempt."""
        assert self.status == "completed", "a run that has not ended cannot be run again"
        twin = self.repository.twin
        self.past.append(copy.copy(self))
        self.past[-1].jobs, self.past[-1].past = list(self.jobs), []
        again = tuple(
            job.name
            for job in self.latest_jobs
            if not failed_only or job.conclusion not in ("success", "skipped")
        )
        self.attempt += 1
        self.updated_at = self.started_at = twin.happen()
        self.status, self.conclusion = "in_progress", None
        if actor is not None:
            self.triggering_actor = actor if isinstance(actor, User) else twin.user(actor)
        self.start_jobs(again)
        return self


JOB_CONCLUSIONS = (
    *("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"),
)


@dataclass(eq=False)
class Group:
    """A concurrency group. Its first member runs, the others wait."""

    name: str
    members: list[Run] = field(default_factory=list)
    acquired_at: int = 0


class Groups:
    """The concurrency groups of one repository. Their names are case-insensitive."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter([group for group in self._groups.values() if group.members])

    def find(self, name: str) -> Group | None:
        group = self._groups.get(name.lower())
        return group if group is not None and group.members else None

    def of(self, run: Run) -> list[Group]:
        return [group for group in self if run in group.members]

    def join(self, run: Run, name: str, queue: str, cancel_in_progress: bool = False) -> None:
        group = self._groups.setdefault(name.lower(), Group(name))
        run.group = name
        if len(group.members) > PENDING_MAX and queue == "max":
            run.finish("cancelled")
            return
        ahead = list(group.members)
        group.members.append(run)
        if not ahead:
            group.acquired_at = run.started_at
            return
        run.status = "pending"
        # The newest replaces whoever waits, or whoever is there at all.
        replaced = ahead if cancel_in_progress else ahead[1:] if queue == "single" else []
        for other in reversed(replaced):
            other.finish("cancelled")

    def leave(self, run: Run) -> None:
        for group in self._groups.values():
            if run not in group.members:
                continue
            held = group.members[0] is run
            group.members.remove(run)
            if held and group.members:
                heir = group.members[0]
                heir.status, group.acquired_at = "in_progress", run.updated_at
                for job in heir.jobs:
                    if job.status == "queued":
                        job.status = "in_progress"
