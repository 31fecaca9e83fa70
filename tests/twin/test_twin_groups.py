"""The twin's concurrency groups where they hurt: wedges, evictions, groups of jobs."""

from __future__ import annotations

import pytest

from tests.twin import Repository, Run, Twin
from tests.twin.conftest import Client


def members(client: Client, name: str = "lock") -> list[tuple[int, str]]:
    rows = client.get(f"/actions/concurrency_groups/{name}").json()["group_members"]
    return [(row["run_id"], row["status"]) for row in rows]


def places(client: Client, run: Run) -> list[int]:
    (row,) = client.get(f"/actions/runs/{run.id}/concurrency_groups").json()["concurrency_groups"]
    return [one["position"] for one in row["group_members"]]


def jobs(client: Client, run: Run) -> list[tuple[str, str]]:
    rows = client.get(f"/actions/runs/{run.id}/jobs").json()["jobs"]
    return [(row["name"], row["conclusion"] or row["status"]) for row in rows]


def queued(repo: Repository, count: int, queue: str = "max") -> list[Run]:
    return [repo.run(event="push", concurrency=("lock", queue)) for _ in range(count)]


@pytest.mark.parametrize("shown", ["in_progress", "pending"])
def test_a_phantom_wedges_its_group(repo: Repository, client: Client, shown: str) -> None:
    phantom = repo.groups.phantom("lock", shown)  # type: ignore[arg-type]
    runs = queued(repo, 2)
    body = client.get(f"/actions/runs/{phantom.id}").json()
    assert (body["status"], body["conclusion"]) == ("completed", "cancelled")
    assert jobs(client, phantom) == jobs(client, runs[0]) == []
    wedged = [(phantom.id, shown), *((run.id, "pending") for run in runs)]
    assert members(client) == wedged
    assert (places(client, phantom), places(client, runs[1])) == ([0], [2])
    client.post(f"/actions/runs/{runs[0].id}/cancel")
    newcomer = repo.run(event="push", concurrency=("lock", "single"), cancel_in_progress=True)
    assert members(client) == [(phantom.id, shown), (newcomer.id, "pending")]
    assert newcomer.status == "pending"
    (group,) = client.get("/actions/concurrency_groups").json()["concurrency_groups"]
    assert group["group_name"] == "lock"
    assert repo.run(event="push", concurrency=("lock-v2", "max")).status == "in_progress"


def test_a_phantom_comes_to_the_front_when_the_lease_is_given_up(
    repo: Repository, client: Client
) -> None:
    holder, waiting = queued(repo, 2)
    phantom = repo.groups.phantom("lock")
    assert members(client)[0] == (holder.id, "in_progress")
    holder.finish()
    assert members(client) == [(phantom.id, "in_progress"), (waiting.id, "pending")]
    assert waiting.status == "pending"


def test_an_evicted_run_is_cancelled_and_never_had_a_job(repo: Repository, client: Client) -> None:
    first, evicted, waiting = queued(repo, 3, "single")
    assert evicted.conclusion == "cancelled"
    assert (jobs(client, evicted), jobs(client, waiting)) == ([], [])
    listed = client.get("/actions/runs", params={"status": "cancelled"}).json()["workflow_runs"]
    assert [one["id"] for one in listed] == [evicted.id]
    first.finish()
    assert jobs(client, waiting) == [("build", "in_progress")]
    assert places(client, evicted) == []


def test_a_rerun_waits_in_its_group_again(repo: Repository, client: Client) -> None:
    first, second = queued(repo, 2)
    first.finish("failure").rerun()
    assert (first.status, members(client)) == (
        *("pending", [(second.id, "in_progress"), (first.id, "pending")]),
    )
    second.finish()
    assert jobs(client, first) == [("build", "in_progress")]
    assert first.jobs[-1].attempt == 2


def test_a_group_of_jobs_names_the_job(repo: Repository, client: Client) -> None:
    holder, waiting = (
        repo.run(event="push", jobs=("write", "other"), concurrency=("lock", "max"), job_level=True)
        for _ in range(2)
    )
    rows = client.get("/actions/concurrency_groups/LOCK").json()["group_members"]
    assert [(row["run_id"], row["job_id"], row["job_name"], row["status"]) for row in rows] == [
        (holder.id, holder.jobs[0].id, "write", "in_progress"),
        (waiting.id, waiting.jobs[0].id, "write", "pending"),
    ]
    assert jobs(client, waiting) == [("write", "pending"), ("other", "in_progress")]
    path = f"/actions/runs/{waiting.id}/concurrency_groups"
    (row,) = client.get(path).json()["concurrency_groups"]
    (place,) = row["group_members"]
    assert (place["position"], place["job_id"]) == (1, waiting.jobs[0].id)
    ahead = client.get(place["position_url"]).json()["group_members"]
    assert [one["run_id"] for one in ahead] == [holder.id]
    newest = repo.run(event="push", concurrency=("lock", "single"), job_level=True)
    assert jobs(client, waiting) == [("write", "cancelled"), ("other", "in_progress")]
    assert (waiting.status, newest.status) == ("in_progress", "pending")
    holder.finish()
    assert (newest.status, jobs(client, newest)) == ("in_progress", [("build", "in_progress")])


def test_groups_are_found_page_by_page(repo: Repository, client: Client) -> None:
    for name in ("c", "a", "b"):
        repo.run(event="push", concurrency=(name, "max"))
    first = client.get("/actions/concurrency_groups", params={"per_page": 2})
    second = client.get(first.links["next"]["url"])
    names = [
        one["group_name"] for page in (first, second) for one in page.json()["concurrency_groups"]
    ]
    assert (names, second.links) == (["a", "b", "c"], {})


def test_a_server_without_concurrency_groups(twin: Twin, repo: Repository, client: Client) -> None:
    (run,) = queued(repo, 1)
    paths = ("/actions/concurrency_groups", "/actions/concurrency_groups/lock")
    every = (*paths, f"/actions/runs/{run.id}/concurrency_groups")
    assert [client.get(path).status_code for path in every] == [200] * 3
    twin.no_concurrency_api = True
    assert [client.get(path).status_code for path in every] == [404] * 3
