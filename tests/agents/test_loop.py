"""Agents on issues: judged by the base, fed back, stopped in time, and never believed."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_malagate.agents.attempts import Terms
from pytest_malagate.agents.bases import Bases
from pytest_malagate.agents.environment import inherited
from pytest_malagate.agents.loop import AgentLoop, Settings
from pytest_malagate.agents.steps import Step
from pytest_malagate.collect.log import prepare_directory
from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.yaml_issues import YamlProvider
from pytest_malagate.local import LocalGate, Place
from tests.agents.agents_project import ALL_AT_ONCE, POLICY, Workshop, lives, told
from tests.conftest import Project

RIGHT = "echo right > answer.txt"


def until(path: Path, process: subprocess.Popen[str] | None = None) -> str:
    """What a file holds once it is there."""
    for _ in range(6000):
        if path.exists() and path.read_text():
            return path.read_text()
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"{path.name} never came")


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_good_agent_is_done_and_its_branch_is_left_for_a_person(workshop: Workshop) -> None:
    workshop.does(RIGHT)
    run = workshop.run()
    assert (run.exit, run.states, run.err) == (0, {"x-1": "completed"}, "")
    assert workshop.file_on("x-1", "answer.txt") == "right"
    assert (workshop.root / "answer.txt").read_text() == "wrong\n"  # nothing is merged
    assert not (workshop.out / ".worktrees" / "x-1").exists()
    assert workshop.queue() == {}


def test_a_completed_issue_is_not_begun_again_until_somebody_adds_its_task(
    workshop: Workshop,
) -> None:
    workshop.does(RIGHT)
    workshop.run()
    again = workshop.run()
    assert (again.exit, again.states, len(again.of("done"))) == (0, {}, 1)
    workshop.project.malagate("queue", "add", "x-1")
    assert workshop.run().states == {"x-1": "completed"}


def test_an_agent_reads_what_the_gate_said_and_passes(workshop: Workshop) -> None:
    workshop.does(
        'if [ -z "$MALAGATE_FEEDBACK" ]; then echo almost > answer.txt; exit; fi\n'
        'grep -q evidence.failed "$MALAGATE_FEEDBACK" && [ -f "$MALAGATE_LOG" ] &&'
        " echo right > answer.txt"
    )
    run = workshop.run()
    assert run.states == {"x-1": "completed"}
    assert [event["verdict"] for event in run.of("judged")] == ["fail", "pass"]
    assert [event["attempt"] for event in run.of("attempt")] == [1, 2]


def test_an_agent_that_gets_no_better_is_stopped_and_the_next_one_starts(
    workshop: Workshop,
) -> None:
    workshop.issues("x-1", "x-2")
    workshop.does(f'[ "$1" = x-2 ] && {RIGHT} && exit\necho "try $MALAGATE_ATTEMPT" > answer.txt')
    run = workshop.run()
    assert (run.exit, run.states) == (1, {"x-1": "failed", "x-2": "completed"})
    assert "progress.none" in run.codes
    assert "No progress" in run.why("x-1")
    assert (workshop.out / ".worktrees" / "x-1").exists()
    assert workshop.file_on("x-1", "answer.txt") == "try 3"
    assert workshop.queue() == {}


def test_the_budget_is_the_policys_or_the_callers(workshop: Workshop) -> None:
    workshop.does('echo "$MALAGATE_ATTEMPT of $MALAGATE_MAX_ATTEMPTS" >> answer.txt')
    run = workshop.run("--max-attempts", "2")
    assert "retry.exhausted" in run.codes
    assert workshop.file_on("x-1", "answer.txt") == "wrong\n1 of 2\n2 of 2"


def test_an_escalation_is_in_the_ledger_and_a_later_run_begins_at_attempt_1(
    workshop: Workshop,
) -> None:
    workshop.does("echo no > answer.txt")
    workshop.run("--max-attempts", "1")
    workshop.does(RIGHT)
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.of("attempt")[0]["attempt"]) == ({"x-1": "completed"}, 1)


def test_an_agent_that_does_nothing_has_no_commit(workshop: Workshop) -> None:
    workshop.does("echo 'done, all tests pass'")
    run = workshop.run()
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "commit.missing")


def test_an_agent_that_breaks_down_is_started_again_and_not_charged(workshop: Workshop) -> None:
    workshop.does(f"[ -f {workshop.root.parent}/been ] && {RIGHT} && exit\n"
                  f"touch {workshop.root.parent}/been; exit 143")  # fmt: skip
    run = workshop.run()
    assert run.states == {"x-1": "completed"}
    assert [event["attempt"] for event in run.of("attempt")] == [1, 1]


def test_an_agent_that_always_breaks_down_is_escalated(workshop: Workshop) -> None:
    workshop.does("exit 1")
    run = workshop.run()
    assert (run.exit, len(run.of("attempt")), run.codes) == (1, 3, [])
    assert run.why("x-1") == "the agent changed nothing: exit code 1, 3 times"


def test_the_time_limit_ends_an_agent_and_what_it_started_and_its_work_is_judged(
    workshop: Workshop,
) -> None:
    child = workshop.root.parent / "child"
    workshop.does(f"{RIGHT}\n(trap '' TERM; exec sleep 1000) & echo $! > {child}\nsleep 1000")
    run = workshop.run("--timeout", "3")
    assert run.states == {"x-1": "completed"}
    assert "its time was up" in run.of("agent_ended")[0]["detail"]
    assert not lives(int(child.read_text()))


def test_a_validation_that_hangs_is_ended_and_charged_to_the_work(project: Project) -> None:
    policy = POLICY.replace("grep -qx right answer.txt", "sh answer.txt")
    workshop = Workshop(project, policy)
    script = "echo $$ > ../../../child; trap : TERM; while :; do sleep 0.1; done"
    workshop.does(f"echo {shlex.quote(script)} > answer.txt")
    run = workshop.run("--timeout", "2", "--max-attempts", "1")
    assert (run.exit, run.codes) == (1, ["evidence.failed", "retry.exhausted"])
    assert not lives(int((workshop.root / "child").read_text()))


def test_tests_that_hang_are_ended_and_charged_to_the_work(project: Project) -> None:
    workshop = Workshop(project, "version: 1\n")
    workshop.does("echo 'def test(): __import__(\"time\").sleep(1000)' > test_it.py")
    run = workshop.run("--timeout", "4", "--max-attempts", "1")
    assert (run.exit, len(run.of("judged"))) == (1, 1)
    assert run.codes == ["evidence.partial", "retry.exhausted"]


def test_output_of_the_agent_is_kept(workshop: Workshop) -> None:
    workshop.does(f"echo working; echo trouble >&2; {RIGHT}")
    workshop.run()
    assert workshop.log("x-1") == "working\ntrouble\n"


def test_what_an_agent_is_told_and_what_it_is_not(workshop: Workshop) -> None:
    workshop.issues("x-1", x_1={"title": "A\ttitle", "body": "two\nlines"})
    workshop.does(f"env > {workshop.root.parent}/env; pwd >> {workshop.root.parent}/env; {RIGHT}")
    run = workshop.run(GITHUB_TOKEN="secret", MALAGATE_STORE=str(workshop.root.parent / "queue"))
    assert run.states == {"x-1": "completed"}, run
    env = (workshop.root.parent / "env").read_text()
    worktree = workshop.out / ".worktrees" / "x-1"
    for line in (
        "MALAGATE_ISSUE=x-1",
        "MALAGATE_TITLE=A title",
        "MALAGATE_BODY=two\nlines",
        "MALAGATE_ATTEMPT=1",
        "MALAGATE_MAX_ATTEMPTS=3",
        f"MALAGATE_WORKTREE={worktree}",
        f"\n{worktree}\n",
    ):
        assert line in env
    for absent in ("secret", "MALAGATE_STORE", "MALAGATE_FEEDBACK", "MALAGATE_OUT"):
        assert absent not in env


@pytest.mark.parametrize("issue", ["; rm -rf x", "two words", "..", "$(touch forged)"])
def test_a_hostile_id_is_one_argument_and_a_safe_directory(workshop: Workshop, issue: str) -> None:
    workshop.issues(issue)
    workshop.does(f'printf "%s|%s" "$#" "$1" > said; {RIGHT}')
    run = workshop.run()
    assert run.states == {issue: "completed"}
    (branch,) = workshop.project.git(
        "branch", "--format=%(refname:short)", "--list", "malagate/*"
    ).splitlines()
    assert workshop.project.git("show", f"{branch}:said") == f"1|{issue}"
    assert workshop.run().states == {}  # it is known to be done


def test_an_id_that_would_be_an_option_of_the_agent_is_refused(workshop: Workshop) -> None:
    workshop.issues("--force")
    workshop.does(RIGHT)
    run = workshop.run()
    assert (run.exit, run.of("attempt")) == (1, [])


# --- cheats ---


def test_forged_evidence_in_the_worktree_counts_for_nothing(workshop: Workshop) -> None:
    workshop.does(RIGHT)
    workshop.run()
    good = (workshop.out / "agents" / "x-1" / "attempt-1").resolve()
    workshop.issues("x-2")
    # A real pass, wherever somebody might look for one.
    workshop.does(
        f"for there in malagate-out {workshop.out}/agents/x-2/attempt-1; do\n"
        f"mkdir -p $there && cp -r {good}/. $there; done; echo no > answer.txt"
    )
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-2": "failed"}, "evidence.failed")
    files = workshop.project.git("ls-tree", "-r", "--name-only", "malagate/x-2")
    assert "malagate-out" not in files


@pytest.mark.parametrize(
    "edit",
    [
        "sed -i.bak s/right./wrong./ malagate.yaml; rm *.bak",
        "sed -i.bak 's/grep.*answer.txt/ls/' malagate.yaml; rm *.bak",
        "git rm -q malagate.yaml",
        "echo '{' > malagate.yaml",
        "printf '[tool.malagate]\\nversion = 1\\n' > pyproject.toml",
    ],
)
def test_an_agent_that_edits_the_policy_is_judged_by_the_bases(
    workshop: Workshop, edit: str
) -> None:
    workshop.does(edit)
    run = workshop.run("--max-attempts", "1")
    assert run.states == {"x-1": "failed"}
    assert run.result["completed"] == []


def test_a_policy_that_cannot_be_read_any_more_does_not_pass(workshop: Workshop) -> None:
    workshop.does(f"{RIGHT}; echo '{{' > malagate.yaml")
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "integrity.policy-changed")


def test_history_that_was_set_back_brings_no_older_policy(project: Project) -> None:
    workshop = Workshop(project)
    strict = POLICY.replace("-qx right", "-qx 'right indeed'")
    project.files({"malagate.yaml": strict}).commit("be strict")
    workshop.does(f"git reset -q --hard HEAD~1; {RIGHT}; git commit -qam 'x-1: done'")
    run = workshop.run("--max-attempts", "1")
    assert (run.states, "evidence.failed" in run.codes) == ({"x-1": "failed"}, True)


# --- queue and freeze ---


def freeze(workshop: Workshop, mode: str) -> str:
    """A command of the shell that freezes the repository, whoever calls it."""
    python = shlex.quote(sys.executable)
    return f"(cd {workshop.root} && {python} -m pytest_malagate freeze 'on fire' --mode {mode})"


def test_nothing_starts_while_the_repository_is_frozen(workshop: Workshop) -> None:
    workshop.project.malagate("freeze", "on fire")
    workshop.does(RIGHT)
    run = workshop.run()
    assert (run.exit, run.of("attempt")) == (4, [])
    assert "on fire" in run.result["waiting"][0]["why"]


def test_a_pause_lets_running_work_end(workshop: Workshop) -> None:
    workshop.issues("x-1", "x-2")
    workshop.does(f"{freeze(workshop, 'pause')}; {RIGHT}")
    run = workshop.run()
    assert run.states == {"x-1": "completed"}
    assert [one["issue"] for one in run.result["waiting"]] == ["x-2"]
    assert run.of("branch")[0]["detail"].startswith("do not merge yet: frozen by ")
    assert run.why("x-1").startswith("do not merge yet: frozen by ")


def test_a_drain_lets_what_was_completed_be_merged(workshop: Workshop) -> None:
    workshop.does(f"{freeze(workshop, 'drain')}; {RIGHT}")
    run = workshop.run()
    assert (run.states, run.why("x-1")) == ({"x-1": "completed"}, "")
    assert run.of("branch")[0]["detail"] == "git merge malagate/x-1"


def test_a_hard_freeze_bars_the_next_attempt_and_the_work_is_kept(workshop: Workshop) -> None:
    workshop.does(f"echo half > answer.txt; {freeze(workshop, 'hard')}")
    run = workshop.run()
    assert (run.exit, run.states, len(run.of("attempt"))) == (4, {"x-1": "released"}, 1)
    assert workshop.queue() == {}
    assert (workshop.out / ".worktrees" / "x-1" / "answer.txt").read_text() == "half\n"
    workshop.project.malagate("unfreeze", "--reason", "put out")
    workshop.does(f"[ $MALAGATE_ATTEMPT = 2 ] && [ -n $MALAGATE_FEEDBACK ] && {RIGHT}")
    assert workshop.run().states == {"x-1": "completed"}


def test_another_task_that_is_active_is_waited_for(workshop: Workshop) -> None:
    workshop.project.malagate("queue", "add", "other")
    workshop.project.malagate("queue", "claim")
    workshop.does(RIGHT)
    run = workshop.run()
    assert (run.exit, run.of("attempt")) == (4, [])


def test_work_that_needs_others_waits_until_theirs_is_merged(workshop: Workshop) -> None:
    workshop.issues("x-1", "x-2", x_2={"blocked_by": ["x-1"]})
    workshop.does(f'{RIGHT}; echo "$1" >> done')
    run = workshop.run()
    assert (run.exit, run.states) == (4, {"x-1": "completed"})
    assert run.result["waiting"][0]["why"] == (
        "x-1 is not in main yet: merge malagate/x-1, or delete it"
    )
    workshop.project.git("merge", "-q", "malagate/x-1")
    assert workshop.run().states == {"x-2": "completed"}
    assert workshop.file_on("x-2", "done") == "x-1\nx-2"


def test_work_goes_on_where_it_began_though_the_base_went_ahead(workshop: Workshop) -> None:
    workshop.does(f"echo half > answer.txt; {freeze(workshop, 'hard')}")
    workshop.run()
    workshop.project.malagate("unfreeze", "--reason", "put out")
    workshop.project.files({"other.txt": "other\n"}).commit("the base goes ahead")
    workshop.does(RIGHT)
    assert workshop.run().states == {"x-1": "completed"}
    names = workshop.project.git("diff", "--name-only", "main...malagate/x-1")
    assert names == "answer.txt"


def test_two_agents_work_at_once_where_the_policy_lets_them(project: Project) -> None:
    workshop = Workshop(project, ALL_AT_ONCE)
    workshop.issues("x-1", "x-2")
    here = workshop.root.parent
    # Each waits for the other, and gives up if that does not come.
    workshop.does(
        f'touch {here}/"$1".here; for try in $(seq 600); do\n'
        f"[ -f {here}/x-1.here ] && [ -f {here}/x-2.here ] && {RIGHT} && exit\nsleep 0.1; done"
    )
    run = workshop.run("--max-agents", "2")
    assert run.states == {"x-1": "completed", "x-2": "completed"}


def test_several_agents_are_lowered_to_one_where_one_task_at_a_time_is_the_rule(
    workshop: Workshop,
) -> None:
    workshop.issues("x-1", "x-2")
    workshop.does(RIGHT)
    run = workshop.run("--max-agents", "2")
    assert run.exit == 0
    assert "2 agents at once need serial.enabled: false" in run.err


def test_a_hard_freeze_ends_an_agent_at_work(workshop: Workshop) -> None:
    pid = workshop.root.parent / "pid"
    workshop.does(
        f"echo half > answer.txt; echo $$ > {pid}; {freeze(workshop, 'hard')}; sleep 1000"
    )
    place = Place.find(workshop.root)
    gate = LocalGate(place).serial_gate
    prepare_directory(place.out)
    terms = Terms(template=(str(workshop.agent),), env=inherited(workshop.project.environ))
    steps: list[Step] = []
    bases = Bases(
        place, base=None, follow=False, rule=None, env=terms.env, timeout=60, tell=steps.append
    )
    loop = AgentLoop(
        place,
        gate,
        YamlProvider(workshop.root.parent / "issues.yaml"),
        CoordinatorConfig(),
        bases,
        Settings(holder="loop", terms=terms, renew=0.05),
        tell=steps.append,
        on_event=lambda _: None,
    )
    result = asyncio.run(loop.run())
    assert (result.exit_code, loop.ended["x-1"].outcome.state) == (4, "released")
    assert "on fire" in loop.ended["x-1"].outcome.detail
    assert [step.kind for step in steps] == ["attempt", "stopping", "agent_ended"]
    assert "on fire" in steps[1].detail
    assert not lives(int(pid.read_text()))
    assert workshop.queue() == {}


# --- the base ---


def test_where_the_bases_tests_do_not_run_whole_the_verdict_says_what_was_not_looked_for(
    project: Project,
) -> None:
    project.files({"test_it.py": "import nobody\n"})
    workshop = Workshop(project, "version: 1\n")
    workshop.does("echo 'def test(): pass' > test_it.py")
    run = workshop.run()
    assert run.states == {"x-1": "completed"}
    result = json.loads((workshop.out / "agents/x-1/attempt-1/gate-result.json").read_text())
    assert "baseline.missing" in [warning["code"] for warning in result["warnings"]]
    assert not list((workshop.out / ".worktrees").iterdir())


def test_tests_that_fail_on_the_base_may_not_be_removed(project: Project) -> None:
    project.files({"test_it.py": "def test_a(): assert 0\ndef test_b(): pass\n"})
    workshop = Workshop(project, "version: 1\n")
    workshop.does("echo 'def test_b(): pass' > test_it.py")
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "integrity.tests-removed")


def test_a_policy_of_the_working_files_that_is_not_the_bases_is_pointed_out(
    workshop: Workshop,
) -> None:
    workshop.project.files({"malagate.yaml": POLICY.replace("grep -qx right answer.txt", "ls")})
    workshop.does("echo no > answer.txt")
    run = workshop.run("--max-attempts", "1")
    assert run.states == {"x-1": "failed"}
    assert "the policy that judges is the base's" in run.of("warning")[0]["detail"]


def test_a_base_whose_policy_is_wrong_is_refused_before_anything_starts(
    workshop: Workshop,
) -> None:
    workshop.project.files({"malagate.yaml": "versio: 1\n"}).commit("a mistake")
    workshop.project.files({"malagate.yaml": POLICY})
    workshop.does(RIGHT)
    run = workshop.run()
    assert (run.exit, run.events, "malagate.yaml:1:1" in run.err) == (2, (), True)


def test_a_project_below_the_repositorys_root_is_judged_where_it_is(project: Project) -> None:
    workshop = Workshop(project)
    (project.path / "malagate.yaml").rename(project.path.parent / "kept")
    project.files({"part/malagate.yaml": POLICY, "part/answer.txt": "wrong\n"}).commit("a part")
    project.git("rm", "-rq", "answer.txt")
    project.commit("only the part")
    workshop.does(RIGHT)
    done = subprocess.run(
        workshop.argv(),
        cwd=project.path / "part",
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told(done.returncode, done.stdout, done.stderr).states == {"x-1": "completed"}
    assert workshop.file_on("x-1", "part/answer.txt") == "right"


# --- the end ---


def test_the_first_interrupt_lets_an_agent_end_and_begins_nothing(workshop: Workshop) -> None:
    here = workshop.root.parent
    workshop.issues("x-1", "x-2")
    workshop.does(f"echo . > {here}/begun; while [ ! -f {here}/go ]; do sleep 0.05; done; {RIGHT}")
    process = workshop.begin()
    until(here / "begun", process)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if json.loads(line)["event"] == "interrupted":
            break
    (here / "go").touch()
    code, out, err = ended(process)
    run = told(code, "".join(lines) + out, err)
    assert (run.exit, run.states) == (130, {"x-1": "completed"})


@pytest.mark.parametrize(
    "signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP]]
)
def test_a_second_interrupt_ends_the_agents_and_gives_their_claims_back(
    workshop: Workshop, signals: list[signal.Signals]
) -> None:
    pid = workshop.root.parent / "pid"
    workshop.does(f"echo half > answer.txt; echo $$ > {pid}; sleep 1000")
    process = workshop.begin()
    agent = int(until(pid, process))
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)  # two signals of a kind that come at once are one
    run = told(*ended(process))
    assert (run.exit, run.states) == (130, {"x-1": "released"})
    assert not lives(agent)
    assert workshop.queue() == {}
    assert (workshop.out / ".worktrees" / "x-1" / "answer.txt").read_text() == "half\n"


def test_watching_takes_up_what_comes_later_and_ends_by_an_interrupt(workshop: Workshop) -> None:
    workshop.does(RIGHT)
    process = workshop.begin("--watch", "--poll", "0.2")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        event = json.loads(line)
        if event["event"] == "finished" and event["issue"] == "x-1":
            workshop.issues("x-1", "x-2")
        if event["event"] == "finished" and event["issue"] == "x-2":
            process.send_signal(signal.SIGINT)
            break
    code, out, err = ended(process)
    run = told(code, "".join(lines) + out, err)
    assert (run.exit, run.states) == (130, {"x-1": "completed", "x-2": "completed"})
