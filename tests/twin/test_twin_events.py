"""The events that the twin makes, against GitHub's description; the runner's variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.twin import PullRequest, Repository, Twin
from tests.twin.contract import event_violations

PULL_ACTIONS = ("opened", "synchronize", "reopened", "closed", "labeled", "unlabeled")


@pytest.fixture(params=["a branch", "a fork"])
def pull(repo: Repository, request: pytest.FixtureRequest) -> PullRequest:
    source = repo.fork("mallory") if request.param == "a fork" else repo
    source.commit("topic", {"b.py": ""})
    made = repo.open_pull(head="topic", fork=source, author="mallory", body="Please.")
    made.push({"b.py": "1"})
    return made


@pytest.mark.parametrize("action", PULL_ACTIONS)
def test_a_pull_requests_events(twin: Twin, pull: PullRequest, action: str) -> None:
    label = "bug" if "label" in action else None
    payload = twin.event("pull_request", pull=pull, action=action, label=label)
    assert event_violations("pull_request", payload) == []
    assert payload["pull_request"]["head"]["sha"] == pull.head_sha
    if action == "synchronize":
        assert (payload["before"], payload["after"]) == (pull.previous_sha, pull.head_sha)


def test_a_runs_events(twin: Twin, repo: Repository, pull: PullRequest) -> None:
    run = repo.run(pull=pull)
    assert twin.event("workflow_run", run=run)["action"] == "in_progress"
    run.finish("failure")
    payload = twin.event("workflow_run", run=run)
    assert (payload["action"], payload["workflow_run"]["conclusion"]) == ("completed", "failure")
    assert event_violations("workflow_run", payload) == []
    assert bool(payload["workflow_run"]["pull_requests"]) is not pull.from_fork


def test_a_comments_event(twin: Twin, pull: PullRequest) -> None:
    comment = pull.comment(author="alice", body="/gate retry")
    payload = twin.event("issue_comment", comment=comment)
    assert event_violations("issue_comment", payload) == []
    assert (payload["comment"]["body"], payload["sender"]["login"]) == ("/gate retry", "alice")
    assert "pull_request" in payload["issue"]


@pytest.mark.parametrize("action", ["opened", "closed", "labeled", "unlabeled", "reopened"])
def test_an_issues_events(twin: Twin, repo: Repository, action: str) -> None:
    issue = repo.open_issue("Frozen", labels=("freeze",))
    if action == "closed":
        issue.close()
    label = "freeze" if "label" in action else None
    payload = twin.event("issues", issue=issue, action=action, label=label)
    assert event_violations("issues", payload) == []


def test_the_other_events(twin: Twin, repo: Repository, pull: PullRequest) -> None:
    group = repo.merge_group(pull)
    for name, payload in {
        "merge_group": twin.event("merge_group", group=group),
        "push": twin.event("push", repo=repo, branch="main"),
        "workflow_dispatch": twin.event("workflow_dispatch", repo=repo, inputs={"mode": "gate"}),
    }.items():
        assert event_violations(name, payload) == [], name
    assert twin.event("schedule", repo=repo)["schedule"]


def test_a_wrong_event_is_noticed(twin: Twin, pull: PullRequest) -> None:
    payload = twin.event("pull_request", pull=pull)
    del payload["pull_request"]["head"]["sha"]
    assert event_violations("pull_request", payload) != []
    assert event_violations("pull_request", payload | {"action": "invented"}) != []


def files(environ: dict[str, str]) -> list[str]:
    names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_EVENT_PATH")
    return [environ[name] for name in names]


def test_a_job_of_workflow_run_stands_on_the_default_branch(
    twin: Twin, repo: Repository, pull: PullRequest
) -> None:
    payload = twin.event("workflow_run", run=repo.run(pull=pull).finish())
    token = twin.token("t", repo, permissions={"statuses": "write"})
    environ = twin.environment(repo, "workflow_run", payload, token=token)
    assert environ["GITHUB_API_URL"] == twin.url
    assert environ["GITHUB_SHA"] == repo.tip("main")
    assert environ["GITHUB_TOKEN"] == "t"
    assert environ["GITHUB_WORKFLOW_REF"] == "acme/shop/.github/workflows/gate.yml@refs/heads/main"
    made = repo.runs[int(environ["GITHUB_RUN_ID"])]
    assert (made.event, made.path) == ("workflow_run", ".github/workflows/gate.yml")
    assert json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text()) == payload


def test_a_job_of_pull_request_stands_on_the_test_merge(
    twin: Twin, repo: Repository, pull: PullRequest
) -> None:
    run = repo.run(pull=pull).finish().rerun()
    payload = twin.event("pull_request", pull=pull, action="synchronize")
    environ = twin.environment(repo, "pull_request", payload, run=run)
    assert environ["GITHUB_SHA"] == pull.merge_sha
    assert environ["GITHUB_REF"] == "refs/pull/1/merge"
    assert (environ["GITHUB_HEAD_REF"], environ["GITHUB_BASE_REF"]) == ("topic", "main")
    assert (environ["GITHUB_RUN_ID"], environ["GITHUB_RUN_ATTEMPT"]) == (str(run.id), "2")
    assert environ["GITHUB_WORKFLOW_REF"].endswith("/tests.yml@refs/pull/1/merge")


def test_every_job_has_files_and_folders_of_its_own(twin: Twin, repo: Repository) -> None:
    payload = twin.event("push", repo=repo)
    one, other = (twin.environment(repo, "push", payload) for _ in range(2))
    assert not set(files(one)) & set(files(other))
    assert all(Path(name).is_file() for name in (*files(one), *files(other)))
    assert list(Path(one["GITHUB_WORKSPACE"]).iterdir()) == []
    assert Path(one["RUNNER_TEMP"]).is_dir()
    assert "GITHUB_TOKEN" not in one


@pytest.mark.parametrize("name", ["issue_comment", "merge_group", "schedule", "workflow_dispatch"])
def test_the_ref_of_other_events(
    twin: Twin, repo: Repository, pull: PullRequest, name: str
) -> None:
    group = repo.merge_group(pull)
    payloads = {
        "issue_comment": lambda: twin.event(name, comment=pull.comment(author="a", body="b")),
        "merge_group": lambda: twin.event(name, group=group),
        "schedule": lambda: twin.event(name, repo=repo),
        "workflow_dispatch": lambda: twin.event(name, repo=repo),
    }
    environ = twin.environment(repo, name, payloads[name]())
    wanted = (
        (group.head_ref, group.head_sha)
        if name == "merge_group"
        else ("refs/heads/main", repo.tip("main"))
    )
    assert (environ["GITHUB_REF"], environ["GITHUB_SHA"]) == wanted
    assert repo.runs[int(environ["GITHUB_RUN_ID"])].head_sha == wanted[1]
