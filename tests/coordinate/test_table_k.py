"""Table K of the acceptance: each row by its name."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.outcomes import RunResult
from pytest_malagate.errors import UsageError
from tests.coordinate.scene import BROKEN, REFUSED, Scene, issue, outage


def test_k1_nothing_is_ready() -> None:
    scene = Scene()
    expected = RunResult(started=0, completed=(), failed=(), exit_code=0, exit_reason="none_ready")
    assert scene.run() == expected
    assert len(scene.polls) == 1
    assert scene.told("ended") == ["none_ready"]


def test_k2_two_run_and_the_third_starts_when_one_ends() -> None:
    scene = Scene("a", "b", "c")
    result = scene.run(max_agents=2)
    assert (result.started, result.completed, result.exit_code) == (3, ("a", "b", "c"), 0)
    assert (scene.most, scene.ended_at) == (2, 20)
    kinds = [event.kind for event in scene.events if event.issue]
    assert kinds == ["started", "started", "finished", "finished", "started", "finished"]


@pytest.mark.parametrize("agents", [1, 2, 5])
def test_k3_the_limit_ends_the_run(agents: int) -> None:
    scene = Scene("a", "b", "c")
    result = scene.run(max_agents=agents, max_issues=2)
    assert (result.started, result.exit_code) == (2, 0)
    assert result.exit_reason == "limit_reached (2)"
    assert scene.told("limit") == ["limit_reached (2)"]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (REFUSED, "a: it cannot be done"),
        (ValueError("no such agent"), "a: ValueError: no such agent"),
        (outage("no disk"), "a: no disk"),
        (None, "a: no task came of it (NoneType)"),
    ],
    ids=["refused", "raised", "machinery", "nothing"],
)
def test_k4_a_failed_start_takes_no_room_and_does_not_count(trouble: Any, told: str) -> None:
    scene = Scene("a", "b", "c", a=trouble)
    result = scene.run(max_agents=2, max_issues=2)
    assert (result.started, result.completed, result.failed) == (2, ("b", "c"), ("a",))
    assert (result.exit_reason, result.exit_code) == ("limit_reached (2)", 1)
    assert scene.told("refused") == [told]
    assert (scene.most, scene.ended_at) == (2, 10)
    assert [name for name, _ in scene.finals] == ["b", "c"]


def test_k5_an_abort_while_finalizing_is_one_abort_with_the_first_reason() -> None:
    scene = Scene("a", "b", takes=10)

    def finalize(one: Any, outcome: Any) -> bool:
        scene.coordinator.request_abort(f"{one.id} is lost")
        scene.coordinator.request_abort("and this, too")
        return False

    scene.on_finalize = finalize
    scene.script = {"a": [BROKEN]}
    result = scene.run(
        after={5: lambda: scene.issues.append(issue("c"))}, max_agents=3, poll_seconds=6
    )
    # b ended together with a; c had four seconds to go.
    assert scene.aborts == [("a is lost", ("c",))]
    assert scene.told("aborted") == ["a is lost"]
    assert (result.exit_code, result.exit_reason) == (3, "aborted: a is lost")
    assert scene.finals == [("a", "failed"), ("b", "completed"), ("c", "released")]
    assert scene.ended_at == 10


K6 = [
    issue("low", priority=3, updated_at=1),
    issue("old", priority=1, updated_at=2, epic="E"),
    issue("new", priority=1, updated_at=9, epic="E"),
    issue("late", priority=4, updated_at=3, epic="E"),
    issue("urgent", priority=0, updated_at=1, epic="F"),
    issue("wip", priority=4, updated_at=1, epic="F", status="in_progress"),
    issue("E", is_epic=True),
    issue("F", is_epic=True),
]


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({}, "urgent new old late low"),
        ({"focus": False}, "urgent old new low late"),
        ({"resume": True}, "urgent wip new old late low"),
        ({"prioritize_wip": True}, "wip urgent new old late low"),
        ({"prioritize_wip": True, "focus": False}, "wip urgent old new low late"),
        ({"epic_id": "E"}, "new old late"),
        ({"epic_id": "nowhere"}, ""),
        ({"epic_id": ""}, ""),
        ({"orphans_only": True}, "low"),
        ({"orphans_only": True, "epic_id": "E"}, ""),
        ({"only_ids": ("low", "old", "urgent")}, "low old urgent"),
        ({"only_ids": ("low", "wip", "E")}, "low"),
        ({"only_ids": ("low", "wip"), "prioritize_wip": True}, "wip low"),
        ({"only_ids": ("low", "old"), "epic_id": "E"}, "old"),
        ({"only_ids": ("low", "old", "low")}, "low old"),
        ({"only_ids": ()}, ""),
    ],
    ids=str,
)
def test_k6_filter_and_order_are_the_documented_ones(settings: Any, order: str) -> None:
    scene = Scene(*K6)
    scene.run(**settings)
    assert " ".join(scene.starts) == order


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_k7_what_has_ended_is_not_started_again_whoever_forgets_to_mark_it(outcome: str) -> None:
    script = {"a": BROKEN} if outcome == "failed" else {}
    scene = Scene("a", "b", forgetful=True, **script)
    result = scene.run(max_agents=1)
    assert scene.starts == ["a", "b"]
    assert scene.finals == [("a", outcome), ("b", "completed")]
    assert (result.started, result.exit_reason) == (2, "none_ready")
    assert result.exit_code == (1 if outcome == "failed" else 0)


def test_k7_a_finalizer_that_always_asks_for_more_does_not_go_on_for_ever() -> None:
    scene = Scene("a", "b", forgetful=True)
    scene.on_finalize = lambda issue, outcome: True
    assert scene.run().started == 2
    assert len(scene.polls) == 3


def test_k8_a_provider_that_fails_twice_is_asked_again() -> None:
    scene = Scene("a")
    scene.answers = [outage(), outage()]
    result = scene.run(poll_seconds=60)
    assert (result.completed, result.exit_code) == (("a",), 0)
    assert scene.told("poll_failed") == ["the tracker is away"] * 2
    assert scene.polls[2] - scene.polls[0] == 120


def test_k8_after_three_failures_what_runs_is_awaited_and_the_run_stops() -> None:
    scene = Scene("a", "b", takes=500)
    issues = list(scene.issues)
    scene.answers = [issues, outage("one"), outage("two"), outage("three")]
    result = scene.run(max_agents=3, poll_seconds=60)
    assert (result.exit_code, result.exit_reason) == (3, "poll failed 3 times: three")
    assert sorted(result.completed) == ["a", "b"]
    assert scene.ended_at == 500
    assert len(scene.polls) == 4


def test_k8_an_answer_makes_up_for_the_failures_before_it() -> None:
    scene = Scene("a")
    scene.answers = [outage(), outage(), [], outage(), outage(), []]
    result = scene.run(watch=True, after={1000: scene.ask("drain")})
    assert (result.completed, result.exit_reason) == (("a",), "drained")


@pytest.mark.parametrize(
    ("cancel", "finals", "seconds"),
    [
        (False, [("a", "completed"), ("b", "completed")], 10),
        (True, [("a", "released"), ("b", "released")], 4),
    ],
    ids=["await", "cancel"],
)
def test_k9_an_interrupt_starts_nothing_more(cancel: bool, finals: Any, seconds: float) -> None:
    scene = Scene("a", "b", "c")
    result = scene.run(after={4: scene.ask("interrupt", cancel=cancel)}, max_agents=2)
    assert (result.exit_code, result.exit_reason) == (130, "interrupted")
    assert (scene.starts, scene.finals) == (["a", "b"], finals)
    assert scene.ended_at == seconds


def test_k9_the_second_interrupt_cancels() -> None:
    scene = Scene("a", "b")
    interrupt = scene.ask("interrupt")
    result = scene.run(after={4: interrupt, 6: interrupt, 7: interrupt}, max_agents=1)
    assert (result.exit_code, scene.finals, scene.ended_at) == (130, [("a", "released")], 6)
    assert scene.told("interrupted") == ["", "what runs is cancelled"]


@pytest.mark.parametrize(
    ("settings", "kind", "detail", "reason"),
    [
        ({"max_agents": 0}, "no_agents", "max_agents is 0", "no_agents"),
        ({"max_agents": -1}, "no_agents", "max_agents is -1", "no_agents"),
        ({"max_issues": 0}, "limit", "limit_reached (0)", "limit_reached (0)"),
        ({"max_agents": 0, "watch": True}, "no_agents", "max_agents is 0", "no_agents"),
        ({"max_issues": 0, "watch": True}, "limit", "limit_reached (0)", "limit_reached (0)"),
    ],
    ids=str,
)
def test_k10_nobody_to_do_it_or_nothing_to_do_is_told(
    settings: Any, kind: str, detail: str, reason: str
) -> None:
    scene = Scene("a")
    result = scene.run(**settings)
    assert (result.started, result.exit_reason, scene.polls) == (0, reason, [])
    assert scene.told(kind) == [detail]


@pytest.mark.parametrize(
    "settings",
    [
        {"poll_seconds": 0},
        {"poll_seconds": float("nan")},
        {"poll_seconds": float("inf")},
        {"poll_tries": 0},
        {"idle_seconds": -1},
        {"idle_seconds": float("nan")},
        {"max_issues": -1},
    ],
    ids=str,
)
def test_settings_that_could_never_work_are_refused(settings: Any) -> None:
    with pytest.raises(UsageError):
        CoordinatorConfig(**settings)


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("max_agents", [None, "2", 2.0, True]),
        ("max_issues", ["2", 1.5, False]),
        ("epic_id", [12, ("E",)]),
        ("only_ids", ["abc", ("a", 1), 7, {1}]),
        ("poll_seconds", [None, "60", True]),
        ("idle_seconds", [None, "60", True]),
        ("poll_tries", [None, "3", 3.0, True]),
        ("focus", [None, "no", 1]),
        ("prioritize_wip", ["no"]),
        ("orphans_only", [0]),
        ("resume", ["yes"]),
        ("watch", [1]),
    ],
)
def test_settings_of_another_type_are_refused_by_their_names(
    setting: str, wrong: list[Any]
) -> None:
    for value in wrong:
        with pytest.raises(UsageError, match=f"^{setting} "):
            CoordinatorConfig(**{setting: value})


def test_a_limit_that_is_none_is_not_taken_in_a_run_either() -> None:
    coordinator = Scene().make()
    with pytest.raises(UsageError, match=r"^max_issues "):
        coordinator.set_max_issues(-1)
    coordinator.set_max_issues(None)
