"""The checks of a store, and which task a commit belongs to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from pytest_malagate.queue.model import Entry, Stage
from pytest_malagate.reconcile.claims import LAPSES, LapsedClaims
from pytest_malagate.reconcile.commits import resolve_commit
from pytest_malagate.reconcile.records import LedgerAgainstTasks
from tests.reconcile.embedded import open_store
from tests.reconcile.scene import LEASE, Scene

__all__ = ["open_store"]  # a fixture

# --- R12 ---

SHA, OTHER = "a" * 40, "b" * 40


def test_a_commit_of_one_task_is_resolved() -> None:
    owner = resolve_commit(SHA, {"x-1": [SHA, OTHER], "x-2": [OTHER], "x-3": []})
    assert (owner.task, owner.code) == ("x-1", None)


def test_a_commit_of_two_tasks_is_not_resolved_and_says_so() -> None:
    owner = resolve_commit(SHA, {"x-2": [SHA], "x-1\x1b[2J": [SHA], "x-3": [OTHER]})
    assert (owner.task, owner.code) == (None, "subject.ambiguous")
    assert owner.message.startswith("aaaaaaaaaaaa… belongs to several tasks: x-1")
    assert "\x1b" not in owner.message


def test_a_commit_of_no_task_is_not_resolved_and_says_so() -> None:
    owner = resolve_commit(SHA, {"x-1": [OTHER]})
    assert (owner.task, owner.code) == (None, "subject.unknown")
    assert "belongs to no task" in owner.message


def test_an_abbreviated_commit_belongs_to_nobody() -> None:
    assert resolve_commit(SHA[:12], {"x-1": [SHA]}).code == "subject.unknown"


# --- claims whose lease has ended ---


def lapsed_claims(scene: Scene) -> LapsedClaims:
    return LapsedClaims(scene.gate, scene.ledger, actor="reconciler", now=scene.clock)


def vanish(scene: Scene, times: int) -> None:
    """So many holders in a row take the task x-1 and are not heard of again."""
    for _ in range(times):
        assert scene.gate.claim("an agent", task="x-1", lease=LEASE).task is not None
        scene.clock.passes(LEASE)


@pytest.mark.parametrize(
    ("stage", "found"), [("work", 1), ("gate", 1), ("review", 0), ("landing", 0), ("deployed", 0)]
)
def test_a_lease_that_has_ended_is_told_of_where_the_task_needs_its_holder(
    scene: Scene, stage: Stage, found: int
) -> None:
    scene.task("x-1", stage)
    sweeps = scene.reconciler(checks=[lapsed_claims(scene)])
    assert sweeps.sweep().findings == ()
    scene.clock.passes(LEASE)
    findings = sweeps.sweep().findings
    assert len(findings) == found
    for finding in findings:
        assert (finding.item, finding.repairable) == ("x-1", False)
        assert "the next claim takes it over" in finding.remedy


def test_a_task_whose_holders_vanish_again_and_again_goes_to_the_end_of_the_queue(
    scene: Scene,
) -> None:
    scene.gate.add("x-1", "alice")
    scene.gate.add("x-2", "alice")
    reconciler = scene.reconciler(checks=[lapsed_claims(scene)])
    vanish(scene, LAPSES - 1)
    assert reconciler.sweep().repaired == ()
    vanish(scene, 1)
    assert [found.item for found in reconciler.sweep().repaired] == ["x-1"]
    task = scene.gate.task("x-1")
    assert task is not None
    assert (task.state, task.ticket) == ("waiting", 3)
    assert scene.ledger()[-1].actor == "reconciler"
    vanish(scene, LAPSES - 1)  # it is counted anew
    assert reconciler.sweep().repaired == ()


def test_a_holder_who_brought_the_task_further_did_not_vanish(scene: Scene) -> None:
    scene.gate.add("x-1", "alice")
    vanish(scene, LAPSES - 1)
    scene.task("x-1", "gate")
    scene.clock.passes(LEASE)
    (finding,) = lapsed_claims(scene).find()
    assert finding.repair is None


@pytest.mark.parametrize("change", ["claim", "renew", "finish", "requeue"])
def test_a_task_that_is_not_as_it_was_found_is_not_sent_back(scene: Scene, change: str) -> None:
    scene.gate.add("x-1", "alice")
    vanish(scene, LAPSES)
    (finding,) = lapsed_claims(scene).find()
    assert finding.repair is not None
    seen = scene.gate.task("x-1")
    assert seen is not None
    assert seen.claim is not None
    if change == "claim":
        scene.gate.claim("another", task="x-1")
    elif change == "renew":
        scene.gate.renew("x-1", seen.claim.id)
    else:
        getattr(scene.gate, change)("x-1", "alice")
    before = scene.gate.task("x-1")
    assert finding.repair() is False
    assert scene.gate.task("x-1") == before


# --- the ledger against the tasks ---


def doctored(scene: Scene, change: Callable[[list[Entry]], list[Entry]]) -> list[tuple[str, str]]:
    check = LedgerAgainstTasks(scene.gate, lambda: change(scene.ledger()))
    return [(finding.item, finding.problem) for finding in check.find()]


def full(scene: Scene) -> Scene:
    """Tasks in every state, by every way there is."""
    scene.task("active")
    scene.task("reworked", "review")
    scene.gate.rework("reworked", "alice")
    scene.task("requeued")
    scene.gate.requeue("requeued", "alice")
    scene.task("finished", "landing")
    scene.gate.finish("finished", "alice")
    scene.gate.add("withdrawn", "alice")
    scene.gate.finish("withdrawn", "alice")
    scene.gate.add("waiting", "alice")
    scene.gate.record("post-deploy", "alice", "HEALTHY", task="finished")
    return scene


def test_a_ledger_that_agrees_with_its_tasks_is_not_told_of(scene: Scene) -> None:
    assert doctored(full(scene), lambda entries: entries) == []


def test_a_task_that_the_ledger_does_not_know_is_told_of(scene: Scene) -> None:
    found = doctored(
        full(scene), lambda entries: [entry for entry in entries if entry.task != "waiting"]
    )
    assert found == [("waiting", "it is waiting, and the ledger does not know it")]


def test_a_task_in_another_state_than_the_ledger_says_is_told_of(scene: Scene) -> None:
    def change(entries: list[Entry]) -> list[Entry]:
        kept = [e for e in entries if not (e.kind == "finished" and e.task == "finished")]
        renamed = {"withdrawn": "added", "requeued": "claimed"}
        return [
            msgspec.structs.replace(e, kind=renamed.get(e.kind, e.kind)) if e.task in renamed else e
            for e in kept
        ]

    assert dict(doctored(full(scene), change)) == {
        "finished": "it is finished, and by the ledger it is active",
        "requeued": "it is waiting, and by the ledger it is active",
        "withdrawn": "it is finished, and by the ledger it is waiting",
    }


def test_what_changes_while_the_ledger_is_read_is_left_to_the_next_sweep(scene: Scene) -> None:
    scene.task("x-1")

    def change(entries: list[Entry]) -> list[Entry]:
        scene.gate.finish("x-1", "alice")
        return entries

    assert doctored(scene, change) == []


def test_a_ledger_too_long_to_read_in_passing_is_left_out(scene: Scene) -> None:
    full(scene)
    entries = len(scene.ledger())
    for limit, found in ((entries, 1), (entries - 1, 0)):
        check = LedgerAgainstTasks(
            scene.gate,
            lambda: [msgspec.structs.replace(entry, task="lost") for entry in scene.ledger()],
            limit=limit,
        )
        assert bool(list(check.find())) is bool(found)
