"""Issues, their labels and their events: read whole or not at all, and never taken for ours."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.events import issue_events
from pytest_malagate.github.issues import (
    add_labels,
    comment_on,
    ensure_label,
    issue_of,
    label_exists,
    labelled,
    lock,
    open_issue,
    set_state,
    take_off,
)
from pytest_malagate.github.pulls import open_pulls
from tests.twin import Repository, Twin

BOT = "github-actions[bot]"
FREEZE = "malagate:freeze"


@pytest.fixture
def issue(repo: Repository) -> Any:
    return repo.open_issue(title="Frozen", author="alice", labels=(FREEZE,))


# --- one issue ---


def test_an_issue_is_read_with_what_is_used_of_it(client: Client, issue: Any) -> None:
    issue.comment(author="bob", body="Why?")
    found = issue_of(client, issue.number)
    assert found is not None
    assert (found.number, found.title, found.state, found.comments) == (1, "Frozen", "open", 1)
    assert (found.user and found.user.login, found.locked, found.closed_at) == (
        "alice",
        False,
        None,
    )
    assert found.has_label("Malagate:FREEZE")
    assert not found.has_label("freeze")
    assert found.pull_request is None


def test_a_pull_request_is_told_from_an_issue(repo: Repository, client: Client) -> None:
    repo.commit("topic", {"b.py": "1\n"})
    pull = repo.open_pull(head="topic", title="Work", author="alice")
    found = issue_of(client, pull.number)
    assert found is not None
    assert found.pull_request is not None


def gone_never(repo: Repository, twin: Twin, issue: Any) -> int:
    return 99


def gone_deleted(repo: Repository, twin: Twin, issue: Any) -> int:
    repo.delete_issue(issue)
    return 1


def gone_moved(repo: Repository, twin: Twin, issue: Any) -> int:
    repo.transfer(issue, twin.repository("acme/attic"))
    return 1


@pytest.mark.parametrize("gone", [gone_never, gone_deleted, gone_moved])
def test_an_issue_that_is_not_here_is_none(
    twin: Twin, repo: Repository, client: Client, issue: Any, gone: Any
) -> None:
    assert issue_of(client, gone(repo, twin, issue)) is None


@pytest.mark.parametrize("kind", ["500", "forbidden", "html", "primary"])
def test_where_github_does_not_tell_it_is_an_error(
    twin: Twin, make_client: Any, issue: Any, kind: str
) -> None:
    twin.faults.add(kind, times=99)
    with pytest.raises(GitHubError):
        issue_of(make_client(patience=0.0), issue.number)


# --- lists ---


def test_a_label_s_open_issues_are_listed_once_each(
    repo: Repository, client: Client, issue: Any
) -> None:
    others = [repo.open_issue(title=f"{n}", labels=(FREEZE,)) for n in range(120)]
    repo.open_issue(title="no freeze")
    others[0].set_state("closed", issue.user)
    found = [each.number for each in labelled(client, FREEZE)]
    assert found == [1, *(other.number for other in others[1:])]
    assert [each.number for each in labelled(client, FREEZE, state="closed")] == [2]


def test_a_list_that_is_too_long_is_an_error_and_no_part_of_it(
    repo: Repository, client: Client
) -> None:
    for number in range(201):
        repo.open_issue(title=f"{number}", labels=(FREEZE,))
    with pytest.raises(GitHubError, match="over 2 pages"):
        labelled(client, FREEZE, limit=2)
    assert len(labelled(client, FREEZE, limit=3)) == 201


def test_a_list_whose_second_page_fails_is_an_error(
    twin: Twin, repo: Repository, make_client: Any
) -> None:
    for number in range(101):
        repo.open_issue(title=f"{number}", labels=(FREEZE,))
    twin.faults.add("502", nth=2, times=99)
    with pytest.raises(GitHubError):
        labelled(make_client(patience=0.0), FREEZE)


def test_open_pull_requests_come_whole_and_the_oldest_first(
    repo: Repository, client: Client
) -> None:
    for name in ("one", "two"):
        repo.commit(name, {f"{name}.py": "1\n"})
        repo.open_pull(head=name, title=name, author="alice")
    assert [(pull.number, pull.title) for pull in open_pulls(client)] == [(1, "one"), (2, "two")]
    with pytest.raises(GitHubError, match="over 0 pages"):
        open_pulls(client, limit=0)


# --- writing ---


def test_an_issue_is_opened_with_its_labels(repo: Repository, client: Client) -> None:
    made = open_issue(client, "Frozen", "checkout answers 500", [FREEZE])
    assert made.has_label(FREEZE)
    assert list(repo.issues[made.number].label_names) == [FREEZE]
    assert client.made == 1


class Dropping:
    """Lets the twin drop the labels of an issue that is opened, as GitHub does for outsiders."""

    def __init__(self, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        from tests.twin import routes_issues

        monkeypatch.setattr(routes_issues, "pushes", lambda call: False)


def test_labels_that_were_dropped_are_put_on_once_more(
    repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dropping(repo, monkeypatch)
    made = open_issue(client, "Frozen", "", [FREEZE])
    assert made.has_label(FREEZE)
    assert list(repo.issues[made.number].label_names) == [FREEZE]


def test_an_issue_that_could_not_be_labelled_is_returned_as_it_is(
    twin: Twin, repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dropping(repo, monkeypatch)
    twin.faults.add("forbidden", path="/labels")
    made = open_issue(client, "Frozen", "", [FREEZE])
    assert not made.has_label(FREEZE)
    assert list(repo.issues) == [made.number]


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "timeout"])
def test_an_issue_of_which_nobody_knows_is_the_caller_s(
    twin: Twin, repo: Repository, client: Client, kind: str
) -> None:
    twin.faults.add(kind, method="POST")
    with pytest.raises(GitHubError) as caught:
        open_issue(client, "Frozen", "", [FREEZE])
    assert caught.value.uncertain
    assert client.made == 1


def test_an_issue_is_closed_and_opened_again(client: Client, issue: Any) -> None:
    for state in ("closed", "closed", "open"):
        set_state(client, issue.number, state)  # type: ignore[arg-type]
        assert issue.state == state


def test_labels_are_put_on_and_taken_off_one_by_one(client: Client, issue: Any) -> None:
    assert sorted(add_labels(client, issue.number, ["seen", "urgent"])) == [
        FREEZE,
        "seen",
        "urgent",
    ]
    take_off(client, issue.number, "seen")
    take_off(client, issue.number, "seen")
    assert sorted(issue.label_names) == [FREEZE, "urgent"]


def test_a_label_with_odd_characters_is_taken_off(client: Client, issue: Any) -> None:
    odd = "a/b ?#é"
    add_labels(client, issue.number, [odd])
    take_off(client, issue.number, odd)
    assert list(issue.label_names) == [FREEZE]


def test_a_label_is_made_once_and_not_changed(repo: Repository, client: Client) -> None:
    assert not label_exists(client, FREEZE)
    ensure_label(client, FREEZE, "b60205", "nothing lands")
    ensure_label(client, FREEZE.upper(), "000000", "something else")
    assert label_exists(client, FREEZE)
    (label,) = repo.labels_by_name.values()
    assert (label.name, label.color, label.description) == (FREEZE, "b60205", "nothing lands")


def test_a_label_that_cannot_be_made_is_an_error(repo: Repository, client: Client) -> None:
    with pytest.raises(GitHubError, match="422"):
        ensure_label(client, "x" * 60, "b60205", "")


def test_whether_a_label_exists_is_not_guessed(
    twin: Twin, repo: Repository, client: Client
) -> None:
    twin.faults.add("forbidden")
    with pytest.raises(GitHubError):
        label_exists(client, FREEZE)


def test_a_comment_is_written_once(twin: Twin, client: Client, issue: Any) -> None:
    made = comment_on(client, issue.number, "on the ledger")
    assert (made.body, made.user and made.user.login) == ("on the ledger", BOT)
    twin.faults.add("applied-502", method="POST")
    with pytest.raises(GitHubError) as caught:
        comment_on(client, issue.number, "again")
    assert caught.value.uncertain
    assert [comment.body for comment in issue.comments] == ["on the ledger", "again"]


def test_a_locked_issue_stays_locked(client: Client, issue: Any) -> None:
    lock(client, issue.number)
    lock(client, issue.number)
    found = issue_of(client, issue.number)
    assert found is not None
    assert found.locked


# --- events ---


def test_events_come_oldest_first_with_label_actor_and_issue(
    repo: Repository, client: Client, issue: Any
) -> None:
    issue.set_state("closed", issue.user)
    first, second = issue_events(client, 0).events
    assert (first.event, first.label and first.label.name) == ("labeled", FREEZE)
    assert (first.actor and first.actor.login, first.issue and first.issue.number) == ("alice", 1)
    assert (second.event, second.label) == ("closed", None)


def test_only_events_after_the_mark_are_given(repo: Repository, client: Client, issue: Any) -> None:
    (first,) = issue_events(client, 0).events
    assert issue_events(client, first.id).events == ()
    issue.set_state("closed", issue.user)
    after = issue_events(client, first.id)
    assert [event.event for event in after.events] == ["closed"]
    assert after.complete


def test_no_more_pages_are_read_than_it_takes_to_reach_the_mark(
    repo: Repository, client: Client
) -> None:
    for number in range(250):
        repo.open_issue(title=f"{number}", labels=(FREEZE,))
    every = issue_events(client, 0)
    assert (len(every.events), every.complete, client.made) == (250, True, 3)
    recent = issue_events(client, every.events[-10].id)
    assert (len(recent.events), recent.complete, client.made) == (9, True, 4)


@pytest.mark.parametrize("after", [0, 1])
def test_events_that_are_not_reached_are_told_to_be_missing(
    repo: Repository, client: Client, after: int
) -> None:
    for number in range(201):
        repo.open_issue(title=f"{number}", labels=(FREEZE,))
    found = issue_events(client, after, limit=2)
    assert (len(found.events), found.complete) == (200, False)
    assert found.events[-1].issue is not None
    assert found.events[-1].issue.number == 201
    assert issue_events(client, after, limit=3).complete
