"""Workflow runs, jobs, artifacts and concurrency groups as GitHub writes them in JSON."""

from __future__ import annotations

import zlib
from urllib.parse import quote

from tests.twin import render
from tests.twin.clock import iso
from tests.twin.groups import Group, Member
from tests.twin.pulls import PullRequest
from tests.twin.render import WEB, Json, node, repository_url
from tests.twin.repository import Repository
from tests.twin.runs import Run
from tests.twin.state import Artifact, Job


def workflow_id(path: str) -> int:
    """Stable for a path."""
    return 10_000_000 + zlib.crc32(path.partition("@")[0].encode()) % 90_000_000


def pull_minimal(api: str, it: PullRequest) -> Json:
    """As a run lists the pull requests that it belongs to."""

    def side(one: Repository, ref: str, sha: str) -> Json:
        repo = {"id": one.id, "url": repository_url(api, one), "name": one.name}
        return {"ref": ref, "sha": sha, "repo": repo}

    return {
        "id": it.id,
        "number": it.number,
        "url": f"{repository_url(api, it.repository)}/pulls/{it.number}",
        "head": side(it.head_repository, it.head_ref, it.head_sha),
        "base": side(it.repository, it.base_ref, it.base_sha),
    }


def pulls_of(it: Run) -> list[PullRequest]:
    """Empty for forks: GitHub does not say which pull request a fork's run belongs to."""
    if it.pull is None or it.pull.from_fork or it.pull.state != "open":
        return []
    return [it.pull]


def run(api: str, one: Repository, it: Run) -> Json:
    base = repository_url(api, one)
    url = f"{base}/actions/runs/{it.id}"
    workflow = workflow_id(it.path)
    found = one.git.show(it.head_sha)
    people = {"name": found.author.name, "email": found.author.email}
    before = f"{url}/attempts/{it.attempt - 1}" if it.attempt > 1 else None
    return {
        "id": it.id,
        "name": it.name,
        "node_id": node("WorkflowRun", it.id),
        "check_suite_id": it.id + 1,
        "check_suite_node_id": node("CheckSuite", it.id + 1),
        "head_branch": it.head_branch,
        "head_sha": it.head_sha,
        "path": it.path,
        "display_title": it.title,
        "run_number": it.run_number,
        "run_attempt": it.attempt,
        "event": it.event,
        "status": it.status,
        "conclusion": it.conclusion,
        "workflow_id": workflow,
        "url": url,
        "html_url": f"{WEB}/{one.full_name}/actions/runs/{it.id}",
        "pull_requests": [pull_minimal(api, pull) for pull in pulls_of(it)],
        "created_at": iso(it.created_at),
        "updated_at": iso(it.updated_at),
        "run_started_at": iso(it.started_at),
        "actor": render.user(api, it.actor),
        "triggering_actor": render.user(api, it.triggering_actor or it.actor),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{base}/check-suites/{it.id + 1}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": before,
        "workflow_url": f"{base}/actions/workflows/{workflow}",
        "head_commit": {
            "id": found.sha,
            "tree_id": found.tree,
            "message": found.message,
            "timestamp": iso(found.committer.at),
            "author": people,
            "committer": {"name": found.committer.name, "email": found.committer.email},
        },
        "repository": render.minimal_repository(api, one),
        "head_repository": render.minimal_repository(api, it.head_repository),
    }


def job(api: str, one: Repository, it: Run, this: Job) -> Json:
    base = repository_url(api, one)
    return {
        "id": this.id,
        "run_id": it.id,
        "workflow_name": it.name,
        "head_branch": it.head_branch,
        "run_url": f"{base}/actions/runs/{it.id}",
        "run_attempt": this.attempt,
        "node_id": node("CheckRun", this.id),
        "head_sha": it.head_sha,
        "url": f"{base}/actions/jobs/{this.id}",
        "html_url": f"{WEB}/{one.full_name}/actions/runs/{it.id}/job/{this.id}",
        "status": this.status,
        "conclusion": this.conclusion,
        "created_at": iso(this.started_at),
        "started_at": iso(this.started_at),
        "completed_at": iso(this.completed_at),
        "name": this.name,
        "steps": [],
        "check_run_url": f"{base}/check-runs/{this.id}",
        "labels": ["ubuntu-latest"],
        "runner_id": None,
        "runner_name": None,
        "runner_group_id": None,
        "runner_group_name": None,
    }


def expired(one: Repository, it: Artifact) -> bool:
    return it.gone or one.twin.clock() >= it.expires_at


def artifact(api: str, one: Repository, it: Artifact) -> Json:
    url = f"{repository_url(api, one)}/actions/artifacts/{it.id}"
    of = one.runs[it.run_id]
    return {
        "id": it.id,
        "node_id": node("Artifact", it.id),
        "name": it.name,
        "size_in_bytes": len(it.data),
        "url": url,
        "archive_download_url": f"{url}/zip",
        "expired": expired(one, it),
        "digest": it.digest,
        "created_at": iso(it.created_at),
        "updated_at": iso(it.created_at),
        "expires_at": iso(it.expires_at),
        "workflow_run": {
            "id": of.id,
            "repository_id": one.id,
            "head_repository_id": of.head_repository.id,
            "head_branch": of.head_branch,
            "head_sha": of.head_sha,
        },
    }


def group_url(api: str, one: Repository, name: str) -> str:
    return f"{repository_url(api, one)}/actions/concurrency_groups/{quote(name, safe='')}"


def group_row(api: str, one: Repository, it: Group) -> Json:
    return {
        "group_name": it.name,
        "group_url": group_url(api, one, it.name),
        "last_acquired_at": iso(it.acquired_at),
    }


def group_member(api: str, one: Repository, it: Member, place: int) -> Json:
    run, job = it.run, it.job
    url = f"{repository_url(api, one)}/actions"
    web = f"{WEB}/{one.full_name}/actions/runs/{run.id}"
    result: Json = {
        "run_id": run.id,
        "run_name": run.name,
        "run_url": f"{url}/runs/{run.id}",
        "run_html_url": web,
        "status": it.phantom or ("in_progress" if place == 0 else "pending"),
    }
    if job is not None:
        result |= {
            "job_id": job.id,
            "job_name": job.name,
            "job_url": f"{url}/jobs/{job.id}",
            "job_html_url": f"{web}/job/{job.id}",
        }
    return result
