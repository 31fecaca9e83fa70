"""Who holds a concurrency group, and in which one does nobody give way?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_malagate.github.client import NEWER_API_VERSION, Client
from pytest_malagate.github.lock import Wedge, epoch_of, group_of, prove, wedged
from pytest_malagate.github.records import Group, GroupMember, GroupsOfRun
from tests.twin import Repository, Twin

TICK = ("malagate-tick-v3", "max")


def in_group(repo: Repository, group: tuple[str, str] = TICK, **options: Any) -> Any:
    return repo.run(event="schedule", concurrency=group, **options)


# --- the proof ---


def test_the_run_in_front_holds_the_lock(twin: Twin, repo: Repository, client: Client) -> None:
    run = in_group(repo)
    proof = prove(client, run.id)
    assert (proof.known, proof.held) == (True, True)
    assert (proof.group, proof.epoch) == ("malagate-tick-v3", 3)
    (request,) = twin.requests
    assert request.headers["x-github-api-version"] == NEWER_API_VERSION


def test_the_one_behind_it_does_not_until_it_is_its_turn(repo: Repository, client: Client) -> None:
    first, second = in_group(repo), in_group(repo)
    proof = prove(client, second.id)
    assert (proof.known, proof.held, proof.group) == (True, False, "malagate-tick-v3")
    assert "in front of this one" in proof.why
    assert prove(client, first.id).held
    first.finish()
    assert prove(client, second.id).held
    assert not prove(client, first.id).held


@pytest.mark.parametrize("group", [None, ("ci", "max"), ("my-malagate-tick", "max")])
def test_a_run_in_no_group_of_malagate_s_holds_nothing(
    repo: Repository, client: Client, group: tuple[str, str] | None
) -> None:
    proof = prove(client, repo.run(event="schedule", concurrency=group).id)
    assert (proof.known, proof.held, proof.group) == (True, False, None)
    assert "malagate-" in proof.why


def test_names_have_no_case_and_the_prefix_can_be_narrowed(
    repo: Repository, client: Client
) -> None:
    run = in_group(repo, ("Malagate-Gate", "max"))
    assert prove(client, run.id, "malagate-gate").held
    assert not prove(client, run.id, "malagate-tick").held


def test_a_job_that_holds_the_group_counts_for_its_run(repo: Repository, client: Client) -> None:
    first, second = in_group(repo, job_level=True), in_group(repo, job_level=True)
    assert (prove(client, first.id).held, prove(client, second.id).held) == (True, False)


def test_a_phantom_in_front_takes_the_lock_away(repo: Repository, client: Client) -> None:
    repo.groups.phantom(TICK[0])
    proof = prove(client, in_group(repo).id)
    assert (proof.known, proof.held) == (True, False)


def answered(*members: GroupMember, name: str = "malagate-tick-v3") -> GroupsOfRun:
    return GroupsOfRun(concurrency_groups=(Group(group_name=name, group_members=members),))


@pytest.mark.parametrize(
    ("members", "held"),
    [
        ([(7, "in_progress", 0)], True),
        ([(7, "in_progress", None)], False),
        ([(7, "pending", 1)], False),
        ([(8, "in_progress", 0), (7, "in_progress", 1)], False),
        ([(7, "in_progress", 0), (8, "in_progress", 1)], False),
        ([(7, "in_progress", 0), (8, "pending", 1)], True),
        ([(8, "in_progress", 0)], False),
        ([], False),
    ],
)
def test_only_who_is_alone_in_front_holds_it(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    members: list[tuple[int, str, int | None]],
    held: bool,
) -> None:
    told = [GroupMember(run_id=run, status=state, position=at) for run, state, at in members]
    monkeypatch.setattr(client, "get", lambda *_, **__: answered(*told))
    proof = prove(client, 7)
    assert (proof.known, proof.held) == (True, held)


def test_of_several_groups_the_one_that_is_held_counts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = answered(GroupMember(run_id=7, status="pending", position=2), name="malagate-a")
    holds = answered(GroupMember(run_id=7, status="in_progress", position=0), name="malagate-b-v1")
    both = msgspec.structs.replace(
        waits, concurrency_groups=waits.concurrency_groups + holds.concurrency_groups
    )
    monkeypatch.setattr(client, "get", lambda *_, **__: both)
    proof = prove(client, 7)
    assert (proof.held, proof.group, proof.epoch) == (True, "malagate-b-v1", 1)


@pytest.mark.parametrize("kind", ["not-found", "forbidden", "500", "html", "reset", "primary"])
def test_where_nobody_can_tell_the_proof_says_so(
    twin: Twin, repo: Repository, make_client: Any, kind: str
) -> None:
    run = in_group(repo)
    twin.faults.add(kind, times=99)
    proof = prove(make_client(patience=0.0), run.id)
    assert (proof.known, proof.held) == (False, False)
    assert "not known" in proof.why


def test_a_server_without_these_endpoints_proves_nothing(
    twin: Twin, repo: Repository, client: Client
) -> None:
    twin.no_concurrency_api = True
    assert not prove(client, in_group(repo).id).known
    assert group_of(client, TICK[0]) is None
    assert wedged(client) == ()


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("malagate-tick-v0", 0),
        ("Malagate-Tick-V12", 12),
        ("malagate-v1-v2", 2),
        ("malagate-tick", None),
        ("malagate-tick-v", None),
        ("malagate-tick-v3-x", None),
        ("malagate-tick-v3\n", None),
        ("malagate-tickv3", None),
        (f"malagate-tick-v{'9' * 5000}", None),
    ],
)
def test_an_epoch_is_the_end_of_a_group_s_name(name: str, epoch: int | None) -> None:
    assert epoch_of(name) == epoch


# --- groups ---


def test_a_group_is_found_by_any_case_and_with_odd_characters(
    repo: Repository, client: Client
) -> None:
    first = in_group(repo, ("malagate-a b?é", "max"))
    second = in_group(repo, ("malagate-a b?é", "max"))
    found = group_of(client, "MALAGATE-a b?é")
    assert found is not None
    assert [(one.run_id, one.status) for one in found.group_members] == [
        (first.id, "in_progress"),
        (second.id, "pending"),
    ]
    assert group_of(client, "malagate-unknown") is None


# --- wedges ---


def test_a_queue_that_moves_is_no_wedge(repo: Repository, client: Client) -> None:
    for _ in range(3):
        in_group(repo)
    in_group(repo, ("malagate-gate", "max"))
    assert wedged(client) == ()


@pytest.mark.parametrize(
    ("shown", "why"), [("in_progress", "has ended as cancelled"), ("pending", "nothing runs")]
)
def test_a_head_that_never_gives_way_is_a_wedge(
    repo: Repository, client: Client, shown: Any, why: str
) -> None:
    phantom = repo.groups.phantom(TICK[0], shown)
    for _ in range(2):
        in_group(repo)
    (wedge,) = wedged(client)
    assert (wedge.group, wedge.head_run) == (TICK[0], phantom.id)
    assert wedge.waiting == (2 if shown == "in_progress" else 3)
    assert why in wedge.why


def test_a_head_whose_run_is_gone_is_a_wedge(repo: Repository, client: Client) -> None:
    first, _ = in_group(repo), in_group(repo)
    del repo.runs[first.id]
    assert wedged(client) == (
        Wedge(
            group=TICK[0],
            head_run=first.id,
            why=f"run {first.id} holds the group and is not there",
            waiting=1,
        ),
    )


def test_a_dead_head_that_nobody_waits_for_costs_no_request(
    repo: Repository, client: Client
) -> None:
    repo.groups.phantom(TICK[0])
    assert wedged(client) == ()
    assert client.made == 2


def test_one_s_own_run_is_not_asked_about(repo: Repository, client: Client) -> None:
    own, _ = in_group(repo), in_group(repo)
    assert wedged(client, own_run=own.id) == ()
    assert client.made == 2


def test_other_people_s_groups_are_not_looked_at(repo: Repository, client: Client) -> None:
    repo.groups.phantom("deploy")
    in_group(repo, ("deploy", "max"))
    assert wedged(client) == ()
    assert client.made == 1


def test_all_pages_of_groups_are_looked_at(repo: Repository, client: Client) -> None:
    for number in range(150):
        in_group(repo, (f"ci-{number:03}", "max"))
    phantom = repo.groups.phantom(TICK[0])
    in_group(repo)
    (wedge,) = wedged(client)
    assert wedge.head_run == phantom.id
