"""Telling: an error about one head keeps no other from hearing, and nobody is passed over for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_malagate.admission.statuses import CONTEXT
from pytest_malagate.admission.telling import IN_A_ROW
from pytest_malagate.github.control import READY, find_control
from pytest_malagate.github.sweep_memory import FAILED, SweepMemory, read_memory, write_memory
from tests.admission.scene import MAJA, NAME, processes_apart
from tests.admission.test_sweep import Floor
from tests.twin import Twin
from tests.twin.scheduler import Died, Once


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with processes_apart():
        yield Floor(Twin(tmp_path, checked=False))


def told_before(floor: Floor, count: int) -> list[Any]:
    """So many pull requests that were told that they may land, before it was frozen."""
    pulls = [floor.pull(f"t{n}") for n in range(count)]
    floor.sweep()
    floor.gate().freeze("on fire", MAJA)
    return pulls


def fails(floor: Floor, *pulls: Any, kind: str = "500", **given: Any) -> None:
    """Statuses of these heads cannot be written from now on."""
    for pull in pulls:
        path = rf"/statuses/{pull.head_sha}"
        floor.twin.faults.add(kind, method="POST", path=path, times=9999, **given)


def states(floor: Floor, pulls: list[Any]) -> list[str]:
    return [(floor.told(pull) or ("",))[0] for pull in pulls]


def tried(floor: Floor, since: int) -> list[str]:
    """The heads whose status somebody wanted to write, in order, each once."""
    paths = [r.path for r in floor.twin.requests[since:] if "/statuses/" in r.path]
    return list(dict.fromkeys(path.rpartition("/")[2] for path in paths))


def memory(floor: Floor) -> SweepMemory:
    control = find_control(floor.client(), floor.control.number)
    assert control is not None
    return read_memory(control.memory)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("kind", ["500", "html", "reset", "not-found"])
def test_one_head_that_cannot_be_told_keeps_nobody_else_from_it(
    floor: Floor, which: int, kind: str
) -> None:
    pulls = told_before(floor, 3)
    fails(floor, pulls[which], kind=kind)
    done = floor.sweep(patience=0.0)
    assert states(floor, pulls).count("failure") == 2
    assert (floor.told(pulls[which]) or ("",))[0] == "success"
    assert (done.statuses_written, done.unfinished) == (2, 1)
    assert done.untold.startswith("1 pull request was not told where it stands")
    assert f"#{pulls[which].number}: " in done.untold
    assert done.untold in done.notes
    floor.twin.faults.clear()
    assert floor.sweep().untold == ""
    assert states(floor, pulls) == ["failure"] * 3


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "secondary", "primary", "429"])
def test_what_is_wrong_for_all_is_tried_once_and_counted_for_all(floor: Floor, kind: str) -> None:
    pulls = told_before(floor, 4)
    fails(floor, *pulls, kind=kind)
    before = len(floor.twin.requests)
    done = floor.sweep(patience=0.0)
    assert len(tried(floor, before)) == 1
    assert (done.statuses_written, done.unfinished) == (0, 4)
    assert done.untold.startswith("4 pull requests were not told")


def test_a_github_that_writes_no_status_at_all_is_not_asked_for_each(floor: Floor) -> None:
    pulls = told_before(floor, IN_A_ROW + 3)
    fails(floor, *pulls)
    before = len(floor.twin.requests)
    done = floor.sweep(patience=0.0)
    assert len(tried(floor, before)) == IN_A_ROW
    assert done.untold.startswith(f"{IN_A_ROW + 3} pull requests were not told")
    assert len(done.notes) <= IN_A_ROW


def test_errors_with_others_between_them_end_nothing(floor: Floor) -> None:
    pulls = told_before(floor, 2 * IN_A_ROW + 4)
    bad, good = pulls[::2], pulls[1::2]
    fails(floor, *bad)
    done = floor.sweep(patience=0.0)
    assert set(states(floor, good)) == {"failure"}
    assert (len(bad), done.unfinished) == (IN_A_ROW + 2, IN_A_ROW + 2)


def test_heads_that_keep_failing_starve_nobody_and_take_turns(floor: Floor) -> None:
    """More of them than are tried in one sweep, and in front of all others."""
    pulls = told_before(floor, 2 * IN_A_ROW + 3)
    bad, good = pulls[-IN_A_ROW - 2 :], pulls[: -IN_A_ROW - 2]
    for pull in bad:
        pull.enable_auto_merge("maja")
    fails(floor, *bad)
    for _ in range(3):
        before = len(floor.twin.requests)
        floor.sweep(patience=0.0)
    assert set(states(floor, good)) == {"failure"}
    first = tried(floor, before)
    before = len(floor.twin.requests)
    floor.sweep(patience=0.0)
    second = tried(floor, before)
    assert len(first) == len(second) == IN_A_ROW
    assert {pull.head_sha for pull in bad} == {*first, *second}
    newcomer = floor.pull("new")
    before = len(floor.twin.requests)
    floor.sweep(patience=0.0)
    assert tried(floor, before)[0] == newcomer.head_sha


def test_who_failed_is_still_last_after_a_sweep_that_died(floor: Floor) -> None:
    pulls = told_before(floor, IN_A_ROW + 4)
    pulls[0].enable_auto_merge("maja")
    fails(floor, pulls[0])
    floor.sweep(patience=0.0)
    floor.gate().unfreeze(MAJA, "out")
    last = floor.sweep  # everybody is told anew, and the sweep dies at the first of them
    with pytest.raises(Died):
        last(before=Once(_die, method="POST", path="/statuses/"))
    before = len(floor.twin.requests)
    floor.sweep(patience=0.0)
    assert tried(floor, before)[-1] == pulls[0].head_sha


def _die() -> None:
    raise Died


def test_the_budget_s_end_is_no_error(floor: Floor) -> None:
    told_before(floor, 2)
    done = floor.sweep(options={"seconds": 0.0})
    assert (done.unfinished, done.untold) == (2, "")


def test_a_budget_that_ends_after_an_error_counts_only_the_error(floor: Floor) -> None:
    pulls = told_before(floor, 4)
    pulls[0].enable_auto_merge("maja")
    fails(floor, pulls[0])
    done = floor.sweep(patience=0.0, options={"seconds": 2.0})
    assert done.unfinished > 1
    assert done.untold.startswith("1 pull request was")


def test_a_list_of_pull_requests_that_cannot_be_read_is_nobody_told(floor: Floor) -> None:
    told_before(floor, 2)
    floor.twin.faults.add("502", path="/pulls", times=99)
    done = floor.sweep(patience=0.0)
    assert done.untold.startswith("nobody was told")


def test_a_head_that_was_pushed_over_meanwhile_is_the_next_sweep_s(floor: Floor) -> None:
    """GitHub knows no such commit any more: it is no error, and the new head is told."""
    (pull,) = told_before(floor, 1)
    real, pull.head_sha = pull.head_sha, "f" * 40
    done = floor.sweep()
    assert (done.untold, done.unfinished) == ("", 0)
    assert "No commit found" in done.notes[0]
    pull.head_sha = real
    floor.sweep()
    assert states(floor, [pull]) == ["failure"]


def test_a_commit_that_takes_no_more_statuses_was_not_told(floor: Floor) -> None:
    pulls = told_before(floor, 2)
    for _ in range(1000):
        floor.repo.add_status(pulls[0].head_sha, "success", CONTEXT)
    done = floor.sweep()
    assert done.untold.startswith("1 pull request was not told")
    assert states(floor, pulls) == ["success", "failure"]


def test_what_may_have_been_written_is_not_taken_for_what_was_told_before(floor: Floor) -> None:
    (pull,) = told_before(floor, 1)
    fails(floor, pull, kind="applied-502")
    assert floor.sweep(patience=0.0).untold
    assert states(floor, [pull]) == ["failure"]
    floor.twin.faults.clear()
    floor.gate().unfreeze(MAJA, "out")
    floor.sweep()
    assert states(floor, [pull]) == ["success"]


def test_memories_of_older_sweeps_are_read_and_failures_keep_their_order() -> None:
    old = {"swept_at": 5.0, "after": 3, "statuses": {"aaaaaaaaaaaa": "123456"}}
    assert read_memory(msgspec.msgpack.encode(old)).statuses == {"aaaaaaaaaaaa": "123456"}
    kept = SweepMemory(statuses={"b": FAILED, "c": "1", "a": FAILED})
    assert list(read_memory(write_memory(kept)).statuses) == ["b", "c", "a"]


# --- a sweep that tells nothing ---


def test_a_sweep_that_does_not_tell_orders_the_queue_and_leaves_the_rest_alone(
    floor: Floor,
) -> None:
    pull = floor.pull()
    floor.sweep()
    kept = memory(floor)
    issue = floor.repo.open_issue("work")
    issue.add_label(READY)
    floor.twin.advance(7200)
    before = len(floor.twin.requests)
    done = floor.sweep(options={"tells": False})
    assert done.added == (f"#{issue.number}",)
    assert [task.task for task in floor.gate().tasks()] == list(done.added)
    assert not any(
        "/pulls" in r.path or "/statuses/" in r.path for r in floor.twin.requests[before:]
    )
    assert memory(floor) == kept
    floor.sweep()
    assert states(floor, [pull]) == ["pending"]


def test_a_sweep_that_does_not_tell_puts_no_older_news_over_newer(floor: Floor) -> None:
    """It looks, then another process freezes and tells; that is what stands."""
    floor.sweep()
    pull = floor.pull()
    floor.repo.open_issue("work").add_label(READY)

    def meanwhile() -> None:
        floor.gate().freeze("on fire", MAJA)
        floor.sweep()

    once = Once(meanwhile, method="GET", path=rf"/repos/{NAME}/issues/events")
    floor.sweep(before=once, options={"tells": False})
    assert once.done
    assert states(floor, [pull]) == ["failure"]
