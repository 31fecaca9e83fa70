"""What the queue, the freeze and the ledger are made of: values, without a clock or a store.

Times are seconds since the epoch. A ticket is a task's place in its repository's queue, given once
when the task becomes ready; numbers of one kind only grow. A fence grows with every claim of a
repository, so of two holders of one task the later has the higher one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

import msgspec

from pytest_malagate.gate.encoding import encode_json

FreezeMode = Literal["drain", "pause", "hard"]
TaskState = Literal["waiting", "active", "finished"]
Stage = Literal["work", "gate", "review", "landing", "deployed"]

STAGES: tuple[Stage, ...] = ("work", "gate", "review", "landing", "deployed")
"""What an active task goes through. Only the first is held up by the queue."""

HUMAN_STAGES: frozenset[Stage] = frozenset({"review"})
"""Stages that a person ends: nobody else advances a task out of them, or past them."""

HELD_STAGES: frozenset[Stage] = frozenset({"work", "gate"})
"""Stages in which a task needs its holder. Later ones are others' work, whatever its lease says."""

MODES: tuple[FreezeMode, ...] = ("drain", "pause", "hard")
"""From the mildest: what runs may land; nothing starts or lands; what runs is told to stop."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the values."""


class Claim(Value, frozen=True, kw_only=True):
    """Who works on a task. `id` is what the holder shows; the lease ends at `lease_until`."""

    id: str
    fence: int
    holder: str
    at: float
    lease_until: float


class Task(Value, frozen=True, kw_only=True):
    """A task of a repository. `claim` is there while it is active, and stays when it has ended."""

    repository: str
    task: str
    ticket: int
    state: TaskState = "waiting"
    stage: Stage = "work"
    added_at: float = 0.0
    changed_at: float = 0.0
    claim: Claim | None = None


def lapsed(task: Task, now: float) -> bool:
    """True if nobody holds the task, or not any more."""
    return task.claim is None or task.claim.lease_until <= now


def abandoned(task: Task, now: float) -> bool:
    """True if a task that needs a holder has none any more: the next claim takes it over."""
    return task.state == "active" and task.stage in HELD_STAGES and lapsed(task, now)


class Freeze(Value, frozen=True, kw_only=True):
    """Why nothing may go on. `branch` None: the whole repository."""

    id: int
    reason: str
    actor: str
    at: float
    mode: FreezeMode
    work_item: str | None = None
    branch: str | None = None


class Entry(Value, frozen=True, kw_only=True):
    """One line of the ledger. `digest` is that of all other fields; `previous` the one before's."""

    seq: int
    at: float
    kind: str
    actor: str
    repository: str
    task: str | None = None
    freeze: int | None = None
    detail: str = ""
    previous: str = ""
    digest: str = ""


def sealed(entry: Entry) -> Entry:
    """The entry with its digest."""
    # A clock may tell whole numbers: as JSON they would differ from what is read back.
    entry = msgspec.structs.replace(entry, at=float(entry.at), digest="")
    body = encode_json(entry)
    return msgspec.structs.replace(entry, digest=f"sha256:{hashlib.sha256(body).hexdigest()}")


def ledger_problem(entries: Iterable[Entry], *, head: tuple[int, str] | None) -> str | None:
    """What is wrong with a ledger, oldest entry first; None if it is whole.

    `head` is the number and the digest of the last entry as the store remembers it elsewhere, so
    that an end that was cut off is seen, too; None where there is no entry, `(0, "")` where the
    end was forgotten. It was asked for before the entries: later ones may follow.
    """
    seq, digest = 0, ""
    for entry in entries:
        if entry.seq != seq + 1:
            return f"entry {seq + 1} is missing (entry {entry.seq} follows)"
        if entry.previous != digest:
            return f"entry {entry.seq} does not follow the one before it"
        if sealed(entry).digest != entry.digest:
            return f"entry {entry.seq} was edited"
        seq, digest = entry.seq, entry.digest
        if head is not None and head[0] == seq and head[1] != digest:
            return f"entry {seq} is not the one that was written"
    if head is not None and head[0] > seq:
        return f"the ledger ends at entry {seq}, and {head[0]} were written"
    if head is not None and head[0] == 0 < seq:
        return f"the ledger's end was forgotten (it has {seq} entries)"
    return None


class Person(Value, frozen=True, kw_only=True):
    """Who asks. `rank` is a permission by GitHub's names; `human` is false for bots and agents."""

    name: str
    rank: str = "none"
    human: bool = False


RANKS = ("none", "read", "triage", "write", "maintain", "admin")
"""Permissions from the least to the most."""

SET_NEEDS = "triage"
"""Whoever has this may set a freeze; clearing needs more, and a person."""


def at_least(rank: str, needed: str) -> bool:
    """True if a permission is `needed` or more; an unknown one is none, and suffices for nobody."""
    known = rank in RANKS and needed in RANKS
    return known and RANKS.index(rank) >= RANKS.index(needed)
