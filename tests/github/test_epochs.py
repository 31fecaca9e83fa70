"""The lock's epochs: an old one is over for good, a new one begins only while all is still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.control import FROZEN
from pytest_malagate.github.epochs import Lock, alone
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import FreezeMode, Person
from pytest_malagate.queue.serial import SerialGate
from tests.twin import Repository, Run, Twin

NAME = "acme/shop"
MAJA = Person(name="maja", rank="maintain", human=True)
TICK = Lock(name="malagate-tick")


class Ticks:
    """Runs of a workflow whose concurrency group ends in an epoch."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.repo: Repository = twin.repository(NAME)
        self.repo.commit("main", {"a.py": "x = 1"})
        twin.token("t", self.repo, permissions={"issues": "write", "actions": "read"})
        self.said: list[str] = []

    def run(self, epoch: int | str | None, queue: str = "single") -> Run:
        group = None if epoch is None else (f"malagate-tick-v{epoch}", queue)
        return self.repo.run(event="schedule", concurrency=group)

    def gate(self, run: Run | None = None) -> SerialGate:
        manners = Manners(write_spacing=0.0, timeout=5, patience=1e6, sleep=lambda _: None)
        connect = lambda name: Client("t", name, api_url=self.twin.url, manners=manners)  # noqa: E731
        prove = alone(run.id, lock=TICK, say=self.said.append) if run else None
        store = GitHubStore(connect, prove=prove, now=self.now)
        return SerialGate(store, NAME, now=self.now)

    def now(self) -> float:
        return float(self.twin.clock())

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.gate().ledger()]


@pytest.fixture
def ticks(twin: Twin) -> Iterator[Ticks]:
    with twin.serve():
        made = Ticks(twin)
        made.gate().add("A", "alice")
        yield made


def test_a_lock_without_an_epoch_or_of_the_ledger_s_own_writes(ticks: Ticks) -> None:
    first = ticks.run(0)
    ticks.gate(first).add("B", "alice")
    first.finish()
    plain = ticks.repo.run(event="issues", concurrency=("malagate-tick", "single"))
    ticks.gate(plain).add("C", "alice")
    assert "rotated" not in ticks.kinds()


@pytest.mark.parametrize("name", ["malagate-commands-v0", "malagate-foo", "deploy"])
def test_another_lock_is_none(ticks: Ticks, name: str) -> None:
    """Two runs that hold two locks each pass for alone."""
    before, run = ticks.kinds(), ticks.repo.run(event="issues", concurrency=(name, "max"))
    with pytest.raises(MachineryError, match="add to the workflow") as caught:
        ticks.gate(run).add("B", "alice")
    group = "\"malagate-tick-v${{ vars.MALAGATE_EPOCH || '0' }}\""
    assert f"`concurrency: {{group: {group}}}`" in str(caught.value)
    assert ticks.kinds() == before


@pytest.mark.parametrize("mode", [None, "drain"])
def test_a_new_epoch_does_not_begin_while_anything_may_go_on(
    ticks: Ticks, mode: FreezeMode | None
) -> None:
    if mode is not None:
        ticks.gate().freeze("slow", MAJA, mode=mode)
    before = ticks.kinds()
    with pytest.raises(MachineryError, match="only while a freeze of mode pause or hard stands"):
        ticks.gate(ticks.run(1)).add("B", "alice")
    assert ticks.kinds() == before


def test_a_freeze_of_one_branch_is_not_enough(ticks: Ticks) -> None:
    ticks.gate().freeze("there", MAJA, branch="release")
    with pytest.raises(MachineryError, match="none does"):
        ticks.gate(ticks.run(1)).add("B", "alice")


def test_a_new_epoch_does_not_begin_while_the_old_one_runs(ticks: Ticks) -> None:
    ticks.gate().freeze("stuck", MAJA)
    old, new = ticks.run(0), ticks.run(1)
    with pytest.raises(MachineryError, match=f"and run {old.id} does"):
        ticks.gate(new).add("B", "alice")
    old.finish()
    ticks.gate(new).add("B", "alice")
    assert ticks.kinds()[-2:] == ["rotated", "added"]


def test_whether_the_old_one_runs_has_to_be_known(ticks: Ticks) -> None:
    ticks.gate().freeze("stuck", MAJA)
    ticks.twin.faults.add("forbidden", times=9, path="concurrency_groups/")
    with pytest.raises(MachineryError, match="403"):
        ticks.gate(ticks.run(1)).add("B", "alice")
    assert "rotated" not in ticks.kinds()


@pytest.mark.parametrize("shown", ["in_progress", "pending"])
def test_a_group_that_is_stuck_is_left_behind_by_a_freeze_and_a_new_number(
    ticks: Ticks, shown: Any
) -> None:
    ticks.repo.groups.phantom("malagate-tick-v0", shown)
    stuck = ticks.run(0)
    assert stuck.status == "pending"
    issue = ticks.repo.open_issue("The queue is stuck", author="tina")
    issue.add_label(FROZEN, ticks.twin.user("tina"))  # not on the ledger: nothing can write there
    ticks.gate(ticks.run(1)).add("B", "alice")
    assert ticks.kinds() == ["added", "frozen", "rotated", "added"]
    ticks.gate().unfreeze(MAJA, "it moves again")
    assert ticks.gate().claim("agent").task is not None


def test_the_old_epoch_is_over_for_good(ticks: Ticks) -> None:
    ticks.gate().freeze("stuck", MAJA)
    ticks.gate(ticks.run(1)).add("B", "alice")
    before = ticks.kinds()
    with pytest.raises(MachineryError, match=r"older epoch, malagate-tick-v0, .* in epoch 1"):
        ticks.gate(ticks.run(0)).add("C", "alice")
    assert ticks.kinds() == before


def test_a_new_epoch_is_on_the_ledger_once(ticks: Ticks) -> None:
    ticks.gate().freeze("stuck", MAJA)
    for name in ("B", "C"):
        run = ticks.run(1)
        ticks.gate(run).add(name, "alice")
        run.finish()
    assert ticks.kinds().count("rotated") == 1


def test_where_nobody_tells_the_lock_the_ledger_s_order_is_relied_on(ticks: Ticks) -> None:
    ticks.twin.no_concurrency_api = True
    ticks.gate(ticks.run(None)).add("B", "alice")
    assert len(ticks.said) == 1
    assert "relying on the ledger's fencing" in ticks.said[0]
