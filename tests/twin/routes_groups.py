"""Endpoints: concurrency groups. Pages are found by cursor, as GitHub's are."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from tests.twin import render_runs
from tests.twin.render import Json
from tests.twin.routing import Answer, Call, Page, Refused, missing, route

READ = "actions:read"


def served(call: Call) -> None:
    """GitHub's servers for enterprises have no such endpoints yet."""
    if call.twin.no_concurrency_api:
        raise missing()


def after_cursor(call: Call, items: list[Any]) -> Page:
    size = min(max(int(call.query.get("per_page", "30")), 1), 100)
    start = int(call.query.get("after", "0"))
    chosen = items[start : start + size]
    if start + size >= len(items):
        return Page(chosen, {})
    link = f"{call.twin.url}{quote(call.path)}?per_page={size}&after={start + size}"
    return Page(chosen, {"Link": f'<{link}>; rel="next"'})


@route("GET", "/actions/concurrency_groups", READ)
def list_groups(call: Call) -> Answer:
    served(call)
    groups = list(call.repository.groups)
    page = after_cursor(call, groups)
    rows = [render_runs.group_row(call.twin.url, call.repository, one) for one in page.items]
    body = {"total_count": len(groups), "concurrency_groups": rows}
    return Answer(body=body, headers=page.headers)


@route("GET", "/actions/concurrency_groups/{concurrency_group_name}", READ)
def get_group(call: Call) -> Answer:
    served(call)
    found = call.repository.groups.find(unquote(call.arguments["concurrency_group_name"]))
    if found is None:
        raise missing()
    members = list(enumerate(found.members))
    for name in ("run", "job"):
        ahead = call.query.get(f"ahead_of_{name}")
        if ahead is None:
            continue
        places = [
            place
            for place, one in members
            if ahead == str(one.run.id if name == "run" else one.job.id if one.job else "")
        ]
        if not places:
            raise Refused(422, f"The {name} is not in the concurrency group")
        members = members[: places[0]]
    api, one = call.twin.url, call.repository
    body = {
        "group_name": found.name,
        "group_url": render_runs.group_url(api, one, found.name),
        "total_count": len(members),
        "group_members": [render_runs.group_member(api, one, it, place) for place, it in members],
    }
    return Answer(body=body)


@route("GET", "/actions/runs/{run_id}/concurrency_groups", READ)
def list_run_groups(call: Call) -> Answer:
    """By the run's configuration: a group in which it has no place (any more) is told, too."""
    served(call)
    api, one = call.twin.url, call.repository
    run = one.runs.get(call.number("run_id"))
    if run is None:
        raise missing()
    rows: list[Json] = []
    if run.group is not None:
        url = render_runs.group_url(api, one, run.group)
        group = one.groups.find(run.group)
        members = []
        for place, it in group.of(run) if group is not None else []:
            asked = f"ahead_of_job={it.job.id}" if it.job else f"ahead_of_run={run.id}"
            position = {"position": place, "position_url": f"{url}?{asked}"}
            members.append(render_runs.group_member(api, one, it, place) | position)
        rows = [{"group_name": run.group, "group_url": url, "group_members": members}]
    return Answer(body={"total_count": len(rows), "concurrency_groups": rows})
