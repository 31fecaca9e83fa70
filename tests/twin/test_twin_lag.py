"""Lists that lag behind steadily, and what it costs to remember how things were."""

from __future__ import annotations

import pytest

from tests.twin import Issue, Repository, Run, Twin, snapshot
from tests.twin.conftest import Client


@pytest.fixture
def issue(repo: Repository) -> Issue:
    return repo.open_issue("one")


def labels(client: Client) -> list[str]:
    (row,) = client.get("/issues").json()
    return [one["name"] for one in row["labels"]]


def test_each_write_is_hidden_from_the_next_lists(twin: Twin, issue: Issue, client: Client) -> None:
    twin.lagging(2)
    assert labels(client) == []
    client.post("/issues/1/labels", ["a"])
    assert client.get("/issues/1").json()["labels"][0]["name"] == "a"
    assert [labels(client) for _ in range(3)] == [[], [], ["a"]]
    client.post("/issues/1/labels", ["b"])
    assert [labels(client) for _ in range(3)] == [["a"], ["a"], ["a", "b"]]


def test_several_writes_come_to_light_one_after_the_other(
    twin: Twin, issue: Issue, client: Client
) -> None:
    twin.lagging(3)
    client.post("/issues/1/labels", ["a"])
    assert labels(client) == []
    client.post("/issues/1/labels", ["b"])
    assert labels(client) == []
    client.post("/issues/1/labels", ["c"])
    shown = [labels(client) for _ in range(4)]
    assert shown == [[], ["a"], ["a", "b"], ["a", "b", "c"]]


def test_a_steady_lag_ends_at_once(twin: Twin, issue: Issue, client: Client) -> None:
    twin.lagging(9)
    client.post("/issues/1/labels", ["a"])
    twin.lagging(0)
    assert labels(client) == ["a"]
    client.post("/issues/1/labels", ["b"])
    assert labels(client) == ["a", "b"]


def test_what_is_refused_hides_nothing(twin: Twin, issue: Issue, client: Client) -> None:
    twin.lagging(9)
    assert client.post("/issues/1/comments", {"body": " "}).status_code == 422
    issue.add_label("by hand")
    assert labels(client) == ["by hand"]


def seen(client: Client) -> list[object]:
    """What every list shows that a write may change."""
    paths = (
        *("/issues?state=all", "/issues/1/comments", "/issues/1/events", "/issues/events"),
        *("/issues/1/labels", "/labels", "/pulls", "/actions/runs", "/actions/artifacts"),
        *("/issues/1/sub_issues", "/issues/1/dependencies/blocked_by"),
    )
    found: list[object] = [client.get(path).json() for path in paths]
    comments = [f"/issues/comments/{one['id']}/reactions" for one in found[1]]  # type: ignore[attr-defined]
    return [*found, *(client.get(path).json() for path in comments)]


SECOND = "the id of the second issue"
WRITES: dict[str, tuple[str, str, dict[str, object] | None]] = {
    "open": ("POST", "/issues", {"title": "new", "labels": ["fresh"]}),
    "edit": ("PATCH", "/issues/1", {"state": "closed", "title": "t", "labels": ["fresh"]}),
    "comment": ("POST", "/issues/1/comments", {"body": "new"}),
    "edit a comment": ("PATCH", "/issues/comments/{comment}", {"body": "new"}),
    "delete a comment": ("DELETE", "/issues/comments/{comment}", None),
    "react": ("POST", "/issues/comments/{comment}/reactions", {"content": "eyes"}),
    "label": ("POST", "/issues/1/labels", {"labels": ["fresh"]}),
    "set labels": ("PUT", "/issues/1/labels", {"labels": ["fresh"]}),
    "clear labels": ("DELETE", "/issues/1/labels", None),
    "take a label off": ("DELETE", "/issues/1/labels/old", None),
    "make a label": ("POST", "/labels", {"name": "fresh"}),
    "rename a label": ("PATCH", "/labels/old", {"new_name": "fresh"}),
    "delete a label": ("DELETE", "/labels/old", None),
    "lock": ("PUT", "/issues/1/lock", None),
    "assign": ("POST", "/issues/1/assignees", {"assignees": ["alice"]}),
    "add a child": ("POST", "/issues/1/sub_issues", {"sub_issue_id": SECOND}),
    "block": ("POST", "/issues/1/dependencies/blocked_by", {"issue_id": SECOND}),
    "dispatch": ("POST", "/actions/workflows/agent.yml/dispatches", {"ref": "main"}),
    "cancel": ("POST", "/actions/runs/{run}/cancel", None),
    "delete an artifact": ("DELETE", "/actions/artifacts/{artifact}", None),
}


@pytest.mark.parametrize("steady", [False, True], ids=["once", "steady"])
@pytest.mark.parametrize("write", WRITES)
def test_every_kind_of_write_is_hidden(
    twin: Twin, repo: Repository, issue: Issue, client: Client, *, write: str, steady: bool
) -> None:
    issue.add_label("old")
    comment = issue.comment(author="alice", body="old")
    second = repo.open_issue("two")
    second.add_label("old")
    run = repo.run(event="push", concurrency=("lock", "max"))
    repo.run(event="push", concurrency=("lock", "max"))
    names = {"comment": comment.id, "run": run.id, "artifact": run.artifact("state").id}
    method, path, given = WRITES[write]
    if given is not None:
        given = {key: second.id if one is SECOND else one for key, one in given.items()}
    twin.checked = False  # what these lists look like is compared elsewhere
    before = seen(client)
    if steady:
        twin.lagging(len(before) + 9)
    twin.checked = True
    answer = client(method, path.format(**names), json=given)
    assert answer.status_code < 300, answer.text
    twin.checked = False
    if not steady:
        twin.lag(len(before) + 9)
    assert seen(client) == before
    twin.lagging(0)
    twin.lag(0)
    assert seen(client) != before


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the issues and runs that are copied from now on."""
    copied: list[int] = []
    issue_now, run_now = snapshot.issue_now, snapshot.run_now

    def issue(one: Issue) -> Issue:
        copied.append(one.number)
        return issue_now(one)

    def run(one: Run) -> Run:
        copied.append(one.id)
        return run_now(one)

    monkeypatch.setattr(snapshot, "issue_now", issue)
    monkeypatch.setattr(snapshot, "run_now", run)
    return copied


def test_without_a_lag_a_write_copies_no_more_than_its_issue(
    repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = counted(monkeypatch)
    for number in range(1, 6):
        repo.open_issue(f"issue {number}")
    client.post("/issues/3/labels", ["a"])
    client.post(f"/statuses/{repo.tip('main')}", {"state": "success"})
    client.post("/issues", {"title": "t"})
    assert copied == [3]


def test_a_steady_lag_copies_what_has_changed_only(
    twin: Twin, repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        repo.open_issue(f"issue {number}").comment(author="alice", body="b")
    repo.run(event="push").artifact("state")
    twin.lagging(3)
    client.post("/issues/3/labels", ["a"])
    copied = counted(monkeypatch)
    client.post("/issues/4/labels", ["a"])
    client.post("/issues/5/labels", ["a"])
    assert copied == [3, 4]


def test_what_a_part_alone_has_lived_through_is_seen_in_the_next_state(
    twin: Twin, repo: Repository, issue: Issue, client: Client
) -> None:
    comment = issue.comment(author="alice", body="old")
    artifact = repo.run(event="push").artifact("state")
    other = repo.open_issue("two")

    def shown() -> tuple[str, int]:
        (row,) = client.get("/issues/1/comments").json()
        return row["body"], client.get("/actions/artifacts").json()["total_count"]

    twin.lagging(4)
    client.post(f"/issues/{other.number}/labels", ["first"])
    client("PATCH", f"/issues/comments/{comment.id}", json={"body": "new"})
    client("DELETE", f"/actions/artifacts/{artifact.id}")
    assert shown() == ("old", 1)
    client.post(f"/issues/{other.number}/labels", ["last"])
    assert [shown(), shown()] == [("old", 1), ("new", 0)]
    assert repo.issues[2].labels == {"first", "last"}
