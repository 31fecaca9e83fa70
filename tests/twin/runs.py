"""Workflow runs: their attempts, jobs, artifacts, and the concurrency groups they wait in."""

from __future__ import annotations

import copy
import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.twin.state import Artifact, Job, User

if TYPE_CHECKING:
    from tests.twin.pulls import PullRequest
    from tests.twin.repository import Repository

RETENTION = 90 * 24 * 3600
FIXED_DATE = (2026, 11, 2, 8, 0, 0)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip as actions/upload-artifact makes it; equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(frozen=True)
class Lease:
    """What a workflow says of its concurrency: the group's name, `queue`, and whether the key
    stands at the workflow or at its first job."""

    name: str
    queue: str
    cancel_in_progress: bool = False
    job_level: bool = False


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
    lease: Lease | None = None
    planned: tuple[str, ...] = ()
    """The jobs that begin when the run does."""
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

    def begin(self, jobs: tuple[str, ...]) -> None:
        """Starts, unless the run's concurrency group makes it or its first job wait."""
        groups, lease, self.planned = self.repository.groups, self.lease, jobs
        if lease is None or lease.job_level:
            self.start_jobs(jobs)
        if lease is None:
            return
        first = self.jobs[-len(jobs)] if lease.job_level and jobs else None
        groups.join(self, lease.name, lease.queue, lease.cancel_in_progress, first)
        if not lease.job_level and self.status == "in_progress" and not self.has_begun:
            self.start_jobs(jobs)

    @property
    def has_begun(self) -> bool:
        """Whether a job of this attempt was started."""
        return any(job.attempt == self.attempt for job in self.jobs)

    def start_jobs(self, names: tuple[str, ...]) -> None:
        twin = self.repository.twin
        for name in names:
            number = twin.new_id("job")
            self.jobs.append(Job(number, name, self.attempt, "in_progress", None, twin.clock()))

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
        self.begin(again)
        return self


JOB_CONCLUSIONS = (
    *("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"),
)
