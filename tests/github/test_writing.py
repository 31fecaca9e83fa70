"""Comments, labels and statuses: written once, and never over somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.comments import MARKER, Spoken, react, speak
from pytest_malagate.github.labels import NEEDS_HUMAN, NO_PROGRESS, show
from pytest_malagate.github.statuses import set_status
from tests.twin import Repository, Twin

BOT = "github-actions[bot]"
BODY = f"{MARKER}\nfailed"


@pytest.fixture
def pull(repo: Repository) -> Any:
    repo.commit("topic", {"b.py": "1\n"})
    return repo.open_pull(head="topic", title="Work", author="alice")


def bodies(pull: Any) -> list[str]:
    return [comment.body for comment in pull.comments]


def test_the_first_time_a_comment_is_created(client: Client, pull: Any) -> None:
    spoken = speak(client, 1, BODY, None)
    assert bodies(pull) == [BODY]
    assert spoken == Spoken(id=pull.comments[0].id, login=BOT)


def test_what_is_known_is_edited_by_one_request(client: Client, pull: Any) -> None:
    known = speak(client, 1, BODY, None)
    before = client.made
    assert speak(client, 1, f"{MARKER}\npassed", known) == known
    assert bodies(pull) == [f"{MARKER}\npassed"]
    assert client.made == before + 1


def test_a_lost_memory_finds_the_comment_again(client: Client, pull: Any) -> None:
    speak(client, 1, BODY, None)
    speak(client, 1, f"{MARKER}\npassed", None)
    assert bodies(pull) == [f"{MARKER}\npassed"]


def test_a_comment_that_was_deleted_is_written_anew(client: Client, pull: Any) -> None:
    known = speak(client, 1, BODY, None)
    pull.comments.clear()
    assert speak(client, 1, BODY, known).id != known.id
    assert bodies(pull) == [BODY]


def test_doubled_comments_become_one(twin: Twin, client: Client, pull: Any) -> None:
    for text in ("old", "older"):
        pull.add_comment(twin.user(BOT), f"{MARKER}\n{text}")
    speak(client, 1, BODY, None)
    assert bodies(pull) == [BODY]


@pytest.mark.parametrize(
    ("author", "body"),
    [("mallory", f"{MARKER}\npassed"), (BOT, f"hello {MARKER}"), (BOT, "hello")],
    ids=["a-person-with-the-marker", "a-marker-that-is-not-first", "no-marker"],
)
def test_other_comments_are_left_alone(
    twin: Twin, client: Client, pull: Any, author: str, body: str
) -> None:
    pull.add_comment(twin.user(author), body)
    speak(client, 1, BODY, None)
    assert bodies(pull) == [body, BODY]


def test_another_bot_s_comment_is_not_ours_once_we_know_who_we_are(
    twin: Twin, client: Client, pull: Any
) -> None:
    theirs = pull.add_comment(twin.user("other[bot]"), f"{MARKER}\ntheirs")
    speak(client, 1, BODY, Spoken(id=1, login=BOT))
    assert theirs.body == f"{MARKER}\ntheirs"


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "truncated", "malformed"])
def test_a_creation_whose_answer_is_lost_is_found_and_not_repeated(
    twin: Twin, client: Client, pull: Any, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    assert speak(client, 1, BODY, None).id == pull.comments[0].id
    assert bodies(pull) == [BODY]


@pytest.mark.parametrize("kind", ["502", "reset"])
def test_a_creation_that_was_not_carried_out_is_left_to_the_next_evaluation(
    twin: Twin, client: Client, pull: Any, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    with pytest.raises(GitHubError):
        speak(client, 1, BODY, None)
    assert bodies(pull) == []
    speak(client, 1, BODY, None)
    assert bodies(pull) == [BODY]


def test_a_list_that_lags_makes_no_second_comment_at_once(
    twin: Twin, client: Client, pull: Any
) -> None:
    twin.faults.add("applied-502", method="POST")
    twin.lag(9)
    with pytest.raises(GitHubError):
        speak(client, 1, BODY, None)
    assert bodies(pull) == [BODY]
    twin.happen()
    twin.lag(0)
    speak(client, 1, BODY, None)
    assert bodies(pull) == [BODY]


def test_a_reaction_twice_is_one(client: Client, pull: Any) -> None:
    comment = pull.comment(author="alice", body="/gate retry")
    react(client, comment.id, "+1")
    react(client, comment.id, "+1")
    assert [reaction.content for reaction in comment.reactions] == ["+1"]


# --- labels ---


@pytest.mark.parametrize(
    ("standing", "wanted", "writes"),
    [
        ([], [], 0),
        ([], [NEEDS_HUMAN], 1),
        ([NEEDS_HUMAN], [NEEDS_HUMAN], 0),
        ([NEEDS_HUMAN.upper()], [NEEDS_HUMAN], 0),
        ([NEEDS_HUMAN, NO_PROGRESS], [], 2),
        ([], [NEEDS_HUMAN, NO_PROGRESS], 1),
        ([NO_PROGRESS, "bug"], [NEEDS_HUMAN], 2),
    ],
)
def test_labels_become_the_wanted_ones(
    client: Client, pull: Any, standing: list[str], wanted: list[str], writes: int
) -> None:
    for name in standing:
        pull.add_label(name)
    show(client, 1, wanted, standing)
    ours = {name.lower() for name in pull.labels} & {NEEDS_HUMAN, NO_PROGRESS}
    assert ours == set(wanted)
    assert ("bug" in pull.labels) == ("bug" in standing)
    assert client.made == writes


def test_a_label_that_somebody_took_off_meanwhile_is_no_trouble(client: Client, pull: Any) -> None:
    show(client, 1, [], [NEEDS_HUMAN])
    assert pull.labels == set()


# --- statuses ---


def test_a_status_is_one_short_line(client: Client, repo: Repository, pull: Any) -> None:
    set_status(client, pull.head_sha, "failure", "a\n::error::b " + "x" * 500, "https://x.example")
    (status,) = repo.statuses(pull.head_sha)
    assert status.context == "malagate/gate"
    assert len(status.description or "") <= 140
    assert "\n" not in (status.description or "")
