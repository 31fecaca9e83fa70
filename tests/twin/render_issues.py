"""Issues, pull requests, comments, labels and statuses as GitHub writes them in JSON."""

from __future__ import annotations

from urllib.parse import quote

from tests.twin import render
from tests.twin.clock import iso
from tests.twin.pulls import AutoMerge, PullRequest
from tests.twin.render import WEB, Json, node, repository_url
from tests.twin.repository import Repository
from tests.twin.state import Comment, Issue, IssueEvent, Label, Reaction, Status


def label(api: str, one: Repository, it: Label) -> Json:
    return {
        "id": it.id,
        "node_id": node("Label", it.id),
        "url": f"{repository_url(api, one)}/labels/{quote(it.name, safe='')}",
        "name": it.name,
        "color": it.color,
        "default": False,
        # GitHub gives null where there is none; of a pull request's labels its published
        # description says that it does not.
        "description": it.description or "",
    }


def labels(api: str, one: Repository, it: Issue) -> list[Json]:
    known = one.labels_by_name
    return [
        label(api, one, known[name.lower()]) for name in it.label_names if name.lower() in known
    ]


REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def reactions(url: str, given: list[Reaction]) -> Json:
    counts = {name: sum(one.content == name for one in given) for name in REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(given), **counts}


def reaction(api: str, it: Reaction) -> Json:
    return {
        "id": it.id,
        "node_id": node("Reaction", it.id),
        "user": render.user(api, it.user),
        "content": it.content,
        "created_at": iso(it.created_at),
    }


def web_url(one: Repository, it: Issue) -> str:
    kind = "pull" if isinstance(it, PullRequest) else "issues"
    return f"{WEB}/{one.full_name}/{kind}/{it.number}"


def issue(api: str, one: Repository, it: Issue) -> Json:
    url = f"{repository_url(api, one)}/issues/{it.number}"
    result: Json = {
        "id": it.id,
        "node_id": node("Issue", it.id),
        "url": url,
        "repository_url": repository_url(api, one),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": web_url(one, it),
        "number": it.number,
        "state": it.state,
        "state_reason": it.state_reason,
        "title": it.title,
        "body": it.body,
        "user": render.user(api, it.user),
        "labels": labels(api, one, it),
        **people(api, it),
        "milestone": None,
        "locked": it.locked,
        "active_lock_reason": it.lock_reason,
        "comments": len(it.comments),
        "closed_at": iso(it.closed_at),
        "created_at": iso(it.created_at),
        "updated_at": iso(it.updated_at),
        "author_association": one.association(it.user),
        "reactions": reactions(url, []),
        "performed_via_github_app": render.app(api, it.app, it.created_at),
        **relations(api, it),
    }
    if isinstance(it, PullRequest):
        pull, web = f"{repository_url(api, one)}/pulls/{it.number}", result["html_url"]
        result["draft"] = it.draft
        result["pull_request"] = {
            "url": pull,
            "html_url": web,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "merged_at": iso(it.merged_at),
        }
    return result


def people(api: str, it: Issue) -> Json:
    every = [render.user(api, one) for one in it.assignees]
    return {"assignee": every[0] if every else None, "assignees": every}


def relations(api: str, it: Issue) -> Json:
    """A pull request has none."""
    if isinstance(it, PullRequest):
        return {}
    total = len(it.sub_issues)
    completed = sum(child.state == "closed" for child in it.sub_issues)
    share = completed * 100 // total if total else 0
    blocked = sum(other.state == "open" for other in it.blocked_by)
    parent = it.parent
    where = f"{repository_url(api, parent.repository)}/issues/{parent.number}" if parent else None
    return {
        "sub_issues_summary": {
            "total": total,
            "completed": completed,
            "percent_completed": share,
        },
        "parent_issue_url": where,
        "issue_dependencies_summary": {
            "blocked_by": blocked,
            "total_blocked_by": len(it.blocked_by),
            "blocking": sum(other.state == "open" for other in it.blocking),
            "total_blocking": len(it.blocking),
        },
    }


def comment(api: str, one: Repository, it: Comment) -> Json:
    url = f"{repository_url(api, one)}/issues/comments/{it.id}"
    return {
        "id": it.id,
        "node_id": node("IssueComment", it.id),
        "url": url,
        "html_url": f"{web_url(one, it.issue)}#issuecomment-{it.id}",
        "issue_url": f"{repository_url(api, one)}/issues/{it.issue.number}",
        "user": render.user(api, it.user),
        "created_at": iso(it.created_at),
        "updated_at": iso(it.updated_at),
        "author_association": one.association(it.user),
        "body": it.body,
        "reactions": reactions(url, it.reactions),
        "performed_via_github_app": render.app(api, it.app, it.created_at),
    }


def issue_event(api: str, one: Repository, it: IssueEvent) -> Json:
    result: Json = {
        "id": it.id,
        "node_id": node("Event", it.id),
        "url": f"{repository_url(api, one)}/issues/events/{it.id}",
        "actor": render.user(api, it.user),
        "event": it.event,
        "commit_id": None,
        "commit_url": None,
        "created_at": iso(it.created_at),
        "performed_via_github_app": render.app(api, it.app, it.created_at),
    }
    if it.assignee is not None:
        result["assignee"] = render.user(api, it.assignee)
        result["assigner"] = result["actor"]
    if it.label is not None:
        held = one.labels_by_name.get(it.label.lower())
        result["label"] = {"name": it.label, "color": held.color if held else "ededed"}
    return result


def end(api: str, one: Repository, ref: str, sha: str) -> Json:
    """The head or the base of a pull request."""
    return {
        "label": f"{one.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": render.user(api, one.owner),
        "repo": render.repository(api, one),
    }


def auto_merge(api: str, it: PullRequest, said: AutoMerge | None) -> Json | None:
    if said is None:
        return None
    return {
        "enabled_by": render.user(api, said.enabled_by),
        "merge_method": said.method,
        "commit_title": f"{it.title} (#{it.number})",
        "commit_message": it.body or "",
    }


def pull_simple(api: str, one: Repository, it: PullRequest) -> Json:
    url, web = f"{repository_url(api, one)}/pulls/{it.number}", web_url(one, it)
    issue_url = f"{repository_url(api, one)}/issues/{it.number}"
    statuses = f"{repository_url(api, one)}/statuses/{it.head_sha}"
    links = {
        "self": url,
        "html": web,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{repository_url(api, one)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": statuses,
    }
    return {
        "url": url,
        "id": it.id,
        "node_id": node("PullRequest", it.id),
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": issue_url,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": statuses,
        "number": it.number,
        "state": it.state,
        "locked": it.locked,
        "title": it.title,
        "user": render.user(api, it.user),
        "body": it.body,
        "labels": labels(api, one, it),
        "milestone": None,
        "active_lock_reason": it.lock_reason,
        "created_at": iso(it.created_at),
        "updated_at": iso(it.updated_at),
        "closed_at": iso(it.closed_at),
        "merged_at": iso(it.merged_at),
        "merge_commit_sha": it.merge_sha,
        **people(api, it),
        "requested_reviewers": [],
        "requested_teams": [],
        "head": end(api, it.head_repository, it.head_ref, it.head_sha),
        "base": end(api, one, it.base_ref, it.base_sha),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": one.association(it.user),
        "auto_merge": auto_merge(api, it, it.auto_merge),
        "draft": it.draft,
    }


def pull(api: str, one: Repository, it: PullRequest) -> Json:
    base = one.git.merge_base(it.base_sha, it.head_sha)
    changes = one.git.changes(base, it.head_sha)
    mergeable = it.merge_sha is not None
    return pull_simple(api, one, it) | {
        "merged": it.merged_at is not None,
        "mergeable": None if it.state == "closed" else mergeable,
        "rebaseable": None if it.state == "closed" else mergeable,
        "mergeable_state": "unknown"
        if it.state == "closed"
        else it.mergeable_state or ("clean" if mergeable else "dirty"),
        "merged_by": render.user(api, it.merged_by) if it.merged_by else None,
        "comments": len(it.comments),
        "review_comments": 0,
        "maintainer_can_modify": it.from_fork,
        "commits": len(one.git.log(base, it.head_sha)),
        "additions": sum(one.additions for one in changes),
        "deletions": sum(one.deletions for one in changes),
        "changed_files": len(changes),
    }


def simple_status(api: str, one: Repository, it: Status) -> Json:
    return {
        "url": f"{repository_url(api, one)}/statuses/{it.sha}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{it.user.id}?v=4",
        "id": it.id,
        "node_id": node("Status", it.id),
        "state": it.state,
        "description": it.description,
        "target_url": it.target_url,
        "context": it.context,
        "created_at": iso(it.created_at),
        "updated_at": iso(it.created_at),
    }


def status(api: str, one: Repository, it: Status) -> Json:
    return simple_status(api, one, it) | {"creator": render.user(api, it.user)}
