"""`malagate reconcile`: what a sweep over a repository on this machine does, says and leaves be."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.cli import reconcile
from pytest_malagate.errors import MachineryError
from pytest_malagate.reconcile.answers import Look, Sweep, Trouble
from pytest_malagate.serial_gate import store_at
from tests.cli.queue_commands import Desk
from tests.conftest import IDENTITY, Project

AT_ONCE = "reconcile: {grace_minutes: 0}"
GATE = 'validations: {lint: {command: "true"}}'


@pytest.fixture
def work(desk: Desk, project: Project, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A repository whose gate wants one command to succeed, and the task x-1, claimed."""
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    for name in ("MALAGATE_RECONCILE", "MALAGATE_RECONCILE_LABELS", "MALAGATE_GRACE_OVERRIDES"):
        monkeypatch.delenv(name, raising=False)
    desk.policy(f"{GATE}\n{AT_ONCE}")
    project.files({"app.py": "x = 1\n"}).commit("Begin")
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    return desk


def works(desk: Desk, project: Project, *, commit: str = "x-1: work") -> None:
    """Work on a task that its gate passes."""
    project.files({"app.py": f"x = {time.time_ns()}\n"}).commit(commit)
    assert desk.says("run", "lint").exit == 0


def to(desk: Desk, stage: str, task: str = "x-1") -> None:
    desk.does("queue", "advance", task, stage)


def state(desk: Desk, task: str = "x-1") -> str:
    """The stage of a task; its state if it is not active."""
    found: dict[str, Any] = desk.status("--task", task)
    active = [known for known in found["active_tasks"] if known["task"] == task]
    return active[0]["stage"] if active else found["task"]["state"]


def kept(project: Project) -> dict[str, bytes]:
    """Every file that malagate wrote; of a database what is in it decides, so it has its own."""
    files = (path for path in project.out.rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in files if "state.db" not in path.name}


# --- the gate ---


def test_a_task_at_the_gate_whose_evidence_passes_goes_to_review(
    work: Desk, project: Project
) -> None:
    works(work, project)
    to(work, "gate")
    said = work.says("reconcile")
    assert (said.exit, said.err) == (0, "")
    assert re.fullmatch(
        r"x-1: advanced from gate to review; it had stood there for \d+ s\n", said.out
    )
    assert state(work) == "review"
    assert work.says("reconcile").out == "1 task looked at, nothing to do\n"


@pytest.mark.parametrize("lacks", ["evidence", "commit", "evidence of this tree"])
def test_a_task_at_the_gate_that_does_not_pass_is_left_without_a_word(
    work: Desk, project: Project, lacks: str
) -> None:
    if lacks != "evidence":
        works(work, project, commit="x-1: work" if lacks != "commit" else "more work")
    if lacks != "commit":
        project.files({"app.py": "x = 'later'\n"}).commit("x-1: more")
    to(work, "gate")
    for _ in range(3):
        said = work.says("reconcile")
        assert (said.exit, said.out, said.err) == (0, "1 task looked at, nothing to do\n", "")
    assert state(work) == "gate"


def test_a_sweep_charges_no_attempt_and_writes_no_result(work: Desk, project: Project) -> None:
    works(work, project, commit="no task's")
    to(work, "gate")
    before = kept(project)
    for argv in (["reconcile"], ["reconcile", "--dry-run"], ["reconcile", "--json"]):
        assert work.says(*argv).exit == 0
    assert kept(project) == before
    result = json.loads(work.says("check", "--task", "x-1", "--json").out)
    assert result["attempt"]["number"] == 1


def test_a_task_that_is_worked_on_is_left_and_so_is_one_within_its_grace(
    work: Desk, project: Project
) -> None:
    works(work, project)
    assert work.does("reconcile")["skipped"] == {"no-handler": 1}
    work.policy(GATE)
    project.commit("x-1: rules")
    to(work, "gate")
    assert work.does("reconcile")["skipped"] == {"grace": 1}
    assert state(work) == "gate"


def test_while_frozen_hard_nothing_is_advanced(work: Desk, project: Project) -> None:
    works(work, project)
    to(work, "gate")
    work.does("freeze", "--mode", "hard", "it burns")
    assert work.does("reconcile")["skipped"] == {"held": 1}
    work.does("unfreeze", "--reason", "it is out")
    assert [look["task"] for look in work.does("reconcile")["advanced"]] == ["x-1"]


# --- what landed ---


def test_a_task_whose_commit_is_in_the_base_is_finished(work: Desk, project: Project) -> None:
    project.git("checkout", "-q", "-b", "topic")
    works(work, project)
    to(work, "landing")
    assert work.does("reconcile", "--base", "main")["skipped"] == {"red": 1}
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "--no-ff", "-m", "Merge", "topic")
    out = work.says("reconcile", "--base", "main").out
    assert out.startswith("x-1: advanced from landing to finished")
    assert state(work) == "finished"


def test_the_base_is_the_remotes_default_branch_where_none_is_named(
    work: Desk, project: Project
) -> None:
    works(work, project)
    to(work, "landing")
    assert work.does("reconcile")["looks"][0]["why"].startswith("no base is known here")
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    project.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    assert len(work.does("reconcile")["advanced"]) == 1


def test_an_older_commit_of_a_name_that_is_used_again_finishes_nothing(
    work: Desk, project: Project
) -> None:
    project.files({"app.py": "x = 0\n"}).commit("x-1: long ago", when=1_700_000_000)
    to(work, "landing")
    (look,) = work.does("reconcile", "--base", "main")["looks"]
    assert (look["outcome"], "made since it was added" in look["why"]) == ("red", True)


def test_a_commit_of_two_tasks_finishes_neither_and_says_so(work: Desk, project: Project) -> None:
    work.does("queue", "add", "x-2")
    works(work, project, commit="x-1: both\n\nTask: x-2")
    to(work, "landing")
    (look,) = work.does("reconcile", "--base", "main")["looks"]
    assert look["outcome"] == "red"
    assert "belongs to several tasks: x-1, x-2" in look["why"]
    assert state(work) == "landing"


def test_what_landed_while_in_review_is_told_and_left_to_a_person(
    work: Desk, project: Project
) -> None:
    works(work, project)
    to(work, "review")
    (line,) = work.says("reconcile", "--base", "main").out.splitlines()
    assert line.startswith("x-1: it is in review, and its commit ")
    assert "a person ends its review" in line
    assert state(work) == "review"


# --- claims ---


def test_a_claim_that_nobody_holds_any_more_is_told(work: Desk) -> None:
    work.does("queue", "requeue", "x-1")
    work.does("queue", "claim", "--lease", "0.001")
    (found,) = work.does("reconcile")["findings"]
    assert (found["item"], found["repairable"]) == ("x-1", False)
    work.does("queue", "claim", "--lease", "0.001")
    work.does("queue", "claim", "--lease", "0.001")
    assert "would repair: it goes to the end" in work.says("reconcile", "--dry-run").out
    assert "repaired: it goes to the end of the queue" in work.says("reconcile").out
    (task,) = work.does("queue", "list")["tasks"]
    assert (task["state"], task["ticket"]) == ("waiting", 3)


# --- switches, dry runs, actors ---


def test_a_dry_run_says_what_it_would_do_and_why_and_writes_nothing(
    work: Desk, project: Project
) -> None:
    works(work, project)
    to(work, "gate")
    work.does("queue", "add", "x-2")
    before = kept(project), work.does("queue", "list")
    said = work.says("reconcile", "--dry-run")
    assert said.out == "x-1: would advance from gate: the gate passes x-1\n"
    assert (kept(project), work.does("queue", "list")) == before
    project.files({"app.py": "x = 9\n"}).commit("x-1: again")
    assert work.says("reconcile", "--dry-run").out.splitlines() == [
        "x-1: stays at gate: the gate says fail: evidence.stale (red)",
        "1 task looked at, nothing to do",
    ]


def test_the_switches_stop_it_and_say_so(
    work: Desk, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    works(work, project)
    to(work, "gate")
    monkeypatch.setenv("MALAGATE_RECONCILE", "off")
    assert work.says("reconcile").out == "nothing was looked at: MALAGATE_RECONCILE=off\n"
    monkeypatch.delenv("MALAGATE_RECONCILE")
    work.policy(f"{GATE}\nreconcile: {{enabled: false}}")
    assert "reconcile.enabled is false in the policy" in work.says("reconcile").out
    assert state(work) == "gate"


def test_overrides_in_the_environment_that_cannot_be_read_are_a_warning(
    work: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALAGATE_GRACE_OVERRIDES", "gate: 3")
    said = work.says("reconcile")
    assert (said.exit, said.err.count("\n")) == (0, 1)
    assert "warning: MALAGATE_GRACE_OVERRIDES is no JSON object" in said.err


def test_overrides_in_the_policy_hold(work: Desk, project: Project) -> None:
    work.policy(f"{GATE}\nreconcile: {{grace_minutes: 99, grace_overrides: {{gate: 0}}}}")
    works(work, project)
    to(work, "gate")
    assert len(work.does("reconcile")["advanced"]) == 1


@pytest.mark.parametrize(
    ("argv", "actor"), [([], "malagate reconcile"), (["--actor", "bob"], "bob")]
)
def test_who_advanced_a_task_is_in_the_ledger(
    work: Desk, project: Project, argv: list[str], actor: str
) -> None:
    works(work, project)
    to(work, "gate")
    work.does("reconcile", *argv)
    ledger = list(store_at(None, project.out / "state.db").ledger("project"))
    assert (ledger[-1].kind, ledger[-1].detail, ledger[-1].actor) == ("advanced", "review", actor)


# --- budgets ---


def test_a_sweep_with_a_budget_goes_on_where_the_last_one_ended(
    work: Desk, project: Project
) -> None:
    work.policy(f"{GATE}\n{AT_ONCE}\nserial: {{enabled: false}}")
    project.commit("rules")
    to(work, "gate")
    for name in ("x-2", "x-3"):
        work.does("queue", "add", name)
        work.does("queue", "claim", "--task", name)
        to(work, "gate", name)
    seen = [
        look["task"] for _ in range(6) for look in work.does("reconcile", "--budget", "1")["looks"]
    ]
    assert sorted(seen) == ["x-1", "x-2", "x-3"]
    (project.out / "reconcile.json").write_text("{")
    said = work.says("reconcile", "--budget", "30s")
    assert (said.exit, "reconcile.json is damaged" in said.err) == (0, True)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "s", "0s", "nans", "infs", "many", "", "²"])
def test_a_budget_that_is_none_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        desk.says("reconcile", f"--budget={text}")
    assert ended.value.code == 2


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "often", "90000"])
def test_an_interval_that_is_none_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        desk.says("reconcile", f"--watch={text}")
    assert ended.value.code == 2


def test_watching_is_one_sweep_after_another_until_ctrl_c(
    work: Desk, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    works(work, project)
    to(work, "gate")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("pytest_malagate.cli.reconcile.sleep", sleep)
    said = work.says("reconcile", "--watch", "5")
    assert (said.exit, slept) == (0, [5.0, 5.0, 5.0])
    first, second = (line.partition(" ")[2] for line in said.out.splitlines())
    assert first.startswith("x-1: advanced from gate to review; ")
    assert second == "1 task looked at, nothing to do"


# --- trouble ---


@pytest.mark.parametrize("argv", [[], ["--dry-run"], ["--json"]])
def test_a_store_that_cannot_be_read_is_trouble_in_one_line(desk: Desk, argv: list[str]) -> None:
    desk.breaks_the_store()
    said = desk.says("reconcile", *argv)
    assert (said.exit, said.out, said.err.count("\n")) == (3, "", 1)
    assert "damaged, or no SQLite file" in said.err


def test_a_store_that_was_named_and_is_not_there_is_no_empty_one(desk: Desk) -> None:
    said = desk.says("reconcile", "--store", "misspelt.db")
    assert (said.exit, "there is no such file" in said.err) == (3, True)


def test_a_base_that_is_no_revision_is_a_usage_error(work: Desk) -> None:
    said = work.says("reconcile", "--base", "nowhere")
    assert (said.exit, said.out) == (2, "")
    assert "nowhere" in said.err


def test_an_empty_queue_has_nothing_to_do_and_nothing_is_left_behind(desk: Desk) -> None:
    said = desk.says("reconcile")
    assert (said.exit, said.out) == (0, "0 tasks looked at, nothing to do\n")
    assert not (desk.path / "malagate-out").exists()


def test_outside_a_repository_landing_is_not_known(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(plain)
    (plain / "malagate.yaml").write_text(f"version: 1\n{AT_ONCE}\n")
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    to(desk, "landing")
    assert desk.does("reconcile")["skipped"] == {"red": 1}
    assert desk.says("reconcile", "--base", "main").exit == 2


def test_hostile_tasks_reach_no_terminal(work: Desk) -> None:
    work.does("queue", "finish", "x-1")
    work.does("queue", "add", "x ::error::gotcha <!-- hidden -->")
    work.does("queue", "claim", "--lease", "0.001")
    said = work.says("reconcile")
    assert said.out.startswith("x : :error::gotcha : its lease has ended")
    assert work.does("reconcile")["findings"][0]["item"] == "x ::error::gotcha <!-- hidden -->"


# --- watching ---


def watched(
    capfd: pytest.CaptureFixture[str], sweeps: list[Sweep | Exception], *, as_json: bool = False
) -> tuple[list[str], list[str], int]:
    """What `--watch` prints over some sweeps, until Ctrl-C."""
    left = list(sweeps)

    def sweep() -> Sweep:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def sleep(_seconds: float) -> None:
        if not left:
            raise KeyboardInterrupt

    options = reconcile.argparse.Namespace(watch=60.0, json=as_json)
    capfd.readouterr()
    code = reconcile.watch(sweep, options, sleep=sleep)
    said = capfd.readouterr()
    return said.out.splitlines(), said.err.splitlines(), code


IDLE = Sweep(looked_at=3)
MOVED = Sweep(
    looked_at=3,
    advanced=(Look(task="x-1", stage="gate", outcome="advanced", to="review", stood=60),),
)


def test_watching_prints_what_is_new_and_ends_with_ctrl_c(
    capfd: pytest.CaptureFixture[str],
) -> None:
    more = Sweep(looked_at=9)
    out, err, code = watched(capfd, [IDLE, IDLE, more, MOVED, MOVED, IDLE])
    assert [line.partition(" ")[2] for line in out] == [
        "3 tasks looked at, nothing to do",
        "x-1: advanced from gate to review; it had stood there for 1 min",
        "x-1: advanced from gate to review; it had stood there for 1 min",
        "3 tasks looked at, nothing to do",
    ]
    assert (err, code) == ([], 0)


def test_watching_goes_on_while_the_store_cannot_be_read_and_says_so_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    gone = MachineryError("the store is gone")
    out, err, code = watched(capfd, [IDLE, gone, gone, IDLE])
    assert (len(out), err, code) == (2, ["malagate: warning: the store is gone"], 0)


def test_watching_tells_trouble_once(capfd: pytest.CaptureFixture[str]) -> None:
    trouble = Sweep(errors=(Trouble(item="x-1", why="no"),))
    _, err, _ = watched(capfd, [trouble, trouble])
    assert err == ["malagate: warning: x-1 could not be handled: no"]


def test_watching_for_a_script_is_a_line_of_json_a_change(
    capfd: pytest.CaptureFixture[str],
) -> None:
    out, _, _ = watched(capfd, [IDLE, IDLE, MOVED], as_json=True)
    assert [len(json.loads(line)["advanced"]) for line in out] == [0, 1]
