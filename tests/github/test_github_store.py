"""What only the store on GitHub has to withstand: other writers, lost answers, people's hands.

That it keeps the rules of every store is shown by tests/queue, over the same twin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.github.client import Client, GitHubError, Manners
from pytest_malagate.github.control import ACTIVE, CONTROL, FROZEN, READY, Head, write_body
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import ConflictError
from tests.twin import Repository, Twin

NAME = "acme/shop"
BOT = "github-actions[bot]"
MAINTAINER = Person(name="maja", rank="maintain", human=True)
OpenGate = Callable[..., SerialGate]


@pytest.fixture(params=[0, 3], ids=["", "lists lag"])
def lag(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def repo(twin: Twin) -> Repository:
    """A repository without a control issue, and a bot's token that may write issues."""
    made = twin.repository(NAME)
    made.commit("main", {"a.py": "x = 1"})
    twin.token("t-bot", made, login=BOT, permissions={"issues": "write"})
    return made


@pytest.fixture
def open_store(twin: Twin, repo: Repository) -> Iterator[Callable[..., GitHubStore]]:
    with twin.serve() as url:
        manners = Manners(write_spacing=0.0, timeout=5, patience=1e6, sleep=lambda _: None)

        def opened(token: str = "t-bot", **options: Any) -> GitHubStore:
            connect = lambda name: Client(token, name, api_url=url, manners=manners)  # noqa: E731
            return GitHubStore(connect, **options)

        yield opened
        assert twin.violations == []


@pytest.fixture
def open_gate(
    twin: Twin, open_store: Callable[..., GitHubStore], lag: int
) -> Callable[..., SerialGate]:
    """A gate on an armed repository, whose lists lag from now on."""
    twin.checked = not lag  # comparing with the description takes its time: once is enough
    open_store().arm(NAME)
    twin.lagging(lag)

    def opened(**options: Any) -> SerialGate:
        return SerialGate(open_store(**options), NAME, now=lambda: float(twin.clock()))

    return opened


def control(repo: Repository) -> Any:
    return next(issue for issue in repo.issues.values() if CONTROL in issue.labels)


def ledger_comments(repo: Repository) -> list[Any]:
    return [one for one in control(repo).comments if one.body.startswith("<!-- malagate:ledger")]


# --- setting up ---


def test_the_first_write_sets_up_labels_and_a_locked_control_issue(
    repo: Repository, open_store: Callable[..., GitHubStore]
) -> None:
    SerialGate(open_store(), NAME).add("#7", "alice")
    assert {CONTROL, FROZEN, READY, ACTIVE} <= repo.labels
    assert control(repo).author == BOT
    assert control(repo).locked
    assert control(repo).pinned
    assert "`malagate:ready`" in control(repo).body
    assert SerialGate(open_store(), NAME).status().waiting[0].task == "#7"


def test_asking_sets_up_nothing_and_finds_it_frozen(
    repo: Repository, open_store: Callable[..., GitHubStore]
) -> None:
    status = SerialGate(open_store(), NAME).status()
    assert (status.frozen, status.problem_code) == (True, "freeze.control-missing")
    assert not repo.issues


def test_a_control_issue_that_lost_its_label_is_not_made_again(
    repo: Repository, open_gate: OpenGate
) -> None:
    open_gate().freeze("on fire", MAINTAINER)
    control(repo).remove_label(CONTROL)
    repo.twin.lagging(0)
    issues = len(repo.issues)
    with pytest.raises(MachineryError, match="no issue carries it"):
        open_gate().add("A", "alice")
    assert len(repo.issues) == issues
    assert open_gate().status().problem_code == "freeze.control-missing"


def test_a_fourth_issue_cannot_be_pinned_and_need_not(
    repo: Repository, open_store: Callable[..., GitHubStore]
) -> None:
    for number in range(3):
        repo.open_issue(f"pinned {number}").pinned = True
    SerialGate(open_store(), NAME).add("A", "alice")
    assert not control(repo).pinned
    assert SerialGate(open_store(), NAME).tasks()[0].task == "A"


# --- the positive sign ---


def closed(repo: Repository) -> None:
    control(repo).close()


def unlabelled(repo: Repository) -> None:
    control(repo).remove_label(CONTROL)


def edited(repo: Repository) -> None:
    control(repo).body = "nothing to see here"


def moved(repo: Repository) -> None:
    repo.transfer(control(repo), repo.twin.repository("mallory/elsewhere"))


def deleted(repo: Repository) -> None:
    repo.delete_issue(control(repo))


def another(repo: Repository) -> None:
    repo.open_issue("also", author="mallory", labels=(CONTROL,))


def label_deleted(repo: Repository) -> None:
    repo.delete_label(FROZEN)


def label_renamed(repo: Repository) -> None:
    repo.rename_label(FROZEN, "thawed")


def comment_edited(repo: Repository) -> None:
    ledger_comments(repo)[1].edit(ledger_comments(repo)[0].body)


def comment_deleted(repo: Repository) -> None:
    ledger_comments(repo)[1].delete()


def end_deleted(repo: Repository) -> None:
    ledger_comments(repo)[-1].delete()


def taken_over(repo: Repository) -> None:
    """What triage is enough for: the label moves to an issue of one's own, with a copied text."""
    unlabelled(repo)
    forged = repo.open_issue("mine", author="mallory", body=write_body("", Head(), b""))
    forged.add_label(CONTROL, repo.twin.user("mallory"))


@pytest.mark.parametrize(
    ("hand", "pinned", "code"),
    [
        (closed, False, "freeze.control-closed"),
        (closed, True, "freeze.control-closed"),
        (unlabelled, False, "freeze.control-missing"),
        (unlabelled, True, "freeze.control-unlabelled"),
        (edited, False, "freeze.control-edited"),
        (moved, False, "freeze.control-missing"),
        (moved, True, "freeze.control-missing"),
        (deleted, True, "freeze.control-missing"),
        (another, False, "freeze.control-ambiguous"),
        (another, True, None),
        (taken_over, False, "freeze.control-foreign"),
        (taken_over, True, "freeze.control-unlabelled"),
        (label_deleted, False, "freeze.label-missing"),
        (label_renamed, True, "freeze.label-missing"),
        (comment_edited, False, "freeze.ledger-edited"),
        (comment_deleted, False, "freeze.ledger-hole"),
        (end_deleted, False, "freeze.ledger-behind"),
    ],
)
def test_what_people_do_to_the_evidence_freezes(
    repo: Repository, open_gate: OpenGate, hand: Callable[..., None], pinned: bool, code: str | None
) -> None:
    gate = open_gate()
    for name in ("A", "B", "C"):
        gate.add(name, "alice")
    number = control(repo).number if pinned else None
    hand(repo)
    repo.twin.lagging(0)  # what people do is known once the lists have caught up
    refused = open_gate(number=number).admission("A")
    assert refused.cause == code
    assert refused.admitted is (code is None)
    if code is not None:
        status = open_gate(number=number).status()
        assert (status.frozen, status.problem_code) == (True, code)


def test_a_ledger_whose_end_is_lost_is_not_written_on(
    repo: Repository, open_store: Callable[..., GitHubStore]
) -> None:
    gate = SerialGate(open_store(), NAME)
    for name in ("A", "B"):
        gate.add(name, "alice")
    end_deleted(repo)
    hurried = Manners(write_spacing=0.0, timeout=5, patience=3.0, sleep=lambda _: None)
    url = gate._store.client(NAME)._github.requester.base_url  # type: ignore[attr-defined]
    impatient = GitHubStore(lambda name: Client("t-bot", name, api_url=url, manners=hurried))
    before = len(ledger_comments(repo))
    with pytest.raises(MachineryError, match="2 pages, and the list of comments shows 1"):
        SerialGate(impatient, NAME).add("C", "alice")
    assert len(ledger_comments(repo)) == before


# --- other writers ---


def test_of_two_who_write_at_once_the_later_begins_again(
    repo: Repository, open_gate: OpenGate, open_store: Callable[..., GitHubStore]
) -> None:
    """Without any lock: each saw the same end of the ledger when it began."""
    open_gate().arrange([("A", "alice"), ("B", "alice")])
    first, second = open_store(), open_store()
    with pytest.raises(ConflictError), Unlocked(first).exclusive(NAME) as session:
        slow = session.task("A")
        assert open_gate_on(second).claim("fast").task is not None
        session.put(slow)
    assert open_gate().status().active == "A"
    assert len(ledger_comments(repo)) == 2, "the page that does not count was taken away"


class Unlocked:
    """A store in another process: its sessions do not wait for those of this one."""

    def __init__(self, store: GitHubStore) -> None:
        self._store = store

    def exclusive(self, repository: str) -> Any:
        from pytest_malagate.github import store as module

        module._TURNS.pop(repository.lower(), None)
        opened = self._store.exclusive(repository)
        entered = opened.__enter__()
        module._TURNS.pop(repository.lower(), None)
        return _Entered(opened, entered)


class _Entered:
    def __init__(self, opened: Any, session: Any) -> None:
        self._opened, self._session = opened, session

    def __enter__(self) -> Any:
        return self._session

    def __exit__(self, *raised: object) -> object:
        return self._opened.__exit__(*raised)


def open_gate_on(store: GitHubStore) -> SerialGate:
    return SerialGate(store, NAME)


def test_another_s_token_does_not_write_the_ledger(
    twin: Twin, repo: Repository, open_gate: OpenGate
) -> None:
    repo.permission("maja", "admin")
    twin.token("t-maja", login="maja")
    with pytest.raises(UsageError, match=r"only github-actions\[bot\] writes the ledger"):
        open_gate(token="t-maja").add("A", "maja")
    assert ledger_comments(repo) == []
    assert open_gate().tasks() == ()


@pytest.mark.parametrize("kind", ["applied-502", "applied-reset", "truncated", "502", "reset"])
def test_a_write_whose_answer_is_lost_is_done_once(
    twin: Twin, repo: Repository, open_gate: OpenGate, kind: str
) -> None:
    twin.faults.add(kind, method="POST", path=r"/comments$")
    task = open_gate().add("A", "alice")
    assert task.ticket == 1
    assert [one.task for one in open_gate().tasks()] == ["A"]
    assert open_gate().status(verify=True).ledger_ok
    assert open_gate().add("B", "alice").ticket == 2


def test_who_may_not_write_changes_nothing(
    twin: Twin, repo: Repository, open_gate: OpenGate
) -> None:
    open_gate().add("A", "alice")
    twin.token("t-read", repo, login=BOT, permissions={"issues": "read"})
    with pytest.raises(GitHubError, match="403"):
        open_gate(token="t-read").claim("agent")
    assert open_gate().status().active is None


def test_views_that_cannot_be_written_are_a_warning(
    twin: Twin, repo: Repository, open_gate: OpenGate, open_store: Callable[..., GitHubStore]
) -> None:
    twin.faults.add("forbidden", method="PATCH", times=9)
    store = open_store()
    SerialGate(store, NAME).add("A", "alice")
    assert store.warnings
    assert [one.task for one in open_gate().tasks()] == ["A"]


# --- labels and freezes ---


def test_labels_follow_the_ledger(repo: Repository, open_gate: OpenGate) -> None:
    issue = repo.open_issue("Work", labels=(READY,))
    name = f"#{issue.number}"
    gate = open_gate()
    gate.add(name, "alice")
    gate.claim("agent")
    assert issue.labels == {ACTIVE}
    gate.requeue(name, "agent")
    assert issue.labels == {READY}
    gate.claim("agent")
    gate.finish(name, "agent")
    assert issue.labels == set()


def test_a_label_on_any_issue_freezes_at_once_and_the_ledger_takes_it_over(
    repo: Repository, open_gate: OpenGate
) -> None:
    open_gate().add("A", "alice")
    repo.commit("release", {"a.txt": "a"})
    body = "branch: release\nmode: hard\n"
    issue = repo.open_issue("Prices are wrong", body=body, author="tina")
    issue.add_label(FROZEN, repo.twin.user("tina"))
    repo.twin.lagging(0)
    status = open_gate().status()
    assert status.freezes[0].reason == f"Prices are wrong (#{issue.number})"
    assert (status.freezes[0].actor, status.freezes[0].mode) == ("tina", "hard")
    assert open_gate().admission("B", branch="main").code == "queue.waiting"
    refused = open_gate().claim("agent").refused
    assert refused is not None
    assert refused.code == "freeze.active"
    # It is on the ledger now: taking the label off clears nothing.
    issue.remove_label(FROZEN)
    issue.close()
    assert [freeze.branch for freeze in open_gate().status().freezes] == ["release"]


@pytest.mark.parametrize(
    ("body", "author", "told"),
    [
        ("<!--\nbranch: release\n-->\nmode: hard", "mallory", ""),
        ("branch: release\nmode: hard", "mallory", ""),
        ("<!--\nbranch: release\n-->", "tina", ""),
        ("```\nbranch: release\n```", "tina", ""),
        ("branch: releese", "tina", "; there is no branch releese, so it holds for all"),
        (
            "branch: release\nbranch: main",
            "tina",
            "; it names several branches, so it holds for all",
        ),
    ],
)
def test_a_freeze_by_label_is_narrowed_only_by_the_visible_words_of_whoever_set_it(
    repo: Repository, open_gate: OpenGate, body: str, author: str, told: str
) -> None:
    open_gate().add("A", "alice")
    repo.commit("release", {"a.txt": "a"})
    issue = repo.open_issue("on fire", body=body, author=author)
    issue.add_label(FROZEN, repo.twin.user("tina"))
    repo.twin.lagging(0)
    freeze = open_gate().status().freezes[0]
    assert (freeze.branch, freeze.mode) == (None, "pause")
    assert freeze.reason == f"on fire (#{issue.number}){told}"
    assert open_gate().admission("A", branch="main").code == "freeze.active"


def test_a_label_on_a_closed_issue_freezes_too(repo: Repository, open_gate: OpenGate) -> None:
    """The pull request that broke production is merged by then."""
    open_gate().add("A", "alice")
    broke = repo.open_issue("Faster prices")
    broke.close()
    assert not open_gate().status().frozen
    broke.add_label(FROZEN, repo.twin.user("tina"))
    repo.twin.lagging(0)
    assert open_gate().status().freezes[0].reason == f"Faster prices (#{broke.number})"
    assert open_gate().admission("A", branch="main").code == "freeze.active"


def test_an_old_label_on_an_issue_that_was_closed_is_no_freeze(
    repo: Repository, open_gate: OpenGate
) -> None:
    open_gate().add("A", "alice")
    old = repo.open_issue("Burnt last year")
    old.add_label(FROZEN, repo.twin.user("tina"))
    old.close()
    repo.twin.lagging(0)
    assert open_gate().status().freezes == ()


def test_a_label_is_seen_however_much_has_happened_to_its_issue(
    repo: Repository, open_gate: OpenGate
) -> None:
    gate = open_gate()
    issue = repo.open_issue("on fire")
    issue.add_label(FROZEN, repo.twin.user("tina"))
    repo.twin.lagging(0)
    repo.twin.advance(10)
    assert gate.unfreeze(MAINTAINER, "out") == (1,)
    for _ in range(550):
        issue.add_label("noise")
        issue.remove_label("noise")
    issue.add_label(FROZEN, repo.twin.user("tina"))
    repo.twin.lagging(0)
    repo.twin.advance(10)
    assert open_gate().status().frozen


def test_a_freeze_has_an_issue_which_is_closed_when_it_is_cleared(
    repo: Repository, open_gate: OpenGate
) -> None:
    gate = open_gate()
    one, two = gate.freeze("one", MAINTAINER), gate.freeze("two", MAINTAINER)
    issues = [issue for issue in repo.issues.values() if FROZEN in issue.labels]
    assert [issue.title for issue in issues] == ["Frozen: one", "Frozen: two"]
    assert open_gate().unfreeze(MAINTAINER, "mended", only=[one.id]) == (one.id,)
    assert [issue.state for issue in issues] == ["closed", "open"]
    assert [freeze.id for freeze in open_gate().status().freezes] == [two.id]


def test_a_cleared_freeze_s_issue_that_is_labelled_again_is_a_new_freeze(
    repo: Repository, open_gate: OpenGate
) -> None:
    gate = open_gate()
    issue = repo.open_issue("Broken")
    issue.add_label(FROZEN, repo.twin.user("tina"))
    gate.unfreeze(MAINTAINER, "mended")
    assert (issue.state, issue.labels) == ("open", set())
    assert not open_gate().status().frozen
    issue.add_label(FROZEN, repo.twin.user("tina"))
    assert open_gate().status().frozen


def test_a_cleared_freeze_whose_issue_could_not_be_closed_does_not_come_back(
    twin: Twin, repo: Repository, open_gate: OpenGate
) -> None:
    gate = open_gate()
    gate.freeze("one", MAINTAINER)
    gate.status()
    twin.faults.add("forbidden", method="DELETE", times=9)
    gate.unfreeze(MAINTAINER, "mended")
    twin.faults.clear()
    assert any(FROZEN in issue.labels for issue in repo.issues.values())
    assert not open_gate().status().frozen


# --- beginning anew ---


def test_a_ledger_that_cannot_be_read_is_begun_anew_and_stays_frozen(
    repo: Repository, open_gate: OpenGate, open_store: Callable[..., GitHubStore]
) -> None:
    gate = open_gate()
    gate.arrange([("A", "alice")])
    gate.freeze("on fire", MAINTAINER)
    gate.arrange([("B", "alice")])
    comment_deleted(repo)
    repo.twin.lagging(0)
    open_store().rearm(NAME, "maja", "looked at it", at=5.0)
    status = open_gate().status()
    assert (status.problem, [task.task for task in open_gate().tasks()]) == (None, ["A", "B"])
    reasons = sorted(freeze.reason.partition(":")[0] for freeze in status.freezes)
    assert reasons[0].startswith("Frozen"), "the one whose page is lost is known by its issue"
    assert "begun anew" in reasons[1]
    assert open_gate().add("C", "alice").ticket > 1000, "lost pages may have given the next ones"
    assert status.ledger_ok is False, "what was lost is lost"
    open_gate().unfreeze(MAINTAINER, "all is well")
    assert open_gate().claim("agent").task is not None


def test_a_long_ledger_is_read_from_its_end(
    twin: Twin, repo: Repository, open_store: Callable[..., GitHubStore]
) -> None:
    gate = SerialGate(open_store(), NAME)
    for number in range(130):
        gate.record("note", "alice", f"number {number}")
        control(repo).comment(author="alice", body="chatter") if number % 5 == 0 else None
    before = len(twin.requests)
    assert not gate.status(verify=False).frozen
    lists = [r for r in twin.requests[before:] if r.path.endswith("/comments")]
    assert len(lists) <= 2
    assert gate.status(verify=True).ledger_ok
