"""The twin's issues, comments, labels, reactions and statuses."""

from __future__ import annotations

import pytest
from github import Auth, Github

from tests.twin import PullRequest, Repository, Twin
from tests.twin.conftest import Client


@pytest.fixture
def pull(repo: Repository) -> PullRequest:
    repo.commit("topic", {"b.py": ""})
    return repo.open_pull(head="topic")


def test_a_comment_is_written_found_edited_and_deleted(pull: PullRequest, client: Client) -> None:
    made = client.post("/issues/1/comments", {"body": "first"})
    assert made.status_code == 201
    body = made.json()
    author = {name: body["user"][name] for name in ("login", "id", "type")}
    assert author == {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}
    assert body["performed_via_github_app"]["id"] == 15368
    path = f"/issues/comments/{body['id']}"
    assert client("PATCH", path, json={"body": "second"}).json()["body"] == "second"
    assert client.get(path).json()["updated_at"] > body["updated_at"]
    assert [one["body"] for one in client.get("/issues/1/comments").json()] == ["second"]
    assert client("DELETE", path).status_code == 204
    assert pull.comments == []
    assert client.get(path).status_code == 404


def test_a_persons_comment_is_marked_as_such(
    repo: Repository, pull: PullRequest, client: Client
) -> None:
    repo.permission("carol", "write")
    for author in ("carol", "dave", "acme"):
        pull.comment(author=author, body="/gate retry")
    bodies = client.get("/issues/1/comments").json()
    associations = [one["author_association"] for one in bodies]
    assert associations == ["COLLABORATOR", "NONE", "OWNER"]
    assert {one["performed_via_github_app"] for one in bodies} == {None}
    assert bodies[0]["created_at"] < bodies[1]["created_at"] < bodies[2]["created_at"]


def test_comments_since_a_time(twin: Twin, pull: PullRequest, client: Client) -> None:
    pull.comment(author="alice", body="old")
    twin.advance(3600)
    new = pull.comment(author="alice", body="new")
    since = client.get(f"/issues/comments/{new.id}").json()["updated_at"]
    found = client.get("/issues/1/comments", params={"since": since}).json()
    assert [one["body"] for one in found] == ["new"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/issues/1/comments", {"body": "x" * 65_537}),
        ("POST", "/issues/1/comments", {"body": " "}),
        ("POST", "/issues", {"title": "t", "body": "x" * 65_537}),
        ("POST", "/issues", {"body": "no title"}),
        ("POST", "/issues/1/labels", {"labels": ["x" * 51]}),
        ("POST", "/labels", {"name": "x" * 51}),
        ("POST", "/labels", {"name": "n", "description": "x" * 101}),
        ("PATCH", "/issues/1", {"state": "shut"}),
    ],
)
def test_what_github_would_refuse_is_refused(
    pull: PullRequest, client: Client, method: str, path: str, body: object
) -> None:
    answer = client(method, path, json=body)
    assert (answer.status_code, answer.json()["message"]) == (422, "Validation Failed")


def test_the_longest_comment_is_taken(pull: PullRequest, client: Client) -> None:
    assert client.post("/issues/1/comments", {"body": "x" * 65_536}).status_code == 201


@pytest.mark.parametrize("body", [["malagate:needs-human"], {"labels": ["malagate:needs-human"]}])
def test_labels_are_set_in_both_forms_and_made_where_missing(
    repo: Repository, pull: PullRequest, client: Client, body: object
) -> None:
    (label,) = client.post("/issues/1/labels", body).json()
    assert label["name"] == "malagate:needs-human"
    assert pull.labels == repo.labels == {"malagate:needs-human"}


def test_labels_are_taken_away_and_noted(pull: PullRequest, client: Client) -> None:
    client.post("/issues/1/labels", ["one", "two"])
    assert client("DELETE", "/issues/1/labels/ONE").status_code == 200
    assert client("DELETE", "/issues/1/labels/one").status_code == 404
    assert client("PUT", "/issues/1/labels", json={"labels": ["three"]}).status_code == 200
    assert pull.labels == {"three"}
    told = [(one["event"], one["label"]["name"]) for one in client.get("/issues/1/events").json()]
    assert told == [
        ("labeled", "one"),
        ("labeled", "two"),
        ("unlabeled", "one"),
        ("unlabeled", "two"),
        ("labeled", "three"),
    ]
    assert [one["name"] for one in client.get("/issues/1/labels").json()] == ["three"]
    assert client("DELETE", "/issues/1/labels").status_code == 204
    assert pull.labels == set()


def test_the_repositorys_labels(repo: Repository, pull: PullRequest, client: Client) -> None:
    made = client.post("/labels", {"name": "freeze", "color": "ff0000", "description": "stop"})
    assert made.status_code == 201
    assert client.post("/labels", {"name": "FREEZE"}).status_code == 422
    pull.add_label("freeze")
    assert client("PATCH", "/labels/freeze", json={"new_name": "a/b"}).json()["name"] == "a/b"
    assert pull.labels == {"a/b"}
    assert client.get("/labels/a%2Fb").json()["color"] == "ff0000"
    assert [one["name"] for one in client.get("/labels").json()] == ["a/b"]
    assert client("DELETE", "/labels/a%2Fb").status_code == 204
    assert (pull.labels, repo.labels) == (set(), set())
    assert client.get("/labels/a%2Fb").status_code == 404


def test_issues_are_listed_by_label_and_state_with_pull_requests_among_them(
    repo: Repository, pull: PullRequest, client: Client
) -> None:
    made = client.post("/issues", {"title": "Frozen", "labels": ["freeze", "x"]}).json()
    pull.add_label("freeze")

    def numbers(**query: str) -> list[int]:
        return [one["number"] for one in client.get("/issues", params=query).json()]

    assert numbers() == [2, 1]
    assert numbers(labels="Freeze,X") == [made["number"]]
    assert "pull_request" in client.get("/issues/1").json()
    closed = client("PATCH", "/issues/2", json={"state": "closed", "state_reason": "not_planned"})
    assert (closed.json()["state"], closed.json()["state_reason"]) == ("closed", "not_planned")
    assert (numbers(), numbers(state="closed"), numbers(state="all", direction="asc")) == (
        [1],
        [2],
        [1, 2],
    )
    assert (
        client("PATCH", "/issues/2", json={"state": "open", "labels": ["y"]}).json()["closed_at"]
        is None
    )
    assert repo.issues[2].labels == {"y"}


def test_a_reaction_is_given_once(pull: PullRequest, client: Client) -> None:
    comment = pull.comment(author="alice", body="/gate stop")
    path = f"/issues/comments/{comment.id}/reactions"
    assert client.post(path, {"content": "eyes"}).status_code == 201
    assert client.post(path, {"content": "eyes"}).status_code == 200
    assert client.post(path, {"content": "thumbs"}).status_code == 422
    assert [one["content"] for one in client.get(path).json()] == ["eyes"]
    assert [one.content for one in comment.reactions] == ["eyes"]
    assert client.get(f"/issues/comments/{comment.id}").json()["reactions"]["eyes"] == 1


def test_statuses_are_appended_and_the_newest_wins(
    repo: Repository, pull: PullRequest, client: Client
) -> None:
    path = f"/statuses/{pull.head_sha}"
    assert client.get(f"/commits/{pull.head_sha}/status").json()["state"] == "pending"
    for state, context in (
        ("pending", "malagate/gate"),
        ("success", "Malagate/Gate"),
        ("error", "ci"),
    ):
        made = client.post(path, {"state": state, "context": context, "description": "d" * 140})
        assert (made.status_code, made.json()["creator"]["type"]) == (201, "Bot")
    listed = client.get(f"/commits/{pull.head_sha}/statuses").json()
    assert [one["state"] for one in listed] == ["error", "success", "pending"]
    assert [one.state for one in repo.statuses(pull.head_sha)] == ["error", "success", "pending"]
    combined = client.get("/commits/topic/status").json()
    assert (combined["state"], combined["total_count"]) == ("failure", 2)


@pytest.mark.parametrize(
    "wrong",
    [{"state": "passed"}, {"description": "d" * 141}, {"target_url": "javascript:x"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_status_is_refused(repo: Repository, client: Client, wrong: dict[str, str]) -> None:
    body = {"state": "success", "context": "malagate/gate"} | wrong
    assert client.post(f"/statuses/{repo.tip('main')}", body).status_code == 422
    assert repo.statuses(repo.tip("main")) == []


def test_a_status_needs_a_commit(client: Client) -> None:
    answer = client.post(f"/statuses/{'1' * 40}", {"state": "success"})
    assert (answer.status_code, "No commit found" in answer.json()["message"]) == (422, True)


def test_a_context_takes_a_thousand_statuses_and_no_more(repo: Repository, client: Client) -> None:
    sha = repo.tip("main")
    for _ in range(1000):
        repo.add_status(sha, "pending", "malagate/gate")
    assert (
        client.post(
            f"/statuses/{sha}", {"state": "success", "context": "Malagate/GATE"}
        ).status_code
        == 422
    )
    assert (
        client.post(f"/statuses/{sha}", {"state": "success", "context": "other"}).status_code == 201
    )


def test_pygithub_speaks_with_the_twin(
    twin: Twin, repo: Repository, pull: PullRequest, client: Client
) -> None:
    hub = Github(
        auth=Auth.Token("t-gate"), base_url=twin.url, retry=None, seconds_between_writes=None
    )
    with hub:
        found = hub.get_repo("acme/shop").get_pull(1)
        found.add_to_labels("malagate:no-progress")
        found.create_issue_comment("hello").create_reaction("rocket")
        commit = found.base.repo.get_commit(found.head.sha)
        commit.create_status("success", context="malagate/gate", description="passed")
        assert commit.get_combined_status().state == "success"
        assert found.base.repo.get_collaborator_permission("alice") == "read"
        content = found.base.repo.get_contents("a.py", ref="main")
        assert not isinstance(content, list)
        assert content.decoded_content == b"x = 1\n"
    assert pull.labels == {"malagate:no-progress"}
    assert [(one.author, one.body) for one in pull.comments] == [("github-actions[bot]", "hello")]
