"""Webhook payloads, made from the twin's state: no event is made from thin air."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.twin import render, render_issues, render_runs
from tests.twin.clock import iso
from tests.twin.git import ZERO
from tests.twin.pulls import PullRequest
from tests.twin.render import WEB, Json, repository_url
from tests.twin.repository import Repository
from tests.twin.runs import Run
from tests.twin.state import Comment, Issue, MergeGroup, User

if TYPE_CHECKING:
    from tests.twin.twin import Twin


def payload(twin: Twin, name: str, **subject: Any) -> Json:
    made: Json = MAKERS[name](twin, **subject)
    return made


def frame(one: Repository, sender: User) -> Json:
    """What every event carries."""
    api = one.twin.url
    return {"repository": render.repository(api, one), "sender": render.user(api, sender)}


def workflow(one: Repository, run: Run) -> Json:
    """The workflow that a run is of."""
    path = run.path.partition("@")[0]
    number = render_runs.workflow_id(path)
    web = f"{WEB}/{one.full_name}"
    return {
        "id": number,
        "node_id": render.node("Workflow", number),
        "name": run.name,
        "path": path,
        "state": "active",
        "created_at": iso(one.created_at),
        "updated_at": iso(one.created_at),
        "url": f"{repository_url(one.twin.url, one)}/actions/workflows/{number}",
        "html_url": f"{web}/blob/{one.default_branch}/{path}",
        "badge_url": f"{web}/workflows/{run.name}/badge.svg",
    }


def workflow_run(twin: Twin, *, run: Run, action: str | None = None) -> Json:
    """By default what the run's state calls for."""
    one = run.repository
    ended = "completed" if run.status == "completed" else "in_progress"
    body = frame(one, run.triggering_actor or run.actor)
    return {
        "action": action or ended,
        "workflow_run": render_runs.run(twin.url, one, run),
        "workflow": workflow(one, run),
        **body,
    }


def pull_request(
    twin: Twin, *, pull: PullRequest, action: str = "opened", label: str | None = None
) -> Json:
    one, api = pull.repository, twin.url
    result: Json = {
        "action": action,
        "number": pull.number,
        "pull_request": render_issues.pull(api, one, pull),
    }
    if action == "synchronize":
        result |= {"before": pull.previous_sha, "after": pull.head_sha}
    if label is not None:
        result["label"] = render_issues.label(api, one, one.ensure_label(label))
    return result | frame(one, pull.user)


def issue_comment(twin: Twin, *, comment: Comment, action: str = "created") -> Json:
    one, api = comment.issue.repository, twin.url
    result: Json = {
        "action": action,
        "issue": render_issues.issue(api, one, comment.issue),
        "comment": render_issues.comment(api, one, comment),
    }
    return result | frame(one, comment.user)


def issues(
    twin: Twin, *, issue: Issue, action: str, label: str | None = None, actor: str | None = None
) -> Json:
    one, api = issue.repository, twin.url
    result: Json = {"action": action, "issue": render_issues.issue(api, one, issue)}
    if label is not None:
        result["label"] = render_issues.label(api, one, one.ensure_label(label))
    return result | frame(one, twin.user(actor) if actor else issue.user)


def merge_group(twin: Twin, *, group: MergeGroup, action: str = "checks_requested") -> Json:
    one = group.repository
    it = one.git.show(group.head_sha)
    people = ({"name": who.name, "email": who.email} for who in (it.author, it.committer))
    author, committer = people
    head = {
        "id": it.sha,
        "tree_id": it.tree,
        "message": it.message,
        "timestamp": iso(it.committer.at),
        "author": author,
        "committer": committer,
    }
    body = {
        "head_sha": group.head_sha,
        "head_ref": group.head_ref,
        "base_sha": group.base_sha,
        "base_ref": group.base_ref,
        "head_commit": head,
    }
    sender = twin.user("github-merge-queue[bot]")
    return {"action": action, "merge_group": body, **frame(one, sender)}


def push(
    twin: Twin, *, repo: Repository, branch: str | None = None, before: str | None = None
) -> Json:
    branch = branch or repo.default_branch
    tip = repo.git.show(repo.tip(branch))
    before = before or (tip.parents[0] if tip.parents else ZERO)
    web = f"{WEB}/{repo.full_name}"
    who: Json = {"name": tip.author.name, "email": tip.author.email, "username": tip.author.name}
    date = {"date": iso(tip.author.at)}
    changes = repo.git.changes(tip.parents[0] if tip.parents else None, tip.sha)
    kinds = {"added": "added", "removed": "removed"}
    files: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for change in changes:
        files[kinds.get(change.status, "modified")].append(change.path)
    commit = {
        "id": tip.sha,
        "tree_id": tip.tree,
        "distinct": True,
        "message": tip.message,
        "timestamp": iso(tip.committer.at),
        "url": f"{web}/commit/{tip.sha}",
        "author": who | date,
        "committer": who | date,
        **files,
    }
    body = frame(repo, twin.user(tip.author.name))
    body["repository"] |= {
        "created_at": repo.created_at,
        "pushed_at": tip.committer.at,
        "stargazers": 0,
        "master_branch": repo.default_branch,
    }
    return {
        "ref": f"refs/heads/{branch}",
        "before": before,
        "after": tip.sha,
        "created": before == ZERO,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": f"{web}/compare/{before[:12]}...{tip.sha[:12]}",
        "commits": [commit],
        "head_commit": commit,
        "pusher": {"name": tip.author.name, "email": tip.author.email},
        **body,
    }


def schedule(
    twin: Twin,
    *,
    repo: Repository,
    cron: str = "17 * * * *",
    workflow: str = ".github/workflows/gate.yml",
) -> Json:
    """Not a webhook: what a runner finds in the event's file."""
    return {"schedule": cron, "workflow": workflow, "repository": render.repository(twin.url, repo)}


def deployment_status(
    twin: Twin,
    *,
    repo: Repository,
    state: str = "success",
    where: str = "production",
    ref: str | None = None,
    actor: str | None = None,
) -> Json:
    """A deployment of a branch's tip has come to that state."""
    who = twin.user(actor) if actor else repo.owner
    number, branch = twin.new_id("deployment"), ref or repo.default_branch
    url, now = f"{repository_url(twin.url, repo)}/deployments/{number}", iso(twin.clock())
    both = {
        "creator": render.user(twin.url, who),
        "description": "",
        "environment": where,
        "created_at": now,
        "updated_at": now,
        "repository_url": repository_url(twin.url, repo),
        "performed_via_github_app": None,
    }
    deployment = both | {
        "id": number,
        "node_id": render.node("Deployment", number),
        "url": url,
        "statuses_url": f"{url}/statuses",
        "sha": repo.tip(branch),
        "ref": branch,
        "task": "deploy",
        "payload": {},
        "original_environment": where,
        "transient_environment": False,
        "production_environment": where == "production",
    }
    status = both | {
        "id": number,
        "node_id": render.node("DeploymentStatus", number),
        "url": f"{url}/statuses/{number}",
        "deployment_url": url,
        "state": state,
        "target_url": "",
        "environment_url": "",
        "log_url": "",
    }
    body: Json = {"action": "created", "deployment_status": status, "deployment": deployment}
    nothing = dict.fromkeys(("check_run", "workflow", "workflow_run"))
    return body | nothing | frame(repo, who)


def workflow_dispatch(
    twin: Twin,
    *,
    repo: Repository,
    inputs: dict[str, Any] | None = None,
    ref: str | None = None,
    actor: str | None = None,
    workflow: str = ".github/workflows/gate.yml",
) -> Json:
    sender = twin.user(actor) if actor else repo.owner
    return {
        "inputs": inputs or None,
        "ref": f"refs/heads/{ref or repo.default_branch}",
        "workflow": workflow,
        **frame(repo, sender),
    }


MAKERS: dict[str, Callable[..., Json]] = {
    "workflow_run": workflow_run,
    "pull_request": pull_request,
    "pull_request_target": pull_request,
    "issue_comment": issue_comment,
    "issues": issues,
    "merge_group": merge_group,
    "push": push,
    "schedule": schedule,
    "deployment_status": deployment_status,
    "workflow_dispatch": workflow_dispatch,
}
