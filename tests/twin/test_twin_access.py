"""Who may do what on the twin; limits, ETags, pages, and lists that lag."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.twin import PullRequest, Repository, Twin
from tests.twin.conftest import Client

Connect = Callable[..., Client]


@pytest.fixture
def connect(twin: Twin, repo: Repository) -> Iterator[Connect]:
    """A client with a token of its own: `connect(scope="level", ...)`, or a person's."""
    made: list[Client] = []

    def new(login: str | None = None, on: Repository = repo, **scopes: str) -> Client:
        text = f"t{len(made)}"
        if login is not None:
            twin.token(text, login=login)
        else:
            granted = {name.replace("_", "-"): level for name, level in scopes.items()}
            twin.token(text, repo, permissions=granted)
        made.append(Client(twin, on, text))
        return made[-1]

    yield new
    for client in made:
        client.session.close()


@pytest.fixture
def pull(repo: Repository) -> PullRequest:
    repo.commit("topic", {"b.py": ""})
    return repo.open_pull(head="topic")


NOT_ACCESSIBLE = (403, "Resource not accessible by integration")


def said(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]  # type: ignore[attr-defined]


def test_a_wrong_token_is_refused_and_none_may_read_what_is_public(
    twin: Twin, repo: Repository, anonymous: Client
) -> None:
    assert anonymous.get("").status_code == 200
    assert said(anonymous.post("/issues", {"title": "t"})) == (401, "Requires authentication")
    anonymous.session.headers["Authorization"] = "token nonsense"
    assert said(anonymous.get("")) == (401, "Bad credentials")
    assert [(one.status, one.token) for one in twin.requests] == [
        (200, None),
        (401, None),
        (401, "nonsense"),
    ]


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("statuses", "POST", "/statuses/{sha}", {"state": "success"}),
        ("pull_requests", "POST", "/issues/1/comments", {"body": "b"}),
        ("pull_requests", "POST", "/issues/1/labels", {"labels": ["known"]}),
        ("issues", "POST", "/issues", {"title": "t"}),
        ("issues", "POST", "/issues/2/comments", {"body": "b"}),
        ("actions", "POST", "/actions/workflows/agent.yml/dispatches", {"ref": "main"}),
    ],
)
def test_a_write_needs_its_scope(
    repo: Repository,
    pull: PullRequest,
    connect: Connect,
    *,
    scope: str,
    method: str,
    path: str,
    body: object,
) -> None:
    repo.ensure_label("known")
    repo.open_issue("an issue")
    path = path.format(sha=pull.head_sha)
    everything = dict.fromkeys(
        ("statuses", "pull_requests", "issues", "actions", "contents"), "write"
    )
    assert connect(**{scope: "write"})(method, path, json=body).status_code < 300
    others = connect(**(everything | {scope: "read"}))
    assert said(others(method, path, json=body)) == NOT_ACCESSIBLE


def test_a_new_label_needs_the_scope_of_issues(pull: PullRequest, connect: Connect) -> None:
    body = {"labels": ["new"]}
    assert said(connect(pull_requests="write").post("/issues/1/labels", body)) == NOT_ACCESSIBLE
    both = connect(pull_requests="write", issues="write")
    assert both.post("/issues/1/labels", body).status_code == 200


def test_a_download_needs_to_read_actions_even_in_public(
    repo: Repository, connect: Connect, anonymous: Client
) -> None:
    artifact = repo.run(event="push").artifact("state", {})
    path = f"/actions/artifacts/{artifact.id}"
    assert anonymous.get(path).status_code == 200
    assert anonymous.get(f"{path}/zip").status_code == 401
    assert said(connect(contents="read").get(f"{path}/zip")) == NOT_ACCESSIBLE
    assert connect(actions="read").get(f"{path}/zip").status_code == 302


def test_a_private_repository_is_unknown_to_strangers(
    twin: Twin, repo: Repository, connect: Connect
) -> None:
    private = twin.repository("acme/secret", private=True)
    private.commit("main", {"a": ""})
    private.permission("carol", "read")
    assert connect(contents="write", on=private).get("").status_code == 404
    assert connect("mallory", on=private).get("/contents/a").status_code == 404
    carol = connect("carol", on=private)
    assert carol.get("/contents/a").status_code == 200
    assert carol.post(f"/statuses/{private.tip('main')}", {"state": "success"}).status_code == 403
    twin.token("own", private, permissions={"contents": "read"})
    carol.session.headers["Authorization"] = "Bearer own"
    assert carol.get("/contents/a").status_code == 200
    assert said(carol.get("/actions/runs")) == NOT_ACCESSIBLE


def test_a_token_of_one_repository_may_not_write_to_another(
    twin: Twin, repo: Repository, connect: Connect
) -> None:
    other = twin.repository("acme/other")
    assert said(connect(issues="write", on=other).post("/issues", {"title": "t"})) == NOT_ACCESSIBLE


@pytest.mark.parametrize(
    ("role", "permission"),
    [
        ("admin", "admin"),
        ("maintain", "write"),
        ("write", "write"),
        ("triage", "read"),
        ("read", "read"),
        ("none", "none"),
    ],
)
def test_the_permission_of_a_collaborator(
    repo: Repository, client: Client, role: str, permission: str
) -> None:
    repo.permission("carol", role)
    body = client.get("/collaborators/Carol/permission").json()
    assert (body["permission"], body["role_name"]) == (permission, role)


def test_strangers_read_and_unknown_people_are_not_found(
    twin: Twin, repo: Repository, client: Client
) -> None:
    twin.user("dave")
    assert client.get("/collaborators/dave/permission").json()["permission"] == "read"
    assert client.get("/collaborators/nobody/permission").status_code == 404
    assert client.get("/no/such/path").status_code == 404


def test_a_known_answer_is_not_sent_again_and_not_counted(
    twin: Twin, pull: PullRequest, client: Client
) -> None:
    first = client.get("/issues/1")
    known = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/issues/1", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"] == "999"
    pull.add_label("new")
    assert client.get("/issues/1", headers=known).status_code == 200


def test_a_thousand_requests_an_hour(twin: Twin, client: Client) -> None:
    twin.rate_limit = 3
    used = [client.get("").headers["X-RateLimit-Used"] for _ in range(3)]
    assert used == ["1", "2", "3"]
    refused = client.get("")
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert "rate limit exceeded" in refused.json()["message"]
    free = client.get(f"{twin.url}/rate_limit").json()["rate"]
    assert (free["limit"], free["remaining"]) == (3, 0)
    twin.advance(3600)
    assert client.get("").status_code == 200


def test_pages_are_linked(repo: Repository, client: Client) -> None:
    for number in range(5):
        repo.open_issue(f"issue {number}")
    first = client.get("/issues", params={"per_page": 2, "state": "all"})
    assert set(first.links) == {"next", "last"}
    second = client.get(first.links["next"]["url"])
    assert [one["number"] for one in second.json()] == [3, 2]
    third = client.get(second.links["next"]["url"])
    assert set(third.links) == {"first", "prev"}
    assert [one["number"] for one in third.json()] == [1]
    assert client.get("/issues", params={"page": 9}).json() == []


def test_a_page_holds_thirty_and_at_most_a_hundred(repo: Repository, client: Client) -> None:
    for number in range(101):
        repo.ensure_label(f"l{number}")
    assert len(client.get("/labels").json()) == 30
    assert len(client.get("/labels", params={"per_page": 1000}).json()) == 100


def bodies(client: Client) -> list[str]:
    return [one["body"] for one in client.get("/issues/1/comments").json()]


def test_a_list_lags_behind_the_last_write(twin: Twin, pull: PullRequest, client: Client) -> None:
    pull.comment(author="alice", body="old")
    made = client.post("/issues/1/comments", {"body": "new"}).json()
    twin.lag(reads=2)
    assert client.get(f"/issues/comments/{made['id']}").status_code == 200
    assert [bodies(client) for _ in range(3)] == [["old"], ["old"], ["old", "new"]]


def test_a_list_lags_behind_writes_that_are_still_to_come(
    twin: Twin, pull: PullRequest, client: Client
) -> None:
    pull.comment(author="alice", body="old")
    twin.lag(reads=2)
    assert bodies(client) == ["old"]
    client.post("/issues/1/comments", {"body": "new"})
    client.post("/issues/1/labels", ["label"])
    assert client.get("/issues/1").json()["labels"][0]["name"] == "label"
    assert bodies(client) == ["old"]
    assert bodies(client) == ["old", "new"]


def test_what_the_test_itself_did_is_long_past(
    twin: Twin, repo: Repository, pull: PullRequest, client: Client
) -> None:
    client.post("/issues/1/comments", {"body": "new"})
    run = repo.run(pull=pull).finish("failure")
    artifact = run.artifact("evidence", {})
    twin.lag(reads=3)
    assert bodies(client) == ["new"]
    assert client.get("/actions/runs").json()["workflow_runs"][0]["conclusion"] == "failure"
    client("DELETE", f"/actions/artifacts/{artifact.id}")
    listed = f"/actions/runs/{run.id}/artifacts"
    assert client.get(listed).json()["total_count"] == 1
    assert client.get(listed).json()["total_count"] == 0
