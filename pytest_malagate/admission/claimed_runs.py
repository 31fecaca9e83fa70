"""The workflow runs of a claim: which of them counts, and which were never begun.

A claim may have several runs. One was cancelled by its concurrency group before it had a job, and
was never at work; another was started twice because an answer was lost. The oldest that was not
turned away so is the one that counts, for whoever looks; every other one has to end without
writing anything.
"""

from __future__ import annotations

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client
from pytest_malagate.github.dispatch import runs_of_title
from pytest_malagate.github.records import JobsPage, Run, Value
from pytest_malagate.queue.serial import SerialGate

_LOOKS = 10


class ClaimedRuns(Value, frozen=True, kw_only=True):
    """The run of a claim that counts, if there is one, and how many were evicted before it."""

    counts: Run | None = None
    evicted: int = 0


def runs_of_claim(client: Client, workflow: str, claim: str, since: float) -> ClaimedRuns:
    """The runs whose title holds a claim's id, which was made at `since` (seconds since the epoch).

    One request for each 100 runs since then, and one for each cancelled run of the claim. The list
    lags. Raises GitHubError, also where the list is too long to be read whole.
    """
    evicted = 0
    for run in runs_of_title(client, workflow, claim, created_since=since):
        if not _was_evicted(client, run):
            return ClaimedRuns(counts=run, evicted=evicted)
        evicted += 1
    return ClaimedRuns(evicted=evicted)


def _was_evicted(client: Client, run: Run) -> bool:
    """True for a run that was cancelled before it had any job."""
    if run.status != "completed" or run.conclusion != "cancelled":
        return False
    jobs = client.get(f"/actions/runs/{run.id}/jobs", JobsPage, filter="all", per_page=1)
    return not jobs.jobs


# --- what a worker asks ---


def still_mine(gate: SerialGate, task: str, claim: str) -> bool:
    """True if a claim is the one that counts. To be asked before each write that others see.

    Fails closed: false where it cannot be read, and whoever does not know holds nothing.
    """
    try:
        known = gate.task(task)
    except MachineryError:
        return False
    held = known is not None and known.state == "active" and known.claim is not None
    return held and known is not None and known.claim is not None and known.claim.id == claim


def is_first(client: Client, workflow: str, claim: str, run_id: int, since: float) -> bool:
    """True if a run is the one of its claim that counts; the others have to end at once.

    Waits for a list that does not show the run itself yet: one that does shows the older ones,
    too. False where it never shows it. Raises GitHubError.
    """
    for _ in range(_LOOKS):
        counts = runs_of_claim(client, workflow, claim, since).counts
        if counts is not None and counts.id <= run_id:
            return counts.id == run_id
        if not client.rest():
            break
    return False
