"""The workflow runs of a claim: which of them counts, and which were never begun.

A claim may have several runs. One was cancelled by its concurrency group before it had a job, and
was never at work; another was started twice because an answer was lost. The oldest that was not
turned away so is the one that counts, for whoever looks; every other one has to end without
writing anything. It asks so itself (`malagate queue mine`), and the starter ends those that it sees
at work.
"""

from __future__ import annotations

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.client import Client
from pytest_malagate.github.dispatch import runs_of_title
from pytest_malagate.github.freeze_issues import moment_of
from pytest_malagate.github.records import JobsPage, Run, Value
from pytest_malagate.queue.serial import SerialGate

_LOOKS = 30  # a second apart, as long as the client has patience


class ClaimedRuns(Value, frozen=True, kw_only=True):
    """The run of a claim that counts, if there is one, and how many were evicted before it.

    `beside` are later ones that are at work, too. One that only waits for its turn is none of them:
    it asks when it begins, and a run that is cancelled while it waits has been seen to block its
    concurrency group for good.
    """

    counts: Run | None = None
    evicted: int = 0
    beside: tuple[Run, ...] = ()


class _Ended(Run, frozen=True, kw_only=True):
    """A run with when it last changed."""

    updated_at: str


def runs_of_claim(client: Client, workflow: str, claim: str, since: float) -> ClaimedRuns:
    """The runs whose title holds a claim's id, which was made at `since` (seconds since the epoch).

    One request for each 100 runs since then, and one for each cancelled run of the claim. The list
    lags. Raises GitHubError, also where the list is too long to be read whole.
    """
    evicted = 0
    runs = runs_of_title(client, workflow, claim, created_since=since)
    for place, run in enumerate(runs, 1):
        if not _was_evicted(client, run):
            beside = tuple(one for one in runs[place:] if one.status == "in_progress")
            return ClaimedRuns(counts=run, evicted=evicted, beside=beside)
        evicted += 1
    return ClaimedRuns(evicted=evicted)


def cancel_run(client: Client, run_id: int) -> None:
    """Has a run cancelled, which takes GitHub a while. Raises GitHubError, also if it has ended."""
    client.write("POST", f"/actions/runs/{run_id}/cancel", kind=dict)


def ended_at(client: Client, run: Run) -> float:
    """When a run that is completed ended, in seconds since the epoch. Raises GitHubError."""
    return moment_of(client.get(f"/actions/runs/{run.id}", _Ended).updated_at)


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
