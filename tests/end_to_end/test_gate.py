"""The gate as its users meet it: real pytest, real git, the real command, one evaluation after another."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Project, codes

LINT = f"{sys.executable} lint.py"
POLICY = f"""
    version: 1
    validations:
      tests: {{kind: test}}
      lint: {{command: {LINT}}}
      setup: {{command: "true", required: false}}
    scopes:
      task: [setup, tests, lint]
      global: [tests]
    retry: {{max_attempts: 3}}
"""
GOOD = {
    "malagate.yaml": POLICY,
    "lint.py": "import sys, pathlib; sys.exit(pathlib.Path('bad').exists())",
    "test_it.py": "from module import f\ndef test_f(): assert f(1) == 2\ndef test_g(): assert f(2) == 3\n",
    "module.py": "def f(x): return x + 1\n",
    ".gitignore": "__pycache__\n.pytest_cache\n",
}
BROKEN = {"module.py": "def f(x): return x + 2\n"}


@pytest.fixture
def ready(project: Project) -> Project:
    """A repository with a commit for x-1 and all its evidence."""
    project.files(GOOD).commit("x-1: add f")
    assert project.malagate("run", "lint").returncode == 0
    project.pytest("-q", "--malagate-task=x-1")
    return project


def check(project: Project, *args: str) -> dict:
    return project.check("--task", "x-1", *args)


def test_commit_and_evidence_on_its_tree_pass(ready: Project) -> None:
    result = check(ready)
    assert result["exit"] == 0
    assert result["verdict"] == "pass"
    assert result["commit_hash"] == ready.git("rev-parse", "HEAD")
    assert [e["status"] for e in result["validation_evidence"]] == ["missing", "passed", "passed"]


def test_the_plugin_itself_ends_with_the_verdict(project: Project) -> None:
    project.files(GOOD).commit("x-1: add f")
    done = project.pytest("--malagate-task=x-1")
    assert done.returncode == 1  # pytest's 0, but lint never ran
    assert codes(project.result()) == ["evidence.missing"]
    assert "malagate run lint" in done.stdout
    project.malagate("run", "lint")
    assert project.pytest("--malagate-task=x-1").returncode == 0


def test_a_claim_without_a_run_fails(project: Project) -> None:
    project.files(GOOD).commit("x-1: add f")
    result = check(project)
    assert result["exit"] == 1
    assert result["failure_reasons"] == ["No evidence for: tests, lint"]


def test_without_a_commit_for_the_task_nothing_else_is_judged(ready: Project) -> None:
    result = ready.check("--task", "x-2")
    assert codes(result) == ["commit.missing"]


def test_a_baseline_makes_an_older_commit_stale(project: Project) -> None:
    project.files(GOOD).commit("x-1: add f", when=1703500000)
    stale = check(project, "--baseline", "1703501000")
    assert codes(stale) == ["commit.stale"]
    assert "1703501000" in stale["failure_reasons"][0]
    assert codes(check(project, "--baseline", "1703500000")) == ["evidence.missing"]


def test_evidence_of_another_tree_does_not_count(ready: Project) -> None:
    ready.files({"module.py": "def f(x): return 1 + x\n"}).commit("x-1: turn it round")
    assert codes(check(ready)) == ["evidence.stale", "evidence.stale"]


def test_committing_what_was_tested_keeps_the_evidence(project: Project) -> None:
    project.files(GOOD).commit("start")
    project.files({"module.py": "def f(x): return 1 + x\n", "new.py": "X = 1\n"})
    project.malagate("run", "lint")
    project.pytest("-q")
    project.commit("x-1: turn it round")
    assert check(project)["verdict"] == "pass"


def test_uncommitted_work_is_named(ready: Project) -> None:
    ready.files({"module.py": "def f(x): return 1 + x\n"})
    ready.pytest("-q", "--malagate-task=x-1")
    result = ready.result()
    assert codes(result)[0] == "commit.dirty"
    assert "module.py" in result["failure_reasons"][0]


def test_a_part_of_the_suite_is_no_pass(ready: Project) -> None:
    done = ready.pytest("-k", "test_f", "--malagate-task=x-1")
    assert done.returncode == 1
    assert codes(ready.result()) == ["evidence.partial"]
    assert not ready.result()["attempt"]["counted"]


@pytest.mark.parametrize(
    "args", [("test_it.py",), ("test_it.py::test_f",), ("-m", "slow"), ("--lf",)]
)
def test_paths_and_selections_are_recognised(ready: Project, args: tuple[str, ...]) -> None:
    ready.files({"tests/test_more.py": "def test_more(): pass\n"}).commit("x-1: more tests")
    ready.malagate("run", "lint")
    ready.pytest("-q", "--malagate-task=x-1", *args)
    assert "evidence.partial" in codes(ready.result())


def test_paths_that_hold_every_test_are_the_whole_suite(project: Project) -> None:
    project.files(GOOD | {"malagate.yaml": ""}).commit("x-1: add f")
    assert project.pytest("-q", "test_it.py").returncode == 0


def test_a_failure_that_was_repaired_passes_and_one_that_came_later_fails(ready: Project) -> None:
    (ready.path / "bad").touch()
    assert ready.malagate("run", "lint").returncode == 1
    assert "evidence.failed" in codes(check(ready))
    (ready.path / "bad").unlink()
    assert ready.malagate("run", "lint").returncode == 0
    assert check(ready)["verdict"] == "pass"


def test_another_command_under_the_name_is_recorded_and_does_not_satisfy(project: Project) -> None:
    project.files(GOOD).commit("x-1: add f")
    assert project.malagate("run", "lint", "--", "true").returncode == 0
    assert "evidence.wrong-command" in codes(check(project))


def test_scopes_require_what_they_list(ready: Project) -> None:
    ready.files({"lint.py": "raise SystemExit(1)"}).commit("x-1: break lint")
    ready.malagate("run", "lint")
    ready.pytest("-q", "--malagate-task=x-1", "--malagate-scope=global")
    assert ready.result()["verdict"] == "pass"
    assert check(ready)["verdict"] == "fail"


# --- attempts and progress ---


def test_attempts_are_counted_until_a_person_is_asked(project: Project) -> None:
    project.files(GOOD).commit("x-1: add f")
    first = check(project)
    assert (first["attempt"]["number"], first["progress"]["state"]) == (1, "first")
    second = check(project)
    assert (second["attempt"]["number"], second["no_progress"]) == (2, True)
    assert codes(second) == ["evidence.missing", "progress.none"]
    third = check(project)
    assert "retry.exhausted" in codes(third)
    assert third["next_action"]["kind"] == "ask_human"


def test_pytest_and_then_check_are_one_attempt(project: Project) -> None:
    project.files(GOOD | BROKEN | {"malagate.yaml": ""}).commit("x-1: add f")
    project.pytest("-q", "--malagate-task=x-1")
    assert project.result()["attempt"]["number"] == 1
    assert check(project)["attempt"]["number"] == 1
    project.files({"module.py": "def f(x): return x + (x == 1)\n"}).commit("x-1: half of it")
    project.pytest("-q", "--malagate-task=x-1")
    result = check(project)
    assert (result["attempt"]["number"], result["progress"]["state"]) == (2, "progress")
    assert check(project)["no_progress"]


def test_a_pass_ends_the_count(ready: Project) -> None:
    ready.files(BROKEN).commit("x-1: break it")
    assert ready.pytest("-q", "--malagate-task=x-1").returncode == 1
    ready.git("revert", "--no-edit", "HEAD")
    ready.malagate("run", "lint")
    assert ready.pytest("-q", "--malagate-task=x-1").returncode == 0
    ready.files(BROKEN).commit("x-1: break it again")
    assert check(ready)["attempt"]["number"] == 1


def failing(project: Project) -> None:
    project.files(GOOD | BROKEN | {"malagate.yaml": "retry: {max_attempts: 9}\n"})
    project.commit("x-1: add f")
    project.pytest("-q", "--malagate-task=x-1")


@pytest.mark.parametrize(
    "how",
    [
        ("commit", "-q", "--allow-empty", "-m", "x-1: nothing"),
        ("commit", "-q", "--amend", "-m", "x-1: other words"),
        ("rebase", "-q", "--force-rebase", "--root"),
    ],
    ids=["an empty commit", "an amended message", "a rebase onto itself"],
)
@pytest.mark.parametrize("again", ["check", "pytest"])
def test_a_commit_that_changes_no_file_is_no_progress(
    project: Project, how: tuple[str, ...], again: str
) -> None:
    failing(project)
    project.git(*how, when=2_000_000_000)  # the same second would give the same commit
    if again == "pytest":
        project.pytest("-q", "--malagate-task=x-1")
    result = project.result() if again == "pytest" else check(project)
    assert result["no_progress"]


def test_an_artefact_beside_the_files_is_no_progress(project: Project) -> None:
    failing(project)
    check(project)
    for name in ("coverage.xml", "agent.log", "report.html"):
        (project.path / name).write_text("<x/>")
    assert check(project)["no_progress"]


def test_an_edit_of_a_tracked_file_is_no_standstill(project: Project) -> None:
    failing(project)
    project.files({"module.py": "def f(x): return x + 3\n"})
    assert not check(project)["no_progress"]


def test_half_a_fix_is_progress_and_says_what_is_left(project: Project) -> None:
    tests = "".join(f"def test_{n}(): assert {n} in f()\n" for n in range(3))
    project.files(
        {"test_it.py": f"from module import f\n{tests}", "module.py": "def f(): return []\n"}
    )
    project.commit("x-1: start")
    project.pytest("-q", "--malagate-task=x-1")
    project.files({"module.py": "def f(): return [0, 1]\n"}).commit("x-1: half")
    project.pytest("-q", "--malagate-task=x-1")
    progress = project.result()["progress"]
    assert progress["state"] == "progress"
    assert (len(progress["fixed"]), len(progress["persisting"]), progress["new"]) == (2, 1, [])


def test_a_dry_run_counts_nothing(project: Project) -> None:
    project.files(GOOD).commit("x-1: add f")
    for _ in range(3):
        assert check(project, "--dry-run")["attempt"]["number"] == 1


def test_without_a_task_the_branch_is_the_task(project: Project) -> None:
    project.files(GOOD).commit("start")
    project.git("switch", "-q", "-c", "feature")
    result = project.check()
    assert result["subject"]["task"] == "feature"
    assert project.check()["attempt"]["number"] == 2
    project.git("switch", "-q", "main")
    assert project.check()["attempt"]["number"] == 1


def test_a_base_s_policy_judges_and_its_change_is_shown(ready: Project) -> None:
    ready.git("branch", "base")
    ready.files({"malagate.yaml": "scopes: {task: []}\n"}).commit("x-1: require nothing")
    result = check(ready, "--base", "base")
    assert result["verdict"] == "fail"
    assert result["policy"]["source"].endswith(":malagate.yaml")
    assert result["integrity"][0]["code"] == "integrity.policy-changed"
    unknown = ready.malagate("check", "--base", "no-such-rev")
    assert (unknown.returncode, "no-such-rev" in unknown.stderr) == (2, True)


# --- trouble ---


def test_a_damaged_store_is_inconclusive_and_named(ready: Project) -> None:
    (ready.out / "state.db").write_bytes(b"x" * 5000)
    result = check(ready)
    assert (result["exit"], codes(result)) == (3, ["machinery.store"])
    assert "state.db" in result["failure_reasons"][0]


def test_bad_lines_in_the_log_cost_nothing_but_themselves(ready: Project) -> None:
    with (ready.out / "evidence.jsonl").open("ab") as log:
        log.write(b'\xff\xfe\n{"type":\n[1,2]\n{"message": null}\n')
    result = check(ready)
    assert result["verdict"] == "pass"
    assert [why["code"] for why in result["warnings"]] == ["evidence.skipped-lines"]
    assert result["warnings"][0]["message"].startswith("4 lines")


def test_outside_a_repository_the_files_themselves_are_the_tree(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.files(GOOD | {"malagate.yaml": ""})
    assert project.pytest("-q").returncode == 0
    assert project.check()["verdict"] == "pass"
    project.files(BROKEN)
    assert codes(project.check()) == ["evidence.stale"]


def test_a_wrong_policy_is_one_clear_error_of_both(project: Project) -> None:
    project.files(GOOD | {"malagate.yaml": "coverage:\n  min_percnt: 80\n"}).commit("x-1: f")
    for done, code in ((project.malagate("check"), 2), (project.pytest(), 4)):
        assert done.returncode == code
        assert "malagate.yaml:2:3: coverage.min_percnt" in done.stderr
        assert "min_percent" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_result_of_check_is_the_file_and_identical_twice(ready: Project) -> None:
    done = ready.malagate("check", "--json", "--task", "x-1")
    assert done.stdout == (ready.out / "gate-result.json").read_text()
    assert ready.malagate("check", "--json", "--task", "x-1").stdout == done.stdout


def test_an_agent_is_shown_little_and_the_most_important_first(project: Project) -> None:
    tests = "".join(f"def test_{n}(): assert {n} < 0, 'x' * 2000\n" for n in range(60))
    project.files({"test_it.py": tests}).commit("x-1: many")
    project.pytest("-q", "--malagate-task=x-1")
    done = project.malagate("check", "--agent", "--task", "x-1")
    shown = json.loads(done.stdout)
    assert len(done.stdout) <= 8000
    assert len(shown["reasons"]) <= 10
    assert len(shown["reasons"]) + shown["reasons_omitted"] >= 60


def test_a_reader_that_goes_away_is_no_traceback(ready: Project) -> None:
    done = ready.call("sh", "-c", f"{sys.executable} -m pytest_malagate check --json | true")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
