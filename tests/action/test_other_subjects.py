"""What else is judged: what landed, a merge group, the one-job set-up, the verified one."""

from __future__ import annotations

from typing import Any

from tests.action.stage import ALONE, FAILING, GATE_YML, PASSING, TESTS_YML, Stage

GONE = "tests/test_shop.py::test_gone"
STRICT = """\
version: 1
validations:
  tests: {kind: test}
coverage: {min_percent: 10, no_decrease: true}
integrity: {protected_paths: [.github/**, conftest.py]}
"""


# --- what landed ---


def test_what_landed_leaves_a_baseline_for_the_next_change(stage: Stage) -> None:
    told = stage.landed(tests={**PASSING, GONE: "passed"})
    assert told.outputs["verdict"] == "pass"
    pull = stage.opened()
    told = stage.gate(stage.tested(pull))
    assert told.codes == ["integrity.tests-removed"]
    assert told.result["tests"]["removed"] == [GONE]


def test_a_test_that_is_skipped_now_is_found(stage: Stage) -> None:
    stage.landed(tests={**PASSING, GONE: "passed"})
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests={**PASSING, GONE: "skipped"}))
    assert told.codes == ["integrity.skips-added"]


def test_a_test_that_came_to_the_base_later_is_not_missing(stage: Stage) -> None:
    stage.landed()
    pull = stage.opened()
    run = stage.tested(pull)
    stage.repo.commit("main", {"tests/test_new.py": "..."}, message="a new test")
    stage.landed(tests={**PASSING, "tests/test_new.py::test_new": "passed"})
    assert stage.gate(run).outputs["verdict"] == "pass"


def test_coverage_may_not_decrease(stage: Stage) -> None:
    stage.repo.commit("main", {"malagate.yaml": STRICT}, message="strict")
    stage.landed(percent=90.0)
    pull = stage.opened()
    assert stage.gate(stage.tested(pull, percent=50.0)).codes == ["coverage.decreased"]
    pull.push({"shop.py": "# better\n"})
    assert stage.gate(stage.tested(pull, percent=95.0)).outputs["verdict"] == "pass"


def test_protected_files_need_a_person(stage: Stage) -> None:
    stage.repo.commit("main", {"malagate.yaml": STRICT}, message="strict")
    pull = stage.opened({"conftest.py": "import os\n"})
    assert "integrity.protected-path" in stage.gate(stage.tested(pull, percent=90.0)).codes


def test_a_partial_run_leaves_no_baseline(stage: Stage) -> None:
    assert "baseline-path" not in stage.landed(partial=["ran with -k total"]).outputs


def test_a_baseline_that_a_change_uploaded_is_passed_over(stage: Stage) -> None:
    stage.landed(tests={**PASSING, GONE: "passed"})
    pull = stage.opened(fork=False)
    run = stage.tested(pull)
    empty = b'{"schema":"malagate/baseline@1","repository":"acme/shop","commit":"' + (
        stage.repo.tip("main").encode() + b'","populations":{}}'
    )
    run.artifact("malagate-baseline", {"baseline.json": empty})
    assert stage.gate(run).codes == ["integrity.tests-removed"]


def test_a_pushed_branch_that_is_not_the_default_has_nothing_to_judge(stage: Stage) -> None:
    stage.repo.commit("topic", {"a": "b"}, message="work")
    run = stage.repo.run(workflow=TESTS_YML, event="push", branch="topic")
    run.finish("success")
    told = stage.gate(run)
    assert (told.exit_code, told.outputs["verdict"]) == (0, "")


# --- the merge queue ---


def test_a_merge_group_gets_its_status(stage: Stage) -> None:
    pull = stage.opened()
    group = stage.repo.merge_group(pull)
    run = stage.repo.run(
        workflow=TESTS_YML,
        event="merge_group",
        sha=group.head_sha,
        branch=group.head_ref.removeprefix("refs/heads/"),
    )
    run.artifact("malagate-evidence", stage.recorded(run).files())
    run.finish("success")
    told = stage.gate(run)
    assert told.outputs["verdict"] == "pass", told.log
    status = stage.status(group.head_sha)
    assert status is not None
    assert status[0] == "success"
    assert pull.comments == []


# --- one job ---


def in_one_job(stage: Stage, pull: Any, **changes: Any) -> Any:
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    files = {"malagate-out/evidence.jsonl": stage.recorded(run, pull, **changes).log()}
    payload = stage.twin.event("pull_request", pull=pull, action="synchronize")
    return stage.act("pull_request", payload, run=run, workflow=TESTS_YML, workspace=files)


def test_in_one_job_the_conclusion_is_the_verdict(stage: Stage) -> None:
    pull = stage.opened(fork=False)
    told = in_one_job(stage, pull, tests=FAILING)
    assert (told.exit_code, told.outputs["verdict"]) == (1, "fail")
    assert told.result["trust"] == "job"
    assert stage.status(pull.head_sha) is not None
    pull.push({"shop.py": "# fixed\n"})
    told = in_one_job(stage, pull)
    assert (told.exit_code, told.outputs["attempt"]) == (0, "2")


def test_in_one_job_a_fork_gets_conclusion_and_summary_and_no_write_is_tried(
    stage: Stage,
) -> None:
    pull = stage.opened()
    told = in_one_job(stage, pull, tests=FAILING)
    assert told.exit_code == 1
    assert "malagate: failed" in told.summary
    assert [r.method for r in stage.twin.requests if r.method != "GET"] == []


def test_a_link_in_the_workspace_is_not_followed(stage: Stage, tmp_path: Any) -> None:
    pull = stage.opened(fork=False)
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    secret = tmp_path / "secret"
    secret.write_bytes(stage.recorded(run, pull).log())
    payload = stage.twin.event("pull_request", pull=pull)
    link = {"malagate-out/evidence.jsonl": secret}
    told = stage.act("pull_request", payload, run=run, workflow=TESTS_YML, links=link)
    assert (told.outputs["verdict"], told.codes) == ("inconclusive", ["artifact.unsafe"])


# --- verified ---


def test_in_the_verified_set_up_the_evidence_is_of_this_very_run(stage: Stage) -> None:
    pull = stage.opened()
    trigger = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    trigger.artifact("malagate-evidence", stage.recorded(trigger, pull, tests=FAILING).files())
    trigger.finish("success")
    mine = stage.repo.run(workflow=GATE_YML, event="workflow_run", concurrency=ALONE)
    facts = {"commit": pull.head_sha, "tree": stage.tree_of(pull.head_sha)}
    mine.artifact("malagate-evidence", stage.recorded(mine, pull, **facts).files())
    payload = stage.twin.event("workflow_run", run=trigger)
    told = stage.act("workflow_run", payload, run=mine, evidence_run="this")
    assert told.outputs["verdict"] == "pass", told.log
    assert told.result["trust"] == "verified"
    assert "integrity.workflow-changed" not in told.warnings


def test_a_change_to_the_workflow_does_not_matter_where_the_default_branch_s_runs(
    stage: Stage,
) -> None:
    pull = stage.opened({TESTS_YML: "name: tests\non: push\n"})
    trigger = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    trigger.finish("success")
    mine = stage.repo.run(workflow=GATE_YML, event="workflow_run", concurrency=ALONE)
    facts = {"commit": pull.head_sha, "tree": stage.tree_of(pull.head_sha)}
    mine.artifact("malagate-evidence", stage.recorded(mine, pull, **facts).files())
    payload = stage.twin.event("workflow_run", run=trigger)
    told = stage.act("workflow_run", payload, run=mine, evidence_run="this")
    assert told.outputs["verdict"] == "pass"


def test_a_command_judges_the_verified_evidence_again(stage: Stage) -> None:
    stage.repo.permission("alice", "maintain")
    pull = stage.opened()
    trigger = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    trigger.finish("success")
    mine = stage.repo.run(workflow=GATE_YML, event="workflow_run", concurrency=ALONE)
    facts = {"commit": pull.head_sha, "tree": stage.tree_of(pull.head_sha)}
    mine.artifact("malagate-evidence", stage.recorded(mine, tests=FAILING, **facts).files())
    payload = stage.twin.event("workflow_run", run=trigger)
    assert stage.act("workflow_run", payload, run=mine, evidence_run="this").codes
    told = stage.say(pull, "alice", "/gate retry")
    assert (told.outputs["verdict"], told.codes) == ("fail", ["tests.failed"])
    assert told.result["trust"] == "verified"


# --- the untrusted half ---


def test_collect_hands_the_evidence_over_and_judges_nothing(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    log = stage.recorded(run, pull, tests=FAILING).log()
    files = {"malagate-out/evidence.jsonl": log, "malagate-out/state.db": b"private"}
    payload = stage.twin.event("pull_request", pull=pull)
    told = stage.act(
        "pull_request", payload, run=run, workspace=files, mode="collect", token="", job="unit"
    )
    assert (told.exit_code, told.requests) == (0, 0)
    assert told.outputs["evidence-name"] == "malagate-evidence-unit"
    assert told.handed("evidence-path") == {"evidence.jsonl": log}


def test_collect_runs_its_command_and_keeps_its_exit_code(stage: Stage) -> None:
    pull = stage.opened()
    payload = stage.twin.event("pull_request", pull=pull)
    command = 'mkdir malagate-out; printf "%s\\n" "${MALAGATE_INPUT_TOKEN-no token}" '
    command += "> malagate-out/evidence.jsonl; exit 3"
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    told = stage.act("pull_request", payload, run=run, mode="collect", command=command)
    assert told.exit_code == 3
    assert told.handed("evidence-path") == {"evidence.jsonl": b"no token\n"}


def test_collect_without_evidence_says_what_to_do(stage: Stage) -> None:
    payload = stage.twin.event("pull_request", pull=stage.opened())
    told = stage.act("pull_request", payload, mode="collect", workflow=TESTS_YML, run=None)
    assert told.exit_code == 1
    assert "run `pytest -p malagate`" in told.log
