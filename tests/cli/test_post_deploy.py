"""`malagate post-deploy`: a check that says no freezes, and so does one that says nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_malagate.queue.sqlite import SQLiteStore
from tests.cli.queue_commands import Desk, Said

KILLED = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]


def check(desk: Desk, *command: str, options: tuple[str, ...] = ()) -> Said:
    return desk.says("post-deploy", "--json", *options, "--", *command)


def test_exit_0_is_healthy_and_freezes_nothing(desk: Desk) -> None:
    said = check(desk, "true")
    assert said.exit == 0
    assert (said.json["verdict"], said.json["freeze"]) == ("HEALTHY", None)
    assert desk.status()["frozen"] is False


def test_another_exit_code_is_degraded_and_freezes_by_the_policy_s_mode(desk: Desk) -> None:
    desk.policy("freeze: {mode: hard}")
    said = check(desk, "sh", "-c", "exit 22", options=("--task", "x-1"))
    assert said.exit == 1
    assert (said.json["verdict"], said.json["freeze"], said.json["exit_code"]) == (
        "DEGRADED",
        1,
        22,
    )
    (freeze,) = desk.status()["freezes"]
    assert (freeze["mode"], freeze["work_item"], freeze["actor"]) == ("hard", "x-1", "alice")
    assert freeze["reason"] == ("DEGRADED: the post-deploy check `sh -c 'exit 22'` exited with 22")


def test_a_finished_task_may_be_named(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    desk.does("queue", "finish", "x-1")
    assert check(desk, "false", options=("--task", "x-1")).exit == 1
    status = desk.status("--task", "x-1")
    assert (status["freezes"][0]["work_item"], status["task"]["state"]) == ("x-1", "finished")


@pytest.mark.parametrize(
    ("command", "options", "how"),
    [
        (KILLED, (), "was killed by SIGKILL"),
        (["sleep", "60"], ("--timeout", "0.2"), "had not ended after"),
        (["/nonexistent/check"], (), "could not be started"),
    ],
    ids=["killed", "timed-out", "not-startable"],
)
def test_what_nobody_knows_pauses_and_asks_a_person(
    desk: Desk, command: list[str], options: tuple[str, ...], how: str
) -> None:
    desk.policy("freeze: {mode: drain}")
    said = check(desk, *command, options=options)
    assert said.exit == 3
    assert (said.json["verdict"], said.json["freeze"]) == ("INCONCLUSIVE", 1)
    assert how in said.json["reason"]
    (freeze,) = desk.status()["freezes"]
    assert freeze["mode"] == "pause"
    assert freeze["reason"].endswith("a person has to look at it")


def test_a_check_that_ends_well_only_when_its_time_is_up_is_not_healthy(desk: Desk) -> None:
    command = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    said = check(desk, "sh", "-c", command, options=("--timeout", "0.5"))
    assert (said.exit, said.json["verdict"], said.json["timed_out"]) == (3, "INCONCLUSIVE", True)


def test_a_check_that_does_not_listen_is_killed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_malagate.collect.command.GRACE_SECONDS", 0.1)
    said = check(desk, "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done",
                 options=("--timeout", "0.2"))  # fmt: skip
    assert (said.json["signal"], said.json["timed_out"]) == ("SIGKILL", True)


def test_the_output_is_passed_through(desk: Desk) -> None:
    said = desk.says("post-deploy", "--", "sh", "-c", "echo out; echo err >&2")
    assert "out\n" in said.out
    assert said.err == "err\n"
    assert "HEALTHY: the post-deploy check" in said.out


def test_with_json_the_check_s_own_output_goes_to_stderr(desk: Desk) -> None:
    said = check(desk, "sh", "-c", "echo out")
    assert said.json["verdict"] == "HEALTHY"
    assert said.err == "out\n"


def test_options_of_the_check_are_its_own(desk: Desk) -> None:
    said = desk.says("post-deploy", "--", "echo", "--json", "--", "--task", "x")
    assert "--json -- --task x\n" in said.out


def test_every_verdict_is_on_the_ledger(desk: Desk) -> None:
    for command in ("true", "false", "/nonexistent"):
        check(desk, command, options=("--task", "x-1"))
    ledger = SQLiteStore(desk.path / "malagate-out" / "state.db").ledger("project")
    entries = [entry for entry in ledger if entry.kind == "post-deploy"]
    verdicts = ["HEALTHY", "DEGRADED", "INCONCLUSIVE"]
    assert [entry.detail.partition(":")[0] for entry in entries] == verdicts
    assert {(entry.task, entry.actor) for entry in entries} == {("x-1", "alice")}
    assert desk.status("--verify")["ledger_ok"] is True


def test_where_the_layer_is_off_it_says_so_and_freezes_nothing(desk: Desk) -> None:
    desk.policy("freeze: {enabled: false}")
    said = desk.says("post-deploy", "--", "false")
    assert said.exit == 1
    assert "nothing was frozen: the freeze layer is off" in said.out
    asked = check(desk, "false")
    assert (asked.json["freeze"], asked.json["freeze_enabled"]) == (None, False)
    assert desk.status()["freezes"] == []


def test_a_freeze_that_cannot_be_written_is_said_aloud(desk: Desk) -> None:
    desk.breaks_the_store()
    said = desk.says("post-deploy", "--", "false")
    assert said.exit == 3
    assert "DEGRADED" in said.out
    assert "project IS NOT FROZEN though it ought to be" in said.err
    asked = check(desk, "false")
    assert (asked.exit, asked.json["freeze"]) == (3, None)
    assert "damaged" in asked.json["problem"]


def test_nobody_undoes_a_good_deployment_because_the_store_is_broken(desk: Desk) -> None:
    desk.breaks_the_store()
    said = desk.says("post-deploy", "--", "true")
    assert said.exit == 0
    assert "warning: the verdict is not on the ledger" in said.err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--"],
        ["true"],
        ["true", "--", "false"],
        ["--task", "x-1"],
        ["--task", " ", "--", "true"],
    ],
    ids=str,
)
def test_a_call_without_a_check_is_a_usage_error(desk: Desk, argv: list[str]) -> None:
    said = desk.says("post-deploy", *argv)
    assert (said.exit, said.out) == (2, "")
    assert desk.status()["frozen"] is False


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "x"])
def test_a_time_that_is_none_is_a_usage_error(desk: Desk, seconds: str) -> None:
    with pytest.raises(SystemExit) as refused:
        desk.says("post-deploy", f"--timeout={seconds}", "--", "true")
    assert refused.value.code == 2


def test_a_wrong_actor_is_told_before_the_check_runs(desk: Desk) -> None:
    said = check(desk, "touch", "ran", options=("--actor", " "))
    assert said.exit == 2
    assert not (desk.path / "ran").exists()


def test_whoever_stops_the_check_has_a_paused_repository(desk: Desk) -> None:
    argv = [sys.executable, "-m", "pytest_malagate", "post-deploy", "--", "sh", "-c",
            "echo begun; exec sleep 60"]  # fmt: skip
    environ = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    with subprocess.Popen(argv, cwd=desk.path, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 3
    assert [freeze["mode"] for freeze in desk.status()["freezes"]] == ["pause"]


def test_the_check_runs_where_it_was_called(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    below = desk.path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    said = check(desk, "pwd", "-P")
    assert Path(said.err.strip()) == below.resolve()
