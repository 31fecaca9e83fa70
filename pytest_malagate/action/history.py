"""The memory of a pull request, found again in a trusted run's artifact, or rebuilt.

A state artifact counts only if its run is ours: this repository, an event and a branch of which a
change cannot choose the workflow file, and this very workflow. Anybody may upload an artifact of
that name, so the others are passed over and said to be.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.action.memory import MAX_STATE, STATE_FILE, Memory, decode_memory
from pytest_malagate.action.subjects import Judged, own_runs
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.github.archive import ArtifactError
from pytest_malagate.github.artifacts import TrustedArtifacts, fetch_file, newest_trusted
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.github.records import Artifact, Pull, Run
from pytest_malagate.github.runs import earlier_failures, run_of, vouch
from pytest_malagate.report.text import plain


class HistoryUnreadable(GitHubError):
    """Our own newest state is there, and what arrives is not what was uploaded."""


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """The memory, and what there is to say about how it was found: (reason code, message)."""

    memory: Memory
    warnings: tuple[tuple[str, str], ...] = ()


def state_name(number: int) -> str:
    """The name of a pull request's state artifact."""
    return f"malagate-state-pr-{number}"


def recall(client: Client, runner: RunnerEnvironment, subject: Judged, pull: Pull) -> Recalled:
    """What is known of a pull request's earlier evaluations.

    Raises GitHubError; HistoryUnreadable where only a person can say that it shall begin anew.
    """
    # In one job the branch itself is trusted; otherwise the default branch's workflow alone.
    also = ((pull.head.ref, frozenset({"pull_request"})),) if subject.trust == "job" else ()
    trusted = own_runs(runner, *also)
    seen: dict[int, Run] = {}

    def vouched(run_id: int) -> bool:
        seen[run_id] = run_of(client, run_id)
        return vouch(seen[run_id], trusted)

    found = newest_trusted(client, state_name(pull.number), trusted, vouched)
    memory, damaged = _newest(client, runner, pull, found)
    warnings = list(damaged)
    if found.refused:
        text = f"{found.refused} state artifacts are not of a trusted run and were passed over"
        warnings.insert(0, ("history.refused", text))
    if memory is not None and damaged:
        memory, later = _caught_up(client, runner, subject, memory)
        warnings += later
    if memory is not None:
        return Recalled(memory=memory, warnings=tuple(warnings))
    memory, rebuilt = _rebuilt(client, runner, subject, pull)
    return Recalled(memory=memory, warnings=(*warnings, *rebuilt))


def _newest(
    client: Client, runner: RunnerEnvironment, pull: Pull, found: TrustedArtifacts
) -> tuple[Memory | None, tuple[tuple[str, str], ...]]:
    """The newest memory of ours that can be read, and what is to be said of newer ones."""
    damaged: list[tuple[str, str]] = []
    for artifact in found.artifacts:
        try:
            return _read(client, runner, pull, artifact), tuple(damaged)
        except ArtifactError as error:
            if error.code == "artifact.digest":  # fails closed: it may say stop
                raise HistoryUnreadable(f"{error}; /gate retry begins anew") from error
            damaged.append(("history.refused", f"A state artifact was passed over: {error}"))
    return None, tuple(damaged)


def _read(client: Client, runner: RunnerEnvironment, pull: Pull, artifact: Artifact) -> Memory:
    secure = runner.api_url.startswith("https:")
    data = fetch_file(
        client, artifact, STATE_FILE, limit=MAX_STATE, temp=runner.temp, secure=secure
    )
    try:
        return decode_memory(data, repository=runner.repository, pull_request=pull.number)
    except (ValueError, RecursionError) as error:
        text = f"{artifact.name} cannot be read: {plain(str(error), 200)}"
        raise ArtifactError("artifact.damaged", text) from error


def _caught_up(
    client: Client, runner: RunnerEnvironment, subject: Judged, memory: Memory
) -> tuple[Memory, tuple[tuple[str, str], ...]]:
    """An older memory, with the attempts counted that a newer and unreadable one knew of."""
    known = {evaluation.head for evaluation in memory.evaluations}
    failures = earlier_failures(client, subject.run or run_of(client, runner.run_id))
    places = [place for place, head in enumerate(failures) if head in known]
    heads = failures[places[-1] + 1 :] if places else failures
    if not heads:
        return memory, ()
    text = (
        f"The newest history of #{memory.pull_request} cannot be read; {len(heads)} later failed "
        "heads were counted from the list of runs, what failed in them is not known"
    )
    attempt = memory.retry.gate_attempt + len(heads)
    retry = msgspec.structs.replace(
        memory.retry, gate_attempt=attempt, previous_commit_hash=heads[-1]
    )
    memory = msgspec.structs.replace(memory, retry=retry, rebuilt=True)
    return memory, (("history.rebuilt", text),)


def _rebuilt(
    client: Client, runner: RunnerEnvironment, subject: Judged, pull: Pull
) -> tuple[Memory, tuple[tuple[str, str], ...]]:
    """A fresh memory; where earlier runs failed, with as many attempts used as they were heads."""
    memory = Memory(repository=runner.repository, pull_request=pull.number)
    run = subject.run or run_of(client, runner.run_id)
    heads = earlier_failures(client, run)
    if not heads:
        return memory, ()
    text = (
        f"The history of #{pull.number} is missing or has expired; {len(heads)} earlier failed "
        "heads were counted from the list of runs, what failed in them is not known"
    )
    retry = RetryState(gate_attempt=1 + len(heads), previous_commit_hash=heads[-1])
    memory = msgspec.structs.replace(memory, retry=retry, rebuilt=True)
    return memory, (("history.rebuilt", text),)
