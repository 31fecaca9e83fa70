"""Set-up that is interrupted, or that two begin at once, and what must never be set up again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.control import CONTROL, LABELS, MARKER, Head, write_body
from pytest_malagate.queue.store import FreezeTrouble
from tests.admission.scene import AGENT, BOT, MAJA, NAME, PEOPLE, PERMISSIONS, processes_apart
from tests.admission.test_sweep import Floor
from tests.twin import Twin
from tests.twin.routing import Answer, Incoming
from tests.twin.scheduler import Died, Once, Turns


class Bare(Floor):
    """acme/shop, in which nothing is set up."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.repo = twin.repository(NAME)
        self.repo.commit("main", {"a.py": "x = 1", f".github/workflows/{AGENT}": "on: push"})
        for login, rank in PEOPLE.items():
            self.repo.permission(login, rank)
        twin.token("t-bot", self.repo, login=BOT, permissions=PERMISSIONS)

    def swept(self) -> Any:
        """A sweep as the action's: one that sets up."""
        return self.sweep(sets_up=True)

    @property
    def marked(self) -> list[Any]:
        return [one for one in self.repo.issues.values() if (one.body or "").startswith(MARKER)]

    def assert_sound(self) -> None:
        """All is there, once, and it is open."""
        assert LABELS.keys() <= self.repo.labels
        (one,) = [issue for issue in self.repo.issues.values() if CONTROL in issue.labels]
        assert [issue for issue in self.marked if issue.state == "open"] == [one]
        assert (one.author, one.locked, one.pinned) == (BOT, True, True)
        label = self.repo.labels_by_name[CONTROL]
        assert label.description == LABELS[CONTROL][1]
        status = self.gate().status()
        assert (status.frozen, status.problem) == (False, None)
        assert self.gate().add("#77", "alice").state == "waiting"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Bare]:
    twin = Twin(tmp_path)
    with processes_apart():
        yield Bare(twin)
    assert twin.violations == []


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Callable[..., Bare]]:
    """As many as one likes; what they answer is compared with the description elsewhere."""
    made = []

    def make(lag: int = 0) -> Bare:
        made.append(Bare(Twin(tmp_path / str(len(made)), checked=False)))
        made[-1].twin.lagging(lag)
        return made[-1]

    with processes_apart():
        yield make


def requests_of_set_up(make: Callable[..., Bare]) -> int:
    place = make()
    place.store().arm(NAME)
    return len(place.twin.requests)


class Dies:
    """Ends a process at its `nth` request: before it, or after it was carried out."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def before(self, _: Incoming) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died

    def after(self, _: Incoming, __: Answer | None) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died


def dies_before(place: Bare, nth: int) -> None:
    with pytest.raises(Died):
        place.store(before=Dies(nth).before).arm(NAME)


def dies_after(place: Bare, nth: int) -> None:
    with pytest.raises(Died):
        place.store(after=Dies(nth).after).arm(NAME)


def fails(kind: str, times: int) -> Callable[[Bare, int], None]:
    def trouble(place: Bare, nth: int) -> None:
        place.twin.faults.add(kind, nth=nth, times=times)
        store = place.store(patience=5.0)
        with contextlib.suppress(MachineryError):
            store.arm(NAME)
        place.twin.faults.clear()

    return trouble


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(dies_before, id="dies before"),
        pytest.param(dies_after, id="dies after"),
        pytest.param(fails("502", 1), id="502 once"),
        pytest.param(fails("502", 30), id="502 from then on"),
        pytest.param(fails("applied-502", 1), id="an answer lost"),
        pytest.param(fails("applied-reset", 30), id="answers lost from then on"),
        pytest.param(fails("forbidden", 30), id="refused from then on"),
    ],
)
@pytest.mark.parametrize("lag", [0, 3], ids=["", "lists lag"])
def test_a_set_up_that_ended_anywhere_is_finished_by_the_next_sweep(
    many: Callable[..., Bare], trouble: Callable[[Bare, int], None], lag: int
) -> None:
    for nth in range(1, requests_of_set_up(many) + 1):
        place = many(lag)
        trouble(place, nth)
        done = place.swept()
        assert done.problem is None, nth
        place.assert_sound()


def test_a_sweep_whose_own_set_up_fails_is_finished_by_the_next(bare: Bare) -> None:
    bare.twin.faults.add("502", method="POST", path="/issues$", times=9)
    assert bare.swept().frozen
    bare.twin.faults.clear()
    assert not bare.swept().frozen
    bare.assert_sound()


# --- two at once ---


def test_of_two_first_runs_the_later_takes_the_earlier_ones_issue(
    many: Callable[..., Bare],
) -> None:
    for nth in range(1, requests_of_set_up(many) + 1):
        place = many()
        numbers = []
        other = place.store()
        slow = Once(lambda: numbers.append(other.arm(NAME)), nth=nth)  # noqa: B023 - runs below
        numbers.append(place.store(before=slow).arm(NAME))
        assert slow.done
        assert numbers[0] == numbers[1], nth
        place.assert_sound()


@pytest.mark.parametrize("lag", [0, 2], ids=["", "lists lag"])
def test_of_two_first_runs_one_may_die_at_any_moment(many: Callable[..., Bare], lag: int) -> None:
    requests = requests_of_set_up(many)
    for nth in range(1, requests + 1):
        for dies_at in range(1 + (nth + lag) % 2, requests + 1, 2):
            place = many(lag)
            slow = Once(lambda: short_lived(place, dies_at), nth=nth)  # noqa: B023 - runs below
            place.store(before=slow).arm(NAME)
            assert place.swept().problem is None, (nth, dies_at)
            place.assert_sound()


def short_lived(place: Bare, dies_at: int) -> None:
    with contextlib.suppress(Died):
        place.store(after=Dies(dies_at).after).arm(NAME)


@pytest.mark.parametrize("lag", [0, 2], ids=["", "lists lag"])
def test_three_first_runs_in_any_order_end_with_one_control_issue(
    many: Callable[..., Bare], lag: int
) -> None:
    for seed in range(25):
        place, chance = many(lag), random.Random(seed)
        turns = Turns(chance.choice)
        numbers: list[int] = []

        def run(name: str) -> Callable[[], object]:
            store = place.store(before=lambda _: turns.pause(name))  # noqa: B023 - runs below
            return lambda: numbers.append(store.arm(NAME))  # noqa: B023 - runs below

        turns.run({name: run(name) for name in "abc"})
        assert len(numbers) == 3
        assert len(set(numbers)) == 1, seed
        assert place.swept().problem is None, seed
        place.assert_sound()


# --- what is not set up again ---


def unlabelled(place: Bare) -> None:
    place.control.remove_label(CONTROL)


def unlabelled_and_closed(place: Bare) -> None:
    issue = place.control
    issue.remove_label(CONTROL)
    issue.close()


def deleted(place: Bare) -> None:
    place.repo.delete_issue(place.control)


def moved(place: Bare) -> None:
    place.repo.transfer(place.control, place.twin.repository("mallory/elsewhere"))


def label_deleted(place: Bare) -> None:
    place.repo.delete_label(CONTROL)


@pytest.mark.parametrize("hand", [unlabelled, unlabelled_and_closed, deleted, moved, label_deleted])
def test_where_there_was_a_control_issue_it_stays_frozen(
    bare: Bare, hand: Callable[[Bare], None]
) -> None:
    bare.swept()
    bare.gate().freeze("on fire", MAJA)
    hand(bare)
    issues = len(bare.repo.issues)
    for _ in range(2):
        done = bare.swept()
        assert done.frozen
        assert CONTROL in (done.problem or "")
    assert len(bare.repo.issues) == issues


@pytest.mark.parametrize("hand", [unlabelled, unlabelled_and_closed, label_deleted])
def test_so_it_does_while_set_up_is_not_finished(bare: Bare, hand: Callable[[Bare], None]) -> None:
    """The label says that set-up has begun, yet the issue holds a freeze."""
    bare.twin.faults.add("503", method="PATCH", path="/labels/", times=30)
    bare.gate(patience=60.0).freeze("on fire", MAJA)
    bare.twin.faults.clear()
    assert not bare.control.locked
    number = bare.control.number
    hand(bare)
    done = bare.swept()
    assert done.frozen
    assert f"#{number} was the control issue" in (done.problem or "")
    assert len(bare.marked) == 1


def test_the_label_put_back_is_all_that_it_takes(bare: Bare) -> None:
    bare.swept()
    issue = bare.control
    issue.remove_label(CONTROL)
    assert bare.swept().frozen
    issue.add_label(CONTROL)
    assert not bare.swept().frozen
    bare.assert_sound()


def test_a_text_that_a_stranger_copied_stops_no_set_up(bare: Bare) -> None:
    stranger = bare.repo.open_issue("mine", body=f"{MARKER}\nis mine", author="mallory")
    stranger.comment(author="mallory", body="indeed")
    assert not bare.swept().frozen
    assert bare.control is not stranger
    stranger.body = "nothing"
    bare.assert_sound()


def test_a_person_who_may_write_is_no_stranger(bare: Bare) -> None:
    """A control issue that was set up with a person's own token."""
    issue = bare.repo.open_issue("the old one", body=f"{MARKER}\nold", author="walt")
    assert f"#{issue.number} was the control issue" in (bare.swept().problem or "")
    assert len(bare.repo.issues) == 1


# --- two that bear the label ---


def twin_of(bare: Bare, **given: Any) -> Any:
    """Another issue with the label and an empty ledger, as a second set-up would leave."""
    given = {"body": write_body("shown", Head(), b""), "author": BOT, "labels": (CONTROL,)} | given
    return bare.repo.open_issue("malagate: queue and freeze", **given)


def test_an_empty_second_one_of_ours_is_closed_by_the_next_sweep(bare: Bare) -> None:
    bare.swept()
    bare.gate().freeze("on fire", MAJA)
    second = twin_of(bare)
    status = bare.gate().status()
    assert (status.problem_code, len(status.freezes)) == (None, 1)
    done = bare.swept()
    assert any("empty one" in note for note in done.notes)
    assert (second.state, CONTROL in second.labels) == ("closed", False)
    assert bare.swept().notes == ()


def test_what_strangers_say_in_it_does_not_keep_it(bare: Bare) -> None:
    """It is not locked yet, and anybody may comment on it."""
    bare.swept()
    bare.gate().freeze("on fire", MAJA)
    second = twin_of(bare)
    second.comment(author="mallory", body="first!")
    assert bare.gate().status().problem_code is None
    bare.swept()
    assert second.state == "closed"


def test_the_one_that_holds_something_counts_whatever_its_number(bare: Bare) -> None:
    first = twin_of(bare, labels=())
    bare.swept()
    bare.gate().freeze("on fire", MAJA)
    first.add_label(CONTROL)
    assert len(bare.gate().status().freezes) == 1
    bare.swept()
    assert first.state == "closed"


@pytest.mark.parametrize(
    "given",
    [{"author": "mallory"}, {"author": "walt"}, {"body": "no control issue"}],
    ids=["a stranger's", "a person's", "another text"],
)
def test_any_other_second_one_freezes(bare: Bare, given: dict[str, Any]) -> None:
    bare.swept()
    bare.gate().freeze("on fire", MAJA)
    second = twin_of(bare, **given)
    assert bare.gate().status().problem_code == "freeze.control-ambiguous"
    bare.swept()
    assert second.state == "open"


def test_two_that_hold_something_freeze(bare: Bare) -> None:
    bare.swept()
    bare.gate().freeze("on fire", MAJA)
    twin_of(bare).comment(author=BOT, body="something")
    assert bare.gate().status().problem_code == "freeze.control-ambiguous"


def test_an_empty_control_issue_beside_another_text_of_the_bot_freezes(bare: Bare) -> None:
    bare.swept()
    twin_of(bare, body="a report", author=BOT)
    assert bare.gate().status().problem_code == "freeze.control-ambiguous"
    bare.swept()
    assert all(one.state == "open" for one in bare.repo.issues.values())


def second_run_beside(bare: Bare) -> None:
    other = bare.store()
    bare.store(before=Once(lambda: other.arm(NAME), method="POST", path="/issues$")).arm(NAME)


def second_that_a_sweep_closed(bare: Bare) -> None:
    bare.swept()
    bare.gate().add("#5", "alice")
    twin_of(bare)
    bare.swept()


def second_whose_end_failed(bare: Bare) -> None:
    bare.twin.faults.add("forbidden", method="PATCH", path="/issues/", times=1)
    with contextlib.suppress(MachineryError):
        second_run_beside(bare)
    bare.swept()


@pytest.mark.parametrize(
    "second", [second_run_beside, second_that_a_sweep_closed, second_whose_end_failed]
)
def test_one_that_was_given_up_is_never_the_control_issue_again(
    bare: Bare, second: Callable[[Bare], None]
) -> None:
    """Whoever may triage moves labels, and reopens: that must not forget a freeze."""
    second(bare)
    (spare,) = [one for one in bare.repo.issues.values() if CONTROL not in one.labels]
    bare.gate().freeze("on fire", MAJA)
    tina = bare.twin.user("tina")
    bare.control.remove_label(CONTROL, tina)
    spare.state = "open"
    spare.add_label(CONTROL, tina)
    for issue in bare.repo.issues.values():
        issue.remove_label("malagate:frozen", tina)
    status = bare.gate().status(verify=False)
    assert (status.frozen, status.problem_code) == (True, "freeze.control-edited")


# --- the lock ---


def test_an_unlocked_control_issue_is_locked_by_the_next_sweep_which_says_so(bare: Bare) -> None:
    bare.swept()
    bare.control.locked = False
    done = bare.swept()
    assert any("was not locked" in note for note in done.notes)
    assert bare.control.locked
    assert bare.swept().notes == ()


def test_whoever_writes_locks_it_and_so_does_rearming(bare: Bare) -> None:
    bare.swept()
    bare.control.locked = False
    bare.gate().add("#5", "alice")
    assert bare.control.locked
    bare.control.locked = False
    bare.store().rearm(NAME, "maja", "to see", 1.0)
    assert bare.control.locked


def test_a_lock_that_cannot_be_had_keeps_no_freeze_away(bare: Bare) -> None:
    bare.swept()
    bare.control.locked = False
    bare.twin.faults.add("forbidden", method="PUT", path="/lock", times=30)
    bare.gate().freeze("on fire", MAJA)
    assert bare.gate().status().freezes[0].reason == "on fire"
    done = bare.swept()
    assert any("lock" in note for note in done.notes)


def test_a_dry_run_locks_nothing(bare: Bare) -> None:
    bare.swept()
    bare.control.locked = False
    bare.sweep(dry_run=True)
    assert not bare.control.locked


def test_that_it_is_locked_costs_an_ordinary_sweep_nothing(bare: Bare) -> None:
    bare.swept()
    bare.swept()
    assert bare.swept().requests == bare.sweep().requests


def test_a_token_that_may_not_label_leaves_no_open_issue(bare: Bare) -> None:
    bare.twin.faults.add("502", method="POST", path="/issues$", times=9)
    assert bare.swept().frozen
    bare.twin.faults.clear()
    bare.twin.token("t-rita", bare.repo, login="rita")
    with pytest.raises((MachineryError, FreezeTrouble)):
        bare.store(token="t-rita").arm(NAME)
    assert [one for one in bare.marked if one.state == "open"] == []
    assert not bare.swept().frozen
    bare.assert_sound()
