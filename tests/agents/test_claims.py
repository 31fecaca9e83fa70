"""A loop's claims: taken up from one that was killed, explained, and gone when the loop is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_malagate.agents.claims import Claims
from pytest_malagate.agents.holding import CLAIMS, Hold
from pytest_malagate.agents.lease import LEASE_SECONDS, Lease
from pytest_malagate.coordinate.outcomes import Refused
from pytest_malagate.coordinate.store_issues import StoreProvider
from pytest_malagate.errors import MachineryError
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.serial_gate import NamedStore

ALICE = Person(name="alice", rank="admin", human=True)


class Scene:
    """A queue, and loops that come and go in one directory."""

    def __init__(self, path: Path, *, serial: bool = True) -> None:
        self.now = 1_700_000_000.0
        self.agents = path / "agents"
        self.store = SQLiteStore(path / "state.db")
        rules = SerialRules(enabled=serial)
        self.gate = SerialGate(self.store, "o/r", rules, now=lambda: self.now)

    def loop(self, holder: str = "loop", directory: str = "agents") -> Claims:
        where = self.agents.with_name(directory)
        return Claims(self.gate, holder, where, now=lambda: self.now, patience=0.1)

    def queue(self) -> dict[str, str]:
        return {task.task: task.state for task in self.gate.tasks()}

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.store.ledger("o/r")]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def take(claims: Claims, issue: str) -> Lease | Refused:
    return asyncio.run(claims.take(issue))


def taken(claims: Claims, issue: str) -> Lease:
    lease = take(claims, issue)
    assert isinstance(lease, Lease), lease
    return lease


def refused(claims: Claims, issue: str) -> str:
    answer = take(claims, issue)
    assert isinstance(answer, Refused)
    assert answer.kind == "waiting"
    return answer.reason


def killed(claims: Claims) -> None:
    """What the kernel does with a process that is killed: its locks are gone, its files stay."""
    for _, hold in claims._open.values():
        hold.release(forget=False)


# --- a loop that was killed ---


def test_a_claim_is_taken_up_where_its_loop_was_killed(scene: Scene) -> None:
    first = scene.loop()
    claim = taken(first, "x-1").claim
    killed(first)
    second = scene.loop("another")
    lease = taken(second, "x-1")
    assert (lease.claim, lease.resumed, lease.holder) == (claim, True, "another")
    lease.finish("completed", "done")
    second.release(lease)
    assert scene.queue() == {}
    assert scene.kinds() == ["added", "claimed", "resumed", "completed", "finished"]
    assert list((scene.agents / CLAIMS).iterdir()) == [scene.agents / CLAIMS / ".gitignore"]


def test_a_claim_is_taken_up_after_its_lease_has_ended_and_while_a_pause_stands(
    scene: Scene,
) -> None:
    first = scene.loop()
    claim = taken(first, "x-1").claim
    killed(first)
    scene.now += 2 * LEASE_SECONDS
    scene.gate.freeze("on fire", ALICE, mode="pause")
    assert taken(scene.loop(), "x-1").claim == claim


def test_a_claim_that_another_has_by_now_is_not_taken_up(scene: Scene) -> None:
    first = scene.loop()
    taken(first, "x-1")
    killed(first)
    scene.gate.requeue("x-1", "alice")
    other = scene.gate.claim("bob", task="x-1").task
    assert "x-1 is held by bob" in refused(scene.loop(), "x-1")
    assert scene.gate.task("x-1") == other


def test_a_killed_loops_task_that_was_requeued_is_claimed_anew(scene: Scene) -> None:
    first = scene.loop()
    claim = taken(first, "x-1").claim
    killed(first)
    scene.gate.requeue("x-1", "alice")
    lease = taken(scene.loop(), "x-1")
    assert (lease.resumed, lease.claim == claim) == (False, False)


def test_a_task_that_people_review_is_not_taken_up(scene: Scene) -> None:
    first = scene.loop()
    taken(first, "x-1")
    killed(first)
    scene.gate.advance("x-1", "review", ALICE)
    assert refused(scene.loop(), "x-1") == (
        "x-1 is at review; when that is over: malagate queue finish x-1"
    )


def test_a_store_that_fails_for_a_moment_does_not_lose_what_was_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MachineryError("the disk is full")

    first = scene.loop()
    taken(first, "x-1")
    killed(first)
    with monkeypatch.context() as patch:
        patch.setattr(scene.gate, "renew", fails)
        assert refused(scene.loop(), "x-1") == "the disk is full"
    assert taken(scene.loop(), "x-1").resumed


def test_a_claim_that_could_not_be_ended_is_taken_up_by_the_next_loop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MachineryError("the disk is full")

    first = scene.loop()
    lease = taken(first, "x-1")
    with monkeypatch.context() as patch:
        patch.setattr(scene.gate, "requeue", fails)
        assert first.close() == ["the claim on x-1 stays: the disk is full"]
    assert taken(scene.loop(), "x-1").claim == lease.claim


def test_a_store_that_fails_is_no_claim_and_is_asked_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MachineryError("the disk is full")

    claims = scene.loop()
    with monkeypatch.context() as patch:
        patch.setattr(scene.gate, "claim", fails)
        assert refused(claims, "x-1") == "the disk is full"
    taken(claims, "x-1")


def test_a_claim_that_cannot_be_written_down_is_given_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MachineryError("the disk is full")

    claims = scene.loop()
    with monkeypatch.context() as patch:
        patch.setattr(Hold, "write", fails)
        assert refused(claims, "x-1") == "the disk is full"
    assert scene.queue() == {"x-1": "waiting"}
    claims.close()
    assert scene.queue() == {}


def test_a_named_store_that_is_not_there_yet_is_made(scene: Scene, tmp_path: Path) -> None:
    store = NamedStore(tmp_path / "named.db")
    scene.gate = SerialGate(store, "o/r", now=lambda: scene.now)
    claims, other = scene.loop(), scene.loop()
    taken(claims, "x-1")
    assert f"malagate queue requeue --store {store.path} x-1" in refused(other, "x-2")
    claims.close()
    other.close()
    assert scene.queue() == {}


def test_nobody_works_where_another_loop_is_at_work_though_the_queue_would_let_them(
    scene: Scene,
) -> None:
    taken(scene.loop(), "x-1")
    scene.gate.requeue("x-1", "alice")  # it has not noticed yet
    assert "another loop works on it here" in refused(scene.loop("other"), "x-1")
    assert scene.queue() == {"x-1": "waiting"}


def test_tasks_of_a_killed_loop_are_offered_again_by_the_queue(scene: Scene) -> None:
    def statuses(claims: Claims) -> list[str]:
        provider = StoreProvider(scene.gate, now=lambda: scene.now, is_left=claims.is_left)
        return [issue.status for issue in asyncio.run(provider.issues())]

    scene.gate.add("x-1", "alice")
    first, second = scene.loop(), scene.loop()
    taken(first, "x-1")
    assert statuses(second) == ["in_progress"]
    killed(first)
    assert statuses(second) == ["ready"]


# --- claims that others hold ---


@pytest.mark.parametrize("serial", [True, False])
def test_a_claim_held_elsewhere_is_said_with_its_holder_its_end_and_the_way_out(
    tmp_path: Path, serial: bool
) -> None:
    scene = Scene(tmp_path, serial=serial)
    scene.gate.add("x-1", "alice")
    scene.gate.claim("alice", task="x-1", lease=840)
    why = refused(scene.loop(), "x-1")
    assert why.startswith("x-1 is held by alice, lease ends at ")
    assert why.endswith("; if nobody works on it: malagate queue requeue x-1")


def test_a_lease_of_days_ends_on_a_date(scene: Scene) -> None:
    scene.gate.add("x y", "alice")
    scene.gate.claim("alice", task="x y", lease=5 * 86400)
    why = refused(scene.loop(), "x-2")
    assert "lease ends on 2023-11-1" in why
    assert "requeue 'x y'" in why


def test_a_holder_that_gives_signs_of_life_is_said_to_and_always_in_the_same_words(
    scene: Scene,
) -> None:
    claims, other = scene.loop(), scene.loop("bob", "elsewhere")
    held = taken(other, "x-1")
    said = [refused(claims, "x-2")]
    for _ in range(3):
        scene.now += 60
        scene.gate.renew("x-1", held.claim, lease=LEASE_SECONDS)
        said.append(refused(claims, "x-2"))
    assert "lease ends" in said[0]
    assert said[1:] == ["x-1 is held by bob, who is at work on it"] * 3


def test_an_earlier_ticket_of_others_is_named_with_the_way_past_it(scene: Scene) -> None:
    scene.gate.add("a-1", "alice")
    assert refused(scene.loop(), "b-1") == (
        "a-1 has the earlier ticket; if nobody will claim it: malagate queue finish a-1"
    )


# --- what the loop itself added ---


def test_a_task_of_ours_keeps_its_place_while_we_live_and_is_gone_when_we_are(
    scene: Scene,
) -> None:
    claims = scene.loop()
    scene.gate.freeze("on fire", ALICE)
    for _ in range(3):
        assert "on fire" in refused(claims, "x-1")
    assert scene.queue() == {"x-1": "waiting"}
    assert claims.close() == []
    assert scene.queue() == {}
    assert scene.kinds() == ["frozen", "added", "withdrawn"]


@pytest.mark.parametrize("finalized", [True, False])
def test_work_of_ours_that_was_given_back_is_withdrawn_at_the_end(
    scene: Scene, finalized: bool
) -> None:
    claims = scene.loop()
    lease = taken(claims, "x-1")
    if finalized:
        lease.give_back()
        claims.release(lease)
        assert scene.queue() == {"x-1": "waiting"}
    assert claims.close() == []
    assert scene.queue() == {}


def test_what_a_killed_loop_had_added_is_ours_to_withdraw(scene: Scene) -> None:
    first = scene.loop()
    taken(first, "x-1")
    killed(first)
    second = scene.loop()
    taken(second, "x-1")
    second.close()
    assert scene.queue() == {}


def test_a_task_that_somebody_else_added_stays_in_the_queue(scene: Scene) -> None:
    scene.gate.add("x-1", "alice")
    claims = scene.loop()
    taken(claims, "x-1")
    claims.close()
    assert scene.queue() == {"x-1": "waiting"}


def test_a_task_of_ours_that_somebody_requeued_is_theirs(scene: Scene) -> None:
    claims = scene.loop()
    lease = taken(claims, "x-1")
    scene.gate.requeue("x-1", "alice")
    lease.give_back()
    claims.release(lease)
    taken(claims, "x-1")
    claims.close()
    assert scene.queue() == {"x-1": "waiting"}


def test_a_task_that_somebody_adds_after_we_finished_it_stays_in_the_queue(scene: Scene) -> None:
    claims = scene.loop()
    lease = taken(claims, "x-1")
    lease.finish("completed", "done")
    scene.gate.add("x-1", "alice")
    claims.release(lease)
    claims.close()
    assert scene.queue() == {"x-1": "waiting"}


@pytest.mark.parametrize(
    ("ours", "others", "queue"),
    [
        (["a-1"], [], {"b-1": "active"}),
        (["a-1", "a-2"], [], {"b-1": "active"}),
        (["a-1"], ["p-1"], {"a-1": "waiting", "p-1": "waiting", "b-1": "waiting"}),
    ],
)
def test_nothing_of_ours_stands_before_what_is_begun_now(
    scene: Scene, ours: Sequence[str], others: Sequence[str], queue: dict[str, str]
) -> None:
    claims = scene.loop()
    frozen = scene.gate.freeze("on fire", ALICE)
    for issue in ours:
        refused(claims, issue)
    for task in others:
        scene.gate.add(task, "alice")
    scene.gate.unfreeze(ALICE, "put out", only=[frozen.id])
    take(claims, "b-1")  # its blocker is new: a-1 is not offered any more
    assert scene.queue() == queue
