"""action.yml's own steps for every mode and event: real clones, real pytest runs, a real GitHub twin."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.action.stage import ALONE, GATE_YML, TESTS_YML
from tests.action.story import EXPECTED, GOOD, POLICY, TESTS, WRONG_VAT, Story, wrong
from tests.action.workflows import PYTEST, Workflows
from tests.action_yml import ActionRun
from tests.action_yml.installation import installation
from tests.twin import Twin

__all__ = ["installation"]

OURS = ("error", "warning", "notice")


@pytest.fixture
def workflows(twin: Twin, installation: Path) -> Workflows:
    """acme/shop with the story's files on its default branch."""
    repo = twin.repository("acme/shop")
    files = {
        "malagate.yaml": POLICY,
        "shop.py": GOOD,
        "test_shop.py": TESTS,
        TESTS_YML: "name: t\n",
    }
    repo.commit("main", files, message="A shop")
    repo.permission("alice", "maintain")
    return Workflows(twin, repo, installation)


def opened(workflows: Workflows, shop: str = GOOD + "# more\n", *, fork: bool = True) -> Any:
    repo = workflows.repo
    source = repo.fork("mallory") if fork else repo
    source.commit("topic", {"shop.py": shop}, message="work")
    return repo.open_pull(
        head="topic", fork=source if fork else None, title="Work", author="mallory"
    )


def result(done: ActionRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(done.outputs["result"]).read_text())
    return found


def status(workflows: Workflows, sha: str) -> str | None:
    found = [s for s in workflows.repo.statuses(sha) if s.context == "malagate/gate"]
    return found[0].state if found else None


def own_job(
    workflows: Workflows, event: str, payload: Any, run: Any, ref: str, **inputs: str
) -> ActionRun:
    """Test and judge in one job of the change's own workflow."""
    environ = workflows.environ(event, payload, run, workflows.write, TESTS_YML)
    workflows.checkout(Path(environ["GITHUB_WORKSPACE"]), ref)
    return workflows.act(environ, command=PYTEST, **inputs)


def test_the_whole_story(twin: Twin, installation: Path) -> None:
    seen = list(Story(twin, installation).chapters())
    assert {chapter.title: wrong(chapter) for chapter in seen} == {title: [] for title in EXPECTED}


def test_workflow_run_for_a_fork(workflows: Workflows) -> None:
    pull = opened(workflows)
    done = workflows.judged(workflows.tested(pull))
    assert (done.exit_code, done.outputs["verdict"]) == (0, "pass"), done.log
    assert result(done)["trust"] == "workflow"
    assert status(workflows, pull.head_sha) == "success"
    assert done.artifact("malagate-state-pr-1").files.keys() == {"state.json"}
    assert {command.name for command in done.commands} <= set(OURS)


@pytest.mark.parametrize(
    ("shards", "verdict", "codes"),
    [
        (("-k vat", "-k 'not vat'"), "pass", []),
        (("-k vat", "-k vat"), "fail", ["evidence.partial"]),
    ],
    ids=["all", "one-twice"],
)
def test_shards_of_a_matrix_make_one_suite_if_none_is_missing(
    workflows: Workflows, shards: tuple[str, ...], verdict: str, codes: list[str]
) -> None:
    pull = opened(workflows)
    run = workflows.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    for index, shard in enumerate(shards):
        strategy = {"job-index": index, "job-total": len(shards)}
        done = workflows.collect(run, pull, f"{PYTEST} {shard}", {"strategy": strategy})
        assert done.exit_code == 0, done.log
    run.finish("success")
    judged = workflows.judged(run)
    assert judged.outputs["verdict"] == verdict
    assert [why["code"] for why in result(judged)["reasons"]] == codes


def test_push_in_one_job_judges_what_landed_and_keeps_its_baseline(workflows: Workflows) -> None:
    repo = workflows.repo
    run = repo.run(workflow=TESTS_YML, event="push", branch="main")
    payload = workflows.twin.event("push", repo=repo, branch="main")
    done = own_job(workflows, "push", payload, run, "refs/heads/main")
    assert (done.exit_code, done.outputs["verdict"]) == (0, "pass"), done.log
    assert status(workflows, repo.tip("main")) == "success"
    baseline = json.loads(done.artifact("malagate-baseline").files["baseline.json"])
    assert sorted(baseline["populations"]["tests"]["ran"])[0] == (
        "test_shop.py::test_nothing_costs_nothing"
    )


def test_pull_request_in_one_job_ends_as_the_verdict_does(workflows: Workflows) -> None:
    pull = opened(workflows, WRONG_VAT, fork=False)
    run = workflows.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    payload = workflows.twin.event("pull_request", pull=pull, action="opened")
    done = own_job(workflows, "pull_request", payload, run, "refs/pull/1/merge")
    assert (done.exit_code, done.outputs["verdict"]) == (1, "fail"), done.log
    assert done.step("Keep the attempts so far").outcome == "success"
    assert status(workflows, pull.head_sha) == "failure"


def test_pull_request_of_a_fork_in_one_job_writes_nothing(workflows: Workflows) -> None:
    pull = opened(workflows, WRONG_VAT)
    run = workflows.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    payload = workflows.twin.event("pull_request", pull=pull, action="opened")
    done = own_job(workflows, "pull_request", payload, run, "refs/pull/1/merge")
    assert (done.exit_code, done.artifacts) == (1, [])
    assert "malagate: failed" in done.summary
    assert [r.method for r in workflows.twin.requests if r.method != "GET"] == []


def test_merge_group_in_one_job(workflows: Workflows) -> None:
    pull = opened(workflows)
    group = workflows.repo.merge_group(pull)
    run = workflows.repo.run(workflow=TESTS_YML, event="merge_group", group=group)
    payload = workflows.twin.event("merge_group", group=group)
    done = own_job(workflows, "merge_group", payload, run, group.head_ref)
    assert done.exit_code == 0, done.log
    assert status(workflows, group.head_sha) == "success"


def test_workflow_dispatch_judges_the_pull_request_that_is_named(workflows: Workflows) -> None:
    pull = opened(workflows)
    workflows.tested(pull)
    payload = workflows.twin.event("workflow_dispatch", repo=workflows.repo, inputs={})
    done = workflows.react("workflow_dispatch", payload, pull_request=str(pull.number))
    assert done.outputs["verdict"] == "pass", done.log


def test_verified_runs_the_change_under_the_default_branch_s_steps(workflows: Workflows) -> None:
    pull = opened(workflows, WRONG_VAT)
    trigger = workflows.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
    trigger.finish("success")
    run = workflows.repo.run(workflow=GATE_YML, event="workflow_run", concurrency=ALONE)
    payload = workflows.twin.event("workflow_run", run=trigger)
    nothing = workflows.twin.token("t-none", workflows.repo, permissions={})
    environ = workflows.environ("workflow_run", payload, run, nothing, GATE_YML)
    workflows.checkout(Path(environ["GITHUB_WORKSPACE"]), "refs/pull/1/head")
    assert workflows.act(environ, mode="collect", command=PYTEST).exit_code == 1
    gate = workflows.environ("workflow_run", payload, run, workflows.write, GATE_YML)
    done = workflows.act(gate, mode="gate", evidence_run="this")
    assert (done.exit_code, done.outputs["verdict"]) == (0, "fail"), done.log
    assert result(done)["trust"] == "verified"


def queue_job(workflows: Workflows, event: str, payload: Any, **inputs: str) -> ActionRun:
    """A job of the queue's workflows, in the lock of its kind."""
    kind = ("commands", "max") if event == "issue_comment" else ("tick", "single")
    group = (f"malagate-{kind[0]}-v0", kind[1])
    run = workflows.repo.run(workflow=GATE_YML, event=event, concurrency=group)
    environ = workflows.environ(event, payload, run, workflows.write, GATE_YML)
    done = workflows.act(environ, **inputs)
    run.finish("success" if done.exit_code == 0 else "failure")
    return done


def test_queue_and_freeze_from_the_first_sweep_to_a_clear(workflows: Workflows) -> None:
    twin, repo = workflows.twin, workflows.repo
    pull = opened(workflows)
    swept = queue_job(workflows, "schedule", twin.event("schedule", repo=repo), mode="admit")
    assert (swept.exit_code, swept.outputs["frozen"]) == (0, "false"), swept.log
    payload = twin.event("deployment_status", repo=repo)
    smoke = queue_job(
        workflows, "deployment_status", payload, mode="post-deploy", command="echo 503; exit 1"
    )
    assert (smoke.exit_code, smoke.outputs["verdict"], smoke.outputs["frozen"]) == (
        *(1, "DEGRADED", "true"),
    ), smoke.log
    issue = next(i for i in repo.issues.values() if "malagate:frozen" in i.labels)
    group = repo.merge_group(pull)
    landing = queue_job(
        workflows, "merge_group", twin.event("merge_group", group=group), mode="admit"
    )
    assert (landing.exit_code, landing.outputs["admitted"]) == (4, "false"), landing.log
    # The jobs' clock is the machine's, and nobody clears a freeze before it is there.
    twin.advance(max(0, int(time.time()) + 1 - twin.clock()))
    for login, frozen in (("mallory", "true"), ("alice", "false")):
        comment = issue.comment(author=login, body='/gate unfreeze reason:"rolled back"')
        payload = twin.event("issue_comment", comment=comment)
        said = queue_job(workflows, "issue_comment", payload, mode="auto")
        assert (said.exit_code, said.outputs["frozen"]) == (0, frozen), said.log
        assert {command.name for command in said.commands} <= set(OURS)
    swept = queue_job(
        workflows, "issues", twin.event("issues", issue=issue, action="closed"), mode="auto"
    )
    assert swept.exit_code == 0, swept.log
    found = [s for s in repo.statuses(pull.head_sha) if s.context == "malagate/admission"]
    assert (found[0].state, found[0].description) == ("success", "may land")


CANCELLED = """
step=$$
while [ "$(ps -o ppid= -p "$step" | tr -d ' ')" != RUNNER ]; do
  step=$(ps -o ppid= -p "$step" | tr -d ' ')
done
kill -INT "$step"
sleep 20
"""


def test_a_check_that_the_runner_cancels_freezes_before_the_job_is_over(
    workflows: Workflows,
) -> None:
    """A runner tells the step's own process first, and kills what is left some seconds later."""
    twin, repo = workflows.twin, workflows.repo
    swept = queue_job(workflows, "schedule", twin.event("schedule", repo=repo), mode="admit")
    assert swept.exit_code == 0, swept.log
    smoke = queue_job(
        workflows,
        "deployment_status",
        twin.event("deployment_status", repo=repo),
        mode="post-deploy",
        command=CANCELLED.replace("RUNNER", str(os.getpid())),
    )
    told = (smoke.exit_code, smoke.outputs["verdict"], smoke.outputs["frozen"])
    assert told == (3, "INCONCLUSIVE", "true"), smoke.log
    assert "was killed by SIGINT" in smoke.log


def test_a_hostile_name_stays_a_name(workflows: Workflows) -> None:
    """Titles and branches reach no shell, and no line of the log is a command of theirs."""
    repo = workflows.repo
    fork = repo.fork("mallory")
    branch = "$(touch${IFS}pwned);`touch${IFS}pwned`"
    fork.commit(branch, {"shop.py": GOOD + "# x\n"}, message="::set-output name=passed::true")
    title = '"; touch pwned; echo "::error::x\n::add-mask::y'
    pull = repo.open_pull(head=branch, fork=fork, title=title, author="mallory")
    done = workflows.judged(workflows.tested(pull))
    assert done.outputs["verdict"] == "pass", done.log
    assert {command.name for command in done.commands} <= set(OURS)
    assert not list(workflows.twin.directory.rglob("pwned"))
