"""Evidence out of artifacts, or out of this job's own directory; joined, and never believed here.

What can be wrong with an artifact becomes a problem with a reason code. A problem makes the verdict
inconclusive at best, whatever else was found: evidence trouble fails closed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from pytest_malagate.action.coherence import contradictions
from pytest_malagate.action.inputs import Inputs
from pytest_malagate.action.subjects import Judged
from pytest_malagate.collect.joining import Part, read_part
from pytest_malagate.github.archive import ArtifactError
from pytest_malagate.github.artifacts import Contents, fetch, of_run
from pytest_malagate.github.client import Client
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.local import OUT

LOG = "evidence.jsonl"
DETAIL = "coverage.json"
MAX_LOG = 1024 * 1024 * 1024  # bytes: about six million tests
MAX_DETAIL = 256 * 1024 * 1024

CONTENTS = Contents(
    wanted={LOG: MAX_LOG, DETAIL: MAX_DETAIL},
    raw=LOG,
    ignored=frozenset(
        {"gate-result.json", "summary.md", "state.db", "state.db-wal", "state.db-shm"}
    ),
)


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """The parts, one an artifact, and what was wrong with the rest."""

    parts: tuple[Part, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


def gather(client: Client, runner: RunnerEnvironment, inputs: Inputs, subject: Judged) -> Gathered:
    """The evidence of a subject. Raises GitHubError where GitHub does not answer."""
    if subject.run is None:
        return _from_workspace(runner.workspace / OUT)
    pattern, run_id = inputs.evidence, subject.source[0]
    try:
        artifacts = of_run(client, run_id, pattern)
    except ArtifactError as error:
        return Gathered(problems=((error.code, str(error)),))
    if not artifacts:
        text = f"The run {run_id} has no artifact that matches {pattern}"
        return Gathered(problems=(("artifact.missing", text),))
    parts: list[Part] = []
    problems: list[tuple[str, str]] = []
    secure = runner.api_url.startswith("https:")
    for number, artifact in enumerate(artifacts):
        with tempfile.TemporaryDirectory(dir=runner.temp, prefix="malagate-") as directory:
            into = Path(directory) / str(number)
            into.mkdir()
            try:
                files = fetch(client, artifact, into, CONTENTS, secure=secure)
                part, trouble = _part(artifact.name, files)
                parts.append(part)
                problems.extend(trouble)
            except ArtifactError as error:
                problems.append((error.code, str(error)))
    return Gathered(parts=tuple(parts), problems=tuple(problems))


def _part(name: str, files: dict[str, Path]) -> tuple[Part, tuple[tuple[str, str], ...]]:
    """A part, and in what it contradicts itself."""
    log, detail = files.get(LOG), files.get(DETAIL)
    if log is None:
        raise ArtifactError("artifact.missing", f"{name} holds no {LOG}")
    part = read_part(name, log, detail.read_bytes() if detail else None)
    return part, contradictions(name, log)


def _from_workspace(out: Path) -> Gathered:
    """What the job itself recorded. A link is not followed: it may lead anywhere."""
    log, detail = out / LOG, out / DETAIL
    if any(path.is_symlink() for path in (out, log, detail)):
        text = f"{OUT} holds a symbolic link"
        return Gathered(problems=(("artifact.unsafe", text),))
    if not log.is_file():
        return Gathered(problems=(("artifact.missing", f"{OUT}/{LOG} is not there"),))
    files = {path.name: path for path in (log, detail) if path.is_file()}
    part, trouble = _part(OUT, files)
    return Gathered(parts=(part,), problems=trouble)
