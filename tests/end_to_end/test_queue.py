"""Queue, freeze and gate as their users meet them: real processes, one store, one story."""

from __future__ import annotations

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate import LocalGate, SerialGate
from pytest_malagate.queue.local_person import MACHINE_VARIABLES
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.sqlite import SQLiteStore
from pytest_malagate.serial_gate import SerialOptions
from tests.conftest import Project, codes
from tests.test_examples import ROOT, console, steps

CLAIMERS = 8


@pytest.fixture
def ready(project: Project) -> Project:
    """A repository with a commit for x-1 and its evidence, at a person's keyboard."""
    project.environ = {k: v for k, v in project.environ.items() if k not in MACHINE_VARIABLES}
    project.environ["LOGNAME"] = "alice"
    project.files({"test_it.py": "def test_a(): pass\n"}).commit("x-1: start")
    project.pytest("-q", "--malagate-collect", "--malagate-task=x-1")
    return project


def ask(project: Project, *args: str) -> tuple[int, Any]:
    done = project.malagate(*args, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_one_task_after_another_from_its_ticket_to_its_deployment(ready: Project) -> None:
    for task in ("x-1", "x-2"):
        assert ask(ready, "queue", "add", task)[0] == 0
    code, claimed = ask(ready, "queue", "claim", "--actor", "agent-1")
    assert (code, claimed["task"]) == (0, "x-1")
    assert ask(ready, "queue", "claim")[0] == 4
    assert ready.check("--task", "x-1", "--admission")["exit"] == 0
    waits = ready.check("--task", "x-2", "--admission", "--dry-run")
    assert codes(waits)[-1] == "queue.waiting"
    assert waits["failure_reasons"][-1] == "x-2 waits: x-1 is before it, 1 in all"
    assert ask(ready, "queue", "finish", "x-1", "--claim", claimed["claim"])[0] == 0

    deployed = ready.malagate("post-deploy", "--task", "x-1", "--", "sh", "-c", "exit 7")
    assert deployed.returncode == 1
    code, status = ask(ready, "status")
    assert (code, status["frozen"], status["active"]) == (0, True, None)
    assert status["freezes"][0]["work_item"] == "x-1"
    assert ask(ready, "queue", "claim")[1]["code"] == "freeze.active"

    assert ready.malagate("unfreeze", "--reason", "sure", CLAUDECODE="1").returncode == 2
    assert ask(ready, "unfreeze", "--reason", "rolled back")[1]["count"] == 1
    assert ask(ready, "queue", "claim")[1]["task"] == "x-2"
    assert ask(ready, "status", "--verify")[1]["ledger_ok"] is True


def test_a_frozen_repository_exits_with_4_costs_no_attempt_and_passes_afterwards(
    ready: Project,
) -> None:
    ready.malagate("freeze", "checkout is down")
    for _ in range(5):  # more often than there are attempts
        held = ready.check("--task", "x-1", "--admission")
        assert (held["exit"], codes(held)) == (4, ["freeze.active"])
        assert (held["attempt"]["number"], held["next_action"]["kind"]) == (1, "wait")
    text = ready.malagate("check", "--task", "x-1", "--admission")
    assert text.returncode == 4
    assert "checkout is down" in text.stdout
    assert ready.check("--task", "x-1")["exit"] == 0
    ready.malagate("unfreeze", "--reason", "fixed")
    assert ready.check("--task", "x-1", "--admission")["exit"] == 0


def test_work_that_fails_exits_with_1_frozen_or_not(ready: Project) -> None:
    ready.files({"test_it.py": "def test_a(): assert False\n"}).commit("x-1: break it")
    ready.pytest("-q", "--malagate-collect", "--malagate-task=x-1")
    ready.malagate("freeze", "checkout is down")
    result = ready.check("--task", "x-1", "--admission")
    assert (result["exit"], codes(result)) == (1, ["tests.failed", "freeze.active"])
    assert result["attempt"]["counted"] is True


@pytest.mark.parametrize("mode", ["drain", "pause", "hard"])
def test_a_mode_says_what_the_active_task_may_land(ready: Project, mode: str) -> None:
    ready.malagate("queue", "add", "x-1")
    ready.malagate("queue", "claim")
    ready.malagate("freeze", "on fire", "--mode", mode)
    result = ready.check("--task", "x-1", "--admission")
    assert result["exit"] == (0 if mode == "drain" else 4)
    told_to_stop = any("told to stop" in text for text in result["failure_reasons"])
    assert told_to_stop is (mode == "hard")


def test_a_freeze_that_cannot_be_read_is_one(ready: Project, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 100)
    for store in (broken, tmp_path / "misspelt.db"):
        result = ready.check("--task", "x-1", "--admission", "--store", str(store))
        assert (result["exit"], codes(result)) == (4, ["freeze.active"])
        assert "could not be read" in result["failure_reasons"][0]


def test_where_the_freeze_is_off_a_broken_store_holds_nobody_up(
    ready: Project, tmp_path: Path
) -> None:
    ready.files({"malagate.yaml": "version: 1\nfreeze: {enabled: false}\n"}).commit("x-1: policy")
    ready.pytest("-q", "--malagate-collect", "--malagate-task=x-1")
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 100)
    result = ready.check("--task", "x-1", "--admission", "--store", str(broken))
    assert result["exit"] == 0
    assert "queue.trouble" in [warning["code"] for warning in result["warnings"]]


def test_the_rules_are_those_of_the_base_where_one_is_named(ready: Project) -> None:
    base = ready.git("rev-parse", "HEAD")
    ready.files({"malagate.yaml": "version: 1\nfreeze: {enabled: false}\n"}).commit("x-1: off")
    ready.pytest("-q", "--malagate-collect", "--malagate-task=x-1")
    store = ready.out / "state.db"
    gate = SerialGate(SQLiteStore(store), "project")
    gate.freeze("on fire", Person(name="alice", rank="admin", human=True))
    assert ready.check("--task", "x-1", "--admission")["exit"] == 0
    held = ready.check("--task", "x-1", "--admission", "--base", base)
    assert "freeze.active" in codes(held)


def test_claimers_at_once_get_one_claim(ready: Project) -> None:
    ready.malagate("queue", "add", "x-1")
    ready.malagate("queue", "add", "x-2")
    with ThreadPoolExecutor(CLAIMERS) as pool:
        answers = list(pool.map(lambda _: ask(ready, "queue", "claim"), range(CLAIMERS)))
    assert sorted(code for code, _ in answers) == [0] + [4] * (CLAIMERS - 1)
    assert {answer["task"] for _, answer in answers} == {"x-1", None}


def test_the_same_gate_from_python(ready: Project, tmp_path: Path) -> None:
    gate = LocalGate(ready.path, serial=SerialOptions(admission=True)).serial_gate
    assert isinstance(gate, SerialGate)
    gate.add("x-9", "me")
    assert ask(ready, "queue", "list")[1]["tasks"][0]["task"] == "x-9"
    own = SerialGate(SQLiteStore(tmp_path / "own.db"), "owner/repository")
    own.add("y-1", "me")
    claimed = own.claim("me")
    assert claimed.task is not None
    assert claimed.task.task == "y-1"


def comparable(text: str) -> list[str]:
    """The words of each line, without what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{24}\b", "CLAIM", text)
    text = re.sub(r"just now|\d+ s ago", "AGE", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_readme_shows_what_is_printed(ready: Project) -> None:
    here = str(Path(sys.executable).parent)
    ready.environ["PATH"] = os.pathsep.join([here, os.environ["PATH"]])
    smoke = ready.path / "smoke.sh"
    smoke.write_text("#!/bin/sh\necho GET /health: 503\nexit 22\n", encoding="utf-8")
    smoke.chmod(0o755)
    readme = ROOT / "README.md"
    story = [console(readme, "malagate queue add"), console(readme, "malagate post-deploy")]
    played = [step for block in story for step in steps(block)]
    assert len(played) == 8
    for command, shown in played:
        done = ready.call("sh", "-c", command)
        printed = done.stdout.replace("project", "shop")
        assert comparable(printed) == comparable(shown), f"after: {command}"
