"""One task at a time in a repository, by ticket, over every store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.errors import UsageError
from pytest_malagate.queue.model import STAGES, Claim, Stage, Task
from pytest_malagate.queue.serial import LEASE_SECONDS, SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from tests.queue.conftest import BOT, MAINTAINER, TRIAGER, Clock, OpenGate


def claimed(gate: SerialGate, holder: str = "agent", task: str | None = None) -> Task:
    answer = gate.claim(holder, task=task)
    assert answer.task is not None, answer.refused
    return answer.task


def claim_of(task: Task) -> Claim:
    assert task.claim is not None
    return task.claim


def started(gate: SerialGate, *tasks: str) -> Task:
    """Adds the tasks and claims the first of them."""
    for task in tasks:
        gate.add(task, "somebody")
    return claimed(gate)


# --- what a gate is made of ---


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("x.db", "o/r"), "a serial gate needs a store, such as SQLiteStore(Path('state.db')) from pytest_malagate.queue.sqlite, and a str is none"),
        ((Path("x.db"), "o/r"), "Path is none"),
        ((None, "o/r"), "None is none"),
        ((SQLiteStore, "o/r"), "the class SQLiteStore is none"),
        ((SQLiteStore(Path("x.db")), None), "its repository's name (owner/name), and None is none"),
        ((SQLiteStore(Path("x.db")), ""), "an empty text is none"),
        ((SQLiteStore(Path("x.db")), "o/r", {"enabled": False}), "SerialRules from pytest_malagate.queue.answers, and a dict is none"),
    ],
)  # fmt: skip
def test_what_is_no_gate_is_told_where_it_is_made(given: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        SerialGate(*given)
    assert said in str(caught.value)


# --- whose turn it is ---


def test_a_task_waits_while_an_earlier_one_is_unfinished(gate: SerialGate) -> None:
    started(gate, "A", "B")
    for answer in (gate.claim("other"), gate.claim("other", task="B")):
        assert answer.task is None
        assert answer.refused is not None
        assert (answer.refused.code, answer.refused.reason) == (
            "queue.waiting",
            "A is not finished",
        )
    status = gate.status()
    assert status.active == "A"
    assert [(w.task, w.position, w.reason) for w in status.waiting] == [
        ("B", 1, "A is not finished")
    ]
    done = gate.how.finish("A")
    assert status.next == f"when A is finished ({done}), the next task may be claimed"


def test_who_waits_is_told_its_place(gate: SerialGate) -> None:
    started(gate, "A", "B", "C")
    place = gate.admission("C")
    assert (place.admitted, place.code, place.position) == (False, "queue.waiting", 2)
    assert gate.admission("A").position == 0
    assert gate.admission("never added").position == 3


@pytest.mark.parametrize(
    ("rules", "holds"),
    [
        ({}, True),
        ({"repos": ("other/one", "Owner/Repository")}, True),
        ({"repos": ("other/one",)}, False),
        ({"enabled": False}, False),
        ({"enabled": False, "repos": ("owner/repository",)}, False),
    ],
    ids=["no list", "listed", "another is listed", "kill switch", "kill switch and listed"],
)
def test_the_queue_holds_where_the_policy_says(
    open_gate: OpenGate, rules: dict[str, object], holds: bool
) -> None:
    gate = open_gate(**rules)
    started(gate, "A", "B")
    assert gate.enabled is holds
    assert gate.admission("B").admitted is not holds
    assert (gate.claim("other").task is None) is holds


@pytest.mark.parametrize("name", ["x", "a/b/c", "a/b; DROP TABLE tasks", "", "../..//", "a/b\n"])
def test_a_bad_name_in_the_scope_is_dropped_with_a_warning(open_gate: OpenGate, name: str) -> None:
    gate = open_gate(repos=(name,))
    started(gate, "A", "B")
    assert not gate.enabled
    assert "is no repository" in gate.status().warnings[0]
    answer = gate.claim("other")
    assert answer.task is not None
    assert answer.task.task == "B"
    assert "it was dropped" in answer.warnings[0]
    beside = open_gate(repos=(name, "owner/repository"))
    assert beside.enabled
    assert len(beside.status().warnings) == 1


@pytest.mark.parametrize("stage", STAGES[1:])
def test_later_work_of_the_active_task_passes(gate: SerialGate, stage: str) -> None:
    started(gate, "A", "B")
    assert gate.advance("A", stage, MAINTAINER).stage == stage
    admission = gate.admission("A")
    assert (admission.admitted, admission.position) == (True, 0)
    assert not gate.admission("B").admitted


def test_another_repository_s_work_has_no_effect(gate: SerialGate, open_gate: OpenGate) -> None:
    other = open_gate("owner/other")
    started(other, "A", "B")
    gate.add("A", "somebody")
    assert claimed(gate).task == "A"
    gate.finish("A", "agent")
    assert other.status().active == "A"


def test_a_repository_s_name_knows_no_case(gate: SerialGate, open_gate: OpenGate) -> None:
    started(gate, "A", "B")
    assert open_gate("OWNER/Repository").claim("other").task is None


def test_tasks_go_by_ticket_whatever_their_names(gate: SerialGate) -> None:
    names = ["m", "a", "z", "b", "10", "9", "ä", "0", "y", "c"]
    for name in names:
        gate.add(name, "somebody")
    for number, name in enumerate(names):
        for later in names[number + 1 :]:
            refused = gate.claim("agent", task=later).refused
            assert refused is not None
            assert refused.code == "queue.waiting"
        assert claimed(gate).task == name
        gate.finish(name, "agent")
    assert gate.tasks() == ()


def test_ten_tasks_made_ready_at_once_go_one_by_one_in_order(open_gate: OpenGate) -> None:
    with ThreadPoolExecutor(10) as pool:
        tasks = list(pool.map(lambda n: open_gate().add(f"task {n}", "somebody"), range(10)))
    assert sorted(task.ticket for task in tasks) == list(range(1, 11))
    gate = open_gate()
    for task in sorted(tasks, key=lambda task: task.ticket):
        assert claimed(gate).task == task.task
        assert gate.claim("other").task is None
        gate.finish(task.task, "agent")


def test_of_32_who_claim_at_once_one_gets_it(open_gate: OpenGate) -> None:
    for name in ("A", "B"):
        open_gate().add(name, "somebody")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: open_gate().claim(f"agent {n}"), range(32)))
    assert [answer.task.task for answer in answers if answer.task] == ["A"]


def test_queue_and_freeze_are_as_before_after_a_restart(open_gate: OpenGate) -> None:
    started(open_gate(), "A", "B", "C")
    open_gate().freeze("on fire", TRIAGER, work_item="A")
    before = open_gate().status(verify=True)
    assert open_gate().status(verify=True) == before
    assert (before.active, before.frozen, before.ledger_ok) == ("A", True, True)
    assert [waiting.task for waiting in before.waiting] == ["B", "C"]


def test_an_empty_queue_is_no_error(gate: SerialGate) -> None:
    answer = gate.claim("agent")
    assert answer.refused is not None
    assert answer.refused.reason == "nothing waits"
    assert gate.status().next == "nothing waits"
    assert gate.admission("A").admitted


# --- adding and ending ---


def test_adding_again_keeps_the_ticket(gate: SerialGate) -> None:
    first = gate.add("A", "somebody")
    gate.add("B", "somebody")
    assert gate.add("A", "another") == first
    held = claimed(gate)
    assert gate.add("A", "another") == held


def test_a_task_that_ended_gets_a_new_ticket(gate: SerialGate) -> None:
    started(gate, "A", "B")
    gate.finish("A", "agent")
    again = gate.add("A", "somebody")
    assert (again.ticket, again.state, again.claim) == (3, "waiting", None)
    assert claimed(gate).task == "B"


def test_finishing_twice_is_finishing_once(gate: SerialGate) -> None:
    claim = claim_of(started(gate, "A"))
    first = gate.finish("A", "agent", claim=claim.id)
    assert gate.finish("A", "agent", claim=claim.id) == first
    assert gate.finish("A", "agent") == first
    with pytest.raises(UsageError, match="A is finished"):
        gate.finish("A", "agent", claim="another")


def test_a_task_that_waits_can_be_withdrawn(gate: SerialGate) -> None:
    started(gate, "A", "B", "C")
    assert gate.finish("B", "somebody").state == "finished"
    gate.finish("A", "agent")
    assert claimed(gate).task == "C"


def test_the_queue_goes_on_when_a_task_ends(gate: SerialGate) -> None:
    started(gate, "A", "B")
    gate.finish("A", "agent")
    assert claimed(gate, task="B").task == "B"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x1b[31m", "x" * 201, "\udcff"])
def test_a_name_that_cannot_be_shown_is_refused(gate: SerialGate, name: str) -> None:
    with pytest.raises(UsageError, match="printable"):
        gate.add(name, "somebody")
    assert gate.tasks() == ()


def test_what_is_not_in_the_queue_cannot_be_claimed_or_moved(gate: SerialGate) -> None:
    gate.add("A", "somebody")
    with pytest.raises(UsageError, match="add it first"):
        gate.claim("agent", task="B")
    for call in (gate.finish, gate.rework, gate.requeue):
        with pytest.raises(UsageError, match="not in the queue"):
            call("B", "agent")
    for call in (gate.rework, gate.requeue):
        with pytest.raises(UsageError, match="A is waiting, not active"):
            call("A", "agent")


def test_tasks_are_listed_active_ones_first_then_by_ticket(gate: SerialGate) -> None:
    started(gate, "A", "B")
    gate.requeue("A", "agent")
    claimed(gate)
    assert [(task.task, task.state) for task in gate.tasks()] == [
        ("B", "active"),
        ("A", "waiting"),
    ]


def test_texts_that_utf8_cannot_hold_are_kept_as_escapes(gate: SerialGate) -> None:
    gate.add("A", "some\udcffbody")
    claimed(gate, "agent \udcff")
    assert claim_of(gate.tasks()[0]).holder == r"agent \udcff"
    gate.freeze("on \udcff fire", TRIAGER)
    status = gate.status(verify=True)
    assert (status.freezes[0].reason, status.ledger_ok) == (r"on \udcff fire", True)


# --- stages ---


def test_rework_is_not_blocked_by_the_task_itself(gate: SerialGate) -> None:
    held = started(gate, "A", "B")
    gate.advance("A", "review", MAINTAINER)
    back = gate.rework("A", "reviewer")
    assert (back.state, back.stage, back.ticket, back.claim) == ("active", "work", 1, held.claim)
    assert gate.admission("A").admitted
    assert gate.claim("other").task is None


def test_a_requeued_task_goes_to_the_end(gate: SerialGate) -> None:
    held = started(gate, "A", "B")
    gate.advance("A", "gate", BOT)
    back = gate.requeue("A", "agent", claim=claim_of(held).id)
    assert (back.state, back.stage, back.ticket, back.claim) == ("waiting", "work", 3, None)
    assert claimed(gate).task == "B"


def test_a_stage_that_people_end_only_a_person_ends(gate: SerialGate) -> None:
    started(gate, "A")
    with pytest.raises(UsageError, match="which a person ends"):
        gate.advance("A", "landing", BOT)  # nor does anybody else jump over it
    gate.advance("A", "review", BOT)
    with pytest.raises(UsageError, match="which a person ends"):
        gate.advance("A", "landing", BOT)
    assert gate.tasks()[0].stage == "review"
    assert gate.advance("A", "landing", TRIAGER).stage == "landing"


def test_a_task_advances_and_never_stands_still_or_goes_back(gate: SerialGate) -> None:
    started(gate, "A")
    gate.advance("A", "landing", MAINTAINER)
    for stage in STAGES[:4]:
        with pytest.raises(UsageError, match="rework takes it back"):
            gate.advance("A", stage, MAINTAINER)
    with pytest.raises(UsageError, match="is no stage"):
        gate.advance("A", "nowhere", MAINTAINER)


# --- leases and fences ---


def test_a_claim_says_who_and_until_when(gate: SerialGate, clock: Clock) -> None:
    claim = claim_of(started(gate, "A"))
    assert (claim.holder, claim.fence, claim.at) == ("agent", 1, clock.now)
    assert claim.lease_until == clock.now + LEASE_SECONDS


def test_a_task_whose_lease_ended_is_handed_out_again(gate: SerialGate, clock: Clock) -> None:
    before = claim_of(started(gate, "A", "B"))
    clock.passes(LEASE_SECONDS - 1)
    assert gate.claim("other").task is None
    clock.passes(1)
    assert "lease of A has ended" in gate.status().next
    assert gate.claim("other", task="B").task is None
    again = claimed(gate, "other")
    assert (again.task, again.ticket) == ("A", 1)
    assert claim_of(again).fence > before.fence
    assert claim_of(again).id != before.id


@pytest.mark.parametrize("stage", ["review", "landing", "deployed"])
def test_what_others_have_at_hand_is_not_handed_out_again(
    gate: SerialGate, clock: Clock, stage: Stage
) -> None:
    started(gate, "A", "B")
    gate.advance("A", stage, MAINTAINER)
    clock.passes(LEASE_SECONDS)
    assert gate.status().next.startswith("when A is finished")
    for answer in (gate.claim("other"), gate.claim("other", task="A")):
        assert answer.refused is not None
        assert answer.refused.reason == "A is not finished"
    gate.rework("A", "maja")
    assert claimed(gate, "other").task == "A", "work that was sent back needs a holder again"


def test_the_former_holder_s_word_counts_no_more(gate: SerialGate, clock: Clock) -> None:
    before = claim_of(started(gate, "A"))
    clock.passes(LEASE_SECONDS)
    now = claim_of(claimed(gate, "other"))
    for call in (
        lambda: gate.renew("A", before.id),
        lambda: gate.advance("A", "gate", BOT, claim=before.id),
        lambda: gate.rework("A", "agent", claim=before.id),
        lambda: gate.requeue("A", "agent", claim=before.id),
        lambda: gate.finish("A", "agent", claim=before.id),
    ):
        with pytest.raises(UsageError, match="somebody else has it"):
            call()
    assert claim_of(gate.tasks()[0]) == now
    assert gate.finish("A", "other", claim=now.id).state == "finished"


def test_a_renewed_lease_holds_longer(gate: SerialGate, clock: Clock) -> None:
    claim = claim_of(started(gate, "A"))
    clock.passes(LEASE_SECONDS - 1)
    assert gate.renew("A", claim.id).admitted
    clock.passes(LEASE_SECONDS - 1)
    assert gate.claim("other").task is None
    renewed = claim_of(gate.tasks()[0])
    assert (renewed.id, renewed.fence) == (claim.id, claim.fence)


def test_a_late_holder_whom_nobody_replaced_may_renew(gate: SerialGate, clock: Clock) -> None:
    claim = claim_of(started(gate, "A"))
    clock.passes(LEASE_SECONDS * 3)
    assert gate.renew("A", claim.id).admitted
    assert gate.claim("other").task is None


def test_a_clock_that_goes_back_takes_nothing_from_the_holder(
    gate: SerialGate, clock: Clock
) -> None:
    started(gate, "A", "B")
    clock.passes(-10 * LEASE_SECONDS)
    assert gate.claim("other").task is None
    assert gate.status().active == "A"


@pytest.mark.parametrize("lease", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_a_lease_that_is_no_time_is_refused(gate: SerialGate, lease: float) -> None:
    claim = claim_of(started(gate, "A"))
    gate.finish("A", "agent")
    gate.add("A", "somebody")
    with pytest.raises(UsageError, match="a lease lasts"):
        gate.claim("agent", lease=lease)
    with pytest.raises(UsageError, match="a lease lasts"):
        gate.renew("A", claim.id, lease=lease)


def test_without_the_queue_several_run_and_each_keeps_its_claim(open_gate: OpenGate) -> None:
    gate = open_gate(enabled=False)
    started(gate, "A", "B", "C")
    assert [claimed(gate, f"agent {n}").task for n in range(2)] == ["B", "C"]
    with pytest.raises(UsageError, match="B is claimed already"):
        gate.claim("other", task="B")
    assert len(gate.status().active_tasks) == 3


def test_a_task_that_changed_meanwhile_is_not_moved(gate: SerialGate, clock: Clock) -> None:
    seen = started(gate, "A", "B")
    clock.passes(5)
    gate.renew("A", claim_of(seen).id)
    for move in (
        lambda: gate.advance("A", "gate", MAINTAINER, seen=seen),
        lambda: gate.requeue("A", "agent", seen=seen),
        lambda: gate.finish("A", "agent", seen=seen),
    ):
        with pytest.raises(UsageError, match="A changed meanwhile: somebody was faster"):
            move()
    now = gate.task("A")
    assert gate.advance("A", "gate", MAINTAINER, seen=now).stage == "gate"
    assert gate.finish("A", "agent", seen=gate.task("A")).state == "finished"
    with pytest.raises(UsageError, match="changed meanwhile"):
        gate.finish("A", "agent", seen=now)
