"""Which requests are repeated, how long is waited, and what an error says."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.github.client import (
    API_VERSION,
    NEWER_API_VERSION,
    Client,
    GitHubError,
    TooManyPagesError,
)
from pytest_malagate.github.records import Comment, Dispatched, Label, Pull
from pytest_malagate.github.remembered import Kept, Remembered
from pytest_malagate.github.statuses import set_status
from tests.twin import Repository, Twin

PASSING = (
    "500",
    "502",
    "503",
    "504",
    "reset",
    "timeout",
    "truncated",
    "malformed",
    "html",
    "empty",
)
DOUBTFUL = ("500", "502", "applied-502", "reset", "applied-reset", "timeout", "truncated")


@pytest.fixture
def pull(repo: Repository) -> Any:
    repo.commit("topic", {"b.py": "1\n"})
    return repo.open_pull(head="topic", title="Work", author="alice")


@pytest.mark.parametrize("kind", PASSING)
def test_a_read_is_repeated_until_it_is_answered(
    twin: Twin, client: Client, pull: Any, kind: str
) -> None:
    twin.faults.add(kind, times=2, method="GET")
    assert client.get("/pulls/1", Pull).number == 1
    assert client.made == 3


def test_a_read_is_given_up_after_four_tries(
    twin: Twin, client: Client, pull: Any, slept: list[float]
) -> None:
    twin.faults.add("502", times=99)
    with pytest.raises(GitHubError, match=r"GET /pulls/1: GitHub answered 502") as caught:
        client.get("/pulls/1", Pull)
    assert (caught.value.status, caught.value.uncertain, client.made) == (502, False, 4)
    assert slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_a_creation_of_which_nobody_knows_is_not_repeated(
    twin: Twin, client: Client, pull: Any, kind: str
) -> None:
    twin.faults.add(kind, times=9, method="POST")
    with pytest.raises(GitHubError) as caught:
        client.create("/issues/1/comments", {"body": "x"}, Comment)
    assert caught.value.uncertain
    assert client.made == 1
    assert len(pull.comments) <= 1


@pytest.mark.parametrize("kind", ["secondary", "primary", "429", "429-after"])
def test_a_creation_that_a_rate_limit_refused_is_repeated(
    twin: Twin, client: Client, pull: Any, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    client.create("/issues/1/comments", {"body": "x"}, Comment)
    assert len(pull.comments) == 1


def test_a_write_that_is_the_same_twice_is_repeated(twin: Twin, client: Client, pull: Any) -> None:
    twin.faults.add("applied-502", method="POST")
    set_status(client, pull.head_sha, "failure", "x", "https://x.example")
    assert client.made == 2


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("unauthorized", 401, "the token is not valid"),
        ("forbidden", 403, "the token may not do this"),
        ("not-found", 404, "it is not there, or the token may not see it"),
    ],
)
def test_a_refusal_is_not_repeated_and_says_what_to_do(
    twin: Twin, client: Client, pull: Any, kind: str, status: int, said: str
) -> None:
    twin.faults.add(kind)
    with pytest.raises(GitHubError) as caught:
        client.get("/pulls/1", Pull)
    assert (caught.value.status, client.made) == (status, 1)
    assert said in str(caught.value)


def test_the_wait_is_as_long_as_github_says(
    twin: Twin, client: Client, pull: Any, slept: list[float]
) -> None:
    twin.retry_after = 17
    twin.faults.add("429-after")
    client.get("/pulls/1", Pull)
    assert slept == [17.0]


def test_the_wait_goes_to_the_reset_of_the_limit(
    twin: Twin, client: Client, pull: Any, slept: list[float]
) -> None:
    twin.reset_after = 30
    twin.faults.add("primary")
    client.get("/pulls/1", Pull)
    assert len(slept) == 1
    assert 29 <= slept[0] <= 32


def test_a_limit_without_a_time_is_waited_for_a_minute(
    twin: Twin, client: Client, pull: Any, slept: list[float]
) -> None:
    twin.faults.add("429")
    client.get("/pulls/1", Pull)
    assert slept == [60.0]


def test_a_wait_longer_than_the_patience_ends_at_once(
    twin: Twin, make_client: Any, pull: Any, slept: list[float]
) -> None:
    client = make_client(patience=10.0)
    twin.retry_after = 3600
    twin.faults.add("429-after")
    with pytest.raises(GitHubError, match="rate limit is used up"):
        client.get("/pulls/1", Pull)
    assert slept == []


def test_the_patience_is_one_for_all_requests(
    twin: Twin, make_client: Any, pull: Any, slept: list[float]
) -> None:
    client = make_client(patience=8.0)
    twin.faults.add("502", times=99)
    for _ in range(5):
        with pytest.raises(GitHubError):
            client.get("/pulls/1", Pull)
    assert sum(slept) <= 8.0


def test_pages_are_asked_for_as_long_as_there_is_a_next(
    repo: Repository, client: Client, pull: Any
) -> None:
    for number in range(250):
        pull.comment(author="alice", body=str(number))
    pages = list(client.pages("/issues/1/comments", list[Comment]))
    assert [len(page) for page in pages] == [100, 100, 50]
    assert client.made == 3


def test_pages_end_at_their_limit(repo: Repository, client: Client, pull: Any) -> None:
    for number in range(250):
        pull.comment(author="alice", body=str(number))
    assert len(list(client.pages("/issues/1/comments", list[Comment], limit=2))) == 2


def test_what_is_not_there_is_none_where_it_is_looked_for(client: Client, repo: Repository) -> None:
    assert client.find("/pulls/99", Pull) is None
    with pytest.raises(GitHubError):
        client.get("/pulls/99", Pull)


@pytest.mark.parametrize("kind", PASSING)
def test_an_error_never_holds_the_token(twin: Twin, make_client: Any, pull: Any, kind: str) -> None:
    twin.faults.add(kind, times=99)
    with pytest.raises(GitHubError) as caught:
        make_client("t-gate").get("/pulls/1", Pull)
    assert "t-gate" not in str(caught.value)


def test_the_path_in_an_error_is_one_line(client: Client, repo: Repository) -> None:
    with pytest.raises(GitHubError) as caught:
        client.get("/pulls/x%0A::error::y", Pull)
    assert "\n" not in str(caught.value)


def test_no_place_to_download_from_is_an_error(client: Client, repo: Repository) -> None:
    with pytest.raises(GitHubError):
        client.location("/actions/artifacts/1/zip")


def test_a_list_that_has_to_be_whole_is_an_error_beyond_its_limit(
    repo: Repository, client: Client, pull: Any
) -> None:
    for number in range(200):
        pull.comment(author="alice", body=str(number))
    path, seen = "/issues/1/comments", []
    assert len(list(client.pages(path, list[Comment], limit=2, whole=True))) == 2
    pull.comment(author="alice", body="one more")
    with pytest.raises(TooManyPagesError, match="over 2 pages"):
        seen.extend(client.pages(path, list[Comment], limit=2, whole=True))
    assert len(list(client.pages(path, list[Comment], limit=3, whole=True))) == 3


def test_a_change_returns_how_it_stands_and_is_repeated(
    twin: Twin, client: Client, pull: Any
) -> None:
    twin.faults.add("applied-502", method="POST")
    body = {"labels": ["seen"]}
    assert client.change("POST", "/issues/1/labels", body, list[Label]) == [Label(name="seen")]
    assert client.made == 2


def test_what_begins_something_is_not_repeated(twin: Twin, client: Client, pull: Any) -> None:
    twin.faults.add("502", times=9, method="POST")
    with pytest.raises(GitHubError) as caught:
        client.begin("/actions/workflows/tests.yml/dispatches", {"ref": "main"}, Dispatched)
    assert (caught.value.uncertain, client.made) == (True, 1)


# --- the rate limit ---


def test_the_rate_limit_is_read_off_the_newest_answer(
    twin: Twin, client: Client, pull: Any
) -> None:
    assert (client.remaining, client.limit) == (None, None)
    seen = []
    for _ in range(2):
        client.get("/pulls/1", Pull)
        seen.append(client.remaining)
    assert seen == [twin.rate_limit - 1, twin.rate_limit - 2]
    assert client.limit == twin.rate_limit
    client.find("/pulls/99", Pull)
    assert client.remaining == twin.rate_limit - 3


# --- what is remembered ---


def test_what_has_not_changed_costs_nothing_and_is_the_same(
    twin: Twin, make_client: Any, pull: Any
) -> None:
    client = make_client(remember=True)
    first = client.get("/pulls/1", Pull)
    left = client.remaining
    assert client.get("/pulls/1", Pull) == first
    assert (client.made, client.unchanged, client.remaining) == (2, 1, left)


def test_what_has_changed_is_told_anew(make_client: Any, pull: Any) -> None:
    client = make_client(remember=True)
    client.get("/pulls/1", Pull)
    pull.push({"b.py": "2\n"})
    assert client.get("/pulls/1", Pull).head.sha == pull.head_sha
    assert client.unchanged == 0
    client.get("/pulls/1", Pull)
    assert client.unchanged == 1


def test_pages_are_remembered_one_by_one(make_client: Any, pull: Any) -> None:
    client = make_client(remember=True)
    for number in range(150):
        pull.comment(author="alice", body=str(number))
    before = list(client.pages("/issues/1/comments", list[Comment]))
    pull.comment(author="alice", body="new")
    after = list(client.pages("/issues/1/comments", list[Comment]))
    assert [len(page) for page in after] == [100, 51]
    assert (after[0], client.unchanged) == (before[0], 1)


def test_nothing_is_remembered_unless_asked(twin: Twin, client: Client, pull: Any) -> None:
    for _ in range(2):
        client.get("/pulls/1", Pull)
    assert client.unchanged == 0
    assert not any("if-none-match" in request.headers for request in twin.requests)


@pytest.mark.parametrize("kind", PASSING)
def test_an_answer_that_was_not_understood_is_not_remembered(
    twin: Twin, make_client: Any, pull: Any, kind: str
) -> None:
    client = make_client(remember=True)
    twin.faults.add(kind, method="GET")
    assert client.get("/pulls/1", Pull).number == 1
    assert client.unchanged == 0
    assert client.get("/pulls/1", Pull).number == 1
    assert client.unchanged == 1


def test_a_remembered_answer_does_not_hide_that_it_is_gone(
    twin: Twin, make_client: Any, pull: Any
) -> None:
    client = make_client(remember=True)
    client.get("/pulls/1", Pull)
    twin.faults.add("not-found", method="GET")
    assert client.find("/pulls/1", Pull) is None


def test_another_version_or_page_is_another_read(twin: Twin, make_client: Any, pull: Any) -> None:
    client = make_client(remember=True)
    client.get("/pulls/1", Pull)
    client.get("/pulls/1", Pull, api_version=NEWER_API_VERSION)
    client.get("/pulls", list[Pull], page=1)
    client.get("/pulls", list[Pull], page=2)
    assert client.unchanged == 0
    assert not any("if-none-match" in request.headers for request in twin.requests)
    versions = [request.headers["x-github-api-version"] for request in twin.requests]
    assert versions == [API_VERSION, NEWER_API_VERSION, API_VERSION, API_VERSION]


def kept(body: str) -> Kept:
    return Kept(tag=f'"{body[:3]}"', headers={}, body=body)


def test_the_longest_unused_is_forgotten_first() -> None:
    remembered = Remembered(entries=2)
    remembered.keep("a", kept("a"))
    remembered.keep("b", kept("b"))
    assert remembered.find("a") is not None
    remembered.keep("c", kept("c"))
    assert [remembered.find(key) is not None for key in "abc"] == [True, False, True]


def test_what_is_remembered_is_bounded_by_its_length() -> None:
    remembered = Remembered(characters=100)
    for key in "abc":
        remembered.keep(key, kept(key * 40))
    assert len(remembered) == 2
    remembered.keep("c", kept("c" * 101))
    assert (len(remembered), remembered.find("c")) == (1, None)
    remembered.keep("d", kept("d" * 60))
    assert [remembered.find(key) is not None for key in "bd"] == [True, True]
