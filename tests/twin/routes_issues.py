"""Endpoints: issues, pull requests, comments, labels, reactions."""

from __future__ import annotations

from tests.twin import render, render_issues
from tests.twin.pulls import PullRequest
from tests.twin.render import Json
from tests.twin.routing import BODY_LIMIT, Answer, Call, Refused, invalid, missing, moved, route
from tests.twin.state import RANK, Comment, Issue, Label, Reaction

EITHER = ("issues:write", "pull-requests:write")
LABEL_LIMIT = 50


def issue_of(call: Call) -> Issue:
    number = call.number("issue_number")
    found = call.repository.issues.get(number)
    if found is None:
        raise absent(call, number)
    return found


def absent(call: Call, number: int) -> Refused:
    """What GitHub says of a number that no issue has (any more)."""
    gone = call.repository.gone
    if number not in gone:
        return missing()
    now = gone[number]
    if now is None:
        return Refused(410, "This issue was deleted")
    while now.number in now.repository.gone:
        later = now.repository.gone[now.number]
        if later is None:
            return missing()
        now = later
    new = now.repository
    own = call.token is not None and call.token.repository in (None, new)
    person = call.token.user.login if call.token is not None and own else ""
    if new.private and not (person and new.role(person) != "none"):
        return missing()
    here = f"/repos/{call.arguments['owner']}/{call.arguments['repo']}/issues/{number}"
    rest = call.path.removeprefix(here)
    return moved(f"{call.twin.url}/repos/{new.full_name}/issues/{now.number}{rest}")


def pull_of(call: Call) -> PullRequest:
    found = call.repository.issues.get(call.number("pull_number"))
    if not isinstance(found, PullRequest):
        raise missing()
    return found


def may_write(call: Call, issue: Issue) -> None:
    """Writing to a pull request needs its own scope, not that of issues: the stricter reading of
    what GitHub documents and does."""
    call.require("pull-requests:write" if isinstance(issue, PullRequest) else "issues:write")


def body_text(call: Call, resource: str, required: bool = True) -> str | None:
    value = call.fields().get("body")
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value.strip()):
        raise invalid(resource, "body", "body can't be blank", "missing_field")
    if len(value) > BODY_LIMIT:
        raise invalid(resource, "body", f"body is too long (maximum is {BODY_LIMIT} characters)")
    return value


def pushes(call: Call) -> bool:
    """Whether labels of this author are taken: without push access they are silently dropped."""
    if call.app is not None:
        return True
    return RANK[call.repository.role(call.user.login)] >= RANK["triage"]


# --- issues ---


@route("GET", "/issues", "issues:read", listing=True)
def list_issues(call: Call) -> Answer:
    query = call.query
    wanted = {name.strip().lower() for name in query.get("labels", "").split(",") if name.strip()}
    state = query.get("state", "open")
    found = [
        issue
        for issue in call.repository.issues.values()
        if state in ("all", issue.state)
        and wanted <= {name.lower() for name in issue.labels}
        and query.get("creator", issue.author).lower() == issue.author.lower()
        and ("since" not in query or render_time(issue.updated_at) >= query["since"])
    ]
    field = {"updated": "updated_at", "comments": "comments"}.get(query.get("sort", ""), "")
    if field == "comments":
        found.sort(key=lambda issue: (len(issue.comments), issue.number))
    else:
        found.sort(key=lambda issue: (getattr(issue, field or "created_at"), issue.number))
    if query.get("direction", "desc") == "desc":
        found.reverse()
    page = call.page(found)
    body = [render_issues.issue(call.twin.url, call.repository, issue) for issue in page.items]
    return Answer(body=body, headers=page.headers)


def render_time(seconds: int) -> str:
    from tests.twin.clock import iso

    return iso(seconds) or ""


@route("POST", "/issues", "issues:write")
def create_issue(call: Call) -> Answer:
    title = call.text("title", "Issue", 256)
    body = body_text(call, "Issue", required=False)
    labels = label_names(call.fields().get("labels") or [])
    issue = call.live.open_issue(title, body, call.user)  # type: ignore[union-attr]
    issue.app = call.app
    for name in labels if pushes(call) else ():
        issue.add_label(name, call.user, call.app)
    return Answer(201, render_issues.issue(call.twin.url, call.repository, issue))


@route("GET", "/issues/comments/{comment_id}")
def get_comment(call: Call) -> Answer:
    found = comment_of(call)
    return Answer(body=render_issues.comment(call.twin.url, call.repository, found))


@route("PATCH", "/issues/comments/{comment_id}", *EITHER)
def edit_comment(call: Call) -> Answer:
    found = comment_of(call)
    may_touch(call, found)
    text = body_text(call, "IssueComment")
    found.edit(text or "")
    return Answer(body=render_issues.comment(call.twin.url, call.repository, found))


@route("DELETE", "/issues/comments/{comment_id}", *EITHER)
def delete_comment(call: Call) -> Answer:
    found = comment_of(call)
    may_touch(call, found)
    found.delete()
    return Answer(204)


def comment_of(call: Call) -> Comment:
    found = call.repository.find_comment(call.number("comment_id"))
    if found is None:
        raise missing()
    return found


def may_touch(call: Call, comment: Comment) -> None:
    """Apps may edit any comment in their repository; people their own, or with write access."""
    may_write(call, comment.issue)
    person = call.token is not None and call.token.permissions is None
    own = comment.user == call.user
    if person and not own and RANK[call.repository.role(call.user.login)] < RANK["write"]:
        raise Refused(403, "Must have admin rights to Repository.")


@route("GET", "/issues/comments/{comment_id}/reactions", listing=True)
def list_reactions(call: Call) -> Answer:
    page = call.page(comment_of(call).reactions)
    body = [render_issues.reaction(call.twin.url, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


@route("POST", "/issues/comments/{comment_id}/reactions", *EITHER)
def create_reaction(call: Call) -> Answer:
    found = comment_of(call)
    may_write(call, found.issue)
    content = call.fields().get("content")
    if content not in render_issues.REACTIONS:
        raise invalid("Reaction", "content", "content is not included in the list")
    for one in found.reactions:
        if (one.user, one.content) == (call.user, content):
            return Answer(200, render_issues.reaction(call.twin.url, one))
    made = Reaction(call.twin.new_id("reaction"), call.user, content, call.twin.happen())
    found.reactions.append(made)
    return Answer(201, render_issues.reaction(call.twin.url, made))


@route("GET", "/issues/events", "issues:read", listing=True)
def list_all_events(call: Call) -> Answer:
    """Of all issues that the repository has, the newest first."""
    every = [(one, issue) for issue in call.repository.issues.values() for one in issue.events]
    every.sort(key=lambda pair: -pair[0].id)
    page = call.page(every)
    api, one = call.twin.url, call.repository
    body = [
        render_issues.issue_event(api, one, event) | {"issue": render_issues.issue(api, one, issue)}
        for event, issue in page.items
    ]
    return Answer(body=body, headers=page.headers)


@route("GET", "/issues/{issue_number}")
def get_issue(call: Call) -> Answer:
    return Answer(body=render_issues.issue(call.twin.url, call.repository, issue_of(call)))


@route("PATCH", "/issues/{issue_number}", *EITHER)
def edit_issue(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    fields = call.fields()
    if "body" in fields:
        body_text(call, "Issue", required=False)
    if fields.get("state", "open") not in ("open", "closed"):
        raise invalid("Issue", "state", "state is not included in the list")
    if "title" in fields:
        issue.title = call.text("title", "Issue", 256)
    issue.body = fields.get("body", issue.body)
    issue.updated_at = call.twin.happen()
    if "labels" in fields:
        replace_labels(call, issue, label_names(fields["labels"] or []))
    if "state" in fields:
        issue.set_state(fields["state"], call.user, fields.get("state_reason"), call.app)
    return Answer(body=render_issues.issue(call.twin.url, call.repository, issue))


@route("GET", "/issues/{issue_number}/comments", listing=True)
def list_comments(call: Call) -> Answer:
    since = call.query.get("since", "")
    every = issue_of(call).comments
    found = [one for one in every if not since or render_time(one.updated_at) >= since]
    page = call.page(found)
    body = [render_issues.comment(call.twin.url, call.repository, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


@route("POST", "/issues/{issue_number}/comments", *EITHER)
def create_comment(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    person = call.app is None
    if issue.locked and person and RANK[call.repository.role(call.user.login)] < RANK["write"]:
        raise Refused(403, "Unable to create comment because issue is locked.")
    limit = call.twin.comment_limit
    if len(issue.comments) >= limit:
        words = f"Commenting is disabled on issues with more than {limit} comments"
        raise Refused(403, words)
    made = issue.add_comment(call.user, body_text(call, "IssueComment") or "", call.app)
    return Answer(201, render_issues.comment(call.twin.url, call.repository, made))


@route("GET", "/issues/{issue_number}/events", listing=True)
def list_events(call: Call) -> Answer:
    page = call.page(issue_of(call).events)
    body = [render_issues.issue_event(call.twin.url, call.repository, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


# --- labels ---


def label_names(given: object) -> list[str]:
    """The names in a list of texts or of objects."""
    if not isinstance(given, list):
        raise invalid("Label", "name", "labels must be an array")
    names = [one.get("name") if isinstance(one, dict) else one for one in given]
    for name in names:
        check_label_name(name)
    return [str(name) for name in names]


def check_label_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise invalid("Label", "name", "name can't be blank", "missing_field")
    if len(name) > LABEL_LIMIT:
        raise invalid("Label", "name", f"name is too long (maximum is {LABEL_LIMIT} characters)")


def all_labels(call: Call, issue: Issue) -> Answer:
    return Answer(body=render_issues.labels(call.twin.url, call.repository, issue))


def given_labels(call: Call) -> list[str]:
    """The API takes an array, and an object that holds one."""
    body = call.body
    return label_names(body.get("labels") if isinstance(body, dict) else body)


def put_labels(call: Call, issue: Issue, names: list[str]) -> None:
    known = call.repository.labels_by_name
    if any(name.lower() not in known for name in names):
        call.require("issues:write")  # a label that is new to the repository
    for name in names:
        issue.add_label(name, call.user, call.app)


def replace_labels(call: Call, issue: Issue, names: list[str]) -> None:
    kept = {name.lower() for name in names}
    for name in list(issue.label_names):
        if name.lower() not in kept:
            issue.remove_label(name, call.user, call.app)
    put_labels(call, issue, names)


@route("GET", "/issues/{issue_number}/labels", listing=True)
def list_issue_labels(call: Call) -> Answer:
    issue = issue_of(call)
    page = call.page(render_issues.labels(call.twin.url, call.repository, issue))
    return Answer(body=page.items, headers=page.headers)


@route("POST", "/issues/{issue_number}/labels", *EITHER)
def add_issue_labels(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    put_labels(call, issue, given_labels(call))
    return all_labels(call, issue)


@route("PUT", "/issues/{issue_number}/labels", *EITHER)
def set_issue_labels(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    replace_labels(call, issue, given_labels(call))
    return all_labels(call, issue)


@route("DELETE", "/issues/{issue_number}/labels", *EITHER)
def clear_issue_labels(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    replace_labels(call, issue, [])
    return Answer(204)


@route("DELETE", "/issues/{issue_number}/labels/{name}", *EITHER)
def remove_issue_label(call: Call) -> Answer:
    issue, name = issue_of(call), call.arguments["name"]
    may_write(call, issue)
    if name.lower() not in {one.lower() for one in issue.labels}:
        raise Refused(404, "Label does not exist")
    issue.remove_label(name, call.user, call.app)
    return all_labels(call, issue)


@route("GET", "/labels", listing=True)
def list_labels(call: Call) -> Answer:
    page = call.page(list(call.repository.labels_by_name.values()))
    body = [render_issues.label(call.twin.url, call.repository, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


@route("POST", "/labels", *EITHER)
def create_label(call: Call) -> Answer:
    name = call.fields().get("name")
    check_label_name(name)
    if str(name).lower() in call.repository.labels_by_name:
        raise invalid("Label", "name", "already exists", "already_exists")
    label = call.repository.ensure_label(str(name))
    change_label(call, label)
    call.twin.happen()
    return Answer(201, render_issues.label(call.twin.url, call.repository, label))


def change_label(call: Call, label: Label) -> None:
    fields = call.fields()
    description = fields.get("description")
    if description is not None and len(description) > 100:
        raise invalid("Label", "description", "description is too long (maximum is 100 characters)")
    label.color = str(fields.get("color") or label.color)
    label.description = fields.get("description", label.description)


def label_of(call: Call) -> Label:
    found = call.repository.labels_by_name.get(call.arguments["name"].lower())
    if found is None:
        raise missing()
    return found


@route("GET", "/labels/{name}")
def get_label(call: Call) -> Answer:
    return Answer(body=render_issues.label(call.twin.url, call.repository, label_of(call)))


@route("PATCH", "/labels/{name}", *EITHER)
def edit_label(call: Call) -> Answer:
    label = label_of(call)
    new = call.fields().get("new_name", label.name)
    check_label_name(new)
    if new.lower() != label.name.lower() and new.lower() in call.repository.labels_by_name:
        raise invalid("Label", "name", "already exists", "already_exists")
    change_label(call, label)
    call.repository.rename_label(label.name, new)
    return Answer(body=render_issues.label(call.twin.url, call.repository, label))


@route("DELETE", "/labels/{name}", *EITHER)
def delete_label(call: Call) -> Answer:
    call.repository.delete_label(label_of(call).name, call.user, call.app)
    return Answer(204)


# --- pull requests ---


@route("GET", "/pulls", "pull-requests:read", listing=True)
def list_pulls(call: Call) -> Answer:
    query = call.query
    state = query.get("state", "open")
    owner, _, branch = query.get("head", "").rpartition(":")
    found = [
        pull
        for pull in call.repository.pulls
        if state in ("all", pull.state)
        and query.get("base", pull.base_ref) == pull.base_ref
        and (
            not owner
            or (pull.head_repository.owner.login.lower(), pull.head_ref) == (owner.lower(), branch)
        )
    ]
    sort = query.get("sort", "created")
    found.sort(key=lambda pull: pull.updated_at if sort == "updated" else pull.created_at)
    if query.get("direction", "desc" if sort == "created" else "asc") == "desc":
        found.reverse()
    page = call.page(found)
    body = [render_issues.pull_simple(call.twin.url, call.repository, one) for one in page.items]
    return Answer(body=body, headers=page.headers)


@route("GET", "/pulls/{pull_number}", "pull-requests:read")
def get_pull(call: Call) -> Answer:
    return Answer(body=render_issues.pull(call.twin.url, call.repository, pull_of(call)))


@route("GET", "/pulls/{pull_number}/files", "pull-requests:read", listing=True)
def list_pull_files(call: Call) -> Answer:
    pull, one = pull_of(call), call.repository
    base = one.git.merge_base(pull.base_sha, pull.head_sha)
    page = call.page(one.git.changes(base, pull.head_sha)[:3000])
    api = call.twin.url
    body: list[Json] = [render.change(api, one, pull.head_sha, it) for it in page.items]
    return Answer(body=body, headers=page.headers)


@route("GET", "/pulls/{pull_number}/commits", "pull-requests:read", listing=True)
def list_pull_commits(call: Call) -> Answer:
    pull, git = pull_of(call), call.repository.git
    base = git.merge_base(pull.base_sha, pull.head_sha)
    page = call.page(git.log(base, pull.head_sha)[:250])
    shown = [render.commit(call.twin.url, call.repository, git.show(sha)) for sha in page.items]
    return Answer(body=shown, headers=page.headers)
