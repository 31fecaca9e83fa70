"""Which pull request a head belongs to. Anything but exactly one is no answer."""

from __future__ import annotations

import msgspec

from pytest_malagate.github.client import Client
from pytest_malagate.github.contents import paths_of
from pytest_malagate.github.records import ChangedFile, Pull, Run

_MAX_FILES = 3000


class HeadFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The open pull request of a head, or why there is none (`code`, `message`)."""

    pull: Pull | None = None
    code: str | None = None
    message: str = ""


def pull_of(client: Client, number: int) -> Pull:
    """One pull request. Raises GitHubError."""
    return client.get(f"/pulls/{number}", Pull)


def open_pulls(client: Client, *, limit: int = 20) -> tuple[Pull, ...]:
    """All open pull requests, the oldest first. Raises GitHubError, also for too many pages."""
    pages = client.pages(
        "/pulls", list[Pull], limit=limit, whole=True, state="open", sort="created", direction="asc"
    )
    found = {pull.number: pull for page in pages for pull in page}
    return tuple(found.values())


def files_of(client: Client, number: int) -> tuple[str, ...] | None:
    """The paths that a pull request touches, old names included; None if there are too many.

    GitHub lists 3,000 files at most. Raises GitHubError.
    """
    pages = client.pages(f"/pulls/{number}/files", list[ChangedFile], limit=_MAX_FILES // 100)
    files = [file for page in pages for file in page]
    return None if len(files) >= _MAX_FILES else paths_of(files)


def pull_of_run(client: Client, run: Run) -> HeadFinding:
    """The open pull request whose head is what a run tested.

    The run's own list is empty for forks, and a name in an artifact is a claim: the API is asked
    for the branch, and the commit and the repository must agree.
    """
    if run.head_repository is None or run.head_branch is None:
        return HeadFinding(code="subject.unknown", message="The run's repository or branch is gone")
    head = f"{run.head_repository.owner.login}:{run.head_branch}"
    pulls = client.get("/pulls", list[Pull], state="open", head=head, per_page=100)
    of_branch = [
        pull
        for pull in pulls
        if pull.head.repo is not None and pull.head.repo.id == run.head_repository.id
    ]
    of_head = [pull for pull in of_branch if pull.head.sha == run.head_sha]
    if len(of_head) == 1:
        return HeadFinding(pull=of_head[0])
    if of_head:
        numbers = ", ".join(f"#{pull.number}" for pull in of_head)
        text = f"{run.head_sha[:12]} is the head of several pull requests: {numbers}"
        return HeadFinding(code="subject.ambiguous", message=text)
    if of_branch:
        text = f"The head of #{of_branch[0].number} has moved on from {run.head_sha[:12]}"
        return HeadFinding(code="subject.superseded", message=text)
    return HeadFinding(
        code="subject.unknown", message=f"No open pull request has the head {run.head_sha[:12]}"
    )
