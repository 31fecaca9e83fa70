"""People, pull requests, runs, files and the runner's environment, as GitHub tells them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.errors import UsageError
from pytest_malagate.github.artifacts import Trusted
from pytest_malagate.github.client import Client
from pytest_malagate.github.contents import commit_at, compare, file_at, paths_of, touched_by
from pytest_malagate.github.environment import MAX_EVENT, read_environment
from pytest_malagate.github.people import Person, person
from pytest_malagate.github.pulls import files_of, pull_of_run
from pytest_malagate.github.records import (
    Account,
    ChangedFile,
    Permission,
    RepositoryRef,
    Run,
)
from pytest_malagate.github.runs import (
    attempts_in_force,
    earlier_failures,
    latest_of_head,
    run_of,
    vouch,
)
from pytest_malagate.queue.model import RANKS
from tests.twin import Repository, Twin

# --- people ---


@pytest.mark.parametrize("role", ["read", "triage", "write", "maintain", "admin"])
def test_a_role_is_what_github_says(client: Client, repo: Repository, role: str) -> None:
    repo.permission("tim", role)
    assert person(client, "tim") == Person(login="tim", rank=role, human=True)


def test_a_bot_is_no_person(client: Client, repo: Repository) -> None:
    repo.permission("helpful[bot]", "admin")
    assert not person(client, "helpful[bot]").human


def test_somebody_unknown_may_nothing(client: Client, repo: Repository) -> None:
    nobody = person(client, "nobody-of-that-name")
    assert (nobody.rank, nobody.human) == ("none", False)


class _Answers:
    """A client that gives one answer, and keeps what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.path = answer, ""

    def find(self, path: str, kind: Any) -> Any:
        self.path = path
        return self.answer


@pytest.mark.parametrize(
    ("permission", "role", "rank"),
    [
        ("write", "release-manager", "write"),
        ("read", "triage", "triage"),
        ("write", "maintain", "maintain"),
        ("admin", "", "admin"),
        ("owner", "god", "none"),
    ],
)
def test_a_custom_role_counts_as_what_it_is_built_on(permission: str, role: str, rank: str) -> None:
    answer = Permission(permission=permission, role_name=role, user=Account(login="tim"))
    assert person(_Answers(answer), "tim").rank == rank  # type: ignore[arg-type]  # all that is used


def test_a_login_cannot_lead_to_another_address() -> None:
    client = _Answers(None)
    person(client, "../../user?x=#")  # type: ignore[arg-type]  # all that is used
    assert client.path == "/collaborators/..%2F..%2Fuser%3Fx%3D%23/permission"


@given(have=st.sampled_from(RANKS), need=st.sampled_from(RANKS))
def test_ranks_are_ordered(have: str, need: str) -> None:
    may = Person(login="x", rank=have, human=True).may(need)
    assert may == (RANKS.index(have) >= RANKS.index(need))


# --- pull requests ---


@pytest.fixture
def pull(repo: Repository) -> Any:
    fork = repo.fork("mallory")
    fork.commit("topic", {"b.py": "1\n"})
    return repo.open_pull(head="topic", fork=fork, title="Work", author="mallory")


def run_for(client: Client, repo: Repository, pull: Any) -> Run:
    return run_of(client, repo.run(event="pull_request", pull=pull).id)


def test_the_pull_request_of_a_fork_s_run_is_found(
    client: Client, repo: Repository, pull: Any
) -> None:
    found = pull_of_run(client, run_for(client, repo, pull)).pull
    assert found is not None
    assert found.number == pull.number


def test_another_head_of_the_branch_is_superseded(
    client: Client, repo: Repository, pull: Any
) -> None:
    run = run_for(client, repo, pull)
    pull.push({"b.py": "2\n"})
    assert pull_of_run(client, run).code == "subject.superseded"


def test_a_closed_pull_request_is_unknown(client: Client, repo: Repository, pull: Any) -> None:
    run = run_for(client, repo, pull)
    pull.close()
    assert pull_of_run(client, run).code == "subject.unknown"


def test_two_pull_requests_of_a_head_are_ambiguous(
    twin: Twin, client: Client, repo: Repository, pull: Any
) -> None:
    repo.commit("release", {"x": "y"})
    fork = twin.repositories["mallory/shop"]
    repo.open_pull(head="topic", base="release", fork=fork, author="mallory")
    found = pull_of_run(client, run_for(client, repo, pull))
    assert (found.pull, found.code) == (None, "subject.ambiguous")


def test_the_same_branch_of_another_repository_is_not_the_head(
    client: Client, repo: Repository, pull: Any
) -> None:
    repo.commit("topic", {"b.py": "1\n"})
    run = run_of(client, repo.run(event="push", branch="topic").id)
    assert pull_of_run(client, run).code == "subject.unknown"


@pytest.mark.parametrize("gone", ["head_repository", "head_branch"])
def test_a_run_without_its_branch_has_no_pull_request(
    client: Client, repo: Repository, gone: str
) -> None:
    facts: dict[str, Any] = {"id": 1, "event": "pull_request", "head_sha": "a" * 40}
    owner = Account(login="mallory")
    facts |= {
        "head_branch": "topic",
        "head_repository": RepositoryRef(id=1, full_name="mallory/shop", owner=owner),
    }
    assert pull_of_run(client, Run(**{**facts, gone: None})).code == "subject.unknown"
    assert client.made == 0


def test_the_files_of_a_pull_request_are_all_of_them(
    client: Client, repo: Repository, pull: Any
) -> None:
    pull.push({f"many/{number:03}.py": "x\n" for number in range(120)})
    files = files_of(client, pull.number)
    assert files is not None
    assert len(files) == 121


# --- runs ---


def test_a_run_of_ours_is_vouched_for_and_no_other(client: Client, repo: Repository) -> None:
    trusted = Trusted(
        repository_id=repo.id, workflow="g.yml", sources=(("main", frozenset({"schedule"})),)
    )
    repo.commit("topic", {"x": "y"})
    good = repo.run(workflow="g.yml", event="schedule")
    others = (
        repo.run(workflow="other.yml", event="schedule"),
        repo.run(workflow="g.yml", event="push", branch="main"),
        repo.run(workflow="g.yml", event="workflow_dispatch", branch="topic"),
    )
    assert vouch(run_of(client, good.id), trusted)
    assert not any(vouch(run_of(client, other.id), trusted) for other in others)


def test_a_workflow_path_with_a_ref_is_that_file() -> None:
    run = Run(id=1, event="push", head_sha="a", path=".github/workflows/g.yml@refs/heads/main")
    assert run.file == ".github/workflows/g.yml"


def test_attempts_in_force_are_those_whose_jobs_stand(client: Client, repo: Repository) -> None:
    run = repo.run(event="push", branch="main", jobs=("unit", "lint"))
    run.finish("failure", jobs={"unit": "success", "lint": "failure"})
    assert attempts_in_force(client, run_of(client, run.id)) == {1}
    assert client.made == 1
    run.rerun(failed_only=True)
    run.finish("success")
    assert attempts_in_force(client, run_of(client, run.id)) == {1, 2}
    run.rerun()
    run.finish("success")
    assert attempts_in_force(client, run_of(client, run.id)) == {3}


def test_earlier_failures_are_heads_of_this_branch_once_each(
    client: Client, repo: Repository, pull: Any
) -> None:
    heads = []
    for conclusion in ("failure", "cancelled", "failure", "success"):
        heads.append(pull.head_sha)
        repo.run(event="pull_request", pull=pull).finish(conclusion)
        repo.run(event="pull_request", pull=pull).finish(conclusion)
        pull.push({"b.py": f"{len(heads)}\n"})
    now = run_for(client, repo, pull)
    assert earlier_failures(client, now) == (heads[0], heads[2])


def test_the_latest_run_of_a_head_is_the_newest(
    client: Client, repo: Repository, pull: Any
) -> None:
    repo.run(event="pull_request", pull=pull)
    newest = repo.run(event="pull_request", pull=pull)
    repo.run(event="push", branch="main")
    found = latest_of_head(client, pull.head_sha, "pull_request")
    assert found is not None
    assert found.id == newest.id
    assert latest_of_head(client, "f" * 40, "pull_request") is None


# --- contents ---


def test_a_file_is_read_at_a_commit(client: Client, repo: Repository) -> None:
    old = repo.tip("main")
    repo.commit("main", {"a.py": "x = 2\n"})
    assert file_at(client, "a.py", old) == "x = 1\n"
    assert file_at(client, "a.py", "main") == "x = 2\n"
    assert file_at(client, "none.py", old) is None


def test_a_comparison_tells_the_paths_of_the_whole_change(
    client: Client, repo: Repository, pull: Any
) -> None:
    assert touched_by(compare(client, "main", pull.head_sha)) == ("b.py",)
    assert commit_at(client, pull.head_sha).sha == pull.head_sha


def test_300_files_may_not_be_all(client: Client, repo: Repository, pull: Any) -> None:
    pull.push({f"many/{number:03}.py": "x\n" for number in range(300)})
    assert touched_by(compare(client, "main", pull.head_sha)) is None


def test_a_renamed_file_is_touched_under_both_names() -> None:
    moved = ChangedFile(filename="b.py", previous_filename="a.py")
    assert paths_of([moved, ChangedFile(filename="b.py")]) == ("a.py", "b.py")


# --- the runner's environment ---


@pytest.fixture
def environ(twin: Twin, repo: Repository) -> dict[str, str]:
    return twin.environment(repo, "schedule", twin.event("schedule", repo=repo))


def test_the_runner_is_read(environ: dict[str, str], repo: Repository) -> None:
    runner = read_environment(environ)
    assert runner.repository == "acme/shop"
    assert runner.default_branch == "main"
    assert runner.workflow == ".github/workflows/gate.yml"
    assert runner.run_url == f"https://github.com/acme/shop/actions/runs/{runner.run_id}"


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_REPOSITORY", "GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH"),
        *("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "RUNNER_TEMP"),
    ],
)
def test_a_variable_that_is_missing_is_named(environ: dict[str, str], name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is not set"):
        read_environment({**environ, name: ""})


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1\n2"])
def test_a_number_that_is_none_is_named(environ: dict[str, str], value: str) -> None:
    with pytest.raises(UsageError, match="GITHUB_RUN_ID is no number"):
        read_environment({**environ, "GITHUB_RUN_ID": value})


def test_an_event_that_is_too_large_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(b" " * (MAX_EVENT + 1))
    with pytest.raises(UsageError, match="has more than"):
        read_environment({**environ, "GITHUB_EVENT_PATH": str(path)})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=JSON, field=st.sampled_from(["repository", "workflow_run", "comment", "issue"]))
def test_any_json_is_an_event_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, value: Any, field: str
) -> None:
    path = tmp_path_factory.mktemp("event") / "event.json"
    path.write_text(json.dumps({field: value}))
    environ = {
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_RUN_ID": "1",
        "GITHUB_RUN_ATTEMPT": "1",
        "RUNNER_TEMP": str(path.parent),
    }
    with pytest.raises(UsageError, match="none of GitHub's"):
        read_environment(environ)
