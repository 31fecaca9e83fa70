"""A ledger that goes on in another issue, for GitHub takes only so many comments on one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.control import FROZEN
from pytest_malagate.github.ledger import MARKER, Page, fits, write_page
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.github.volumes import MEASURES, Measures
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import ConflictError
from tests.admission.scene import BOT, MAJA, NAME, Scene, processes_apart
from tests.twin import Issue, Twin
from tests.twin.routing import Answer, Incoming
from tests.twin.scheduler import Died, Once

OpenStore = Callable[..., GitHubStore]
HOLDS, FULL = 6, 12
"""Comments from which on a volume ends here, and those that it takes."""


@pytest.fixture
def scene(twin: Twin) -> Iterator[Scene]:
    twin.checked = False
    with processes_apart():
        made = Scene(twin)
        twin.comment_limit = FULL
        yield made


@pytest.fixture
def open_store(scene: Scene) -> OpenStore:
    """A store of a process of its own, whose volumes are short."""

    def opened(**given: Any) -> GitHubStore:
        number = given.pop("number", None)
        return short_volumes(scene.client(**given), number=number)

    return opened


def short_volumes(client: Client, number: int | None = None) -> GitHubStore:
    store = GitHubStore(lambda _: client, number=number)
    store.measures = Measures(checkpoint=4, volume=HOLDS, full=FULL)
    return store


def volumes(scene: Scene) -> list[Issue]:
    """The issues that hold pages, the control issue first."""
    issues = scene.repo.issues.values()
    return [one for one in issues if any(it.body.startswith(MARKER) for it in one.comments)]


def write(scene: Scene, store: GitHubStore, count: int = 1) -> None:
    gate = scene.gate(store)
    for number in range(count):
        gate.record("note", "x", f"number {number}")


def write_until(scene: Scene, open_store: OpenStore, count: int) -> None:
    """Pages, until there are so many volumes."""
    while len(volumes(scene)) < count:
        write(scene, open_store())


def is_sound(scene: Scene, open_store: OpenStore) -> None:
    """The ledger is whole, from its first volume to its last, and can be written."""
    gate = scene.gate(open_store())
    before = len(list(gate.ledger()))
    gate.record("note", "x", "one more")
    assert len(list(gate.ledger())) == before + 1
    status = gate.status()
    assert (status.problem, status.ledger_ok) == (None, True)


# --- going on ---


def test_a_ledger_goes_on_in_locked_issues_of_its_own(scene: Scene, open_store: OpenStore) -> None:
    gate = scene.gate(open_store())
    gate.arrange([("A", "alice"), ("B", "alice")])
    freeze = gate.freeze("on fire", MAJA)
    write(scene, open_store(), 4 * HOLDS)
    first, *later = volumes(scene)
    assert first is scene.control
    assert len(later) >= 3
    assert all(one.locked and not one.labels and one.author == BOT for one in later)
    assert all(len(one.comments) <= HOLDS + 2 for one in (first, *later))
    assert all(f"#{first.number}" in one.title for one in later)
    for one, following in zip((first, *later), later, strict=False):
        assert f"* the next page stands in #{following.number}\n" in one.comments[-1].body
        assert f"* goes on from #{one.number}\n" in following.comments[0].body
    status = gate.status()
    assert [one.id for one in status.freezes] == [freeze.id]
    assert [one.task for one in status.waiting] == ["A", "B"]
    gate.unfreeze(MAJA, "it is out")
    assert gate.claim("agent").task is not None
    is_sound(scene, open_store)


def test_the_present_is_read_from_the_last_volume_with_one_request_more(
    scene: Scene, open_store: OpenStore
) -> None:
    def reads() -> list[str]:
        before = len(scene.twin.requests)
        with open_store(number=scene.control.number).reading(NAME):
            pass
        return [request.path for request in scene.twin.requests[before:]]

    write(scene, open_store(), 2)
    alone = reads()
    write_until(scene, open_store, 4)
    last = volumes(scene)[-1]
    among = reads()
    assert len(among) == len(alone) + 1
    assert [path for path in among if path.endswith("/comments")] == [
        f"/repos/{NAME}/issues/{last.number}/comments"
    ]


def test_by_its_own_measures_a_volume_ends_before_github_s_limit(scene: Scene) -> None:
    scene.twin.comment_limit = Twin.comment_limit
    assert MEASURES.volume + 100 <= MEASURES.full == Twin.comment_limit
    gate = scene.gate()
    gate.add("A", "alice")
    while len(scene.control.comments) < MEASURES.volume - 1:
        scene.control.comment(author="walt", body="chatter")
    gate.add("B", "alice")
    assert len(volumes(scene)) == 1
    gate.add("C", "alice")
    assert [len(one.comments) for one in volumes(scene)] == [MEASURES.volume + 1, 1]
    assert [task.task for task in scene.gate().tasks()] == ["A", "B", "C"]


def test_other_people_s_comments_fill_an_issue_too(scene: Scene, open_store: OpenStore) -> None:
    write(scene, open_store())
    for _ in range(HOLDS):
        scene.control.comment(author="walt", body="chatter")
    write(scene, open_store())
    assert len(volumes(scene)) == 2
    is_sound(scene, open_store)


def test_a_state_that_is_too_long_for_one_page_is_read_across_volumes(
    scene: Scene, open_store: OpenStore
) -> None:
    words = [f"{number:08x}" * 9 for number in range(0, 2**32, 2**32 // 1400)]
    for part in range(0, len(words), 350):
        pairs = [(f"{word}{number}", word) for number, word in enumerate(words[part : part + 350])]
        scene.gate(open_store()).arrange([(hash_of(task), actor) for task, actor in pairs])
    write_until(scene, open_store, 3)
    with open_store().reading(NAME) as session:
        whole = Page(
            repository=NAME, seq=1, previous="", nonce="", checkpoint=session.state.checkpoint()
        )
        assert not fits(write_page(whole))
    assert len(scene.gate(open_store()).tasks()) == len(words)
    is_sound(scene, open_store)


def hash_of(text: str) -> str:
    """Something of 64 characters that cannot be packed."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


# --- the turn ---


def turn(scene: Scene, open_store: OpenStore) -> None:
    """The next page is the last one of its volume."""
    write(scene, open_store(), HOLDS)
    assert len(volumes(scene)) == 1


TURN = range(1, 13)
"""Requests of a writer that turns over, of which it may die at any."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", TURN)
def test_a_writer_that_dies_at_the_turn_leaves_a_ledger_that_goes_on(
    scene: Scene, open_store: OpenStore, dies_at: int, after: bool
) -> None:
    turn(scene, open_store)
    sent = 0

    def count(incoming: Incoming, answer: Answer | None = None) -> None:
        nonlocal sent
        sent += 1
        if sent == dies_at:
            raise Died

    mortal = open_store(after=count) if after else open_store(before=count)
    with suppress(Died):
        scene.gate(mortal).add("A", "alice")
    known = [task.task for task in scene.gate(open_store()).tasks()]
    assert known in ([], ["A"])
    for name in ("B", "C"):
        scene.gate(open_store()).add(name, "alice")
    assert [task.task for task in scene.gate(open_store()).tasks()] == [*known, "B", "C"]
    is_sound(scene, open_store)


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("nth", TURN)
def test_of_two_who_turn_over_at_once_one_opens_the_next_volume(
    scene: Scene, open_store: OpenStore, nth: int, lag: int
) -> None:
    turn(scene, open_store)
    scene.twin.lagging(lag)

    def other() -> None:
        for name in ("X", "Y"):
            scene.gate(open_store()).add(name, "bob")

    meets = Once(other, nth=nth)
    try:
        scene.gate(open_store(before=meets)).add("A", "alice")
        won = ["A"]
    except ConflictError:
        won = []
    scene.twin.lagging(0)
    tasks = {task.task for task in scene.gate(open_store()).tasks()}
    assert tasks == {*won, *(["X", "Y"] if meets.done else [])}
    opened = [one for one in scene.repo.issues.values() if "ledger of" in one.title]
    unneeded = [one for one in opened if one not in volumes(scene)]
    assert all(one.state == "closed" for one in unneeded)
    is_sound(scene, open_store)


@pytest.mark.parametrize("kind", ["502", "applied-502", "applied-reset", "truncated", "forbidden"])
@pytest.mark.parametrize("path", ["/issues$", "/lock$", "/comments$"])
def test_a_freeze_gets_through_whatever_fails_at_the_turn(
    scene: Scene, open_store: OpenStore, kind: str, path: str
) -> None:
    turn(scene, open_store)
    scene.twin.faults.add(kind, method="PUT" if "lock" in path else "POST", path=path)
    refused = kind == "forbidden" and path == "/comments$"
    with suppress(*[GitHubError] * refused):
        scene.gate(open_store()).freeze("on fire", MAJA)
    scene.twin.faults.clear()
    assert scene.gate(open_store()).status(verify=False).frozen is not refused
    write_until(scene, open_store, 2)
    assert all(one.locked for one in volumes(scene))
    is_sound(scene, open_store)


def test_a_volume_that_somebody_unlocks_is_locked_again(
    scene: Scene, open_store: OpenStore
) -> None:
    write_until(scene, open_store, 2)
    volumes(scene)[-1].locked = False
    write(scene, open_store())
    assert volumes(scene)[-1].locked


# --- what people do to it ---


def with_hint(scene: Scene, number: int | None) -> None:
    """Somebody edits the control issue's text, and only the hint in it."""
    head, found, rest = str(scene.control.body).partition("<!-- head ")
    marks, _, rest = rest.partition(" -->")
    hint = f" {number}" if number is not None else ""
    scene.control.body = f"{head}{found}{' '.join(marks.split()[:4])}{hint} -->{rest}"


def to_none(scene: Scene) -> None:
    with_hint(scene, None)


def to_an_older_one(scene: Scene) -> None:
    with_hint(scene, volumes(scene)[1].number)


def to_the_control_issue(scene: Scene) -> None:
    with_hint(scene, scene.control.number)


def to_what_is_not_there(scene: Scene) -> None:
    with_hint(scene, 999_999)


def to_an_issue_of_a_person_s(scene: Scene) -> None:
    issue = scene.repo.open_issue("mine", author="walt")
    for comment in volumes(scene)[0].comments:
        issue.comment(author="walt", body=comment.body)
    with_hint(scene, issue.number)


def to_another_ledger_of_ours(scene: Scene) -> None:
    """Of a control issue that was given up, say: written by the same hand, for this repository."""
    issue = scene.repo.open_issue("before", author=BOT)
    for comment in volumes(scene)[0].comments:
        issue.comment(author=BOT, body=comment.body)
    with_hint(scene, issue.number)


@pytest.mark.parametrize(
    "hand",
    [
        to_none,
        to_an_older_one,
        to_the_control_issue,
        to_what_is_not_there,
        to_an_issue_of_a_person_s,
        to_another_ledger_of_ours,
    ],
)
def test_a_hint_that_was_edited_leads_to_the_same_end(
    scene: Scene, open_store: OpenStore, hand: Callable[[Scene], None]
) -> None:
    write_until(scene, open_store, 3)
    scene.gate(open_store()).freeze("on fire", MAJA)
    last = volumes(scene)[-1]
    hand(scene)
    status = scene.gate(open_store()).status()
    assert (status.problem, len(status.freezes), status.ledger_ok) == (None, 1, True)
    number = len(last.comments)
    write(scene, open_store())
    assert len(last.comments) == number + 1
    is_sound(scene, open_store)


def deleted(scene: Scene) -> None:
    scene.repo.delete_issue(volumes(scene)[-1])


def moved(scene: Scene) -> None:
    scene.repo.transfer(volumes(scene)[-1], scene.twin.repository("mallory/elsewhere"))


def end_deleted(scene: Scene) -> None:
    volumes(scene)[-1].comments[-1].delete()


def first_page_deleted(scene: Scene) -> None:
    volumes(scene)[-1].comments[0].delete()


def turn_deleted(scene: Scene) -> None:
    """The page that says where the ledger goes on, and the hint with it."""
    volumes(scene)[-2].comments[-1].delete()
    to_none(scene)


def filled(scene: Scene) -> None:
    last = volumes(scene)[-1]
    while len(last.comments) < FULL:
        last.comment(author="walt", body="chatter")


@pytest.mark.parametrize(
    ("hand", "code", "kept"),
    [
        (deleted, "freeze.ledger-hole", False),
        (moved, "freeze.ledger-hole", False),
        (end_deleted, "freeze.ledger-behind", True),
        (first_page_deleted, "freeze.ledger-hole", True),
        (turn_deleted, "freeze.ledger-behind", True),
        (filled, "freeze.ledger-full", True),
    ],
)
def test_what_is_lost_freezes_until_it_is_begun_anew(
    scene: Scene, open_store: OpenStore, hand: Callable[[Scene], None], code: str, kept: bool
) -> None:
    write_until(scene, open_store, 3)
    scene.gate(open_store()).add("A", "alice")  # in the last volume, and not its first page
    if hand is end_deleted:
        write(scene, open_store())
    hand(scene)
    gate = scene.gate(open_store())
    status = gate.status(verify=False)
    assert (status.frozen, status.problem_code) == (True, code)
    with pytest.raises(MachineryError):
        gate.add("B", "alice")
    open_store().rearm(NAME, "maja", "looked at it", at=5.0)
    status = gate.status(verify=False)
    assert status.problem is None
    assert [one.reason.partition(":")[0] for one in status.freezes] == ["the ledger was begun anew"]
    assert [task.task for task in gate.tasks()] == (["A"] if kept else [])
    gate.unfreeze(MAJA, "all is well")
    assert gate.add("B", "alice").ticket > 1000
    write_until(scene, open_store, len(volumes(scene)) + 1)
    assert scene.gate(open_store()).status(verify=False).problem is None


def test_a_repository_that_is_renamed_again_and_again_keeps_all_volumes(
    scene: Scene, open_store: OpenStore
) -> None:
    gate = scene.gate(open_store())
    gate.arrange([("A", "alice"), ("B", "alice")])
    for name in ("acme/store", "acme/mall", "bigco/mall"):
        count = len(volumes(scene)) + 1
        while len(volumes(scene)) < count:
            gate.record("note", "x", "y")
        scene.rename(name)
        store = short_volumes(scene.client(repository=name))
        gate = SerialGate(store, name, now=scene.now)
        assert gate.status().problem_code == "freeze.ledger-damaged"
        store.rearm(name, "maja", "it was renamed", at=5.0)
        assert [task.task for task in gate.tasks()] == ["A", "B"]
        assert gate.status().ledger_ok


def test_another_repository_s_volume_is_not_taken_for_one_of_ours(
    scene: Scene, open_store: OpenStore
) -> None:
    """Its control issue has the same number, and the same bot wrote it."""
    other = scene.twin.repository("mallory/elsewhere")
    other.commit("main", {"a.py": "x = 1"})
    scene.twin.token("t-other", other, login=BOT, permissions={"issues": "write"})
    theirs = short_volumes(scene.client(token="t-other", repository=other.full_name))
    gate = SerialGate(theirs, other.full_name, now=scene.now)
    for number in range(HOLDS + 4):
        gate.add(f"theirs {number}", "mallory")
    control, volume = other.issues[1], other.issues[2]
    assert control.number == scene.control.number
    assert "<!-- malagate:volume of 1 -->" in volume.body
    scene.gate(open_store()).add("ours", "alice")
    here = other.transfer(volume, scene.repo)
    scene.control.comments[-1].edit("nothing")
    with_hint(scene, here.number)
    scene.gate(open_store()).status()
    open_store().rearm(NAME, "maja", "looked at it", at=5.0)
    assert not [t.task for t in scene.gate(open_store()).tasks() if "theirs" in t.task]


def test_an_old_volume_that_is_lost_is_missed_by_whoever_reads_the_whole_ledger(
    scene: Scene, open_store: OpenStore
) -> None:
    write_until(scene, open_store, 3)
    scene.repo.delete_issue(volumes(scene)[1])
    gate = scene.gate(open_store())
    status = gate.status(verify=False)
    assert (status.frozen, status.problem) == (False, None)
    assert gate.status(verify=True).ledger_ok is False


def test_a_ledger_that_fills_one_issue_goes_on_when_it_is_begun_anew(
    scene: Scene, open_store: OpenStore
) -> None:
    """Earlier versions knew of no other volume."""
    older = open_store()
    older.measures = Measures(volume=FULL + 1, full=FULL + 1)
    gate = scene.gate(older)
    gate.add("A", "alice")
    gate.freeze("on fire", MAJA)
    with pytest.raises(GitHubError, match="Commenting is disabled"):
        write(scene, older, FULL)
    assert scene.gate(open_store()).status().problem_code == "freeze.ledger-full"
    open_store().rearm(NAME, "maja", "it was full", at=5.0)
    gate = scene.gate(open_store())
    assert len(gate.status().freezes) == 2
    gate.unfreeze(MAJA, "all is well")
    assert gate.claim("agent").task is not None
    assert not [one for one in scene.repo.issues.values() if FROZEN in one.labels]
    is_sound(scene, open_store)
