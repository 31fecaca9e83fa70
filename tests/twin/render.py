"""People, repositories and commits as GitHub writes them in JSON."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from tests.twin.clock import iso
from tests.twin.git import Change, CommitObject, Person
from tests.twin.repository import Repository
from tests.twin.state import ACTIONS_APP, User

WEB = "https://github.com"
Json = dict[str, Any]


def node(kind: str, number: object) -> str:
    return base64.b64encode(f"{kind}{number}".encode()).decode()


def user(api: str, who: User) -> Json:
    url = f"{api}/users/{quote(who.login)}"
    ends = ("followers", "subscriptions", "repos", "received_events")
    names = {"organizations": "orgs"}
    return {
        "login": who.login,
        "id": who.id,
        "node_id": node("User", who.id),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{who.id}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{WEB}/{quote(who.login)}",
        **{f"{end}_url": f"{url}/{names.get(end, end)}" for end in (*ends, "organizations")},
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "events_url": f"{url}/events{{/privacy}}",
        "type": who.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def app(api: str, slug: str | None, at: int) -> Json | None:
    if slug is None:
        return None
    owner = User("github", 9919, "Organization")
    return {
        "id": ACTIONS_APP if slug == "github-actions" else 20_000 + len(slug),
        "client_id": "Iv1.05c79e9ad1f6bdfa",
        "slug": slug,
        "node_id": node("App", slug),
        "owner": user(api, owner),
        "name": slug,
        "description": None,
        "external_url": "https://help.github.com/en/actions",
        "html_url": f"{WEB}/apps/{slug}",
        "created_at": iso(at),
        "updated_at": iso(at),
        "permissions": {"statuses": "write", "issues": "write"},
        "events": [],
    }


_TEMPLATES = {
    "archive": "{archive_format}{/ref}", "assignees": "{/user}", "branches": "{/branch}",
    "collaborators": "{/collaborator}", "comments": "{/number}", "commits": "{/sha}",
    "compare": "{base}...{head}", "contents": "{+path}", "issues": "{/number}", "keys": "{/key_id}",
    "labels": "{/name}", "milestones": "{/number}", "notifications": "{?since,all,participating}",
    "pulls": "{/number}", "releases": "{/id}", "statuses": "{sha}",
}  # fmt: skip
_PLAIN = (
    *("contributors", "deployments", "downloads", "events", "forks", "languages", "merges"),
    *("stargazers", "subscribers", "subscription", "tags", "teams", "hooks"),
)
_NESTED = {
    "blobs": "git/blobs{/sha}", "git_commits": "git/commits{/sha}", "git_refs": "git/refs{/sha}",
    "git_tags": "git/tags{/sha}", "trees": "git/trees{/sha}",
    "issue_comment": "issues/comments{/number}", "issue_events": "issues/events{/number}",
}  # fmt: skip
_SEPARATED = ("compare", "contents", "statuses", "archive")


def repository_url(api: str, repository: Repository) -> str:
    return f"{api}/repos/{repository.full_name}"


def minimal_repository(api: str, repository: Repository) -> Json:
    url = repository_url(api, repository)
    result: Json = {
        "id": repository.id,
        "node_id": node("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": user(api, repository.owner),
        "html_url": f"{WEB}/{repository.full_name}",
        "description": None,
        "fork": repository.parent is not None,
        "url": url,
    }
    for name, tail in _TEMPLATES.items():
        slash = "/" if name in _SEPARATED else ""
        result[f"{name}_url"] = f"{url}/{name}{slash}{tail}"
    result |= {f"{name}_url": f"{url}/{name}" for name in _PLAIN}
    return result | {f"{name}_url": f"{url}/{tail}" for name, tail in _NESTED.items()}


def repository(api: str, one: Repository) -> Json:
    """Without the fields that only a single GET has."""
    opened = sum(issue.state == "open" for issue in one.issues.values())
    web = f"github.com/{one.full_name}"
    return minimal_repository(api, one) | {
        "git_url": f"git://{web}.git",
        "ssh_url": f"git@github.com:{one.full_name}.git",
        "clone_url": f"https://{web}.git",
        "svn_url": f"https://{web}",
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "forks_count": len(one.forks),
        "forks": len(one.forks),
        "stargazers_count": 0,
        "watchers_count": 0,
        "watchers": 0,
        "size": 1,
        "default_branch": one.default_branch,
        "open_issues_count": opened,
        "open_issues": opened,
        "is_template": False,
        "topics": [],
        "has_issues": True,
        "has_projects": True,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": True,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "visibility": "private" if one.private else "public",
        "license": None,
        "pushed_at": iso(one.twin.clock()),
        "created_at": iso(one.created_at),
        "updated_at": iso(one.created_at),
    }


def full_repository(api: str, one: Repository) -> Json:
    result = repository(api, one) | {"subscribers_count": 0, "network_count": len(one.forks)}
    if one.parent is not None:
        result |= {"parent": repository(api, one.parent), "source": repository(api, one.parent)}
    return result


# --- commits ---


def signature(who: Person) -> Json:
    return {"name": who.name, "email": who.email, "date": iso(who.at)}


UNSIGNED: Json = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def account(one: Repository, who: Person) -> Json | None:
    """The user whose address stands in a commit, if GitHub knows it."""
    known = one.twin.users.get(who.name.lower())
    return user(one.twin.url, known) if known is not None else None


def commit(api: str, one: Repository, it: CommitObject) -> Json:
    url, web = repository_url(api, one), f"{WEB}/{one.full_name}"
    parents = [
        {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{web}/commit/{sha}"}
        for sha in it.parents
    ]
    return {
        "sha": it.sha,
        "node_id": node("Commit", it.sha),
        "commit": {
            "author": signature(it.author),
            "committer": signature(it.committer),
            "message": it.message,
            "tree": {"sha": it.tree, "url": f"{url}/git/trees/{it.tree}"},
            "url": f"{url}/git/commits/{it.sha}",
            "comment_count": 0,
            "verification": UNSIGNED,
        },
        "url": f"{url}/commits/{it.sha}",
        "html_url": f"{web}/commit/{it.sha}",
        "comments_url": f"{url}/commits/{it.sha}/comments",
        "author": account(one, it.author),
        "committer": account(one, it.committer),
        "parents": parents,
    }


def git_commit(api: str, one: Repository, it: CommitObject) -> Json:
    url = repository_url(api, one)
    whole = commit(api, one, it)
    return {
        "sha": it.sha,
        "node_id": whole["node_id"],
        "url": f"{url}/git/commits/{it.sha}",
        "html_url": whole["html_url"],
        "author": signature(it.author),
        "committer": signature(it.committer),
        "tree": whole["commit"]["tree"],
        "message": it.message,
        "parents": whole["parents"],
        "verification": UNSIGNED,
    }


def change(api: str, one: Repository, sha: str, it: Change) -> Json:
    url, name = repository_url(api, one), quote(it.path)
    result: Json = {
        "sha": it.blob,
        "filename": it.path,
        "status": it.status,
        "additions": it.additions,
        "deletions": it.deletions,
        "changes": it.additions + it.deletions,
        "blob_url": f"{WEB}/{one.full_name}/blob/{sha}/{name}",
        "raw_url": f"{WEB}/{one.full_name}/raw/{sha}/{name}",
        "contents_url": f"{url}/contents/{name}?ref={sha}",
    }
    if it.patch is not None:
        result["patch"] = it.patch
    if it.previous is not None:
        result["previous_filename"] = it.previous
    return result
