"""A run beyond table K: the ancestor's faults, refusals, releases, watching, callbacks that raise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_malagate.coordinate.coordinator import CoordinatorConfig, IssueExecutionCoordinator
from pytest_malagate.coordinate.outcomes import Refused
from pytest_malagate.errors import UsageError
from tests.coordinate.scene import (
    BACK,
    BROKEN,
    BUSY,
    DONE,
    REFUSED,
    Scene,
    issue,
    now,
    outage,
    virtually,
)

# --- the ancestor's table: what it did is in the comment where it is done otherwise here ---


def test_an_abort_before_the_start_polls_nothing() -> None:
    scene = Scene("a")
    coordinator = scene.make()
    coordinator.request_abort("first")
    coordinator.request_abort("second")
    result = virtually(coordinator.run())
    assert (result.exit_reason, scene.polls) == ("aborted: first", [])
    assert (scene.aborts, scene.told("aborted")) == ([("first", ())], ["first"])


def test_all_starts_are_refused_for_good() -> None:
    # There: it ended as if nothing had been ready.
    scene = Scene("a", "b", a=REFUSED, b=REFUSED)
    result = scene.run()
    assert (result.started, result.failed, result.exit_code) == (0, ("a", "b"), 1)


def test_a_failed_issue_is_not_offered_again() -> None:
    scene = Scene("a", "b", a=[BROKEN, DONE])
    result = scene.run(max_agents=1)
    assert (scene.starts, result.failed, result.completed) == (["a", "b"], ("a",), ("b",))


def test_an_id_that_stands_in_one_list_twice_starts_once() -> None:
    scene = Scene("a", "a", issue("a", priority=0))
    assert (scene.run(max_agents=3).started, scene.starts) == (1, ["a"])


def test_the_limit_counts_failures_too_and_is_exact() -> None:
    scene = Scene(*"abcde", a=BROKEN)
    result = scene.run(max_agents=5, max_issues=2)
    assert (scene.starts, result.exit_code) == (["a", "b"], 1)


def test_any_exception_of_the_provider_is_a_failed_poll() -> None:
    # There: it escaped, and left the running work to itself.
    scene = Scene("a")
    scene.answers = [KeyError("issues"), RuntimeError(), asyncio.CancelledError()]
    result = scene.run()
    assert result.exit_reason == "poll failed 3 times: CancelledError"
    assert scene.told("poll_failed") == ["KeyError: 'issues'", "RuntimeError", "CancelledError"]


def test_what_the_author_of_the_issues_got_wrong_is_told_at_once() -> None:
    scene = Scene("a")
    scene.answers = [UsageError("issues.yaml:1:1: no")]
    with pytest.raises(UsageError, match=r"issues\.yaml"):
        scene.run()
    assert len(scene.polls) == 1


def test_a_file_that_is_being_edited_is_read_again() -> None:
    scene = Scene("a", takes=100)
    scene.answers = [[issue("a")], UsageError("half a file")]
    result = scene.run(max_agents=2, poll_seconds=60)
    assert (result.exit_code, scene.told("poll_failed")) == (0, ["half a file"])


# --- refusals that pass ---


def test_what_waits_is_asked_for_again_when_something_has_ended() -> None:
    scene = Scene("a", "b", b=[BUSY, DONE])
    result = scene.run(max_agents=2)
    assert (result.completed, scene.most, result.exit_code) == (("a", "b"), 1, 0)


def test_what_waits_is_asked_for_again_while_something_runs() -> None:
    scene = Scene("a", "b", takes=150, b=[BUSY, BUSY, DONE])
    result = scene.run(max_agents=2, poll_seconds=60)
    assert (result.started, scene.ended_at) == (2, 120 + 150)
    assert scene.told("waiting") == ["b: somebody else has it"]


def test_a_run_in_which_all_waits_ends_and_says_so() -> None:
    scene = Scene("a", "b", a=BUSY, b=BUSY)
    result = scene.run(max_agents=2, max_issues=2)
    assert (result.started, result.failed) == (0, ())
    assert (result.exit_code, result.exit_reason) == (4, "waiting (2)")
    assert (len(scene.polls), scene.ended_at) == (1, 0)


def test_a_failure_weighs_more_than_what_waits() -> None:
    result = Scene("a", "b", a=BUSY, b=REFUSED).run()
    assert (result.exit_code, result.exit_reason) == (1, "waiting (1)")


def test_watching_asks_again_after_a_while_and_not_at_once() -> None:
    scene = Scene("a", a=[BUSY, BUSY, DONE])
    result = scene.run(watch=True, poll_seconds=30, after={95: scene.ask("interrupt")})
    assert (result.completed, scene.told("waiting")) == (("a",), ["a: somebody else has it"])
    assert [moment - scene.polls[0] for moment in scene.polls] == [0, 30, 60, 70]


def test_the_freeze_is_asked_immediately_before_each_start() -> None:
    asked: list[str] = []
    frozen = Refused(kind="waiting", reason="frozen by maintainer")

    async def ready_to_start(one: Any) -> Refused | None:
        asked.append(one.id)
        return frozen if len(asked) > 2 else None

    scene = Scene("a", "b", "c", "d")
    result = scene.run(max_agents=1, ready_to_start=ready_to_start)
    assert (scene.starts, result.exit_reason) == (["a", "b"], "waiting (2)")
    assert asked[:4] == ["a", "b", "c", "d"]
    assert scene.told("waiting") == ["c: frozen by maintainer", "d: frozen by maintainer"]


def test_a_freeze_that_cannot_be_asked_about_holds_everything_up() -> None:
    async def ready_to_start(one: Any) -> Refused | None:
        raise outage("the store is away")

    scene = Scene("a")
    result = scene.run(ready_to_start=ready_to_start)
    assert (result.started, result.exit_code) == (0, 4)
    assert scene.told("waiting") == ["a: it could not be asked: the store is away"]


def test_an_interrupt_between_the_question_and_the_start_is_obeyed() -> None:
    scene = Scene("a")

    async def ready_to_start(one: Any) -> Refused | None:
        scene.coordinator.interrupt()
        return None

    assert scene.run(ready_to_start=ready_to_start).exit_code == 130
    assert scene.starts == []


# --- releases ---


def test_a_released_issue_does_not_count_and_returns_when_another_one_has_ended() -> None:
    scene = Scene("a", "b", a=[BACK, DONE])
    result = scene.run(max_agents=1, max_issues=2)
    assert (scene.starts, result.completed, result.failed) == (["a", "b", "a"], ("b", "a"), ())
    assert (result.started, result.exit_reason) == (3, "limit_reached (2)")


def test_issues_that_are_released_for_ever_do_not_keep_a_run_going() -> None:
    scene = Scene("a", "b", a=BACK, b=BACK)
    result = scene.run(max_agents=2)
    assert (result.started, result.exit_code, result.exit_reason) == (2, 4, "waiting (2)")


def test_watching_a_released_issue_takes_its_time() -> None:
    scene = Scene("a", takes=1, a=BACK)
    scene.run(watch=True, poll_seconds=60, after={200: scene.ask("drain")})
    assert len(scene.starts) == 4


def test_a_cancelled_task_has_released_its_issue() -> None:
    scene = Scene("a")
    tasks: list[asyncio.Task[Any]] = []

    async def spawn(one: Any) -> Any:
        tasks.append(await scene.spawn(one))  # type: ignore[arg-type]
        return tasks[-1]

    scene.run(
        after={5: lambda: tasks.pop().cancel(), 200: scene.ask("drain")}, spawn=spawn, watch=True
    )
    assert scene.finals == [("a", "released"), ("a", "completed")]


# --- polling, watching, draining ---


def test_ten_ready_issues_take_two_polls() -> None:
    scene = Scene(*"abcdefghij", takes=1)
    assert scene.run(max_agents=1).started == 10
    assert len(scene.polls) == 2


def test_a_list_that_has_grown_old_is_asked_for_again_and_the_urgent_goes_first() -> None:
    scene = Scene("a", "b", "c", takes=50)
    scene.run(
        max_agents=1,
        poll_seconds=60,
        after={55: lambda: scene.issues.append(issue("urgent", priority=0))},
    )
    assert scene.starts == ["a", "b", "urgent", "c"]


def test_follow_up_work_of_the_last_issue_is_found_at_once() -> None:
    scene = Scene("a", "b")

    def finalize(one: Any, outcome: Any) -> bool:
        if one.id == "a":
            scene.issues.append(issue("more", priority=0))
        return bool(one.id == "a")

    scene.on_finalize = finalize
    scene.run(max_agents=1)
    assert scene.starts == ["a", "more", "b"]


def test_follow_up_work_goes_through_the_same_filter() -> None:
    scene = Scene("a")

    def finalize(one: Any, outcome: Any) -> bool:
        scene.issues.append(issue("more"))
        return True

    scene.on_finalize = finalize
    scene.run(only_ids=("a",))
    assert scene.starts == ["a"]


def test_a_blocked_issue_starts_when_its_blocker_has_completed() -> None:
    scene = Scene(issue("b", blocked_by=("a",), priority=0), "a", forgetful=True)
    assert scene.run(max_agents=2).completed == ("a", "b")


def test_a_failed_blocker_still_blocks_and_that_is_told_once_at_the_end() -> None:
    scene = Scene(issue("b", blocked_by=("a",)), "a", a=BROKEN)
    result = scene.run(max_agents=2)
    assert (result.exit_code, result.exit_reason) == (1, "blocked (1)")
    assert scene.starts == ["a"]
    assert scene.told("blocked") == ["b: blocked by a, which failed"]
    assert [event.kind for event in scene.events[-2:]] == ["blocked", "ended"]


@pytest.mark.parametrize(
    ("issues", "left"),
    [
        ([issue("a", status="blocked")], ["a"]),
        ([issue("e", is_epic=True), issue("c", epic="e"), issue("b", blocked_by=("e",))], ["b"]),
        ([issue("a", blocked_by=("b",)), issue("b", blocked_by=("a",)), issue("c")], ["a", "b"]),
    ],
    ids=["status", "an epic", "a circle"],
)
def test_issues_that_cannot_start_are_no_success(issues: Any, left: list[str]) -> None:
    scene = Scene(*issues)
    result = scene.run()
    assert (result.exit_code, result.exit_reason) == (4, f"blocked ({len(left)})")
    assert [event.issue for event in scene.events if event.kind == "blocked"] == left


def test_what_waits_and_what_is_blocked_by_it_are_both_told() -> None:
    scene = Scene("a", issue("b", blocked_by=("a",)), a=BUSY)
    assert scene.run().exit_reason == "waiting (1), blocked (1)"
    assert scene.told("waiting", "blocked") == ["a: somebody else has it", "b: blocked by a"]


@pytest.mark.parametrize("call", ["drain", "interrupt", "request_abort"])
def test_a_run_that_was_ended_says_nothing_of_what_is_blocked(call: str) -> None:
    scene = Scene("a", issue("b", blocked_by=("a",)))
    arguments = ["why"] if call == "request_abort" else []
    scene.run(after={3: scene.ask(call, *arguments)})
    assert scene.told("blocked") == []


def test_watching_says_once_what_is_blocked_and_starts_it_when_it_no_longer_is() -> None:
    scene = Scene(issue("a", status="blocked"))

    def unblock() -> None:
        scene.issues = [issue("a")]

    result = scene.run(watch=True, poll_seconds=30, after={400: unblock, 500: scene.ask("drain")})
    assert result.completed == ("a",)
    assert scene.told("blocked") == ["a: its status is blocked"]
    assert scene.told("idle")[:2] == ["1 blocked", "1 blocked"]


def test_an_epic_that_nobody_knows_is_told() -> None:
    scene = Scene(issue("e", is_epic=True), issue("c", epic="e"))
    assert scene.run(epic_id="nope").exit_reason == "none_ready"
    assert scene.told("warning") == ["no open issue is part of an epic nope"]
    scene = Scene(issue("e", is_epic=True))
    scene.run(epic_id="e")
    assert scene.told("warning") == []


def test_watching_says_now_and_then_that_nothing_is_ready() -> None:
    scene = Scene()
    result = scene.run(watch=True, after={1000: scene.ask("drain")})
    assert (result.exit_code, result.exit_reason) == (0, "drained")
    assert len(scene.polls) == 17
    assert [event.at - scene.polls[0] for event in scene.events if event.kind == "idle"] == [
        0,
        300,
        600,
        900,
    ]


def test_a_drain_awaits_what_runs() -> None:
    scene = Scene("a", "b")
    result = scene.run(max_agents=1, after={1: scene.ask("drain")})
    assert (result.completed, result.exit_reason, scene.ended_at) == (("a",), "drained", 10)
    assert scene.told("draining") == ["1 running"]


def test_an_interrupt_does_not_wait_for_a_poll_that_hangs() -> None:
    scene = Scene()

    async def never() -> Any:
        await asyncio.sleep(1e6)

    scene.answer = never  # type: ignore[method-assign]
    result = scene.run(after={3: scene.ask("interrupt")})
    assert (result.exit_code, scene.ended_at) == (130, 3)


@pytest.mark.parametrize(
    "calls", [["drain", "abort", "interrupt"], ["interrupt", "drain", "abort"]]
)
def test_an_interrupt_weighs_more_than_an_abort_and_that_more_than_a_drain(
    calls: list[str],
) -> None:
    scene = Scene("a")
    coordinator = scene.make()
    does = {
        "drain": coordinator.drain,
        "abort": lambda: coordinator.request_abort("why"),
        "interrupt": coordinator.interrupt,
    }
    for call in calls:
        does[call]()
    result = virtually(coordinator.run())
    assert result.exit_code == 130
    assert scene.aborts == [("why", ())]


def test_the_limit_may_change_while_it_runs() -> None:
    scene = Scene(*"abcd")
    result = scene.run(max_agents=1, max_issues=4, after={15: scene.ask("set_max_issues", 2)})
    assert (result.started, result.exit_reason) == (2, "limit_reached (2)")


def test_ids_that_nobody_knows_are_told_once() -> None:
    scene = Scene("a", takes=100)
    scene.run(only_ids=("a", "x", "y", "done"), completed=["done"], max_agents=2)
    assert scene.told("warning") == ["no such issue: x, y"]
    assert len(scene.polls) > 1


def test_what_earlier_runs_completed_is_not_started_and_blocks_nothing() -> None:
    scene = Scene("a", issue("b", blocked_by=("a",)))
    result = scene.run(completed=["a"])
    assert (scene.starts, result.completed) == (["b"], ("b",))


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [("interrupt", {"cancel": True}, 130), ("request_abort", {"reason": "why"}, 3)],
)
def test_what_starts_while_a_run_is_stopped_is_stopped_too(
    call: str, arguments: Any, code: int
) -> None:
    scene = Scene("a", "b")

    async def spawn(one: Any) -> Any:
        await asyncio.sleep(5)
        return await scene.spawn(one)

    result = scene.run(spawn=spawn, max_agents=2, after={3: scene.ask(call, **arguments)})
    assert (result.exit_code, scene.finals, scene.ended_at) == (code, [("a", "released")], 5)


def test_a_clock_that_is_set_back_does_not_put_off_the_next_poll() -> None:
    scene = Scene()
    times = iter([10_000.0, 10_000.0])
    config = CoordinatorConfig(watch=True, poll_seconds=60)
    coordinator = IssueExecutionCoordinator(
        scene.provider(),
        config,
        spawn=scene.spawn,
        finalize=scene.finalize,
        now=lambda: next(times, None) or now(),
    )

    async def main() -> None:
        run = asyncio.create_task(coordinator.run())
        await asyncio.sleep(200)
        coordinator.drain()
        await run

    virtually(main())
    assert len(scene.polls) > 3


def test_an_ended_run_cannot_be_asked_for_anything() -> None:
    scene = Scene()
    scene.run()
    events = list(scene.events)
    scene.coordinator.interrupt()
    scene.coordinator.drain()
    scene.coordinator.request_abort("late")
    assert scene.events == events


# --- callbacks that raise ---


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()], ids=repr)
def test_a_finalizer_that_raises_fails_its_issue_and_no_other(error: BaseException) -> None:
    scene = Scene("a", "b")

    def finalize(one: Any, outcome: Any) -> bool:
        if one.id == "a":
            raise error
        return False

    scene.on_finalize = finalize
    result = scene.run(max_agents=2)
    assert (result.failed, result.completed, result.exit_code) == (("a",), ("b",), 1)
    assert scene.told("failed")[0].startswith("a: it could not be finalized: ")


def test_work_that_raises_or_says_nothing_has_failed() -> None:
    scene = Scene("a", "b")

    async def spawn(one: Any) -> Any:
        async def work() -> Any:
            if one.id == "a":
                raise ValueError("no")

        return asyncio.create_task(work())

    assert scene.run(spawn=spawn, max_agents=2).failed == ("a", "b")
    assert scene.told("failed") == [
        "a: ValueError: no",
        "b: it ended without an outcome (NoneType)",
    ]


def test_an_abort_callback_that_raises_leaves_nothing_running() -> None:
    async def abort(reason: str, running: Any) -> None:
        raise ValueError("no")

    scene = Scene("a")
    result = scene.run(abort=abort, after={4: scene.ask("request_abort", "why")})
    assert (result.exit_code, scene.finals, scene.ended_at) == (3, [("a", "released")], 4)
    assert scene.told("warning") == ["the abort callback failed: ValueError: no"]


def test_a_listener_that_raises_is_told_so_once_and_stops_nothing() -> None:
    heard: list[str] = []

    def on_event(event: Any) -> None:
        heard.append(event.kind)
        raise ValueError("no")

    assert Scene("a").run(on_event=on_event).completed == ("a",)
    assert heard.count("warning") == 1


def test_a_cancelled_run_leaves_nothing_running_and_finalizes_it() -> None:
    scene = Scene("a", "b")

    async def main() -> None:
        run = asyncio.create_task(scene.make(max_agents=2).run())
        await asyncio.sleep(3)
        run.cancel()
        await run

    with pytest.raises(asyncio.CancelledError):
        virtually(main())
    assert sorted(scene.finals) == [("a", "released"), ("b", "released")]


def test_what_cleans_up_is_not_cancelled_a_second_time() -> None:
    scene = Scene("a")
    cleaned: list[bool] = []

    async def spawn(one: Any) -> Any:
        async def work() -> Any:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(5)
                cleaned.append(True)

        return asyncio.create_task(work())

    stop = scene.ask("interrupt", cancel=True)
    abort = scene.ask("request_abort", "why")
    scene.run(spawn=spawn, after={2: stop, 3: stop, 4: abort})
    assert (cleaned, scene.ended_at) == ([True], 7)


def test_a_coordinator_runs_once() -> None:
    scene = Scene()
    scene.run()
    with pytest.raises(UsageError):
        virtually(scene.coordinator.run())
