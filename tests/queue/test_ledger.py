"""Each change is on a ledger that shows a hole, an edit and a lost end, over every store."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.model import Entry, ledger_problem, sealed
from pytest_malagate.queue.serial import LEASE_SECONDS, SerialGate
from tests.queue.conftest import BOT, MAINTAINER, REPOSITORY, TRIAGER, Clock, OpenGate, OpenStore
from tests.queue.test_queue_rules import claim_of, claimed, started

replace = msgspec.structs.replace


def kinds(open_store: OpenStore) -> list[tuple[str, str, str | None, int | None]]:
    entries = open_store().ledger(REPOSITORY)
    return [(entry.kind, entry.actor, entry.task, entry.freeze) for entry in entries]


def test_every_change_is_written_down(
    gate: SerialGate, open_store: OpenStore, clock: Clock
) -> None:
    claim = claim_of(started(gate, "A", "B"))
    gate.renew("A", claim.id)
    clock.passes(2 * LEASE_SECONDS)
    claimed(gate, "other")
    gate.advance("A", "gate", BOT)
    gate.rework("A", "reviewer")
    gate.requeue("A", "other")
    gate.finish("B", "somebody")
    gate.freeze("on fire", TRIAGER, mode="drain")
    gate.unfreeze(MAINTAINER, "it is out")
    assert kinds(open_store) == [
        ("added", "somebody", "A", None),
        ("added", "somebody", "B", None),
        ("claimed", "agent", "A", None),
        ("reclaimed", "other", "A", None),
        ("advanced", "agent[bot]", "A", None),
        ("reworked", "reviewer", "A", None),
        ("requeued", "other", "A", None),
        ("withdrawn", "somebody", "B", None),
        ("frozen", "triager", None, 1),
        ("cleared", "maintainer", None, 1),
    ]
    details = [entry.detail for entry in open_store().ledger(REPOSITORY)]
    assert details[-2:] == ["drain: on fire", "it is out"]
    assert details[0] == "ticket 1"
    assert gate.ledger_problem() is None


def test_what_changes_nothing_is_not_written_down(gate: SerialGate, open_store: OpenStore) -> None:
    started(gate, "A")
    gate.finish("A", "agent")
    before = kinds(open_store)
    gate.finish("A", "agent")
    gate.claim("agent")
    gate.admission("A")
    gate.status(verify=True)
    gate.unfreeze(MAINTAINER, "nothing is frozen")
    assert kinds(open_store) == before


def test_repositories_have_ledgers_of_their_own(
    gate: SerialGate, open_gate: OpenGate, open_store: OpenStore
) -> None:
    other = open_gate("owner/other")
    for name in ("A", "B"):
        gate.add(name, "somebody")
        other.add(name, "somebody")
    for repository in (REPOSITORY, "owner/other"):
        assert [entry.seq for entry in open_store().ledger(repository)] == [1, 2]
        head = open_store().ledger_head(repository)
        assert head is not None
        assert head[0] == 2
    assert (gate.ledger_problem(), other.ledger_problem()) == (None, None)


def test_a_repository_without_a_word_has_a_whole_ledger(
    gate: SerialGate, open_store: OpenStore
) -> None:
    assert (list(open_store().ledger(REPOSITORY)), gate.ledger_problem()) == ([], None)
    assert open_store().ledger_head(REPOSITORY) is None


def test_a_clock_of_whole_seconds_leaves_the_ledger_whole(open_store: OpenStore) -> None:
    gate = SerialGate(open_store(), REPOSITORY, SerialRules(), now=lambda: 1_700_000_000)
    gate.add("A", "somebody")
    assert gate.ledger_problem() is None


def test_a_ledger_that_grows_while_it_is_read_is_whole(
    open_store: OpenStore, open_gate: OpenGate
) -> None:
    class Busy:
        """Somebody adds a task after each question."""

        def __init__(self) -> None:
            self.store, self.numbers = open_store(), itertools.count()

        def ledger_head(self, repository: str) -> tuple[int, str] | None:
            head = self.store.ledger_head(repository)
            open_gate().add(f"task {next(self.numbers)}", "somebody")
            return head

        def __getattr__(self, name: str) -> object:
            return getattr(self.store, name)

    gate = SerialGate(Busy(), REPOSITORY)
    assert [gate.ledger_problem() for _ in range(3)] == [None] * 3


# --- what is wrong with a ledger ---


def written(count: int) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, count + 1):
        previous = entries[-1].digest if entries else ""
        entry = Entry(
            seq=seq,
            at=1.5 * seq,
            kind="added",
            actor="somebody",
            repository=REPOSITORY,
            previous=previous,
        )
        entries.append(sealed(entry))
    return entries


def head_of(entries: list[Entry]) -> tuple[int, str]:
    return entries[-1].seq, entries[-1].digest


@given(st.integers(1, 8), st.data())
def test_any_one_line_that_is_lost_or_edited_is_found(count: int, data: st.DataObject) -> None:
    entries = written(count)
    assert ledger_problem(entries, head=head_of(entries)) is None
    hit = data.draw(st.integers(0, count - 1))
    lost = entries[:hit] + entries[hit + 1 :]
    assert ledger_problem(lost, head=head_of(entries)) is not None
    field, value = data.draw(
        st.sampled_from(
            [
                ("at", 9.25),
                ("kind", "claimed"),
                ("actor", "somebody else"),
                ("repository", "owner/other"),
                ("task", "A"),
                ("freeze", 7),
                ("detail", "x"),
                ("previous", "sha256:0"),
                ("digest", "sha256:0"),
            ]
        )
    )
    edited = [*entries]
    edited[hit] = replace(entries[hit], **{field: value})
    assert ledger_problem(edited, head=head_of(entries)) is not None
    resealed = [*entries]
    resealed[hit] = sealed(replace(entries[hit], actor="somebody else"))
    assert ledger_problem(resealed, head=head_of(entries)) is not None


def test_a_cut_off_end_a_forgotten_end_and_a_swap_are_told() -> None:
    entries = written(4)
    cut = ledger_problem(entries[:2], head=head_of(entries))
    assert cut == "the ledger ends at entry 2, and 4 were written"
    assert ledger_problem([], head=head_of(entries)) is not None
    assert "was forgotten" in (ledger_problem(entries, head=(0, "")) or "")
    swapped = [entries[0], entries[2], entries[1], entries[3]]
    assert "entry 2 is missing" in (ledger_problem(swapped, head=None) or "")


@pytest.mark.parametrize("number", [1, 3])
def test_a_ledger_written_anew_from_a_line_on_is_found(number: int) -> None:
    entries = written(3)
    anew = entries[: number - 1]
    for entry in entries[number - 1 :]:
        previous = anew[-1].digest if anew else ""
        anew.append(sealed(replace(entry, actor="somebody else", previous=previous)))
    assert ledger_problem(anew, head=None) is None
    assert ledger_problem(anew, head=head_of(entries)) == "entry 3 is not the one that was written"
