"""The lock's epochs: whose lock counts, and when a new one may begin.

A concurrency group can wedge: a run that was cancelled while it waited stands in front for ever.
What helps is another name for the group, so the name ends in a number, `-vN`, which a repository
variable holds. Two numbers are two locks; therefore a higher one begins only while a freeze keeps
everything still and nothing runs under the old name, and then the old one is over for good.

Failure direction: closed. What cannot be told about the old group lets no new epoch begin. That a
run holds a group at all is told by GitHub, or by nobody: then the ledger's own order of pages is
what keeps two writers apart (see `ledger`).
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client
from pytest_malagate.github.lock import LockProof, group_of, prove
from pytest_malagate.github.records import GroupMember, Run, Value
from pytest_malagate.github.session import GitHubSession
from pytest_malagate.report.text import plain

Proof = Callable[[Client], LockProof | None]
"""Proves that this process is alone: the lock that it holds, None where nobody can tell. Raises
MachineryError if it is not alone."""

EPOCH_VARIABLE = "MALAGATE_EPOCH"
"""The repository variable that holds the number of the lock's epoch."""


class Lock(Value, frozen=True, kw_only=True):
    """What keeps two runs of one kind apart: a concurrency group `NAME-vEPOCH`.

    `name` is how the names of its groups begin, whatever the epoch; `queue` is `max` where every
    run that waits has to have its turn.
    """

    name: str
    queue: str | None = None

    @property
    def lines(self) -> str:
        """How a workflow writes it."""
        group = f"\"{self.name}-v${{{{ vars.{EPOCH_VARIABLE} || '0' }}}}\""
        queue = f", queue: {self.queue}" if self.queue is not None else ""
        return f"`concurrency: {{group: {group}{queue}}}`"


def alone(run_id: int, *, lock: Lock, say: Callable[[str], None]) -> Proof:
    """A proof by the concurrency groups of a workflow run: it holds this lock, and no other one.

    `say` is told where nobody knows who holds the lock.
    """

    def proved(client: Client) -> LockProof | None:
        proof = prove(client, run_id, lock.name)
        if not proof.known:
            say(f"{proof.why}: relying on the ledger's fencing")
            return None
        if not proof.held:
            where = "add to the workflow" if proof.group is None else "the workflow has to wait by"
            why = f"nothing was written, for this run may not be alone: {proof.why}"
            raise MachineryError(plain(f"{why}; {where} {lock.lines}", 500))
        return proof

    return proved


def next_epoch(client: Client, proof: LockProof, session: GitHubSession) -> int | None:
    """The epoch that begins with a session under this lock; None if the ledger's goes on.

    Raises MachineryError where the session must not write, GitHubError and FreezeTrouble.
    """
    now = session.state.epoch
    if proof.epoch is None or proof.group is None or proof.epoch == now:
        return None
    if proof.epoch < now:
        raise MachineryError(
            f"nothing was written: this run holds the group of an older epoch, "
            f"{plain(proof.group, 100)}, and the ledger is in epoch {now}"
        )
    old = f"{proof.group.rstrip('0123456789')}{now}"
    if not _is_still(session):
        raise MachineryError(
            f"nothing was written: epoch {proof.epoch} may begin only while a freeze of mode pause "
            f"or hard stands for all branches, and none does; freeze first, or set "
            f"{EPOCH_VARIABLE} back to {now}"
        )
    running = _running(client, old)
    if running is not None:
        raise MachineryError(
            f"nothing was written: epoch {proof.epoch} may begin only when nothing runs in "
            f"{plain(old, 100)}, and run {running} does"
        )
    return proof.epoch


def _is_still(session: GitHubSession) -> bool:
    """True while a freeze lets nothing start and nothing land anywhere."""
    standing = session.freezes()
    return any(freeze.mode != "drain" and freeze.branch is None for freeze in standing)


def _running(client: Client, group: str) -> int | None:
    """A run that is at work in a group. One that has ended and is shown all the same is none."""
    found = group_of(client, group)
    members = found.group_members if found is not None else ()
    at_work = (one for one in members if one.status == "in_progress" and _lives(client, one))
    return next((one.run_id for one in at_work), None)


def _lives(client: Client, member: GroupMember) -> bool:
    run = client.find(f"/actions/runs/{member.run_id}", Run)
    return run is not None and run.status != "completed"
