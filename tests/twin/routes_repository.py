"""Endpoints: the repository, its people, its git."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from urllib.parse import quote

from tests.twin import render
from tests.twin.git import Entry
from tests.twin.render import WEB, Json, repository_url
from tests.twin.repository import STATUS_LIMIT, Repository
from tests.twin.routing import Answer, Call, Refused, invalid, missing, route

INLINE_LIMIT = 1_000_000
"""Bytes of a file that the API puts into JSON; beyond it, `content` is empty."""
STATES = ("error", "failure", "pending", "success")


def commit_of(call: Call, name: str) -> str:
    """The commit that a branch, tag, sha or `owner:branch` names."""
    owner, colon, branch = name.partition(":")
    if colon:
        for fork in (call.repository, *call.repository.forks):
            if fork.owner.login.lower() == owner.lower():
                sha = fork.git.resolve(f"refs/heads/{branch}")
                if sha is not None and fork is not call.repository:
                    call.repository.git.fetch(fork.git_dir, sha, f"refs/twin/{sha}")
                if sha is not None:
                    return sha
        raise missing()
    sha = call.repository.git.resolve(name.removeprefix("refs/") if "refs/" not in name else name)
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {name}") if len(name) == 40 else missing()
    return sha


@route("GET", "")
def get_repository(call: Call) -> Answer:
    return Answer(body=render.full_repository(call.twin.url, call.repository))


@route("GET", "!/rate_limit")
def get_rate_limit(call: Call) -> Answer:
    limit = call.twin.rates.state(call.token)
    return Answer(body={"resources": {"core": limit, "search": limit}, "rate": limit})


@route("GET", "/collaborators/{username}/permission")
def get_permission(call: Call) -> Answer:
    login = call.arguments["username"]
    found = call.twin.users.get(login.lower())
    if found is None:
        raise Refused(404, f"{login} is not a user")
    role = call.repository.role(login)
    permission = {"maintain": "write", "triage": "read"}.get(role, role)
    ranks = ("read", "triage", "write", "maintain", "admin")
    rank = ranks.index(role) if role in ranks else -1
    names = ("pull", "triage", "push", "maintain", "admin")
    rights = {name: place <= rank for place, name in enumerate(names)}
    who = render.user(call.twin.url, found) | {"permissions": rights, "role_name": role}
    return Answer(body={"permission": permission, "role_name": role, "user": who})


# --- commits ---


@route("GET", "/commits/{ref}/status", "statuses:read")
def get_combined_status(call: Call) -> Answer:
    from tests.twin.render_issues import simple_status

    sha = commit_of(call, call.arguments["ref"])
    newest = {one.context.lower(): one for one in reversed(call.repository.statuses(sha))}
    latest = list(newest.values())
    states = {one.state for one in latest}
    state = "failure" if states & {"error", "failure"} else "pending"
    if states == {"success"}:
        state = "success"
    api, page = call.twin.url, call.page(latest)
    url = f"{repository_url(api, call.repository)}/commits/{sha}"
    body = {
        "state": state,
        "statuses": [simple_status(api, call.repository, one) for one in page.items],
        "sha": sha,
        "total_count": len(latest),
        "repository": render.minimal_repository(api, call.repository),
        "commit_url": url,
        "url": f"{url}/status",
    }
    return Answer(body=body, headers=page.headers)


@route("GET", "/commits/{ref}/statuses", "statuses:read", listing=True)
def list_statuses(call: Call) -> Answer:
    from tests.twin.render_issues import status

    sha = commit_of(call, call.arguments["ref"])
    page = call.page(call.repository.statuses(sha))
    body = [status(call.twin.url, call.repository, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


@route("POST", "/statuses/{sha}", "statuses:write")
def create_status(call: Call) -> Answer:
    from tests.twin.render_issues import status

    fields, sha = call.fields(), call.arguments["sha"]
    if call.repository.git.resolve(sha) != sha:
        raise Refused(422, f"No commit found for SHA: {sha}")
    state = fields.get("state")
    if state not in STATES:
        raise invalid("Status", "state", "state is not included in the list")
    description = fields.get("description")
    if description is not None and len(str(description)) > 140:
        raise invalid(
            "Status", "description", "description is too long (maximum is 140 characters)"
        )
    target = fields.get("target_url")
    if target and not str(target).startswith(("http://", "https://")):
        raise invalid("Status", "target_url", "target_url must use http(s) scheme")
    context = str(fields.get("context") or "default")
    same = [one for one in call.repository.statuses(sha) if one.context.lower() == context.lower()]
    if len(same) >= STATUS_LIMIT:
        message = "This SHA and context has reached the maximum number of statuses."
        raise Refused(422, "Validation Failed", [message])
    made = call.repository.add_status(sha, state, context, description, target, call.user)
    return Answer(201, status(call.twin.url, call.repository, made))


@route("GET", "/commits/{ref}", "contents:read")
def get_commit(call: Call) -> Answer:
    git = call.repository.git
    sha = commit_of(call, call.arguments["ref"])
    if "sha" in call.accept:
        return Answer(raw=sha.encode(), content_type="application/vnd.github.sha")
    found = git.show(sha)
    changes = git.changes(found.parents[0] if found.parents else None, sha)
    added, removed = (
        sum(getattr(one, name) for one in changes) for name in ("additions", "deletions")
    )
    page = call.page(changes[:3000], default=300, most=300)
    body = render.commit(call.twin.url, call.repository, found)
    body["stats"] = {"additions": added, "deletions": removed, "total": added + removed}
    body["files"] = [render.change(call.twin.url, call.repository, sha, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


@route("GET", "/git/commits/{commit_sha}", "contents:read")
def get_git_commit(call: Call) -> Answer:
    sha = call.arguments["commit_sha"]
    if call.repository.git.resolve(sha) != sha:
        raise missing()
    found = call.repository.git.show(sha)
    return Answer(body=render.git_commit(call.twin.url, call.repository, found))


@route("GET", "/git/ref/{ref}", "contents:read")
def get_ref(call: Call) -> Answer:
    ref = f"refs/{call.arguments['ref']}"
    sha = call.repository.git.resolve(ref)
    if sha is None:
        raise missing()
    url = repository_url(call.twin.url, call.repository)
    target = {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"}
    body = {"ref": ref, "node_id": render.node("Ref", ref), "url": f"{url}/git/{ref}"}
    return Answer(body=body | {"object": target})


@route("GET", "/git/trees/{tree_sha}", "contents:read")
def get_tree(call: Call) -> Answer:
    git, asked = call.repository.git, call.arguments["tree_sha"]
    sha = git.resolve(asked)
    tree = git.show(sha).tree if sha is not None else asked
    if sha is None and git.call("cat-file", "-e", f"{asked}^{{tree}}", ok=(0, 1, 128)).returncode:
        raise missing()
    url = f"{repository_url(call.twin.url, call.repository)}/git"
    rows = []
    for entry in git.tree(tree, "recursive" in call.query):
        row: Json = {"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha}
        if entry.kind == "blob":
            row["size"] = entry.size
        if entry.kind != "commit":
            row["url"] = f"{url}/{entry.kind}s/{entry.sha}"
        rows.append(row)
    body = {"sha": tree, "url": f"{url}/trees/{tree}", "tree": rows, "truncated": False}
    return Answer(body=body)


@route("GET", "/compare/{basehead}", "contents:read")
def compare(call: Call) -> Answer:
    spec = call.arguments["basehead"]
    left, dots, right = spec.partition("...")
    if not dots:
        raise missing()
    git, api, one = call.repository.git, call.twin.url, call.repository
    base, head = commit_of(call, left), commit_of(call, right)
    fork_point = git.merge_base(base, head)
    if fork_point is None:
        raise Refused(404, f"No common ancestor between {left} and {right}.")
    ahead, behind = git.log(base, head), git.log(head, base)
    words = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    changes = git.changes(fork_point, head)[:300]
    page = call.page(ahead, default=250, most=250)
    url, web = repository_url(api, one), f"{WEB}/{one.full_name}/compare/{quote(spec, safe=':.')}"
    body = {
        "url": f"{url}/compare/{quote(spec, safe=':.')}",
        "html_url": web,
        "permalink_url": f"{WEB}/{one.full_name}/compare/{base[:12]}...{head[:12]}",
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "base_commit": render.commit(api, one, git.show(base)),
        "merge_base_commit": render.commit(api, one, git.show(fork_point)),
        "status": words.get((bool(ahead), bool(behind)), "identical"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [render.commit(api, one, git.show(sha)) for sha in page.items],
        # GitHub gives the files with the first page only.
        "files": [render.change(api, one, head, it) for it in changes]
        if call.query.get("page", "1") == "1"
        else [],
    }
    return Answer(body=body, headers=page.headers)


@route("GET", "/branches/{branch}", "contents:read")
def get_branch(call: Call) -> Answer:
    name, one = call.arguments["branch"], call.repository
    sha = one.git.resolve(f"refs/heads/{name}")
    if sha is None:
        raise Refused(404, "Branch not found")
    url = f"{repository_url(call.twin.url, one)}/branches/{quote(name)}"
    body = {
        "name": name,
        "commit": render.commit(call.twin.url, one, one.git.show(sha)),
        "_links": {"self": url, "html": f"{WEB}/{one.full_name}/tree/{quote(name)}"},
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": f"{url}/protection",
    }
    return Answer(body=body)


# --- contents ---


@route("GET", "/contents/{path}", "contents:read")
def get_contents(call: Call) -> Answer:
    path = call.arguments["path"].strip("/")
    git, one = call.repository.git, call.repository
    asked = call.query.get("ref") or one.default_branch
    sha = git.resolve(asked)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {asked}")
    found = git.entry(sha, path)
    if found is None:
        raise missing()
    if found.kind == "tree":
        inside = git.entries(sha, f"{path}/" if path else "")[:1000]
        return Answer(body=[contents_row(call.twin.url, one, asked, entry) for entry in inside])
    data = git.blob(found.sha)
    if "raw" in call.accept:
        return Answer(raw=data, content_type="application/vnd.github.raw+json; charset=utf-8")
    body = contents_row(call.twin.url, one, asked, found)
    if body["type"] == "symlink":
        body["target"] = data.decode(errors="replace")
        return Answer(body=body)
    whole = len(data) <= INLINE_LIMIT
    body["content"] = base64.encodebytes(data).decode() if whole else ""
    body["encoding"] = "base64" if whole else "none"
    return Answer(body=body)


def contents_row(api: str, one: Repository, ref: str, entry: Entry) -> Json:
    url = f"{repository_url(api, one)}/contents/{quote(entry.path)}?ref={quote(ref)}"
    folder = entry.kind == "tree"
    git_url = f"{repository_url(api, one)}/git/{'trees' if folder else 'blobs'}/{entry.sha}"
    web = f"{WEB}/{one.full_name}/{'tree' if folder else 'blob'}/{ref}/{quote(entry.path)}"
    raw = f"https://raw.githubusercontent.com/{one.full_name}/{ref}/{quote(entry.path)}"
    kind = "dir" if folder else "symlink" if entry.mode == "120000" else "file"
    return {
        "name": PurePosixPath(entry.path).name,
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "url": url,
        "html_url": web,
        "git_url": git_url,
        "download_url": None if folder else raw,
        "type": kind,
        "_links": {"self": url, "git": git_url, "html": web},
    }
