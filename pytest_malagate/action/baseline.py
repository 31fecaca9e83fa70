"""The tests and the coverage of the base, from what the default branch's own runs recorded.

A baseline counts for a change only if its commit is in the base that the change was tested with:
a test that came to the base later is not missing from the change.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.action.memory import Memory
from pytest_malagate.action.subjects import Judged, own_runs
from pytest_malagate.gate.population import Population
from pytest_malagate.github.archive import ArtifactError
from pytest_malagate.github.artifacts import fetch_file, newest_trusted
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.contents import compare
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.github.records import Artifact
from pytest_malagate.github.runs import run_of, vouch
from pytest_malagate.report.text import plain

SCHEMA = "malagate/baseline@1"
BASELINE = "malagate-baseline"
BASELINE_FILE = "baseline.json"
MAX_BASELINE = 128 * 1024 * 1024  # bytes


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The population of each test validation at a commit of the default branch."""

    schema: str = SCHEMA
    repository: str
    commit: str
    tree: str | None = None
    populations: dict[str, Population] = {}


class BaselineFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The baseline, or why there is none; `run` is a run that was checked on the way."""

    baseline: Baseline | None = None
    why: str = ""
    run: int | None = None


def encode_baseline(baseline: Baseline) -> bytes:
    """The baseline as JSON; equal values give equal bytes."""
    return msgspec.json.encode(baseline, order="deterministic") + b"\n"


def find_baseline(
    client: Client, runner: RunnerEnvironment, subject: Judged, base: str, memory: Memory
) -> BaselineFinding:
    """The newest baseline whose commit is in `base`. Raises GitHubError.

    Where one of ours is there but other bytes than it has arrive, and no older one helps, that is
    GitHub's trouble and not the lack of a baseline. Runs that `memory` vouches for are not asked
    about again.
    """
    if subject.base_branch != runner.default_branch:
        return BaselineFinding(why=f"{subject.base_branch} is not the default branch")
    trusted = own_runs(runner)
    checked: list[int] = []

    def vouched(run_id: int) -> bool:
        if run_id in memory.vouched:
            return True
        good = vouch(run_of(client, run_id), trusted)
        if good:
            checked.append(run_id)
        return good

    why, spoiled = "no run of the default branch has recorded one yet", False
    for artifact in newest_trusted(client, BASELINE, trusted, vouched).artifacts:
        try:
            baseline = _read(client, runner, artifact)
        except ArtifactError as error:
            why, spoiled = str(error), spoiled or error.code == "artifact.digest"
            continue
        if baseline.commit == base or _contains(client, base, baseline.commit):
            run = checked[-1] if checked else None
            return BaselineFinding(baseline=baseline, run=run)
        why = f"none is of a commit that is in {base[:12]}"
    if spoiled:
        raise GitHubError(f"the baseline could not be fetched: {why}")
    return BaselineFinding(why=why)


def _contains(client: Client, base: str, commit: str) -> bool:
    return compare(client, commit, base).status in ("ahead", "identical")


def _read(client: Client, runner: RunnerEnvironment, artifact: Artifact) -> Baseline:
    secure = runner.api_url.startswith("https:")
    data = fetch_file(
        client, artifact, BASELINE_FILE, limit=MAX_BASELINE, temp=runner.temp, secure=secure
    )
    try:
        baseline = msgspec.json.decode(data, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"{artifact.name} cannot be read: {plain(str(error), 200)}"
        raise ArtifactError("artifact.damaged", text) from error
    if (baseline.schema, baseline.repository) != (SCHEMA, runner.repository):
        raise ArtifactError("artifact.damaged", f"{artifact.name} is of something else")
    return baseline


def joined_population(populations: dict[str, Population]) -> Population | None:
    """All test validations together; None if there is none. The coverage is that of the first."""
    if not populations:
        return None
    every = list(populations.values())
    percents = [population.percent for population in every if population.percent is not None]
    return Population(
        ran=frozenset().union(*(population.ran for population in every)),
        skipped=frozenset().union(*(population.skipped for population in every)),
        set_aside=frozenset().union(*(population.set_aside for population in every)),
        percent=percents[0] if percents else None,
        commit=every[0].commit,
        tree=every[0].tree,
    )
