"""The variables that a runner sets for a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.twin.repository import Repository
    from tests.twin.runs import Run
    from tests.twin.twin import Twin


def ref_of(repository: Repository, event: str, payload: dict[str, Any]) -> tuple[str, str]:
    """GITHUB_REF and GITHUB_SHA, as the documentation of the events gives them."""
    if event == "pull_request":
        number, merge = payload["number"], payload["pull_request"]["merge_commit_sha"]
        return f"refs/pull/{number}/merge", merge or payload["pull_request"]["head"]["sha"]
    if event == "merge_group":
        return payload["merge_group"]["head_ref"], payload["merge_group"]["head_sha"]
    if event == "push":
        return payload["ref"], payload["after"]
    if event == "deployment_status":
        return f"refs/heads/{payload['deployment']['ref']}", payload["deployment"]["sha"]
    branch = repository.default_branch
    if event == "workflow_dispatch":
        branch = payload["ref"].removeprefix("refs/heads/")
    return f"refs/heads/{branch}", repository.tip(branch)


def start(repository: Repository, event: str, payload: dict[str, Any], workflow: str) -> Run:
    """The run that the job belongs to, where the test has none."""
    if event == "pull_request":
        pull = next(one for one in repository.pulls if one.number == payload["number"])
        return repository.run(workflow, event, pull=pull)
    ref, sha = ref_of(repository, event, payload)
    branch = ref.removeprefix("refs/heads/")
    actor = payload.get("sender", {}).get("login")
    return repository.run(workflow, event, branch=branch, sha=sha, actor=actor)


def variables(
    twin: Twin,
    repository: Repository,
    event: str,
    payload: dict[str, Any],
    *,
    run: Run | None,
    workflow: str,
    token: str | None,
) -> dict[str, str]:
    if run is None:
        run = start(repository, event, payload, workflow)
    home = twin.directory / "jobs" / str(twin.new_id("environment"))
    files = {name: home / "_temp" / "_runner_file_commands" / name for name in FILE_COMMANDS}
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    workspace = home / "work" / repository.name / repository.name
    workspace.mkdir(parents=True)
    described = home / "_temp" / "_github_workflow" / "event.json"
    described.parent.mkdir(parents=True)
    described.write_text(json.dumps(payload), encoding="utf-8")
    ref, sha = ref_of(repository, event, payload)
    file = run.path.partition("@")[0]
    pull = payload.get("pull_request") or {}
    result = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": twin.url,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_GRAPHQL_URL": f"{twin.url}/graphql",
        "GITHUB_REPOSITORY": repository.full_name,
        "GITHUB_REPOSITORY_ID": str(repository.id),
        "GITHUB_REPOSITORY_OWNER": repository.owner.login,
        "GITHUB_REPOSITORY_OWNER_ID": str(repository.owner.id),
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(described),
        "GITHUB_RUN_ID": str(run.id),
        "GITHUB_RUN_NUMBER": str(run.run_number),
        "GITHUB_RUN_ATTEMPT": str(run.attempt),
        "GITHUB_WORKFLOW": run.name,
        "GITHUB_WORKFLOW_REF": f"{repository.full_name}/{file}@{ref}",
        "GITHUB_WORKFLOW_SHA": sha,
        "GITHUB_JOB": run.jobs[0].name if run.jobs else "build",
        "GITHUB_SHA": sha,
        "GITHUB_REF": ref,
        "GITHUB_REF_NAME": ref.removeprefix("refs/heads/").removeprefix("refs/"),
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_PROTECTED": "false",
        "GITHUB_HEAD_REF": pull.get("head", {}).get("ref", ""),
        "GITHUB_BASE_REF": pull.get("base", {}).get("ref", ""),
        "GITHUB_ACTOR": run.actor.login,
        "GITHUB_ACTOR_ID": str(run.actor.id),
        "GITHUB_TRIGGERING_ACTOR": (run.triggering_actor or run.actor).login,
        "GITHUB_RETENTION_DAYS": "90",
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": str(home / "_temp"),
        "RUNNER_TOOL_CACHE": str(made(home / "_tool")),
        "RUNNER_OS": "Linux",
        "RUNNER_ARCH": "X64",
        "RUNNER_NAME": "twin",
        "RUNNER_ENVIRONMENT": "github-hosted",
        **{name: str(path) for name, path in files.items()},
    }
    if token is not None:
        result["GITHUB_TOKEN"] = token
    return result


FILE_COMMANDS = (
    *("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"),
)


def made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
