"""The twin's artifacts, runs, dispatches and concurrency groups."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
import requests

from tests.twin import PullRequest, Repository, Run, Twin
from tests.twin.conftest import Client


@pytest.fixture
def pull(repo: Repository) -> PullRequest:
    fork = repo.fork("mallory")
    fork.commit("topic", {"b.py": ""})
    return repo.open_pull(head="topic", fork=fork, author="mallory")


@pytest.fixture
def run(repo: Repository, pull: PullRequest) -> Run:
    return repo.run(pull=pull, jobs=("tests", "lint"))


def fetch(url: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=30)


def test_a_forks_run_does_not_say_which_pull_request_it_is_of(
    repo: Repository, pull: PullRequest, run: Run, client: Client
) -> None:
    body = client.get(f"/actions/runs/{run.id}").json()
    assert (body["head_sha"], body["head_branch"]) == (pull.head_sha, "topic")
    assert (body["head_repository"]["full_name"], body["pull_requests"]) == ("mallory/shop", [])
    assert body["head_repository"]["id"] != body["repository"]["id"] == repo.id
    repo.commit("mine", {"c.py": ""})
    own = repo.run(pull=repo.open_pull(head="mine"))
    (named,) = client.get(f"/actions/runs/{own.id}").json()["pull_requests"]
    assert named["number"] == 2


@pytest.mark.parametrize("event", ["workflow_run", "schedule", "issue_comment"])
def test_such_runs_stand_on_the_default_branch(
    repo: Repository, pull: PullRequest, client: Client, event: str
) -> None:
    run = repo.run(".github/workflows/gate.yml", event, pull=pull)
    body = client.get(f"/actions/runs/{run.id}").json()
    assert (body["head_sha"], body["head_branch"]) == (repo.tip("main"), "main")
    assert body["head_repository"]["id"] == repo.id


def test_an_artifact_is_downloaded_from_another_host_without_the_token(
    twin: Twin, run: Run, client: Client
) -> None:
    artifact = run.artifact("malagate-evidence", {"evidence.jsonl": b"{}\n"})
    (listed,) = client.get(f"/actions/runs/{run.id}/artifacts").json()["artifacts"]
    answer = client.get(listed["archive_download_url"])
    assert answer.status_code == 302
    location = answer.headers["Location"]
    assert location.startswith(twin.blob_url) and twin.blob_url != twin.url
    done = fetch(location)
    assert done.headers["Content-Type"] == "application/zip"
    assert (
        f"sha256:{hashlib.sha256(done.content).hexdigest()}" == listed["digest"] == artifact.digest
    )
    with zipfile.ZipFile(io.BytesIO(done.content)) as archive:
        assert archive.read("evidence.jsonl") == b"{}\n"
    assert fetch(location, Authorization="Bearer t-gate").status_code == 400
    assert ["authorization" in one.headers for one in twin.blob_requests] == [False, True]


def test_an_artifacts_address_expires_and_cannot_be_forged(
    twin: Twin, run: Run, client: Client
) -> None:
    first, second = (run.artifact(name, {"x": b""}) for name in ("one", "two"))
    location = client.get(f"/actions/artifacts/{first.id}/zip").headers["Location"]
    assert fetch(location.replace(str(first.id), str(second.id))).status_code == 403
    twin.advance(60)
    assert fetch(location).status_code == 403


def test_a_raw_artifact_names_its_file(run: Run, client: Client) -> None:
    artifact = run.artifact("evidence.jsonl", raw=("evidence.jsonl", b"{}"))
    done = fetch(client.get(f"/actions/artifacts/{artifact.id}/zip").headers["Location"])
    assert (done.content, done.headers["Content-Type"]) == (b"{}", "application/octet-stream")
    assert 'filename="evidence.jsonl"' in done.headers["Content-Disposition"]


def test_an_expired_artifact_is_listed_but_gone(twin: Twin, run: Run, client: Client) -> None:
    old = run.artifact("old", {}, expired=True)
    aged = run.artifact("aged", {"x": b""})
    assert client.get(f"/actions/artifacts/{old.id}/zip").status_code == 410
    assert client.get(f"/actions/artifacts/{aged.id}").json()["expired"] is False
    twin.advance(90 * 24 * 3600)
    assert client.get(f"/actions/artifacts/{aged.id}").json()["expired"] is True
    assert client.get(f"/actions/artifacts/{aged.id}/zip").status_code == 410


def test_artifacts_are_found_by_name_the_newest_first(
    repo: Repository, run: Run, client: Client
) -> None:
    first = run.artifact("state", {"x": b"1"}, digest=None)
    second = repo.run(event="push").artifact("state", b"no zip at all", digest="sha256:0")
    run.artifact("state2", {})
    found = client.get("/actions/artifacts", params={"name": "state"}).json()
    assert found["total_count"] == 2
    assert [one["id"] for one in found["artifacts"]] == [second.id, first.id]
    assert [one["digest"] for one in found["artifacts"]] == ["sha256:0", None]
    assert found["artifacts"][0]["workflow_run"]["head_repository_id"] == repo.id
    assert found["artifacts"][1]["workflow_run"]["head_repository_id"] != repo.id
    own = client.get(f"/actions/runs/{run.id}/artifacts", params={"direction": "asc"}).json()
    assert [one["name"] for one in own["artifacts"]] == ["state", "state2"]
    assert client("DELETE", f"/actions/artifacts/{first.id}").status_code == 204
    assert client.get(f"/actions/artifacts/{first.id}").status_code == 404


def test_a_step_uploads_through_the_runners_own_door(twin: Twin, run: Run, client: Client) -> None:
    door = f"{twin.url}/_twin/runs/{run.id}/artifacts"

    def upload(query: str, data: bytes) -> int:
        return client("POST", f"{door}?{query}", data=data).status_code

    seen = len(twin.requests)
    assert upload("name=state", b"zip") == 201
    assert upload("name=state", b"other") == 409
    assert upload("name=state&overwrite=1", b"new") == 201
    assert upload("name=a.txt&raw=a.txt", b"text") == 201
    assert upload("name=a%2Fb", b"") == 400
    assert client("POST", f"{twin.url}/_twin/runs/1/artifacts?name=x", data=b"").status_code == 404
    assert len(twin.requests) == seen
    kept = [(one.name, one.data, one.filename) for one in run.repository.artifacts()]
    assert kept == [("a.txt", b"text", "a.txt"), ("state", b"new", None)]
    run.finish().rerun()
    assert upload("name=state", b"again") == 201


def test_a_rerun_keeps_the_id_and_counts_the_attempt(run: Run, client: Client) -> None:
    run.finish("failure", jobs={"lint": "success"})
    run.rerun(failed_only=True, actor="carol")
    body = client.get(f"/actions/runs/{run.id}").json()
    assert (body["run_attempt"], body["status"], body["conclusion"]) == (2, "in_progress", None)
    assert (body["actor"]["login"], body["triggering_actor"]["login"]) == ("mallory", "carol")
    first = client.get(f"/actions/runs/{run.id}/attempts/1").json()
    assert (first["run_attempt"], first["conclusion"]) == (1, "failure")
    assert client.get(f"/actions/runs/{run.id}/attempts/3").status_code == 404

    def attempts(path: str) -> list[tuple[str, int, str | None]]:
        jobs = client.get(f"/actions/runs/{run.id}{path}").json()["jobs"]
        return [(one["name"], one["run_attempt"], one["conclusion"]) for one in jobs]

    assert sorted(attempts("/jobs")) == [("lint", 1, "success"), ("tests", 2, None)]
    assert len(attempts("/jobs?filter=all")) == 3
    assert sorted(attempts("/attempts/1/jobs")) == [("lint", 1, "success"), ("tests", 1, "failure")]


def test_runs_are_rerun_and_cancelled_over_the_api(run: Run, client: Client) -> None:
    path = f"/actions/runs/{run.id}"
    assert client.post(f"{path}/rerun").status_code == 403
    assert client.post(f"{path}/cancel").status_code == 202
    assert (run.status, run.conclusion) == ("completed", "cancelled")
    assert client.post(f"{path}/cancel").status_code == 409
    assert client.post(f"{path}/rerun-failed-jobs").status_code == 201
    run.finish("success")
    assert client.post(f"{path}/rerun-failed-jobs").status_code == 403
    assert client.post(f"{path}/rerun").status_code == 201
    assert run.attempt == 3


def test_runs_are_filtered(twin: Twin, repo: Repository, pull: PullRequest, client: Client) -> None:
    one = repo.run(pull=pull).finish("failure")
    two = repo.run(event="push").finish()
    twin.advance(24 * 3600)
    three = repo.run(".github/workflows/gate.yml", "workflow_run", actor="carol")

    def ids(path: str = "/actions/runs", **query: str) -> list[int]:
        body = client.get(path, params=query).json()
        assert body["total_count"] == len(body["workflow_runs"])
        return [run["id"] for run in body["workflow_runs"]]

    assert ids() == [three.id, two.id, one.id]
    assert ids(event="push") == ids(branch="main", status="completed") == [two.id]
    assert ids(status="failure") == ids(head_sha=pull.head_sha) == [one.id]
    assert (
        ids(actor="Carol") == ids(created=">=2026-11-03") == ids(created="2026-11-03") == [three.id]
    )
    assert ids(created="2026-11-01..2026-11-02") == ids(created="<2026-11-03") == [two.id, one.id]
    assert ids("/actions/workflows/gate.yml/runs") == [three.id]
    number = client.get(f"/actions/runs/{two.id}").json()["workflow_id"]
    assert ids(f"/actions/workflows/{number}/runs") == [two.id, one.id]
    assert ids("/actions/workflows/agent.yml/runs") == []
    assert client.get("/actions/workflows/none.yml/runs").status_code == 404


def test_a_filtered_list_ends_after_a_thousand_runs(repo: Repository, client: Client) -> None:
    for _ in range(1001):
        repo.run(event="push")
    page = client.get("/actions/runs", params={"event": "push", "per_page": 100})
    body = page.json()
    assert (body["total_count"], len(body["workflow_runs"])) == (1001, 100)
    assert "page=10&" in page.links["last"]["url"] + "&"
    last = client.get(page.links["last"]["url"].replace("page=10", "page=11"))
    assert last.json()["workflow_runs"] == []


def test_a_workflow_is_dispatched(repo: Repository, client: Client) -> None:
    path = "/actions/workflows/agent.yml/dispatches"
    assert client.post(path, {"ref": "main"}).status_code == 204
    answer = client.post(
        path, {"ref": "main", "inputs": {"issue": "7"}, "return_run_details": True}
    )
    made = repo.runs[answer.json()["workflow_run_id"]]
    assert (made.event, made.path, made.inputs) == (
        "workflow_dispatch",
        ".github/workflows/agent.yml",
        {"issue": "7"},
    )
    assert client.post(path, {"ref": "none"}).status_code == 422
    assert client.post(path.replace("agent", "none"), {"ref": "main"}).status_code == 404
    repo.commit("main", {".github/workflows/tests.yml": "on: push\n"})
    assert client.post(path.replace("agent", "tests"), {"ref": "main"}).status_code == 422


def states(*runs: Run) -> list[str]:
    return [run.conclusion or run.status for run in runs]


def queued(repo: Repository, queue: str, count: int) -> list[Run]:
    return [repo.run(event="push", concurrency=("Lock", queue)) for _ in range(count)]


def test_a_single_queue_keeps_only_the_newest_waiting(repo: Repository) -> None:
    runs = queued(repo, "single", 4)
    assert states(*runs) == ["in_progress", "cancelled", "cancelled", "pending"]
    runs[0].finish()
    assert states(*runs) == ["success", "cancelled", "cancelled", "in_progress"]


def test_a_max_queue_keeps_a_hundred_waiting(repo: Repository) -> None:
    runs = queued(repo, "max", 102)
    assert states(*runs)[:2] == ["in_progress", "pending"]
    assert states(*runs)[-2:] == ["pending", "cancelled"]
    assert states(*runs).count("pending") == 100
    runs[0].finish()
    assert states(*runs)[1:3] == ["in_progress", "pending"]
    assert runs[1].jobs[0].status == "in_progress"


def test_cancel_in_progress_takes_the_lease(repo: Repository) -> None:
    first = repo.run(event="push", concurrency=("lock", "single"))
    second = repo.run(event="push", concurrency=("LOCK", "single"), cancel_in_progress=True)
    assert states(first, second) == ["cancelled", "in_progress"]


def test_a_run_sees_its_place_in_its_group(repo: Repository, client: Client) -> None:
    first, second, third = queued(repo, "max", 3)
    outside = repo.run(event="push")
    (group,) = client.get("/actions/concurrency_groups").json()["concurrency_groups"]
    assert group["group_name"] == "Lock"
    members = client.get("/actions/concurrency_groups/lock").json()["group_members"]
    assert [(one["run_id"], one["status"]) for one in members] == [
        (first.id, "in_progress"),
        (second.id, "pending"),
        (third.id, "pending"),
    ]
    (own,) = client.get(f"/actions/runs/{second.id}/concurrency_groups").json()[
        "concurrency_groups"
    ]
    assert [one["position"] for one in own["group_members"]] == [1]
    ahead = client.get(own["group_members"][0]["position_url"]).json()["group_members"]
    assert [one["run_id"] for one in ahead] == [first.id]
    assert client.get(f"{group['group_url']}?ahead_of_run={outside.id}").status_code == 422
    for one in (first, second, third):
        one.finish()
    assert client.get("/actions/concurrency_groups/lock").status_code == 404
    (own,) = client.get(f"/actions/runs/{second.id}/concurrency_groups").json()[
        "concurrency_groups"
    ]
    assert own["group_members"] == []
    assert client.get(f"/actions/runs/{outside.id}/concurrency_groups").json()["total_count"] == 0
