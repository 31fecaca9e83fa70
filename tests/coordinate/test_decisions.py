"""What is done next, by snapshots."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.coordinate.decisions import (
    POLL,
    REST,
    START,
    Decision,
    Finish,
    Rest,
    Snapshot,
    decide,
)

FRESH: dict[str, Any] = {"max_agents": 2, "asked": True, "poll_in": 30.0}


def end(code: int, reason: str) -> Finish:
    return Finish(code=code, reason=reason)


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        # what ends a run, from what weighs most
        ({"interrupted": True, "abort_reason": "x", "draining": True}, end(130, "interrupted")),
        ({"abort_reason": "x", "draining": True, "failed": 1}, end(3, "aborted: x")),
        ({"draining": True, "poll_failures": 3, "ready": 1}, end(0, "drained")),
        ({"draining": True, "failed": 1}, end(1, "drained")),
        ({"poll_failures": 3, "poll_problem": "x", "ready": 1}, end(3, "poll failed 3 times: x")),
        ({"poll_failures": 1, "poll_tries": 1, "poll_problem": "x"}, end(3, "poll failed once: x")),
        # nothing of it while work runs
        ({"interrupted": True, "active": 1, "ready": 1}, REST),
        ({"abort_reason": "x", "active": 1, "ready": 1}, REST),
        ({"draining": True, "active": 1, "ready": 1}, REST),
        ({"poll_failures": 3, "active": 1, "ready": 1}, REST),
        # starts
        ({"ready": 1, "active": 1}, START),
        ({"ready": 1, "active": 2}, REST),
        ({"ready": 1, "active": 1, "max_issues": 1, "counted": 1}, REST),
        ({"ready": 1, "max_issues": 1, "counted": 1}, end(0, "limit_reached (1)")),
        ({"ready": 1, "max_agents": 0}, end(0, "no_agents")),
        ({"ready": 1, "max_agents": 0, "max_issues": 0}, end(0, "limit_reached (0)")),
        # polls
        ({"asked": False}, POLL),
        ({"asked": False, "max_issues": 0}, end(0, "limit_reached (0)")),
        ({"follow_up": True, "ready": 1}, POLL),
        ({"ended": True}, POLL),
        ({"ended": True, "ready": 1}, START),
        ({"poll_in": 0.0, "ready": 1, "started": True}, POLL),
        ({"poll_in": 0.0, "ready": 1}, START),
        ({"poll_in": 0.0, "active": 1}, POLL),
        ({"poll_in": 0.0, "active": 2}, REST),
        ({"poll_in": 0.0, "watch": True}, POLL),
        ({"poll_failures": 1, "follow_up": True}, Rest(seconds=30.0)),
        ({"poll_failures": 1, "poll_in": 0.0}, POLL),
        ({"poll_failures": 2, "ready": 1}, START),
        # ends
        ({"active": 1}, Rest(seconds=30.0)),
        ({"watch": True, "waiting": 1}, Rest(seconds=30.0, idle=True)),
        ({"watch": True, "max_issues": 1, "counted": 1}, end(0, "limit_reached (1)")),
        ({"waiting": 2}, end(4, "waiting (2)")),
        ({"waiting": 2, "failed": 1}, end(1, "waiting (2)")),
        ({"blocked": 2}, end(4, "blocked (2)")),
        ({"blocked": 2, "waiting": 1}, end(4, "waiting (1), blocked (2)")),
        ({"blocked": 2, "failed": 1}, end(1, "blocked (2)")),
        ({"blocked": 2, "max_issues": 1, "counted": 1}, end(0, "limit_reached (1)")),
        ({"blocked": 2, "watch": True}, Rest(seconds=30.0, idle=True)),
        ({"blocked": 2, "draining": True}, end(0, "drained")),
        ({"poll_in": 0.0}, end(0, "none_ready")),
        ({"failed": 1}, end(1, "none_ready")),
    ],
    ids=str,
)
def test_the_next_thing_to_do(facts: dict[str, Any], decision: Decision) -> None:
    assert decide(Snapshot(**{**FRESH, **facts})) == decision
