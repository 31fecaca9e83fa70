"""Any order of calls, crashes, restarts and clock jumps: what must hold does.

`MALAGATE_TORTURE=1` runs at least 20,000 steps instead of the short run, and prints how many.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.answers import Claimed
from pytest_malagate.queue.model import HELD_STAGES, HUMAN_STAGES, MODES, STAGES, Task
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.queue.store import Session
from tests.queue.conftest import BOT, MAINTAINER, TRIAGER, Clock

TORTURE = os.environ.get("MALAGATE_TORTURE") == "1"
STEPS_ASKED = 20_000
LEASE = 100.0

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Nothing here asks whether commits reach the disk: a disk in memory saves the wait for it."""

REPOSITORIES = ("owner/one", "owner/two", "other/three")
repositories = st.sampled_from(REPOSITORIES)
names = st.sampled_from(["A", "B", "C", "D", "E"])
people = st.sampled_from([BOT, TRIAGER, MAINTAINER])


class Crash(BaseException):
    """A process that ends in the middle of a session."""


class Expected:
    """What a repository must look like, by a model too simple to be wrong."""

    def __init__(self) -> None:
        self.waiting: list[str] = []  # by ticket
        self.active: str | None = None
        self.claim = ""
        self.former: list[str] = []
        self.lease_until = 0.0
        self.stage = "work"
        self.finished: set[str] = set()
        self.freezes: dict[int, str] = {}
        self.entries = 0
        self.fence = 0


class Interleavings(RuleBasedStateMachine):
    """Several repositories, and two gates of each on one file, used in turn."""

    steps = 0

    @initialize()
    def begin(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.path = Path(self._folder.name) / "state.db"
        self.clock = Clock()
        self.gates: dict[tuple[str, int], SerialGate] = {}
        self.expected = {repository: Expected() for repository in REPOSITORIES}
        self.turn = 0

    def gate(self, repository: str) -> SerialGate:
        """One of the two gates of a repository, the other one each time."""
        type(self).steps += 1
        self.turn += 1
        key = (repository, self.turn % 2)
        if key not in self.gates:
            self.gates[key] = SerialGate(SQLiteStore(self.path), repository, now=self.clock)
        return self.gates[key]

    # --- the queue ---

    @rule(repository=repositories, name=names)
    def add(self, repository: str, name: str) -> None:
        known = self.expected[repository]
        task = self.gate(repository).add(name, "somebody")
        if name in known.waiting or name == known.active:
            assert task.state != "finished"
            return
        known.finished.discard(name)
        known.waiting.append(name)
        known.entries += 1

    @rule(repository=repositories, name=st.none() | names)
    def claim(self, repository: str, name: str | None) -> None:
        known = self.expected[repository]
        gate = self.gate(repository)
        try:
            answer = gate.claim("agent", task=name, lease=LEASE)
        except UsageError:
            assert name is not None
            assert not known.freezes
            assert name not in (known.active, *known.waiting)
            return
        self.judge_claim(known, name, answer)

    def judge_claim(self, known: Expected, name: str | None, answer: Claimed) -> None:
        lapsed = known.stage in HELD_STAGES and known.lease_until <= self.clock.now
        if known.freezes:
            right = None
        elif known.active is not None:
            right = known.active if lapsed and name in (None, known.active) else None
        else:
            right = known.waiting[0] if known.waiting else None
            right = right if name in (None, right) else None
        assert (answer.task.task if answer.task else None) == right
        if answer.task is not None:
            self.took(known, answer.task)

    def took(self, known: Expected, task: Task) -> None:
        assert task.claim is not None
        assert task.claim.fence > known.fence
        assert task.claim.id not in (known.claim, *known.former)
        if known.active is None:
            known.waiting.remove(task.task)
            known.stage = "work"
        known.former.append(known.claim)
        known.active, known.claim = task.task, task.claim.id
        known.lease_until, known.fence = self.clock.now + LEASE, task.claim.fence
        known.entries += 1

    @rule(repository=repositories)
    def renew(self, repository: str) -> None:
        known = self.expected[repository]
        if known.active is not None:
            answer = self.gate(repository).renew(known.active, known.claim, lease=LEASE)
            assert answer.admitted is ("hard" not in known.freezes.values())
            known.lease_until = self.clock.now + LEASE

    @rule(repository=repositories, stage=st.sampled_from(STAGES), person=people)
    def advance(self, repository: str, stage: str, person: object) -> None:
        known = self.expected[repository]
        if known.active is None:
            return
        left = STAGES[STAGES.index(known.stage) : STAGES.index(stage)]
        right = bool(left) and (person is not BOT or not HUMAN_STAGES & set(left))
        gate = self.gate(repository)
        if not right:
            with pytest.raises(UsageError):
                gate.advance(known.active, stage, person, claim=known.claim)
            return
        gate.advance(known.active, stage, person, claim=known.claim)
        known.stage = stage
        known.entries += 1

    @rule(repository=repositories, named=st.booleans())
    def rework(self, repository: str, named: bool) -> None:
        known = self.expected[repository]
        if known.active is not None:
            claim = known.claim if named else None
            self.gate(repository).rework(known.active, "reviewer", claim=claim)
            known.stage = "work"
            known.entries += 1

    @rule(repository=repositories)
    def requeue(self, repository: str) -> None:
        known = self.expected[repository]
        if known.active is not None:
            self.gate(repository).requeue(known.active, "agent", claim=known.claim)
            known.waiting.append(known.active)
            known.active = None
            known.entries += 1

    @rule(repository=repositories, name=st.none() | names)
    def finish(self, repository: str, name: str | None) -> None:
        known = self.expected[repository]
        name = name or known.active
        if name is None:
            return
        gate = self.gate(repository)
        if name not in (known.active, *known.waiting, *known.finished):
            with pytest.raises(UsageError):
                gate.finish(name, "agent")
            return
        assert gate.finish(name, "agent").state == "finished"
        known.entries += name not in known.finished
        if name == known.active:
            known.active = None
        elif name in known.waiting:
            known.waiting.remove(name)
        known.finished.add(name)

    @rule(repository=repositories, call=st.sampled_from(["renew", "rework", "requeue", "finish"]))
    def a_former_holder_speaks(self, repository: str, call: str) -> None:
        known = self.expected[repository]
        if known.active is not None and known.former[-1]:
            gate, words = self.gate(repository), {"claim": known.former[-1]}
            words |= {} if call == "renew" else {"actor": "zombie"}
            with pytest.raises(UsageError, match="somebody else has it"):
                getattr(gate, call)(known.active, **words)

    # --- the freeze ---

    @rule(repository=repositories, mode=st.sampled_from(MODES), person=people)
    def freeze(self, repository: str, mode: str, person: object) -> None:
        known = self.expected[repository]
        made = self.gate(repository).freeze("on fire", person, mode=mode)
        assert made.id not in known.freezes
        known.freezes[made.id] = mode
        known.entries += 1

    @rule(repository=repositories, only=st.none() | st.integers(1, 9), person=people)
    def unfreeze(self, repository: str, only: int | None, person: object) -> None:
        known = self.expected[repository]
        gate, wanted = self.gate(repository), None if only is None else [only]
        if person is not MAINTAINER:
            with pytest.raises(UsageError):
                gate.unfreeze(person, "it is out", only=wanted)
            return
        cleared = gate.unfreeze(person, "it is out", only=wanted)
        right = [n for n in known.freezes if only in (None, n)]
        assert list(cleared) == right
        for number in right:
            del known.freezes[number]
        known.entries += len(right)

    @rule(repository=repositories)
    def clear_all(self, repository: str) -> None:
        self.unfreeze(repository, None, MAINTAINER)

    # --- what goes wrong ---

    @rule(repository=repositories, name=names, after=st.integers(0, 4), call=st.integers(0, 4))
    def crash(self, repository: str, name: str, after: int, call: int) -> None:
        """A process dies after some questions of a session; nothing of it may be left."""
        type(self).steps += 1
        gate = SerialGate(Crashing(SQLiteStore(self.path), after), repository, now=self.clock)
        known = self.expected[repository]
        calls = (
            lambda: gate.add("never", "somebody"),
            lambda: gate.claim("agent", lease=LEASE),
            lambda: gate.finish(name, "agent"),
            lambda: gate.freeze("never", TRIAGER),
            lambda: gate.unfreeze(MAINTAINER, "never"),
        )
        before = known.entries
        with pytest.raises((Crash, UsageError)):
            calls[call]()
        assert known.entries == before

    @rule()
    def restart(self) -> None:
        type(self).steps += 1
        self.gates.clear()

    @rule(seconds=st.sampled_from([1.0, LEASE - 1, LEASE, 10 * LEASE, -1.0, -10 * LEASE]))
    def the_clock_jumps(self, seconds: float) -> None:
        type(self).steps += 1
        self.clock.passes(seconds)

    # --- what must hold ---

    @invariant()
    def each_repository_is_as_expected(self) -> None:
        if not hasattr(self, "expected"):
            return
        for repository, known in self.expected.items():
            status = SerialGate(SQLiteStore(self.path), repository, now=self.clock).status()
            assert status.problem is None
            active = [task.task for task in status.active_tasks]
            assert active == ([known.active] if known.active else [])
            assert [task.stage for task in status.active_tasks] == ([known.stage] * len(active))
            assert [waiting.task for waiting in status.waiting] == known.waiting
            assert {freeze.id: freeze.mode for freeze in status.freezes} == known.freezes
            head = SQLiteStore(self.path).ledger_head(repository)
            assert (head[0] if head else 0) == known.entries

    def teardown(self) -> None:
        """When nothing blocks any more, every task is started, in order; the ledger is whole."""
        if not hasattr(self, "expected"):
            return
        for repository, known in self.expected.items():
            gate = self.gate(repository)
            gate.unfreeze(MAINTAINER, "all is well")
            if known.active is not None:
                gate.finish(known.active, "agent")
            for name in known.waiting:
                answer = gate.claim("agent", lease=LEASE)
                assert answer.task is not None
                assert answer.task.task == name
                gate.finish(name, "agent")
            assert gate.tasks() == ()
            assert gate.ledger_problem() is None
        self._folder.cleanup()


class Crashing:
    """A store whose user dies after some questions of an exclusive session, its end at the latest."""

    def __init__(self, store: SQLiteStore, after: int) -> None:
        self._store, self._left = store, after

    def exclusive(self, repository: str) -> object:
        return _CrashingSession(self._store.exclusive(repository), self._left)


class _CrashingSession:
    def __init__(self, session: object, left: int) -> None:
        self._manager, self._left = session, left
        self._session: Session | None = None

    def __enter__(self) -> _CrashingSession:
        self._session = self._manager.__enter__()
        return self

    def __exit__(self, *raised: object) -> object:
        if raised[0] is None:
            crash = Crash()
            try:
                return self._manager.__exit__(Crash, crash, None)
            finally:
                raise crash
        return self._manager.__exit__(*raised)

    def __getattr__(self, name: str) -> object:
        if self._left == 0:
            raise Crash
        self._left -= 1
        return getattr(self._session, name)


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.timeout(1800)
def test_any_interleaving_keeps_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    Interleavings.steps = 0
    if not TORTURE:
        run(examples=30, steps=40)
        assert Interleavings.steps > 200
        return
    while Interleavings.steps < STEPS_ASKED:
        run(examples=100, steps=80)
        with capsys.disabled():
            print(f"\n{Interleavings.steps:,} steps of {STEPS_ASKED:,}, nothing found")


def test_a_session_that_fails_is_no_crash(tmp_path: Path) -> None:
    """The machine's own crashes are told from what the store raises."""
    gate = SerialGate(Crashing(SQLiteStore(tmp_path), 0), REPOSITORIES[0])
    with pytest.raises(MachineryError):
        gate.add("A", "somebody")
