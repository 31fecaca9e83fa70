"""Which task a commit belongs to. Anything but exactly one is no answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_malagate.queue.model import Value
from pytest_malagate.repository.git import printable


class CommitOwner(Value, frozen=True, kw_only=True):
    """The task of a commit, or why there is none (`code`, `message`)."""

    task: str | None = None
    code: str | None = None
    message: str = ""


def resolve_commit(sha: str, candidates: Mapping[str, Iterable[str]]) -> CommitOwner:
    """The one task among whose commits `sha` is. `candidates` are full hashes by task."""
    owners = sorted(task for task, hashes in candidates.items() if sha in hashes)
    if len(owners) == 1:
        return CommitOwner(task=owners[0])
    short = printable(sha, 12)
    if owners:
        names = ", ".join(printable(owner, 60) for owner in owners[:5])
        more = f" and {len(owners) - 5} more" if len(owners) > 5 else ""
        text = f"{short} belongs to several tasks: {names}{more}"
        return CommitOwner(code="subject.ambiguous", message=text)
    return CommitOwner(code="subject.unknown", message=f"{short} belongs to no task that is known")
