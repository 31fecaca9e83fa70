"""What holds while a store fails: the queue holds nobody up, the freeze holds everybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.answers import SerialRules
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.store import Session, Store
from tests.queue.conftest import MAINTAINER, REPOSITORY, TRIAGER, Clock, OpenGate, OpenStore
from tests.queue.test_queue_rules import claimed, started

EVERYTHING = frozenset({"session", "ledger", "ledger_head"})


class FailingSession:
    """A session of which some questions fail."""

    def __init__(self, session: Session, failing: frozenset[str], error: Exception) -> None:
        self._session, self._failing, self._error = session, failing, error

    def __getattr__(self, name: str) -> object:
        if name in self._failing:
            return self._fail
        return getattr(self._session, name)

    def _fail(self, *_: object) -> object:
        raise self._error


class FailingStore:
    """A store of which some questions fail; `session` in the list: it cannot even be opened."""

    def __init__(self, store: Store, *failing: str, error: Exception | None = None) -> None:
        self._store, self._failing = store, frozenset(failing)
        self._error = error or MachineryError("the store is on strike")
        self.how = store.how

    @contextmanager
    def exclusive(self, repository: str) -> Iterator[FailingSession]:
        self._check("session")
        with self._store.exclusive(repository) as session:
            yield FailingSession(session, self._failing, self._error)

    @contextmanager
    def reading(self, repository: str) -> Iterator[FailingSession]:
        self._check("session")
        with self._store.reading(repository) as session:
            yield FailingSession(session, self._failing, self._error)

    def ledger(self, repository: str) -> object:
        self._check("ledger")
        return self._store.ledger(repository)

    def ledger_head(self, repository: str) -> object:
        self._check("ledger_head")
        return self._store.ledger_head(repository)

    def _check(self, question: str) -> None:
        if question in self._failing:
            raise self._error


@pytest.fixture
def failing(open_store: OpenStore, clock: Clock) -> OpenGate:
    """`failing("first", …, enabled=…)`: a gate on the test's store where these fail."""

    def opened(*names: str, error: Exception | None = None, **rules: object) -> SerialGate:
        store = FailingStore(open_store(), *names, error=error)
        return SerialGate(store, REPOSITORY, SerialRules(**rules), now=clock)

    return opened


# --- the queue fails open ---


@pytest.mark.parametrize("error", [MachineryError("on strike"), KeyError("a bug")])
def test_a_claim_proceeds_when_the_queue_s_condition_cannot_be_asked(
    gate: SerialGate, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise error

    started(gate, "A", "B")
    monkeypatch.setattr("pytest_malagate.queue.serial.next_task", broken)
    answer = gate.claim("other")
    assert answer.task is not None
    assert answer.task.task == "B"
    assert "the claim proceeds" in answer.warnings[0]


def test_a_claim_of_a_named_task_proceeds_when_the_queue_cannot_be_asked(
    gate: SerialGate, failing: OpenGate
) -> None:
    started(gate, "A", "B", "C")
    answer = failing("first").claim("other", task="C")
    assert answer.task is not None
    assert answer.task.task == "C"
    assert "on strike" in answer.warnings[0]


def test_an_open_claim_is_none_while_frozen(gate: SerialGate, failing: OpenGate) -> None:
    gate.add("A", "somebody")
    gate.freeze("on fire", TRIAGER)
    refused = failing("first").claim("agent", task="A").refused
    assert refused is not None
    assert refused.code == "freeze.active"


@pytest.mark.parametrize("question", ["task", "tasks"])
def test_a_place_that_cannot_be_asked_lets_pass_with_a_warning(
    gate: SerialGate, failing: OpenGate, question: str
) -> None:
    started(gate, "A", "B")
    assert not gate.admission("B").admitted
    answer = failing(question).admission("B")
    assert answer.admitted
    assert "it holds nobody up" in answer.warnings[-1]


# --- the freeze fails closed ---


@pytest.mark.parametrize("landing", [True, False])
def test_who_cannot_read_the_freeze_is_frozen(
    gate: SerialGate, failing: OpenGate, landing: bool
) -> None:
    started(gate, "A", "B")
    broken = failing("freezes")
    for task in ("A", "B"):
        answer = broken.admission(task, landing=landing)
        assert (answer.admitted, answer.code) == (False, "freeze.active")
        assert "could not be read" in answer.reason
        assert "on strike" in answer.reason
    refused = broken.claim("other").refused
    assert refused is not None
    assert refused.code == "freeze.active"


def test_a_freeze_that_cannot_be_read_does_not_stop_what_runs(
    gate: SerialGate, failing: OpenGate
) -> None:
    task = started(gate, "A")
    assert task.claim is not None
    assert failing("freezes").renew("A", task.claim.id).admitted
    assert not failing("freezes").admission("A").stop


def test_with_the_freeze_layer_off_a_broken_freeze_is_not_asked(
    gate: SerialGate, failing: OpenGate
) -> None:
    gate.add("A", "somebody")
    broken = failing("freezes", freeze_enabled=False)
    assert broken.admission("A").admitted
    assert claimed(broken).task == "A"


def test_without_a_store_everything_is_frozen_or_with_the_layer_off_open(
    failing: OpenGate,
) -> None:
    closed = failing(*EVERYTHING).admission("A")
    assert (closed.admitted, closed.code) == (False, "freeze.active")
    opened = failing(*EVERYTHING, freeze_enabled=False).admission("A")
    assert opened.admitted
    assert "on strike" in opened.warnings[-1]


# --- what is told ---


@pytest.mark.parametrize("question", ["session", "tasks"])
def test_the_status_of_a_broken_store_is_flags_and_empty_lists(
    failing: OpenGate, question: str
) -> None:
    status = failing(question, "ledger_head").status(verify=True)
    assert (status.enabled, status.freeze_enabled, status.frozen) == (True, True, True)
    assert (status.active, status.waiting, status.freezes) == (None, (), ())
    assert status.problem == "the store is on strike"
    assert "repair the store" in status.next
    assert not failing(question, freeze_enabled=False).status().frozen


def test_freezes_that_cannot_be_read_leave_the_queue_in_view(
    gate: SerialGate, failing: OpenGate
) -> None:
    started(gate, "A", "B")
    status = failing("freezes").status()
    assert (status.active, len(status.waiting), status.frozen) == ("A", 1, True)
    assert status.problem == "the store is on strike"


@pytest.mark.parametrize("question", ["ledger", "ledger_head"])
def test_a_ledger_that_cannot_be_read_is_not_whole_and_hides_nothing(
    gate: SerialGate, failing: OpenGate, question: str
) -> None:
    started(gate, "A")
    status = failing(question).status(verify=True)
    assert (status.active, status.frozen, status.ledger_ok) == ("A", False, False)
    assert failing(question).status().ledger_ok is False
    assert failing(question).status(verify=False).ledger_ok is None


@pytest.mark.parametrize("question", ["session", "put", "append", "next_number"])
def test_what_could_not_be_written_is_an_error_and_changes_nothing(
    gate: SerialGate, failing: OpenGate, question: str
) -> None:
    started(gate, "A", "B")
    before = gate.status(verify=True)
    broken = failing(question)
    for call in (
        lambda: broken.add("C", "somebody"),
        lambda: broken.requeue("A", "somebody"),
        lambda: failing(question, enabled=False).claim("other"),
    ):
        with pytest.raises(MachineryError, match="on strike"):
            call()
    assert gate.status(verify=True) == before


@pytest.mark.parametrize("question", ["session", "put_freeze", "append", "next_number"])
def test_a_freeze_that_could_not_be_set_is_an_error(failing: OpenGate, question: str) -> None:
    with pytest.raises(MachineryError, match="on strike"):
        failing(question).freeze("on fire", TRIAGER)
    assert failing().status(verify=True).freezes == ()


@pytest.mark.parametrize("question", ["session", "freezes", "clear_freeze", "append"])
def test_a_freeze_that_could_not_be_cleared_stands(
    gate: SerialGate, failing: OpenGate, question: str
) -> None:
    gate.freeze("one", TRIAGER)
    gate.freeze("two", TRIAGER)
    with pytest.raises(MachineryError, match="on strike"):
        failing(question).unfreeze(MAINTAINER, "fixed")
    status = gate.status(verify=True)
    assert (len(status.freezes), status.ledger_ok) == (2, True)


def test_an_exclusive_session_that_ends_by_an_exception_leaves_nothing(
    gate: SerialGate, open_store: OpenStore
) -> None:
    task = started(gate, "A")
    before = gate.status(verify=True)
    with pytest.raises(KeyboardInterrupt), open_store().exclusive(REPOSITORY) as session:
        session.put(task)
        session.next_number("fence")
        session.clear_freeze(1)
        assert session.next_number("ticket") == 2
        raise KeyboardInterrupt
    assert gate.status(verify=True) == before
    with open_store().exclusive(REPOSITORY) as session:
        assert session.next_number("ticket") == 2


def test_a_session_for_reading_writes_nothing(gate: SerialGate, open_store: OpenStore) -> None:
    task = started(gate, "A")
    with pytest.raises(MachineryError), open_store().reading(REPOSITORY) as session:
        session.put(task)


def test_a_session_for_reading_sees_one_moment(gate: SerialGate, open_store: OpenStore) -> None:
    gate.add("A", "somebody")
    with open_store().reading(REPOSITORY) as session:
        gate.add("B", "somebody")
        gate.freeze("on fire", TRIAGER)
        assert [task.task for task in session.tasks("waiting")] == ["A"]
        assert session.freezes() == ()
    assert gate.status().frozen


def test_who_asks_wrongly_changes_nothing(gate: SerialGate) -> None:
    started(gate, "A")
    before = gate.status(verify=True)
    with pytest.raises(UsageError):
        gate.finish("A", "other", claim="not mine")
    assert gate.status(verify=True) == before
