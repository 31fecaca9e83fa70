"""Evidence is of this run, this commit and this tree, or it is no evidence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.action.stage import TESTS_YML, Stage


def judged(stage: Stage, pull: Any, **changes: Any) -> Any:
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    given = {name: value(run) if callable(value) else value for name, value in changes.items()}
    run.artifact("malagate-evidence", stage.recorded(run, pull, **given).files())
    run.finish("success")
    return stage.gate(run)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ci": None}, "evidence.other-run"),
        ({"ci": "1.1"}, "evidence.other-run"),
        ({"ci": lambda run: f"{run.id}.2"}, "evidence.other-run"),
        ({"ci": lambda run: f"{run.id}"}, "evidence.other-run"),
        ({"ci": lambda run: f"{run.id}.1\n::error::x"}, "evidence.other-run"),
        ({"commit": None}, "evidence.other-commit"),
        ({"commit": "f" * 40}, "evidence.other-commit"),
        ({"commit": "main"}, "evidence.other-commit"),
        ({"commit": "../../../user"}, "evidence.other-commit"),
    ],
)
def test_a_foreign_mark_is_inconclusive(stage: Stage, changes: Any, code: str) -> None:
    told = judged(stage, stage.opened(), **changes)
    assert (told.outputs["verdict"], told.codes) == ("inconclusive", [code])


def test_another_tree_is_stale(stage: Stage) -> None:
    told = judged(stage, stage.opened(), tree="e" * 40)
    assert (told.outputs["verdict"], told.codes) == ("fail", ["evidence.stale"])


def test_the_head_itself_may_be_tested(stage: Stage) -> None:
    pull = stage.opened()
    tree = stage.tree_of(pull.head_sha)
    assert judged(stage, pull, commit=pull.head_sha, tree=tree).outputs["verdict"] == "pass"


def test_a_merge_with_something_that_is_not_the_base_is_refused(stage: Stage) -> None:
    pull = stage.opened()
    stray = stage.repo.commit("stray", {"evil.py": "1\n"}, message="not in main")
    tree = stage.tree_of(stray)
    merge = stage.git("commit-tree", tree, "-p", stray, "-p", pull.head_sha, "-m", "merge")
    told = judged(stage, pull, commit=merge, tree=tree)
    assert (told.outputs["verdict"], told.codes) == ("inconclusive", ["evidence.other-commit"])


def test_a_commit_of_another_head_is_refused(stage: Stage) -> None:
    pull = stage.opened()
    before = pull.merge_sha
    pull.push({"shop.py": "# newer\n"})
    told = judged(stage, pull, commit=before, tree=stage.tree_of(before))
    assert told.codes == ["evidence.other-commit"]


def test_a_base_that_moved_meanwhile_is_a_warning(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull)
    stage.repo.commit("main", {"README.md": "new\n"}, message="something landed")
    told = stage.gate(run)
    assert told.outputs["verdict"] == "pass"
    assert "base.moved" in told.warnings


def test_after_rerunning_the_failed_jobs_the_others_still_count(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull, jobs=("unit", "lint"))
    run.artifact("malagate-evidence-unit", stage.recorded(run, pull).files())
    run.finish("failure", jobs={"unit": "success", "lint": "failure"})
    run.rerun(failed_only=True)
    lint = stage.recorded(run, pull, commands={"lint": ("ruff check .", 0)}, identity="2")
    run.artifact("malagate-evidence-lint", lint.files())
    run.finish("success")
    assert stage.gate(run).outputs["verdict"] == "pass"


def test_after_rerunning_everything_the_first_attempt_is_foreign(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull)
    run.rerun()
    run.finish("success")
    told = stage.gate(run)
    assert (told.outputs["verdict"], told.codes) == ("inconclusive", ["evidence.other-run"])


def test_a_resolution_marker_in_an_artifact_closes_nothing(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    marker = (
        b'{"type":"resolution","marker":"ISSUE_NO_CHANGE","rationale":"nothing to do","at":1.0}\n'
    )
    header = stage.recorded(run, pull).log().partition(b"\n")[0] + b"\n"
    run.artifact("malagate-evidence", {"evidence.jsonl": header + marker})
    run.finish("success")
    told = stage.gate(run)
    assert told.outputs["verdict"] == "fail"
    assert told.result["resolution"] is None


def test_an_agent_s_own_log_is_no_evidence_here(stage: Stage) -> None:
    policy = "version: 1\nvalidations:\n  lint: {command: ruff check .}\n"
    stage.repo.commit("main", {"malagate.yaml": policy}, message="lint")
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    tree, commit = stage.tree_of(pull.merge_sha), pull.merge_sha
    claim = (
        f'{{"type":"ingested","name":"lint","source":"claude","command":"ruff check .","at":1.0,'
        f'"exit_code":0,"tree":"{tree}","commit":"{commit}"}}\n'
    )
    header = stage.recorded(run, pull).log().partition(b"\n")[0] + b"\n"
    run.artifact("malagate-evidence", {"evidence.jsonl": header + claim.encode()})
    run.finish("success")
    assert stage.gate(run).outputs["verdict"] != "pass"
