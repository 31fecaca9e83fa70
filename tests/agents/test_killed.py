"""A loop that is killed outright: its agents end with it, and the next run goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.agents.agents_project import Told, Workshop, lives, told
from tests.conftest import Project

RIGHT = "echo right > answer.txt"


class Killed:
    """A workshop whose loop was killed while its agent worked."""

    def __init__(self, workshop: Workshop, *options: str) -> None:
        self.workshop = workshop
        here = workshop.root.parent
        pid, log = here / "pid", here / "agents"
        # The first one goes on for ever, and spoils what the next one does.
        workshop.does(
            f"echo $1 >> {log}; [ -e {pid} ] && {RIGHT} && exit\n"
            f"trap '' HUP INT TERM; echo half > half.txt; echo $$ > {pid}\n"
            "while :; do echo spoilt > answer.txt; sleep 0.05; done"
        )
        process = workshop.begin(*options)
        self.agent = int(until(pid, process))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        self.log = log

    @property
    def begun(self) -> list[str]:
        """The issues of the agents that were started."""
        return self.log.read_text().split()


def until(path: Path, process: subprocess.Popen[str]) -> str:
    for _ in range(6000):
        if path.exists() and path.read_text():
            return path.read_text()
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"{path.name} never came")


def gone(pid: int) -> bool:
    for _ in range(1000):
        if not lives(pid):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def killed(workshop: Workshop) -> Killed:
    workshop.issues("a-1", "x-1", a_1={"priority": 1}, x_1={"priority": 0})
    return Killed(workshop)


def done(run: Told) -> None:
    assert (run.exit, run.result["failed"]) == (0, []), run


def test_an_agent_ends_with_its_loop(killed: Killed) -> None:
    assert gone(killed.agent)


def test_the_next_run_goes_on_with_the_claim_and_with_the_work(killed: Killed) -> None:
    run = killed.workshop.run()
    done(run)
    assert run.of("resumed")[0]["issue"] == "x-1"
    assert killed.begun == ["x-1", "x-1", "a-1"]
    assert [event["attempt"] for event in run.of("attempt")] == [1, 1]  # nobody was charged
    assert killed.workshop.file_on("x-1", "answer.txt") == "right"
    assert killed.workshop.file_on("x-1", "half.txt") == "half"
    assert killed.workshop.queue() == {}


def test_a_task_that_a_person_gave_back_first_is_begun_by_one_agent_alone(killed: Killed) -> None:
    killed.workshop.project.malagate("queue", "requeue", "x-1")
    run = killed.workshop.run()
    done(run)
    assert not lives(killed.agent)
    assert killed.workshop.file_on("x-1", "answer.txt") == "right"


def test_a_run_of_other_issues_says_who_holds_it_up_until_when_and_the_way_out(
    killed: Killed,
) -> None:
    run = killed.workshop.run("--only", "a-1")
    assert run.exit == 4
    (why,) = (one["why"] for one in run.result["waiting"])
    assert "x-1 is held by " in why
    assert "lease ends at " in why
    assert "malagate queue requeue x-1" in why
    assert killed.workshop.project.malagate("queue", "requeue", "x-1").returncode == 0


def test_tasks_of_the_queue_are_gone_on_with_too(workshop: Workshop) -> None:
    workshop.project.malagate("queue", "add", "x-1")
    killed = Killed(workshop, "--provider", "store")
    run = workshop.run("--provider", "store")
    done(run)
    assert killed.begun == ["x-1", "x-1"]
    assert workshop.queue() == {}


def test_a_loop_that_lives_is_not_taken_for_a_killed_one(workshop: Workshop) -> None:
    here = workshop.root.parent
    workshop.does(f"echo . > {here}/begun; while [ ! -f {here}/go ]; do sleep 0.05; done; {RIGHT}")
    process = workshop.begin()
    until(here / "begun", process)
    assert workshop.run().exit == 4
    # A person gives the task back, and the loop has not noticed yet.
    workshop.project.malagate("queue", "requeue", "x-1")
    run = workshop.run()
    (here / "go").touch()
    assert (run.exit, run.of("attempt")) == (4, [])
    assert "another loop works on it here" in run.result["waiting"][0]["why"]
    out, err = process.communicate(timeout=120)
    assert told(process.returncode, out, err).states == {"x-1": "completed"}


# --- the queue is left as it was found ---


def test_a_frozen_run_leaves_no_ticket_that_bars_the_way_of_a_later_one(
    workshop: Workshop,
) -> None:
    workshop.issues("a-1", "b-1")
    workshop.does(RIGHT)
    workshop.project.malagate("freeze", "on fire")
    assert workshop.run().exit == 4
    workshop.project.malagate("unfreeze", "--reason", "put out")
    assert workshop.queue() == {}
    workshop.issues("b-1")
    assert workshop.run().states == {"b-1": "completed"}


def test_an_interrupted_run_leaves_none_either(workshop: Workshop) -> None:
    here = workshop.root.parent
    workshop.issues("a-1", "b-1")
    workshop.does(f"[ $1 = b-1 ] && {RIGHT} && exit; echo . > {here}/begun; sleep 1000")
    process = workshop.begin()
    until(here / "begun", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert workshop.queue() == {}
    assert workshop.run("--only", "b-1").states == {"b-1": "completed"}


def test_a_task_that_a_person_added_keeps_its_place(workshop: Workshop) -> None:
    workshop.project.malagate("queue", "add", "x-1")
    workshop.does(RIGHT)
    workshop.project.malagate("freeze", "on fire")
    workshop.run()
    assert workshop.queue() == {"x-1": "waiting"}


def test_a_policy_without_a_queue_is_no_different(project: Project) -> None:
    policy = """\
        version: 1
        validations: {right: {command: grep -qx right answer.txt}}
        scopes: {task: [right]}
        serial: {enabled: false}
        """
    killed = Killed(Workshop(project, policy))
    run = killed.workshop.run()
    done(run)
    assert killed.begun == ["x-1", "x-1"]
    claims = killed.workshop.out / "agents" / ".claims"
    assert [path.name for path in claims.iterdir()] == [".gitignore"]
    assert json.loads(killed.workshop.project.malagate("status", "--json").stdout)["ledger_ok"]
