"""What the queue and the freeze need of the twin: events, locks, transfers, children, dispatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.twin import Issue, PullRequest, Repository, Twin, contract
from tests.twin.conftest import Client
from tests.twin.contract import event_violations


@pytest.fixture
def issue(repo: Repository) -> Issue:
    return repo.open_issue("one")


@pytest.fixture
def pull(repo: Repository) -> PullRequest:
    repo.commit("topic", {"b.py": ""})
    return repo.open_pull(head="topic")


Person = Callable[[str, str], Client]


@pytest.fixture
def person(twin: Twin, repo: Repository) -> Iterator[Person]:
    """A client with a person's own token: `person(login, role)`."""
    made: list[Client] = []

    def connect(login: str, role: str) -> Client:
        repo.permission(login, role)
        made.append(Client(twin, repo, twin.token(f"t-{login}", login=login)))
        return made[-1]

    yield connect
    for one in made:
        one.session.close()


# --- the events of all issues ---


def told(client: Client, **query: int) -> list[tuple[str, int, str | None]]:
    rows = client.get("/issues/events", params=query).json()
    return [
        (row["event"], row["issue"]["number"], row.get("label", {}).get("name")) for row in rows
    ]


def test_the_events_of_all_issues_are_told_the_newest_first(
    repo: Repository, issue: Issue, pull: PullRequest, client: Client
) -> None:
    repo.ensure_label("malagate:ready").color = "00ff00"
    issue.add_label("malagate:ready", "carol")
    pull.add_label("malagate:ready")
    client("DELETE", "/issues/1/labels/malagate:ready")
    issue.close("dave")
    issue.reopen()
    assert told(client) == [
        ("reopened", 1, None),
        ("closed", 1, None),
        ("unlabeled", 1, "malagate:ready"),
        ("labeled", 2, "malagate:ready"),
        ("labeled", 1, "malagate:ready"),
    ]
    rows = client.get("/issues/events").json()
    assert [row["actor"]["login"] for row in rows] == [
        *("alice", "dave", "github-actions[bot]", "acme", "carol"),
    ]
    assert rows[2]["label"] == {"name": "malagate:ready", "color": "00ff00"}
    assert ("pull_request" in rows[3]["issue"], rows[3]["issue"]["title"]) == (True, "A change")
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids, reverse=True)


def test_events_come_in_pages_and_lag_like_every_list(
    twin: Twin, repo: Repository, issue: Issue, client: Client
) -> None:
    for number in range(101):
        issue.add_label(f"l{number}")
    first = client.get("/issues/events", params={"per_page": 100})
    assert (len(first.json()), len(client.get(first.links["next"]["url"]).json())) == (100, 1)
    client.post("/issues/1/labels", ["new"])
    twin.lag(1)
    assert [told(client, per_page=1)[0][2] for _ in range(2)] == ["l100", "new"]


# --- locks and assignees ---


def test_a_locked_issue_takes_comments_of_those_who_may_push_only(
    issue: Issue, client: Client, person: Person
) -> None:
    reader, writer = person("dave", "triage"), person("carol", "write")
    assert reader("PUT", "/issues/1/lock").status_code == 403
    assert client("PUT", "/issues/1/lock", json={"lock_reason": "spam"}).status_code == 204
    body = client.get("/issues/1").json()
    assert (body["locked"], body["active_lock_reason"]) == (True, "spam")
    comment = {"body": "hello"}
    refused = reader.post("/issues/1/comments", comment)
    assert (refused.status_code, "locked" in refused.json()["message"]) == (403, True)
    assert writer.post("/issues/1/comments", comment).status_code == 201
    assert client.post("/issues/1/comments", comment).status_code == 201
    assert client("DELETE", "/issues/1/lock").status_code == 204
    assert reader.post("/issues/1/comments", comment).status_code == 201
    assert client("PUT", "/issues/1/lock", json={"lock_reason": "rude"}).status_code == 422
    assert [one.event for one in issue.events] == ["locked", "unlocked"]


def test_people_are_assigned_whom_github_knows(twin: Twin, issue: Issue, client: Client) -> None:
    twin.user("carol")
    made = client.post("/issues/1/assignees", {"assignees": ["Carol", "nobody"]})
    assert (made.status_code, [one["login"] for one in made.json()["assignees"]]) == (
        *(201, ["carol"]),
    )
    (event,) = client.get("/issues/events").json()
    assert (event["event"], event["assignee"]["login"]) == ("assigned", "carol")


# --- what vanishes ---


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"state": "closed"})])
def test_a_transferred_issue_is_elsewhere(
    twin: Twin, repo: Repository, client: Client, method: str, body: dict[str, str] | None
) -> None:
    frozen = repo.open_issue("Frozen", labels=("malagate:frozen", "known"))
    frozen.comment(author="alice", body="why")
    other = twin.repository("acme/other")
    other.ensure_label("Known")
    other.open_issue("first")
    repo.transfer(frozen, other)
    answer = client(method, "/issues/1", json=body)
    url = f"{twin.url}/repos/acme/other/issues/2"
    assert (answer.status_code, answer.headers["Location"]) == (301, url)
    assert (frozen.state, frozen.labels) == ("open", {"Known"})
    assert client.get("/issues", params={"state": "all"}).json() == []
    assert client.get("/issues/events").json() == []
    there = client.get(url).json()
    assert (there["number"], there["comments"], there["repository_url"]) == (
        *(2, 1, f"{twin.url}/repos/acme/other"),
    )
    comments = client.get("/issues/1/comments")
    assert (comments.status_code, comments.headers["Location"]) == (301, f"{url}/comments")


def test_a_transfer_into_what_nobody_may_see_looks_like_nothing(
    twin: Twin, repo: Repository, issue: Issue, client: Client
) -> None:
    repo.transfer(issue, twin.repository("acme/secret", private=True))
    assert client.get("/issues/1").status_code == 404


def test_a_deleted_issue_is_gone_and_its_number_is_not_given_again(
    repo: Repository, issue: Issue, client: Client
) -> None:
    issue.add_label("malagate:frozen")
    repo.delete_issue(issue)
    gone = client.get("/issues/1")
    assert (gone.status_code, gone.json()["message"]) == (410, "This issue was deleted")
    assert client.post("/issues/1/comments", {"body": "b"}).status_code == 410
    assert client.get("/issues").json() == client.get("/issues/events").json() == []
    assert client.get("/issues/2").status_code == 404
    assert repo.open_issue("next").number == 2


def test_a_comment_is_deleted_behind_our_back(issue: Issue, client: Client) -> None:
    first, second = (issue.comment(author="alice", body=body) for body in ("one", "two"))
    first.delete()
    second.edit("changed")
    assert [one["body"] for one in client.get("/issues/1/comments").json()] == ["changed"]
    assert client.get(f"/issues/comments/{first.id}").status_code == 404


def test_a_label_is_renamed_and_deleted_behind_our_back(
    repo: Repository, issue: Issue, client: Client
) -> None:
    issue.add_label("malagate:frozen")
    repo.rename_label("Malagate:frozen", "chilled")
    assert client.get("/labels/malagate:frozen").status_code == 404
    assert [one["name"] for one in client.get("/issues/1").json()["labels"]] == ["chilled"]
    repo.ensure_label("taken")
    assert client("PATCH", "/labels/chilled", json={"new_name": "Taken"}).status_code == 422
    repo.delete_label("chilled", silent=True)
    issue.add_label("taken")
    repo.delete_label("taken", "carol")
    assert client.get("/issues/1").json()["labels"] == client.get("/labels").json() == []
    assert [(event, label) for event, _, label in told(client)] == [
        ("unlabeled", "taken"),
        ("labeled", "taken"),
        ("labeled", "malagate:frozen"),
    ]


# --- pull requests ---


def test_auto_merge_is_told_and_ends_with_the_merge(
    repo: Repository, pull: PullRequest, client: Client
) -> None:
    assert client.get("/pulls/1").json()["auto_merge"] is None
    pull.enable_auto_merge("carol", "squash")
    pull.mergeable_state = "blocked"
    (listed,), single = client.get("/pulls").json(), client.get("/pulls/1").json()
    assert listed["auto_merge"] == single["auto_merge"]
    assert (listed["auto_merge"]["enabled_by"]["login"], listed["auto_merge"]["merge_method"]) == (
        *("carol", "squash"),
    )
    assert single["mergeable_state"] == "blocked"
    pull.merge()
    done = client.get("/pulls/1").json()
    assert (done["state"], done["merged"], done["auto_merge"]) == ("closed", True, None)
    assert done["merged_at"] == done["closed_at"]
    assert repo.tip("main") == done["merge_commit_sha"]


def test_many_pull_requests_are_like_others(repo: Repository, client: Client) -> None:
    many = repo.open_pulls(3)
    assert len({one.head_sha for one in many}) == 3
    body = client.get("/pulls/2").json()
    assert (body["head"]["sha"], body["changed_files"], body["mergeable"]) == (
        *(many[1].head_sha, 1, True),
    )
    many[0].push({"x": "1"})
    many[1].merge()
    listed = client.get("/pulls").json()
    assert [one["number"] for one in listed] == [3, 1]
    assert listed[1]["head"]["sha"] == repo.tip("many-1") != listed[1]["merge_commit_sha"]


# --- sub-issues ---


def test_an_issue_has_children(twin: Twin, repo: Repository, issue: Issue, client: Client) -> None:
    child, elsewhere = repo.open_issue("child"), twin.repository("acme/other").open_issue("far")
    for one in (child, elsewhere):
        made = client.post("/issues/1/sub_issues", {"sub_issue_id": one.id})
        assert (made.status_code, made.json()["number"]) == (201, 1)
    assert issue.sub_issues == [child, elsewhere]
    listed = client.get("/issues/1/sub_issues").json()
    assert [one["title"] for one in listed] == ["child", "far"]
    assert listed[1]["repository_url"].endswith("/acme/other")
    assert client.get("/issues/2/parent").json()["number"] == 1
    assert client.get("/issues/1/parent").status_code == 404
    child.close()
    body = client.get("/issues/1").json()
    assert body["sub_issues_summary"] == {"total": 2, "completed": 1, "percent_completed": 50}
    assert (
        client.get("/issues/2").json()["parent_issue_url"] == f"{twin.url}/repos/acme/shop/issues/1"
    )
    again = client("DELETE", "/issues/1/sub_issue", json={"sub_issue_id": child.id})
    assert (again.status_code, issue.sub_issues, child.parent) == (200, [elsewhere], None)


def test_a_child_has_one_parent(repo: Repository, issue: Issue, client: Client) -> None:
    child, other = repo.open_issue("child"), repo.open_issue("other parent")
    issue.add_sub_issue(child)
    body: dict[str, object] = {"sub_issue_id": child.id}
    assert client.post("/issues/3/sub_issues", body).status_code == 422
    assert client.post("/issues/3/sub_issues", body | {"replace_parent": True}).status_code == 201
    assert (issue.sub_issues, other.sub_issues, child.parent) == ([], [child], other)
    assert client.post("/issues/2/sub_issues", {"sub_issue_id": other.id}).status_code == 422
    assert client.post("/issues/2/sub_issues", {"sub_issue_id": 1}).status_code == 404
    repo.delete_issue(child)
    assert client.get("/issues/3/sub_issues").json() == []


def test_an_issue_is_blocked_by_others(repo: Repository, issue: Issue, client: Client) -> None:
    blocker, second = repo.open_issue("first of all"), repo.open_issue("then")
    path = "/issues/1/dependencies/blocked_by"
    assert client.get(path).json() == []
    assert client.post(path, {"issue_id": blocker.id}).status_code == 201
    assert client.post(path, {"issue_id": blocker.id}).status_code == 422
    issue.block_by(second)
    second.close()
    assert [one["number"] for one in client.get(path).json()] == [2, 3]
    summary = client.get("/issues/1").json()["issue_dependencies_summary"]
    assert (summary["blocked_by"], summary["total_blocked_by"]) == (1, 2)
    assert client.get("/issues/2").json()["issue_dependencies_summary"]["blocking"] == 1


# --- dispatches ---

AGENT = """\
name: agent
run-name: malagate ${{ inputs.claim }} of ${{github.event.inputs.task}} ${{ inputs.dry }}
on:
  workflow_dispatch:
    inputs:
      claim: {required: true}
      task: {default: nothing}
      dry: {type: boolean, default: false}
"""
DISPATCH = "/actions/workflows/agent.yml/dispatches"


@pytest.fixture
def agent(repo: Repository) -> Repository:
    repo.commit("main", {".github/workflows/agent.yml": AGENT})
    return repo


def titles(client: Client, **query: str) -> list[str]:
    path = "/actions/workflows/agent.yml/runs"
    return [row["display_title"] for row in client.get(path, params=query).json()["workflow_runs"]]


def test_a_dispatched_run_carries_its_inputs_in_its_title(
    agent: Repository, client: Client
) -> None:
    given = {"claim": "c-1", "task": "7"}
    body = {"ref": "main", "inputs": given, "return_run_details": True}
    made = client.post(DISPATCH, body).json()
    assert titles(client) == ["malagate c-1 of 7 false"]
    assert agent.runs[made["workflow_run_id"]].inputs == given | {"dry": False}
    client.post(DISPATCH, {"ref": "main", "inputs": {"claim": "c-2"}})
    assert titles(client)[0] == "malagate c-2 of nothing false"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [({"task": "7"}, "Required input 'claim'"), ({"claim": "c", "x": "y"}, "Unexpected inputs")],
)
def test_a_dispatch_with_the_wrong_inputs_is_refused(
    agent: Repository, client: Client, inputs: dict[str, str], said: str
) -> None:
    answer = client.post(DISPATCH, {"ref": "main", "inputs": inputs})
    assert (answer.status_code, said in answer.json()["message"]) == (422, True)
    assert not agent.runs


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset"])
def test_a_dispatch_whose_answer_is_lost_is_found_by_its_title(
    twin: Twin, agent: Repository, client: Client, kind: str
) -> None:
    twin.faults.add(kind, method="POST", path="dispatches")
    body = {"ref": "main", "inputs": {"claim": "c-1"}}
    if kind == "applied-reset":
        with pytest.raises(requests.ConnectionError):
            client.post(DISPATCH, body)
    else:
        assert client.post(DISPATCH, body).status_code == 502
    assert titles(client, event="workflow_dispatch") == ["malagate c-1 of nothing false"]


def test_dispatched_runs_are_found_by_their_time_and_their_end(
    twin: Twin, agent: Repository, client: Client
) -> None:
    for claim in ("c-1", "c-2"):
        client.post(DISPATCH, {"ref": "main", "inputs": {"claim": claim}})
        twin.advance(3600)
    first, second = agent.runs.values()
    second.finish("cancelled")
    made = client.get(f"/actions/runs/{second.id}").json()["created_at"]
    assert titles(client, created=f">={made}") == ["malagate c-2 of nothing false"]
    assert titles(client, status="cancelled", created=f">={made}") == titles(
        client, status="completed"
    )
    assert titles(client, status="in_progress") == ["malagate c-1 of nothing false"]
    assert first.status == "in_progress"


# --- limits ---


def test_the_budget_is_told_with_every_answer(twin: Twin, issue: Issue, client: Client) -> None:
    left = [
        int(client.get("/issues").headers["x-ratelimit-remaining"]),
        int(client.post("/issues/1/comments", {"body": "b"}).headers["x-ratelimit-remaining"]),
        int(client.get(f"{twin.url}/rate_limit").headers["x-ratelimit-remaining"]),
        client.get(f"{twin.url}/rate_limit").json()["resources"]["core"]["remaining"],
    ]
    assert left == [999, 998, 998, 998]


def test_too_many_writes_at_a_time_are_refused(
    twin: Twin, issue: Issue, client: Client, person: Person
) -> None:
    def write(by: Client = client) -> requests.Response:
        return by.post("/issues/1/comments", {"body": "b"})

    assert {write().status_code for _ in range(4)} == {201}
    twin.write_limit = (2, 60)
    start = twin.clock()
    assert [write().status_code for _ in range(3)] == [201, 201, 403]
    refused = write()
    assert "secondary rate limit" in refused.json()["message"]
    wait = int(refused.headers["Retry-After"])
    assert (wait, len(issue.comments)) == (60 - (twin.clock() - start), 6)
    assert client.get("/issues/1").status_code == 200
    twin.advance(wait - 1)
    assert write().status_code == 403
    assert write(person("carol", "write")).status_code == 201, "a budget of her own"
    twin.advance(1)
    assert write().status_code == 201


# --- events ---


@pytest.mark.parametrize("action", ["labeled", "unlabeled", "closed", "reopened", "locked"])
def test_an_issues_event_names_who_and_what(
    twin: Twin, repo: Repository, issue: Issue, action: str
) -> None:
    label = "malagate:frozen" if "label" in action else None
    if action == "closed":
        issue.close()
    if action == "locked":
        issue.lock(reason="spam")
    parent = repo.open_issue("parent")
    parent.add_sub_issue(issue)
    payload = twin.event("issues", issue=issue, action=action, label=label, actor="carol")
    assert event_violations("issues", payload) == []
    assert payload["sender"]["login"] == "carol"
    assert payload.get("label", {}).get("name") == label


def test_a_comment_on_an_issue_is_not_one_on_a_pull_request(twin: Twin, issue: Issue) -> None:
    issue.lock()
    comment = issue.comment(author="carol", body="/gate unfreeze")
    payload = twin.event("issue_comment", comment=comment)
    assert event_violations("issue_comment", payload) == []
    assert ("pull_request" in payload["issue"], payload["sender"]["login"]) == (False, "carol")


@pytest.mark.parametrize("state", ["success", "failure", "error"])
def test_a_deployments_status_is_told(twin: Twin, repo: Repository, state: str) -> None:
    payload = twin.event("deployment_status", repo=repo, state=state, where="staging")
    assert event_violations("deployment_status", payload) == []
    environ = twin.environment(repo, "deployment_status", payload)
    assert (environ["GITHUB_SHA"], environ["GITHUB_REF"]) == (repo.tip("main"), "refs/heads/main")


# --- the contract ---


def test_of_a_long_list_a_few_are_compared(repo: Repository, client: Client) -> None:
    repo.open_pulls(40)
    rows = client.get("/pulls", params={"per_page": 100}).json()
    assert (len(rows), contract.sampled(rows)) == (40, [*rows[: contract.SAMPLE], rows[-1]])
