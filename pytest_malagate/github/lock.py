"""Is this run alone? A concurrency group is the lock, and GitHub can be asked who holds it.

A workflow without `concurrency` works until two of its runs meet; this finds that out before
anything is written. Where nobody can tell, because a server has not got these endpoints, the token
may not read them or GitHub fails, the proof says so, and the caller relies on its fencing alone.

What is told is about runs. A run in which one job holds the group and another job, outside of it,
asks, passes for alone: the group belongs at the workflow, or at the very job that asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from pytest_malagate.github.client import NEWER_API_VERSION, Client, GitHubError
from pytest_malagate.github.records import (
    Group,
    GroupMember,
    GroupsOfRun,
    GroupsPage,
    Run,
    Value,
)

PREFIX = "malagate-"
"""How the groups that are malagate's locks begin."""

_EPOCH = re.compile(r"-v([0-9]{1,9})\Z", re.IGNORECASE)


class LockProof(Value, frozen=True, kw_only=True):
    """Whether a run holds a lock. `why` says it in words; `known` is false if nobody can tell.

    `group` is the group as it is written, `epoch` the N of one that ends in `-vN`.
    """

    held: bool
    known: bool
    why: str
    group: str | None = None
    epoch: int | None = None


class Wedge(Value, frozen=True, kw_only=True):
    """A group in which `waiting` runs wait for one that will never give way."""

    group: str
    head_run: int | None
    why: str
    waiting: int


def prove(client: Client, run_id: int, prefix: str = PREFIX) -> LockProof:
    """Whether a run holds a group whose name begins with `prefix`. One request; never raises."""
    path = f"/actions/runs/{run_id}/concurrency_groups"
    try:
        answer = client.get(path, GroupsOfRun, api_version=NEWER_API_VERSION, per_page=100)
    except GitHubError as error:
        return LockProof(held=False, known=False, why=f"who holds the lock is not known: {error}")
    of_name = [group for group in answer.concurrency_groups if _begins(group.group_name, prefix)]
    proofs = [_in_group(group, run_id) for group in of_name]
    held = [proof for proof in proofs if proof.held]
    if held or proofs:
        return (held or proofs)[0]
    why = f"the run is in no concurrency group whose name begins with {prefix}"
    return LockProof(held=False, known=True, why=why)


def _in_group(group: Group, run_id: int) -> LockProof:
    trouble = _trouble(group, run_id)
    return LockProof(
        held=trouble is None,
        known=True,
        why=f"the run holds {group.group_name}" if trouble is None else trouble,
        group=group.group_name,
        epoch=epoch_of(group.group_name),
    )


def _trouble(group: Group, run_id: int) -> str | None:
    """Why a run does not hold a group; None if it does."""
    name = group.group_name
    own = [member for member in group.group_members if member.run_id == run_id]
    others = [
        member.run_id
        for member in group.group_members
        if member.run_id != run_id and member.status == "in_progress"
    ]
    if not own:
        return f"the run is not in {name} any more"
    if not any(member.position == 0 for member in own):
        return f"another run is in front of this one in {name}"
    if others:
        return f"run {others[0]} is in progress in {name}, too"
    return None


def _begins(name: str, prefix: str) -> bool:
    return name.lower().startswith(prefix.lower())


def epoch_of(name: str) -> int | None:
    """The N of a group's name that ends in `-vN`."""
    found = _EPOCH.search(name)
    return int(found[1]) if found else None


def group_of(client: Client, name: str) -> Group | None:
    """A group and its members, the holder first; None if nobody holds it or waits for it.

    A server without these endpoints gives None, too. Raises GitHubError.
    """
    path = f"/actions/concurrency_groups/{quote(name, safe='')}"
    return client.find(path, Group, api_version=NEWER_API_VERSION)


def wedged(
    client: Client, prefix: str = PREFIX, *, own_run: int | None = None
) -> tuple[Wedge, ...]:
    """The groups of malagate's in which runs wait for one that cannot be running.

    One request for the list, one for each group, one for each head that others wait for, except
    `own_run`, which does run. A group may look like that for a moment while it is handed over:
    who acts on it has to see it twice. A head that is one job of a run counts as running as long
    as that run does. None where a server has not got these endpoints. Raises GitHubError.
    """
    found = []
    for name in _active(client, prefix):
        group = group_of(client, name)
        wedge = _wedge(client, group, own_run) if group is not None else None
        if wedge is not None:
            found.append(wedge)
    return tuple(found)


def _active(client: Client, prefix: str) -> Iterator[str]:
    pages = client.pages(
        "/actions/concurrency_groups",
        GroupsPage,
        whole=True,
        cursor=True,
        api_version=NEWER_API_VERSION,
    )
    try:
        names = [row.group_name for page in pages for row in page.concurrency_groups]
    except GitHubError as error:
        if error.status == 404:
            return
        raise
    yield from (name for name in names if _begins(name, prefix))


def _wedge(client: Client, group: Group, own_run: int | None) -> Wedge | None:
    members = group.group_members
    running = [member for member in members if member.status == "in_progress"]
    waiting = len(members) - len(running)
    if not waiting:
        return None
    if not running:
        why = f"nothing runs in {group.group_name}, and {waiting} wait"
        return Wedge(group=group.group_name, head_run=members[0].run_id, why=why, waiting=waiting)
    head = running[0]
    if head.run_id == own_run:
        return None
    ended = _ended(client, head)
    if ended is None:
        return None
    return Wedge(group=group.group_name, head_run=head.run_id, why=ended, waiting=waiting)


def _ended(client: Client, head: GroupMember) -> str | None:
    """Why a head does not run, in words; None if it does."""
    run = client.find(f"/actions/runs/{head.run_id}", Run)
    if run is None:
        return f"run {head.run_id} holds the group and is not there"
    if run.status == "completed":
        return f"run {head.run_id} holds the group and has ended as {run.conclusion}"
    return None
