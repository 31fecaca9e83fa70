"""`malagate status`: why does my task not move?"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_malagate.cli.status import Seen, configure, watch
from pytest_malagate.queue.answers import Status, Waiting
from pytest_malagate.queue.model import Claim, Freeze, Task
from pytest_malagate.report.serial import MAX_WAITING, ago, span, status_lines
from pytest_malagate.report.terminal import paint
from tests.cli.queue_commands import Desk

NOW = 1_700_000_000.0
CONTRACT = {
    *("repository", "enabled", "freeze_enabled", "active", "waiting", "frozen", "freezes"),
    "ledger_ok",
}


def test_the_contract_of_the_json(desk: Desk) -> None:
    for name in ("x-1", "x-2", "x-3"):
        desk.does("queue", "add", name)
    desk.does("queue", "claim")
    desk.does("freeze", "on fire", "--task", "x-0")
    status = desk.status()
    assert status.keys() >= CONTRACT
    assert (status["repository"], status["active"], status["frozen"]) == ("project", "x-1", True)
    assert (status["enabled"], status["freeze_enabled"], status["ledger_ok"]) == (True, True, True)
    reason = "frozen by alice: on fire"
    assert status["waiting"] == [
        {"task": "x-2", "position": 1, "reason": reason},
        {"task": "x-3", "position": 2, "reason": reason},
    ]
    assert status["freezes"][0].keys() >= {"id", "reason", "actor", "at", "mode", "work_item"}


def test_an_empty_queue_has_empty_lists_and_nobody_active(desk: Desk) -> None:
    status = desk.status()
    assert (status["active"], status["waiting"], status["freezes"]) == (None, [], [])
    assert (status["frozen"], status["next"], status["problem"]) == (False, "nothing waits", None)


def whole() -> Status:
    claim = Claim(id="c", fence=1, holder="agent-7", at=NOW - 7200, lease_until=NOW + 7300)
    return Status(
        repository="owner/repo",
        enabled=True,
        freeze_enabled=True,
        active="x-1",
        active_tasks=(
            Task(repository="owner/repo", task="x-1", ticket=1, state="active", stage="review",
                 claim=claim),
        ),
        waiting=(Waiting(task="x-2", position=1, reason="frozen by bob: checkout is down"),),
        frozen=True,
        freezes=(
            Freeze(id=3, reason="checkout is down", actor="bob", at=NOW - 3 * 3600, mode="pause",
                   work_item="x-0"),
        ),
        next="a person clears the freeze",
    )  # fmt: skip


def shown(status: Status) -> list[str]:
    return paint(status_lines(status, now=NOW), color=False).splitlines()


def test_people_see_who_holds_what_since_when_and_what_happens_next() -> None:
    assert shown(whole()) == [
        "owner/repo: frozen, one task at a time",
        "",
        "freeze  mode   set      by   task  reason",
        "3       pause  3 h ago  bob  x-0   checkout is down",
        "",
        "active  stage   holder   claimed",
        "x-1     review  agent-7  2 h ago  lease ends in 2 h",
        "",
        "place  waiting  because",
        "1      x-2      frozen by bob: checkout is down",
        "",
        "next: a person clears the freeze",
    ]


def test_a_long_queue_is_cut_for_people() -> None:
    many = tuple(Waiting(task=f"x-{n}", position=n, reason="-") for n in range(1, 200))
    lines = shown(msgspec.structs.replace(whole(), waiting=many))
    assert f"{199 - MAX_WAITING} more wait" in lines
    assert len(lines) < MAX_WAITING + 20


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 3.9, "3 d")],
)
def test_a_span_is_told_in_its_greatest_whole_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_moment_of_a_clock_that_goes_ahead_is_now() -> None:
    assert ago(NOW + 90, NOW) == "just now"


def test_a_lease_that_has_ended_says_since_when() -> None:
    (task,) = whole().active_tasks
    assert task.claim is not None
    lapsed = msgspec.structs.replace(task.claim, lease_until=NOW - 120)
    status = msgspec.structs.replace(
        whole(), active_tasks=(msgspec.structs.replace(task, claim=lapsed),)
    )
    assert any(line.endswith("lease ended 2 min ago") for line in shown(status))


def test_a_freeze_that_could_not_be_read_is_a_problem_in_words() -> None:
    status = msgspec.structs.replace(whole(), freezes=(), problem="the disk\x1b[2J failed")
    assert "problem: the disk failed" in shown(status)


# --- one task ---


def test_one_task_s_place_and_what_holds_it_up(desk: Desk) -> None:
    for name in ("x-1", "x-2", "x-3"):
        desk.does("queue", "add", name)
    desk.does("queue", "claim")
    out = desk.says("status", "--task", "x-3").out
    assert "x-3 waits at place 2 of 2: x-1 is not finished" in out
    assert "x-2" not in out
    status = desk.status("--task", "x-3")
    assert [waiting["task"] for waiting in status["waiting"]] == ["x-3"]
    assert status["task"] == {"task": "x-3", "state": "waiting"}


def test_one_task_that_is_active_finished_or_nobody_s(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    assert (
        "x-1 is active at the stage work, lease ends in 3 h"
        in desk.says("status", "--task", "x-1").out
    )
    desk.does("queue", "finish", "x-1")
    assert "x-1 is finished, since" in desk.says("status", "--task", "x-1").out
    assert "x-9 is not in the queue: add it first" in desk.says("status", "--task", "x-9").out
    assert desk.status("--task", "x-9")["task"] == {"task": "x-9", "state": None}


# --- trouble ---


def test_a_broken_store_shows_flags_and_empty_lists_and_is_frozen(desk: Desk) -> None:
    desk.breaks_the_store()
    for extra in ([], ["--task", "x-1"]):
        said = desk.says("status", "--json", *extra)
        assert said.exit == 3
        assert (said.json["active"], said.json["waiting"], said.json["freezes"]) == (None, [], [])
        assert (said.json["enabled"], said.json["freeze_enabled"]) == (True, True)
        assert said.json["frozen"] is True
        assert "damaged, or no SQLite file" in said.json["problem"]
    text = desk.says("status")
    assert text.exit == 3
    assert "problem: " in text.out
    assert text.err == ""


def test_a_whole_ledger_is_said_to_be_whole(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    said = desk.says("status", "--verify", "--json")
    assert (said.exit, said.json["ledger_ok"], said.json["ledger_problem"]) == (0, True, None)
    assert "ledger: whole" in desk.says("status", "--verify").out


def test_an_edited_ledger_is_found_and_its_place_is_named(desk: Desk) -> None:
    import sqlite3
    from contextlib import closing

    for name in ("x-1", "x-2"):
        desk.does("queue", "add", name, "--actor", "alice")
    with closing(sqlite3.connect(desk.path / "malagate-out" / "state.db")) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            db.execute(f"DROP TRIGGER {trigger}")
        row = db.execute("SELECT entry FROM ledger WHERE seq = 1").fetchone()[0]
        edited = bytes(row).replace(b"alice", b"mallo")
        db.execute("UPDATE ledger SET entry = ? WHERE seq = 1", (edited,))
        db.commit()
    said = desk.says("status", "--verify", "--json")
    assert (said.exit, said.json["ledger_ok"]) == (3, False)
    assert said.json["ledger_problem"] == "entry 1 was edited"
    text = desk.says("status", "--verify")
    assert text.exit == 3
    assert "ledger: entry 1 was edited" in text.out
    assert desk.says("status", "--json").json["ledger_ok"] is False  # a short one is always read


def test_a_ledger_in_a_broken_store_is_not_whole(desk: Desk) -> None:
    desk.breaks_the_store()
    said = desk.says("status", "--verify", "--json")
    assert (said.exit, said.json["ledger_ok"]) == (3, False)


def test_a_bad_name_in_the_scope_is_a_warning(desk: Desk) -> None:
    desk.policy('serial: {repos: ["o/r", "no name"]}')
    status = desk.status()
    assert status["enabled"] is False
    assert "it was dropped" in status["warnings"][0]


# --- watching ---


def watched(looks: list[Seen], *argv: str) -> tuple[int, int]:
    """Watches until the looks are used up, then Ctrl-C. The exit code and how often it slept."""
    parser = argparse.ArgumentParser()
    configure(parser)
    left: Iterator[Seen] = iter(looks)
    slept: list[float] = []

    def look() -> Seen:
        found = next(left, None)
        if found is None:
            raise KeyboardInterrupt
        return found

    code = watch(look, parser.parse_args(["--watch", "7", *argv]), sleep=slept.append)
    assert set(slept) <= {7.0}
    return code, len(slept)


def test_elsewhere_than_in_a_terminal_only_what_is_new_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    calm = Seen(status=msgspec.structs.replace(whole(), frozen=False, freezes=()))
    frozen = Seen(status=whole())
    assert watched([calm, calm, frozen, frozen, calm], "--json") == (0, 5)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["frozen"] for line in lines] == [False, True, False]


def test_plain_lines_are_told_apart_by_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched([Seen(status=whole())] * 3)[0] == 0
    out = capsys.readouterr().out
    assert out.count("--- ") == 1
    assert "\x1b" not in out


def test_a_terminal_is_redrawn_and_ctrl_c_ends_it_cleanly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert watched([Seen(status=whole())] * 3) == (0, 3)
    assert capsys.readouterr().out.count("\x1b[H\x1b[2J") == 3


def test_ctrl_c_ends_a_real_watch_with_0(desk: Desk) -> None:
    argv = [sys.executable, "-m", "pytest_malagate", "status", "--watch", "0.1", "--json"]
    environ = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    with subprocess.Popen(
        argv, cwd=desk.path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert b'"frozen":false' in process.stdout.readline()
        desk.does("freeze", "on fire")
        assert b'"frozen":true' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_an_interval_that_is_none_is_a_usage_error(desk: Desk, seconds: str) -> None:
    with pytest.raises(SystemExit) as refused:
        desk.says("status", f"--watch={seconds}")
    assert refused.value.code == 2


def test_the_times_are_seconds(desk: Desk) -> None:
    before = time.time()
    desk.does("freeze", "x")
    at = desk.status()["freezes"][0]["at"]
    assert before <= at <= time.time()


def test_status_leaves_no_file_behind(desk: Desk) -> None:
    desk.says("status")
    assert not (Path(desk.path) / "malagate-out").exists()
