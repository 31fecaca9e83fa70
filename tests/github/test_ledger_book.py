"""The ledger's book: who wrote when, what counts then, and what is kept by a new beginning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_malagate.github.ledger import Page, sealed_page, write_page
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.github.volumes import Measures
from pytest_malagate.queue.store import ConflictError
from tests.admission.scene import BOT, MAJA, NAME, Scene, processes_apart
from tests.twin import Twin
from tests.twin.routing import Incoming

OpenStore = Callable[..., GitHubStore]
EVERY = 4
"""Pages after which the whole state is written again, here."""


@pytest.fixture
def scene(twin: Twin) -> Iterator[Scene]:
    twin.checked = False
    with processes_apart():
        yield Scene(twin)


@pytest.fixture
def open_store(scene: Scene) -> OpenStore:
    """A store of a process of its own, which writes the whole state often."""

    def opened(**given: Any) -> GitHubStore:
        store = scene.store(**given)
        store.measures = Measures(checkpoint=EVERY)
        return store

    return opened


def since_checkpoint(store: GitHubStore) -> int:
    with store.reading(NAME) as session:
        return session.state.since_checkpoint


def fill(scene: Scene, open_store: OpenStore, since: int) -> None:
    """Pages, until so many were written since the last whole state."""
    gate = scene.gate(open_store())
    while since_checkpoint(open_store()) != since:
        gate.record("note", "x", "y")


class After:
    """Does something once, after the first request that writes a comment."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do, self.done = do, False

    def __call__(self, incoming: Incoming, _: object) -> None:
        if not self.done and incoming.method == "POST" and incoming.path.endswith("/comments"):
            self.done = True
            self._do()


# --- a page that counts stays ---


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("since", range(EVERY + 1))
def test_a_page_counts_whatever_is_written_before_its_writer_looks_again(
    scene: Scene, open_store: OpenStore, since: int, lag: int
) -> None:
    """The other's page may carry the whole state, from which reading then begins."""
    fill(scene, open_store, since)
    scene.twin.lagging(lag)
    other = After(lambda: scene.gate(open_store()).record("swept", "bot", "in between"))
    made = scene.gate(open_store(after=other)).freeze("on fire", MAJA)
    scene.twin.lagging(0)
    assert other.done
    assert not [request for request in scene.twin.requests if request.method == "DELETE"]
    status = scene.gate(open_store()).status()
    assert (status.problem, [freeze.id for freeze in status.freezes]) == (None, [made.id])
    assert status.ledger_ok


@pytest.mark.parametrize("since", range(EVERY + 1))
def test_a_page_that_lost_its_place_is_taken_away_whatever_was_written_since(
    scene: Scene, open_store: OpenStore, since: int
) -> None:
    fill(scene, open_store, since)
    gate = scene.gate(open_store())

    def before(incoming: Incoming) -> None:
        if incoming.method == "POST" and not late.done:
            late.done = True
            gate.record("swept", "bot", "first")
            gate.record("swept", "bot", "second")

    late = After(lambda: None)
    with (
        pytest.raises(ConflictError),
        open_store(before=before).exclusive(NAME) as session,
    ):
        session.next_number("ticket")
    comments = len(scene.control.comments)
    with open_store().reading(NAME) as session:
        assert (session.state.seq, session.state.numbers.get("ticket")) == (comments, None)


def test_a_new_beginning_counts_whatever_is_written_before_its_writer_looks_again(
    scene: Scene, open_store: OpenStore
) -> None:
    fill(scene, open_store, 2)
    scene.control.comments[1].delete()
    scene.control.comments[-1].edit("nothing")

    def others() -> None:
        for _ in range(EVERY + 2):
            scene.gate(open_store()).record("swept", "bot", "at once")

    other = After(others)
    open_store(after=other).rearm(NAME, "maja", "looked at it", at=5.0)
    assert other.done
    status = scene.gate(open_store()).status()
    assert (status.problem, len(status.freezes)) == (None, 1)


def test_a_late_page_does_not_count_in_the_place_of_one_that_was_damaged(
    scene: Scene, open_store: OpenStore
) -> None:
    """Its number is free for whoever looks, but the ledger was begun anew behind it."""
    fill(scene, open_store, 1)
    slow = open_store()
    with pytest.raises(ConflictError), slow.exclusive(NAME) as session:
        session.next_number("ticket")
        scene.gate(open_store()).record("note", "x", "takes the place")
        scene.control.comments[-1].edit("nothing")
        open_store().rearm(NAME, "maja", "looked at it", at=5.0)
    status = scene.gate(open_store()).status()
    assert (status.problem, len(status.freezes)) == (None, 1)


def test_comments_that_move_up_in_the_list_are_found(scene: Scene, open_store: OpenStore) -> None:
    """A hundred stand on one page of the list; where one of them goes, the next moves there."""
    gate = scene.gate(open_store())
    chat = [scene.control.comment(author="walt", body="chatter") for _ in range(99)]
    gate.record("note", "x", "the hundredth")
    other = After(chat[50].delete)
    scene.gate(open_store(after=other)).add("A", "alice")
    written = [r for r in scene.twin.requests if r.method == "POST" and "comments" in r.path]
    assert len(written) == 2, "a page that is not found is written again"
    assert [task.task for task in scene.gate(open_store()).tasks()] == ["A"]


# --- other names ---


def test_a_repository_that_was_renamed_keeps_its_queue_when_it_begins_anew(
    scene: Scene, open_store: OpenStore
) -> None:
    gate = scene.gate(open_store())
    gate.arrange([("A", "alice"), ("B", "alice")])
    freeze = gate.freeze("on fire", MAJA)
    scene.rename("acme/store")
    client = scene.client(repository="acme/store")
    store = GitHubStore(lambda _: client)
    now = type(gate)(store, "acme/store", now=scene.now)
    status = now.status()
    assert status.frozen
    assert status.problem_code == "freeze.ledger-damaged"
    for words in ("acme/shop", "acme/store", "renamed", "/gate rearm"):
        assert words in (status.problem or "")
    store.rearm("acme/store", "maja", "it was renamed", at=5.0)
    status = now.status()
    assert status.problem is None
    assert freeze.id in [one.id for one in status.freezes]
    assert [task.task for task in status.waiting] == ["A", "B"]
    assert {task.repository for task in now.tasks()} == {"acme/store"}
    assert status.ledger_ok, "nothing was lost"
    assert now.add("C", "alice").ticket > 1000, "numbers are given once, whoever gave them"


def test_what_pages_with_the_whole_state_say_makes_up_for_lost_ones(
    scene: Scene, open_store: OpenStore
) -> None:
    gate = scene.gate(open_store())
    gate.add("A", "alice")
    gate.freeze("on fire", MAJA)
    fill(scene, open_store, 0)
    numbers = dict(open_session_numbers(open_store()))
    fill(scene, open_store, 2)
    for lost in (0, 1, -1):
        scene.control.comments[lost].edit("nothing")
    open_store().rearm(NAME, "maja", "looked at it", at=5.0)
    status = scene.gate(open_store()).status()
    assert [task.task for task in status.waiting] == ["A"]
    assert sorted(one.reason.partition(":")[0] for one in status.freezes) == [
        "on fire",
        "the ledger was begun anew",
    ]
    after = open_session_numbers(open_store())
    assert all(after[name] >= number + 1000 for name, number in numbers.items())


def open_session_numbers(store: GitHubStore) -> dict[str, int]:
    with store.reading(NAME) as session:
        return dict(session.state.numbers)


@pytest.mark.parametrize("head", ["1999999", "999999999999", "9" * 18, "9" * 19, "9" * 40])
def test_whatever_number_a_person_writes_into_the_text_it_can_be_begun_anew(
    scene: Scene, open_store: OpenStore, head: str
) -> None:
    gate = scene.gate(open_store())
    gate.arrange([("A", "alice"), ("B", "alice")])
    for _ in range(2):
        text = str(scene.control.body)
        scene.control.body = re.sub(r"<!-- head \d+", f"<!-- head {head}", text)
        assert gate.status(verify=False).frozen
        open_store().rearm(NAME, "maja", "somebody edited it", at=5.0)
        assert gate.status().problem is None
        gate.unfreeze(MAJA, "all is well")
        assert not gate.status().frozen
    assert [one.task for one in gate.tasks()] == ["A", "B"]


def test_a_page_of_a_very_high_number_is_followed_by_others(
    scene: Scene, open_store: OpenStore
) -> None:
    """An earlier version took any number from the text for a page's."""
    gate = scene.gate(open_store())
    gate.add("A", "alice")
    with open_store().reading(NAME) as session:
        state = session.state
    high = Page(
        repository=NAME,
        seq=10**12,
        previous=state.digest,
        nonce="high",
        root=True,
        checkpoint=state.checkpoint(),
    )
    scene.control.comment(author=BOT, body=write_page(sealed_page(high)))
    gate.add("B", "alice")
    open_store().rearm(NAME, "maja", "to see", at=5.0)
    assert gate.status().problem is None
    gate.unfreeze(MAJA, "all is well")
    assert [one.task for one in gate.tasks()] == ["A", "B"]
