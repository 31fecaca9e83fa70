"""Starting a workflow so that it is started once, although an answer may be lost.

GitHub's dispatch takes no key by which a second request would be known for the first. The claim's
id therefore goes into the input `claim`, the workflow writes it into its `run-name`, and a run that
may have been started is looked for by its title before another is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import quote

from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.records import Dispatched, Run, RunsPage, Value
from pytest_malagate.report.text import plain

CLAIM_INPUT = "claim"
"""The workflow's input that holds the claim's id."""

CLOCK_SKEW = 300.0
"""Seconds by which our clock and GitHub's may differ."""

_LOOKS = 3
_LISTED = 1000
"""Runs that GitHub lists at most of those that a filter leaves, whatever their number."""


class Started(Value, frozen=True, kw_only=True):
    """A run of a claim. `found`: it had been started before, or its start was not confirmed.

    `run_id` is None where GitHub confirmed the start and did not say which run it is.
    """

    run_id: int | None
    found: bool


def dispatch(client: Client, workflow: str, ref: str, inputs: Mapping[str, str]) -> int | None:
    """Starts a workflow, by its file's name, on a branch or a tag. Returns the run's id.

    None from a server that does not tell the id. Raises GitHubError; where it is `uncertain` a
    run may have been started.
    """
    body = {"ref": ref, "inputs": dict(inputs), "return_run_details": True}
    path = f"/actions/workflows/{quote(workflow, safe='')}/dispatches"
    begun = client.begin(path, body, Dispatched)
    return begun.workflow_run_id if begun is not None else None


def run_of_title(client: Client, workflow: str, words: str, *, created_since: float) -> Run | None:
    """The oldest of `runs_of_title`; None if none is listed."""
    return next(iter(runs_of_title(client, workflow, words, created_since=created_since)), None)


def runs_of_title(
    client: Client, workflow: str, words: str, *, created_since: float
) -> tuple[Run, ...]:
    """The dispatched runs of a workflow whose title holds `words`, the oldest first.

    `created_since` is in seconds since the epoch; clocks may differ by CLOCK_SKEW. The list lags.
    Raises GitHubError, also where the list is too long to be read as a whole.
    """
    if not words.strip():
        raise UsageError("a run is looked for by the id of its claim, and there is none")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created_since - CLOCK_SKEW))
    pages = client.pages(
        f"/actions/workflows/{quote(workflow, safe='')}/runs",
        RunsPage,
        whole=True,
        event="workflow_dispatch",
        created=f">={since}",
    )
    read = list(pages)
    if read and read[0].total_count > _LISTED:
        text = f"{read[0].total_count} runs of {plain(workflow, 80)} were begun since {since}"
        raise GitHubError(f"{text}; GitHub lists {_LISTED}")
    found = {run.id: run for page in read for run in page.workflow_runs}
    return tuple(found[number] for number in sorted(found) if words in found[number].display_title)


def start(
    client: Client,
    workflow: str,
    ref: str,
    inputs: Mapping[str, str],
    claim: str,
    *,
    since: float,
    doubtful: bool = False,
) -> Started:
    """Starts a workflow for a claim that was made at `since`, in seconds since the epoch.

    `doubtful`: it may have been started before, and is looked for first. Where the answer is lost,
    the run is looked for instead of being started again. Raises GitHubError; where it is
    `uncertain` nobody knows, and the next try has to be `doubtful`.
    """
    if doubtful:
        standing = _looked_up(client, workflow, claim, since)
        if standing is not None:
            return Started(run_id=standing.id, found=True)
    try:
        begun = dispatch(client, workflow, ref, {**inputs, CLAIM_INPUT: claim})
    except GitHubError as error:
        if not error.uncertain:
            raise
        standing = _patiently_looked_up(client, workflow, claim, since)
        if standing is None:
            raise
        return Started(run_id=standing.id, found=True)
    return Started(run_id=begun, found=False)


def _looked_up(client: Client, workflow: str, claim: str, since: float) -> Run | None:
    """Raises an `uncertain` GitHubError: a run that was not found may still be there."""
    try:
        return run_of_title(client, workflow, claim, created_since=since)
    except GitHubError as error:
        raise GitHubError(str(error), status=error.status, uncertain=True) from error


def _patiently_looked_up(client: Client, workflow: str, claim: str, since: float) -> Run | None:
    """Looks a few times, because the list lags behind what has just been started."""
    for look in range(_LOOKS):
        if look and not client.rest():
            return None
        standing = _looked_up(client, workflow, claim, since)
        if standing is not None:
            return standing
    return None
