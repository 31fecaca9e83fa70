"""The trusted half: a pull request judged from another run's artifacts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.action.evidence import PASSING, zipped
from tests.action.stage import ALONE, FAILING, GATE_YML, TESTS_YML, TOTAL, Stage


def test_good_evidence_of_a_fork_is_a_success(stage: Stage) -> None:
    pull = stage.opened()
    told = stage.gate(stage.tested(pull))
    assert (told.exit_code, told.outputs["verdict"], told.outputs["passed"]) == (0, "pass", "true")
    assert stage.status(pull.head_sha) == ("success", "passed: 1 warning")
    assert told.result["trust"] == "workflow"
    assert told.warnings == ["baseline.missing"]


def test_a_failing_test_is_a_failure_and_one_comment(stage: Stage) -> None:
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests=FAILING))
    assert (told.exit_code, told.outputs["verdict"]) == (0, "fail")
    status = stage.status(pull.head_sha)
    assert status is not None
    assert status[0] == "failure"
    assert status[1].startswith(f"failed, attempt 1 of 3: pytest: {TOTAL} failed")
    assert [c.body.splitlines()[0] for c in pull.comments] == ["<!-- malagate:gate -->"]
    assert told.outputs["retries-left"] == "2"


def test_the_same_failure_on_three_heads_is_no_progress(stage: Stage) -> None:
    pull = stage.opened()
    for number in (1, 2, 3):
        pull.push({"shop.py": f"# {number}\n"})
        told = stage.gate(stage.tested(pull, tests=FAILING))
        assert told.outputs["attempt"] == str(number)
    assert told.codes == ["tests.failed", "retry.exhausted", "progress.none"]
    assert pull.labels == {"malagate:no-progress", "malagate:needs-human"}
    assert told.outputs["next-action"] == "ask_human"
    assert len(pull.comments) == 1
    pull.push({"shop.py": "# fixed\n"})
    assert stage.gate(stage.tested(pull)).outputs["verdict"] == "pass"
    assert pull.labels == set()


def test_a_rerun_of_the_same_head_is_not_charged(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull, tests=FAILING)
    stage.gate(run)
    run.rerun()
    run.artifact("malagate-evidence", stage.recorded(run, pull, tests=FAILING).files())
    run.finish("failure")
    told = stage.gate(run)
    assert told.outputs["attempt"] == "1"
    assert told.result["attempt"]["counted"] is False
    assert told.outputs["retries-left"] == "2"


@pytest.mark.parametrize("conclusion", ["cancelled", "timed_out", "startup_failure"])
def test_a_run_that_never_finished_is_inconclusive_and_not_charged(
    stage: Stage, conclusion: str
) -> None:
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests=FAILING, conclusion=conclusion))
    assert told.outputs["verdict"] == "inconclusive"
    assert told.codes == ["run.cancelled"]
    status = stage.status(pull.head_sha)
    assert status is not None
    assert status[0] == "error"
    pull.push({"shop.py": "# 2\n"})
    assert stage.gate(stage.tested(pull, tests=FAILING)).outputs["attempt"] == "1"


def test_green_evidence_of_a_red_run_passes_with_a_warning(stage: Stage) -> None:
    told = stage.gate(stage.tested(stage.opened(), conclusion="failure"))
    assert told.outputs["verdict"] == "pass"
    assert "run.conclusion" in told.warnings


def test_a_head_that_moved_on_is_not_judged(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull)
    pull.push({"shop.py": "# newer\n"})
    told = stage.gate(run)
    assert (told.exit_code, told.outputs["verdict"]) == (0, "")
    assert stage.status(run.head_sha) is None
    assert pull.comments == []


def test_a_head_of_two_pull_requests_is_an_error(stage: Stage) -> None:
    pull = stage.opened()
    stage.repo.commit("release", {"x": "y"}, message="another base")
    fork = stage.twin.repositories["mallory/shop"]
    stage.repo.open_pull(head="topic", base="release", fork=fork, title="Again", author="mallory")
    stage.gate(stage.tested(pull))
    status = stage.status(pull.head_sha)
    assert status is not None
    assert status[0] == "error"
    assert "several pull requests" in status[1]


def test_the_policy_is_the_one_of_the_base(stage: Stage) -> None:
    lax = "version: 1\nvalidations: {}\nscopes: {task: [], global: []}\n"
    pull = stage.opened({"malagate.yaml": lax})
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    run.artifact("malagate-evidence", stage.recorded(run, pull, tests={}).files())
    run.finish("success")
    told = stage.gate(run)
    assert told.outputs["verdict"] == "fail"
    assert "integrity.policy-changed" in told.warnings


def test_a_policy_of_the_base_that_is_wrong_is_a_usage_error(stage: Stage) -> None:
    stage.repo.commit("main", {"malagate.yaml": "version: 1\nvalidatons: {}\n"}, message="typo")
    pull = stage.opened()
    told = stage.gate(stage.tested(pull))
    assert told.exit_code == 2
    assert "malagate.yaml:2:1" in told.log
    status = stage.status(pull.head_sha)
    assert status is not None
    assert status[0] == "error"


def test_a_change_to_its_own_workflow_needs_a_person(stage: Stage) -> None:
    pull = stage.opened({TESTS_YML: "name: tests\non: push\n"})
    told = stage.gate(stage.tested(pull))
    assert told.codes == ["integrity.workflow-changed"]
    stage.repo.permission("alice", "maintain")
    told = stage.say(pull, "alice", '/gate accept integrity.workflow-changed reason:"read it"')
    assert told.outputs["verdict"] == "pass"


USING = """name: tests
jobs:
  tests:
    steps:
      - uses: ./.github/actions/set-up
      - uses: "./tools/record" # ours
      - uses: $/
"""


@pytest.mark.parametrize(
    "path",
    [".github/actions/set-up/action.yml", "tools/record/action.yml", "action.yml", TESTS_YML],
)
def test_a_change_to_a_local_action_that_the_workflow_uses_needs_a_person(
    stage: Stage, path: str
) -> None:
    stage.repo.commit("main", {TESTS_YML: USING}, message="use local actions")
    told = stage.gate(stage.tested(stage.opened({path: "name: another\n"})))
    assert told.codes == ["integrity.workflow-changed"]
    assert path in told.result["reasons"][0]["message"]


def test_a_change_to_another_workflow_does_not(stage: Stage) -> None:
    stage.repo.commit("main", {TESTS_YML: USING}, message="use local actions")
    pull = stage.opened({".github/workflows/release.yml": "name: release\n"})
    assert stage.gate(stage.tested(pull)).outputs["verdict"] == "pass"


def test_a_new_workflow_of_the_same_name_cannot_speak_for_the_change(stage: Stage) -> None:
    evil = ".github/workflows/evil.yml"
    pull = stage.opened({evil: "name: tests\n"})
    run = stage.repo.run(workflow=evil, event="pull_request", pull=pull)
    run.artifact("malagate-evidence", stage.recorded(run, pull).files())
    run.finish("success")
    assert stage.gate(run).codes == ["integrity.workflow-changed"]


def test_shards_are_joined(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    first, second = PASSING
    run.artifact("malagate-evidence-1", stage.recorded(run, pull, tests={first: "passed"}).files())
    failed = stage.recorded(run, pull, tests={second: "failed"}, identity="2")
    run.artifact("malagate-evidence-2", failed.files())
    run.artifact("unrelated", {"a": b"b"})
    run.finish("failure")
    told = stage.gate(run)
    assert "tests.failed" in told.codes
    assert told.result["tests"]["collected"] == 2


def test_a_raw_artifact_is_the_log_itself(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    log = stage.recorded(run, pull).log()
    run.artifact("malagate-evidence.jsonl", raw=("malagate-evidence.jsonl", log))
    run.finish("success")
    assert stage.gate(run).outputs["verdict"] == "pass"


def test_of_two_artifacts_of_one_name_the_newer_counts(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull)
    run.rerun()
    run.artifact("malagate-evidence", stage.recorded(run, pull, tests=FAILING).files())
    run.finish("failure")
    assert stage.gate(run).codes == ["tests.failed"]


def test_the_download_carries_no_token(stage: Stage) -> None:
    stage.gate(stage.tested(stage.opened()))
    assert stage.twin.blob_requests
    for request in stage.twin.blob_requests:
        assert "authorization" not in {name.lower() for name in request.headers}


def test_evidence_in_one_directory_of_the_archive_is_found(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    log = stage.recorded(run, pull).log()
    run.artifact("malagate-evidence", zipped({"malagate-out/evidence.jsonl": log}))
    run.finish("success")
    assert stage.gate(run).outputs["verdict"] == "pass"


def test_an_evaluation_stays_within_thirteen_requests(stage: Stage) -> None:
    pull = stage.opened()
    counts = []
    for number in range(1, 12):
        pull.push({"shop.py": f"# {number}\n"})
        counts.append(stage.gate(stage.tested(pull, tests=FAILING)).requests)
    assert max(counts) <= 13
    assert counts[-1] == counts[4]


def test_dry_run_writes_nothing(stage: Stage) -> None:
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests=FAILING), dry_run="true")
    assert told.exit_code == 1
    assert told.outputs["verdict"] == "fail"
    assert [r.method for r in stage.twin.requests if r.method != "GET"] == []


def test_a_wrong_input_is_one_clear_error(stage: Stage) -> None:
    told = stage.gate(stage.tested(stage.opened()), mode="gaet")
    assert told.exit_code == 2
    assert "input mode: 'gaet' is none of" in told.log
    assert "did you mean gate?" in told.log


def test_pull_request_target_is_refused(stage: Stage) -> None:
    pull = stage.opened()
    payload = stage.twin.event("pull_request", pull=pull)
    run = stage.repo.run(workflow=GATE_YML, event="push", branch="main")
    told = stage.act("pull_request_target", payload, run=run)
    assert told.exit_code == 2
    assert "workflow_run" in told.log


# --- the lock ---


def judged_by(stage: Stage, pull: Any, body: str | None, **options: Any) -> Any:
    if body is None:
        return stage.gate(stage.tested(pull, tests=FAILING), **options)
    return stage.say(pull, "alice", body, **options)


@pytest.mark.parametrize("body", [None, "/gate retry"], ids=["evaluation", "command"])
@pytest.mark.parametrize("group", [None, ("ci", "max")], ids=["in-none", "in-another"])
def test_outside_of_a_group_nothing_is_written(
    stage: Stage, group: tuple[str, str] | None, body: str | None
) -> None:
    pull = stage.opened()
    stage.gate(stage.tested(pull, tests=FAILING))
    before = len(stage.twin.requests)
    told = judged_by(stage, pull, body, alone=group)
    assert told.exit_code == 3
    assert "concurrency: {group: malagate-gate, queue: max}" in told.log
    assert {request.method for request in stage.twin.requests[before:]} == {"GET"}
    assert told.outputs == {}


@pytest.mark.parametrize("body", [None, "/gate retry"], ids=["evaluation", "command"])
def test_behind_another_evaluation_nothing_is_written(stage: Stage, body: str | None) -> None:
    pull = stage.opened()
    stage.gate(stage.tested(pull, tests=FAILING))
    other = stage.repo.run(workflow=GATE_YML, event="workflow_run", concurrency=ALONE)
    before = len(stage.twin.requests)
    told = judged_by(stage, pull, body)
    assert told.exit_code == 3
    assert "another run is in front of this one in malagate-gate" in told.log
    assert {request.method for request in stage.twin.requests[before:]} == {"GET"}
    other.finish("success")
    assert judged_by(stage, pull, body).exit_code == 0


@pytest.mark.parametrize("kind", ["not-found", "forbidden"])
def test_where_nobody_tells_who_is_alone_it_says_so_and_goes_on(stage: Stage, kind: str) -> None:
    pull = stage.opened()
    stage.twin.faults.add(kind, times=99, path="concurrency_groups")
    told = stage.gate(stage.tested(pull, tests=FAILING), alone=None)
    assert (told.exit_code, told.outputs["verdict"]) == (0, "fail")
    assert told.log.count("not known to be the only evaluation; going on") == 1
    assert stage.status(pull.head_sha) is not None


def test_in_one_job_nobody_has_to_be_alone(stage: Stage) -> None:
    pull = stage.opened(fork=False)
    run = stage.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    log = stage.recorded(run, pull).log()
    payload = stage.twin.event("pull_request", pull=pull)
    files = {"malagate-out/evidence.jsonl": log}
    before = len(stage.twin.requests)
    told = stage.act("pull_request", payload, run=run, workflow=TESTS_YML, workspace=files)
    assert (told.exit_code, told.outputs["verdict"]) == (0, "pass")
    assert not any("concurrency" in each.path for each in stage.twin.requests[before:])
