"""Endpoints: what else belongs to an issue: its lock, its people, its parent and its children."""

from __future__ import annotations

from tests.twin import render_issues
from tests.twin.routes_issues import EITHER, issue_of, may_write, pushes
from tests.twin.routing import Answer, Call, Refused, invalid, missing, route
from tests.twin.state import RANK, Issue

WRITE = "issues:write"
LOCK_REASONS = ("off-topic", "too heated", "resolved", "spam")
CHILDREN_MAX = 100
DEPTH_MAX = 8


def must_push(call: Call) -> None:
    person = call.token is not None and call.token.permissions is None
    if person and RANK[call.repository.role(call.user.login)] < RANK["write"]:
        raise Refused(403, "Must have admin rights to Repository.")


@route("PUT", "/issues/{issue_number}/lock", *EITHER)
def lock_issue(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    must_push(call)
    reason = call.fields().get("lock_reason") if call.body is not None else None
    if reason not in (None, *LOCK_REASONS):
        raise invalid("Issue", "lock_reason", "lock_reason is not included in the list")
    issue.lock(call.user, reason)
    return Answer(204)


@route("DELETE", "/issues/{issue_number}/lock", *EITHER)
def unlock_issue(call: Call) -> Answer:
    issue = issue_of(call)
    may_write(call, issue)
    must_push(call)
    issue.unlock(call.user)
    return Answer(204)


@route("POST", "/issues/{issue_number}/assignees", *EITHER)
def add_assignees(call: Call) -> Answer:
    """As GitHub: whom it does not know, and all if the author may not push, is left out silently."""
    issue = issue_of(call)
    may_write(call, issue)
    given = call.fields().get("assignees") or []
    names = [one.get("login") if isinstance(one, dict) else one for one in given]
    known = [str(name) for name in names if str(name).lower() in call.twin.users]
    issue.assign(*(known if pushes(call) else ()), by=call.user)
    return Answer(201, render_issues.issue(call.twin.url, call.repository, issue))


# --- parents and children ---


def as_seen(call: Call, issue: Issue) -> Issue:
    """An issue in the state that the list shows."""
    if issue.repository.id != call.repository.id:
        return issue
    return call.repository.issues.get(issue.number, issue)


def issue_list(call: Call, found: list[Issue]) -> Answer:
    page = call.page(found)
    seen = [as_seen(call, one) for one in page.items]
    body = [render_issues.issue(call.twin.url, one.repository, one) for one in seen]
    return Answer(body=body, headers=page.headers)


def issue_with_id(call: Call, name: str) -> Issue:
    """The issue of any repository of the same owner that has the id of that field."""
    number = call.fields().get(name)
    if not isinstance(number, int):
        raise invalid("Issue", name, f"{name} must be an integer", "missing_field")
    for repository in call.twin.repositories.values():
        if repository.owner == call.repository.owner:
            for issue in repository.issues.values():
                if issue.id == number:
                    return issue
    raise missing()


@route("GET", "/issues/{issue_number}/sub_issues", "issues:read", listing=True)
def list_sub_issues(call: Call) -> Answer:
    return issue_list(call, issue_of(call).sub_issues)


def depth(issue: Issue) -> int:
    return 1 + max((depth(child) for child in issue.sub_issues), default=0)


def ancestors(issue: Issue) -> list[Issue]:
    found = [issue]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


@route("POST", "/issues/{issue_number}/sub_issues", WRITE)
def add_sub_issue(call: Call) -> Answer:
    """The answer is the parent."""
    issue, child = issue_of(call), issue_with_id(call, "sub_issue_id")
    above = ancestors(issue)
    problem = ""
    if child in above:
        problem = "Sub issue may not be the parent or one of its parents"
    elif child.parent is not None and not call.fields().get("replace_parent"):
        problem = "Sub issue may only have one parent"
    elif len(issue.sub_issues) >= CHILDREN_MAX:
        problem = f"Parent cannot have more than {CHILDREN_MAX} sub-issues"
    elif len(above) + depth(child) > DEPTH_MAX:
        problem = f"Sub-issues may be nested up to {DEPTH_MAX} levels"
    if problem:
        raise invalid("Issue", "sub_issue_id", problem)
    issue.add_sub_issue(child, call.user)
    return Answer(201, render_issues.issue(call.twin.url, call.repository, issue))


@route("DELETE", "/issues/{issue_number}/sub_issue", WRITE)
def remove_sub_issue(call: Call) -> Answer:
    issue, child = issue_of(call), issue_with_id(call, "sub_issue_id")
    if child.parent is not issue:
        raise missing()
    issue.remove_sub_issue(child, call.user)
    return Answer(200, render_issues.issue(call.twin.url, call.repository, issue))


@route("GET", "/issues/{issue_number}/parent", "issues:read")
def get_parent(call: Call) -> Answer:
    parent = issue_of(call).parent
    if parent is None:
        raise missing()
    return Answer(body=render_issues.issue(call.twin.url, parent.repository, parent))


@route("GET", "/issues/{issue_number}/dependencies/blocked_by", "issues:read", listing=True)
def list_blocked_by(call: Call) -> Answer:
    return issue_list(call, issue_of(call).blocked_by)


@route("POST", "/issues/{issue_number}/dependencies/blocked_by", WRITE)
def add_blocked_by(call: Call) -> Answer:
    issue, other = issue_of(call), issue_with_id(call, "issue_id")
    if other is issue or other in issue.blocked_by:
        raise invalid("Issue", "issue_id", "the issue is the same, or blocks this one already")
    issue.block_by(other, call.user)
    return Answer(201, render_issues.issue(call.twin.url, call.repository, issue))
