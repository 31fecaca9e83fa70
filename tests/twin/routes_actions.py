"""Endpoints: artifacts, workflow runs, dispatches, concurrency groups."""

from __future__ import annotations

import json

from tests.twin import blob, dispatching, render_runs
from tests.twin.clock import iso
from tests.twin.render import Json
from tests.twin.routing import Answer, Call, Refused, missing, route
from tests.twin.runs import Run
from tests.twin.state import Artifact

READ, WRITE = "actions:read", "actions:write"
FILTERED_LIMIT = 1000
"""Runs that a filtered list gives at most."""


def run_of(call: Call) -> Run:
    found = call.repository.runs.get(call.number("run_id"))
    if found is None:
        raise missing()
    return found


def live_run(call: Call) -> Run:
    """The run itself, not a list's older picture of it."""
    run_of(call)
    assert call.live is not None
    return call.live.runs[call.number("run_id")]


# --- artifacts ---


def artifact_list(call: Call, found: list[Artifact]) -> Answer:
    name = call.query.get("name")
    found = [one for one in found if name is None or one.name == name]
    page = call.page(found)
    rows = [render_runs.artifact(call.twin.url, call.repository, one) for one in page.items]
    return Answer(body={"total_count": len(found), "artifacts": rows}, headers=page.headers)


@route("GET", "/actions/artifacts", READ, listing=True)
def list_artifacts(call: Call) -> Answer:
    return artifact_list(call, call.repository.artifacts())


@route("GET", "/actions/runs/{run_id}/artifacts", READ, listing=True)
def list_run_artifacts(call: Call) -> Answer:
    run = run_of(call)
    found = [one for one in call.repository.artifacts() if one.run_id == run.id]
    if call.query.get("direction") == "asc":
        found.reverse()
    return artifact_list(call, found)


def artifact_of(call: Call) -> Artifact:
    found = call.repository.find_artifact(call.number("artifact_id"))
    if found is None:
        raise missing()
    return found


@route("GET", "/actions/artifacts/{artifact_id}", READ)
def get_artifact(call: Call) -> Answer:
    found = artifact_of(call)
    return Answer(body=render_runs.artifact(call.twin.url, call.repository, found))


@route("GET", "/actions/artifacts/{artifact_id}/{archive_format}", READ)
def download_artifact(call: Call) -> Answer:
    found = artifact_of(call)
    if call.arguments["archive_format"] != "zip":
        raise missing()
    if call.token is None:
        raise Refused(401, "Requires authentication")
    call.require("actions:read")
    if not call.token.may("actions", "read"):
        raise Refused(403, "Resource not accessible by integration")
    if render_runs.expired(call.repository, found):
        raise Refused(410, "Artifact has expired")
    return Answer(302, headers={"Location": blob.address(call.twin, found)})


@route("DELETE", "/actions/artifacts/{artifact_id}", WRITE)
def delete_artifact(call: Call) -> Answer:
    artifact_of(call).deleted = True
    call.twin.happen()
    return Answer(204)


# --- runs ---


def in_range(value: str, wanted: str) -> bool:
    """GitHub's search syntax for dates: `>=a`, `<=a`, `>a`, `<a`, `a..b`, `a`."""
    low, dots, high = wanted.partition("..")
    if dots:
        return (low in ("*", "") or value >= low) and (
            high in ("*", "") or value[: len(high)] <= high
        )
    for sign in (">=", "<=", ">", "<"):
        if wanted.startswith(sign):
            date = wanted[len(sign) :]
            return {
                ">=": value >= date,
                "<=": value[: len(date)] <= date,
                ">": value[: len(date)] > date,
                "<": value < date,
            }[sign]
    return value.startswith(wanted)


def run_list(call: Call, runs: list[Run]) -> Answer:
    query = call.query
    plain = {"branch": "head_branch", "event": "event", "head_sha": "head_sha"}
    filtered = False
    for name, field in plain.items():
        if name in query:
            filtered = True
            runs = [run for run in runs if getattr(run, field) == query[name]]
    if "status" in query:
        filtered = True
        runs = [run for run in runs if query["status"] in (run.status, run.conclusion)]
    if "actor" in query:
        filtered = True
        runs = [run for run in runs if run.actor.login.lower() == query["actor"].lower()]
    if "created" in query:
        filtered = True
        runs = [run for run in runs if in_range(iso(run.created_at) or "", query["created"])]
    if query.get("exclude_pull_requests") == "true":
        filtered = True
    runs = sorted(runs, key=lambda run: -run.id)
    total = len(runs)
    page = call.page(runs[:FILTERED_LIMIT] if filtered else runs)
    rows = [render_runs.run(call.twin.url, call.repository, run) for run in page.items]
    if query.get("exclude_pull_requests") == "true":
        rows = [row | {"pull_requests": []} for row in rows]
    return Answer(body={"total_count": total, "workflow_runs": rows}, headers=page.headers)


@route("GET", "/actions/runs", READ, listing=True)
def list_runs(call: Call) -> Answer:
    return run_list(call, list(call.repository.runs.values()))


def of_workflow(run: Run, name: str) -> bool:
    path = run.path.partition("@")[0]
    return name in (path, path.rpartition("/")[2], str(render_runs.workflow_id(path)))


@route("GET", "/actions/workflows/{workflow_id}/runs", READ, listing=True)
def list_workflow_runs(call: Call) -> Answer:
    name = call.arguments["workflow_id"]
    runs = [run for run in call.repository.runs.values() if of_workflow(run, name)]
    if not runs and workflow_path(call, name) is None:
        raise missing()
    return run_list(call, runs)


@route("GET", "/actions/runs/{run_id}", READ)
def get_run(call: Call) -> Answer:
    return Answer(body=render_runs.run(call.twin.url, call.repository, run_of(call)))


@route("GET", "/actions/runs/{run_id}/attempts/{attempt_number}", READ)
def get_attempt(call: Call) -> Answer:
    found = run_of(call).at_attempt(call.number("attempt_number"))
    if found is None:
        raise missing()
    return Answer(body=render_runs.run(call.twin.url, call.repository, found))


def job_list(call: Call, run: Run, latest: bool) -> Answer:
    jobs = run.latest_jobs if latest else run.jobs
    page = call.page(jobs)
    rows = [render_runs.job(call.twin.url, call.repository, run, one) for one in page.items]
    return Answer(body={"total_count": len(jobs), "jobs": rows}, headers=page.headers)


@route("GET", "/actions/runs/{run_id}/jobs", READ, listing=True)
def list_jobs(call: Call) -> Answer:
    return job_list(call, run_of(call), call.query.get("filter", "latest") == "latest")


@route("GET", "/actions/runs/{run_id}/attempts/{attempt_number}/jobs", READ, listing=True)
def list_attempt_jobs(call: Call) -> Answer:
    found = run_of(call).at_attempt(call.number("attempt_number"))
    if found is None:
        raise missing()
    return job_list(call, found, latest=True)


def again(call: Call, failed_only: bool) -> Answer:
    run = live_run(call)
    if run.status != "completed":
        raise Refused(403, "This workflow is already running")
    if failed_only and not any(job.conclusion != "success" for job in run.latest_jobs):
        raise Refused(403, "This workflow run cannot be retried: it has no failed jobs")
    run.rerun(failed_only=failed_only, actor=call.user)
    return Answer(201, {})


@route("POST", "/actions/runs/{run_id}/rerun", WRITE)
def rerun(call: Call) -> Answer:
    return again(call, failed_only=False)


@route("POST", "/actions/runs/{run_id}/rerun-failed-jobs", WRITE)
def rerun_failed(call: Call) -> Answer:
    return again(call, failed_only=True)


@route("POST", "/actions/runs/{run_id}/cancel", WRITE)
def cancel(call: Call) -> Answer:
    run = live_run(call)
    if run.status == "completed":
        raise Refused(409, "Cannot cancel a workflow run that is completed.")
    run.finish("cancelled")
    return Answer(202, {})


# --- dispatch ---


def workflow_path(call: Call, name: str) -> str | None:
    """The path of a workflow on the default branch, by its file name, path or id."""
    git, tip = call.repository.git, call.repository.default_branch
    sha = git.resolve(f"refs/heads/{tip}")
    entries = git.entries(sha, ".github/workflows/") if sha is not None else []
    for entry in entries:
        known = (
            entry.path,
            entry.path.rpartition("/")[2],
            str(render_runs.workflow_id(entry.path)),
        )
        if name in known:
            return entry.path
    return None


@route("POST", "/actions/workflows/{workflow_id}/dispatches", WRITE)
def dispatch(call: Call) -> Answer:
    """A run of a workflow that stands on the default branch. What triggers it stands in the file at
    `ref`, which is looked at only for the word `workflow_dispatch`, for inputs and `run-name`."""
    fields, one = call.fields(), call.live
    assert one is not None
    path = workflow_path(call, call.arguments["workflow_id"])
    if path is None:
        raise missing()
    ref = fields.get("ref")
    branch = str(ref).removeprefix("refs/heads/")
    sha = one.git.resolve(f"refs/heads/{branch}") if isinstance(ref, str) else None
    if sha is None:
        raise Refused(422, f"No ref found for: {ref}")
    entry = one.git.entry(sha, path)
    if entry is None or b"workflow_dispatch" not in one.git.blob(entry.sha):
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    workflow = dispatching.read(one.git.blob(entry.sha))
    inputs, problem = dispatching.complete(workflow, fields.get("inputs") or {})
    if problem:
        raise Refused(422, problem)
    title = dispatching.title(workflow, inputs)
    run = one.run(
        *(path, "workflow_dispatch"), branch=branch, sha=sha, actor=call.user.login, title=title
    )
    run.inputs = inputs
    if not fields.get("return_run_details"):
        return Answer(204)
    shown: Json = render_runs.run(call.twin.url, one, run)
    body = {"workflow_run_id": run.id, "run_url": shown["url"], "html_url": shown["html_url"]}
    return Answer(200, body)


# --- the runner's own door ---


def upload(run: Run, query: dict[str, str], data: bytes) -> Answer:
    """What actions/upload-artifact does through an interface that GitHub does not publish."""
    name = query.get("name", "")
    old = [
        one
        for one in run.artifacts
        if one.name == name and not one.deleted and one.attempt == run.attempt
    ]
    if not name or set(name) & set('":<>|*?\r\n\\/'):
        return error(400, f"The artifact name is not valid: {name!r}")
    if old and query.get("overwrite") != "1":
        return error(409, f"an artifact with the name {name} already exists on the workflow run")
    for one in old:
        one.deleted = True
    raw = query.get("raw")
    made = run.artifact(name, raw=(raw, data)) if raw else run.artifact(name, data)
    return Answer(201, {"id": made.id, "name": made.name, "digest": made.digest})


def error(status: int, message: str) -> Answer:
    return Answer(status, raw=json.dumps({"message": message}).encode())
