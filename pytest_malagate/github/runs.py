"""Workflow runs and their attempts, as the API tells them."""

from __future__ import annotations

from pytest_malagate.github.artifacts import Trusted
from pytest_malagate.github.client import Client
from pytest_malagate.github.records import JobsPage, Run, RunsPage

_PAGES = 3


def run_of(client: Client, run_id: int) -> Run:
    """One run. Raises GitHubError."""
    return client.get(f"/actions/runs/{run_id}", Run)


def vouch(run: Run, trusted: Trusted) -> bool:
    """True if a run is one of the trusted: by repository, branch, event and workflow file."""
    return (
        run.event in trusted.events_on(run.head_branch)
        and run.file == trusted.workflow
        and run.repository is not None
        and run.repository.id == trusted.repository_id
        and run.head_repository is not None
        and run.head_repository.id == trusted.repository_id
    )


def attempts_in_force(client: Client, run: Run) -> frozenset[int]:
    """The attempts whose jobs make up the run as it stands.

    After "re-run failed jobs" the jobs that had passed still belong to the attempt they ran in.
    """
    if run.run_attempt == 1:
        return frozenset({1})
    pages = client.pages(f"/actions/runs/{run.id}/jobs", JobsPage, filter="latest")
    attempts = {job.run_attempt for page in pages for job in page.jobs}
    return frozenset(attempts | {run.run_attempt})


def earlier_failures(client: Client, run: Run) -> tuple[str, ...]:
    """Heads of this branch whose run of the same workflow failed before, oldest first, each once.

    Of the newest 300 runs of that branch. Cancelled runs and those without an end do not count.
    """
    file = run.file.rpartition("/")[2]
    pages = client.pages(
        f"/actions/workflows/{file}/runs",
        RunsPage,
        limit=_PAGES,
        branch=run.head_branch or "",
        event=run.event,
        status="completed",
    )
    ours = run.head_repository.id if run.head_repository else None
    heads = [
        other.head_sha
        for page in pages
        for other in page.workflow_runs
        if other.head_repository is not None
        and other.head_repository.id == ours
        and other.conclusion == "failure"
        and other.id < run.id
        and other.head_sha != run.head_sha
    ]
    return tuple(dict.fromkeys(reversed(heads)))


def latest_of_head(client: Client, head_sha: str, event: str) -> Run | None:
    """The newest run for a head that an event began; None if there is none."""
    page = client.get("/actions/runs", RunsPage, head_sha=head_sha, event=event, per_page=100)
    runs = [run for run in page.workflow_runs if run.head_sha == head_sha and run.event == event]
    return max(runs, key=lambda run: run.id, default=None)
