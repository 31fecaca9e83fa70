"""The evidence of several jobs as that of one run: shards of a suite, legs of a matrix.

Each part is what one job left behind, and none of them is believed to be what it says. Joining
never makes anything better: a command that failed in one part failed, a test that failed in one
part failed, a run that never ended in one part never ended. Parts of different files, or of
different commits, are not joined at all.

That every job handed over its part is not for this module to know: a leg of a matrix that is not
there is not missed. A shard that is not there is, because its tests are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_malagate.collect.coverage.detail import CoverageDetail, decode_detail
from pytest_malagate.collect.coverage.union import PartCoverage, join_coverage
from pytest_malagate.collect.population import population, read_tests, worst
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.collect.shards import Shard, join_runs
from pytest_malagate.gate.evidence import CommandRun, CoverageProblem, Evidence, TestRun
from pytest_malagate.gate.population import Population

_KILLED = frozenset({137, 143})
_NAMED = 4

_replace = msgspec.structs.replace


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one job left behind. `name` is its artifact's.

    `outcomes` are, by validation, the outcomes of its tests by node id; `set_aside` the collectors
    that skipped themselves. `detail` is None where there is none, or where it is not the one that
    the log's own record names by its digest.
    """

    name: str
    evidence: Evidence
    outcomes: dict[str, dict[str, str]] = {}
    set_aside: dict[str, tuple[str, ...]] = {}
    detail: CoverageDetail | None = None


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """All parts as one. By validation: who its tests are, and the lines that they covered."""

    evidence: Evidence
    populations: dict[str, Population] = {}
    details: dict[str, CoverageDetail] = {}


def read_part(name: str, log: Path, detail: bytes | None) -> Part:
    """Reads one job's log. `detail` is the content of the `coverage.json` beside it, if any.

    Never raises for what is in the files: trouble becomes `Evidence.problem`, or a missing detail.
    """
    try:
        evidence = read_evidence(log)
        sessions = {run.start.session: name for name, run in evidence.tests.items()}
        tests = read_tests(log, sessions)
    except (ValueError, RecursionError) as error:
        return Part(name=name, evidence=Evidence(problem=f"cannot read {log.name}: {error}"))
    return Part(
        name=name,
        evidence=evidence,
        outcomes={sessions[session]: found.outcomes for session, found in tests.items()},
        set_aside={
            sessions[session]: tuple(sorted(found.set_aside))
            for session, found in tests.items()
            if found.set_aside
        },
        detail=_detail_of(evidence, detail),
    )


def _detail_of(evidence: Evidence, content: bytes | None) -> CoverageDetail | None:
    """The document, if a run of this log measured exactly that."""
    if content is None:
        return None
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    named = [run for run in evidence.tests.values() if run.coverage and run.coverage.detail]
    run = next((run for run in named if run.coverage and run.coverage.detail == digest), None)
    if run is None:
        return None
    try:
        detail = decode_detail(content)
    except (ValueError, RecursionError):
        return None
    return detail if detail.session == run.start.session else None


def join(parts: Sequence[Part]) -> Joined:
    """All parts as one, in the order of their names. One part alone stays as it is.

    Trouble makes the evidence unfit to be judged and never raises: a log that cannot be read
    becomes `problem`, parts that do not belong together become `problems`.
    """
    parts = sorted(parts, key=lambda part: part.name)
    if len(parts) == 1:
        return _alone(parts[0])
    evidence = _frame(parts)
    if evidence.problem or evidence.problems:
        return Joined(evidence=evidence)
    names = dict.fromkeys(name for part in parts for name in part.evidence.tests)
    runs: dict[str, TestRun] = {}
    populations: dict[str, Population] = {}
    details: dict[str, CoverageDetail] = {}
    for name in names:
        having = [part for part in parts if name in part.evidence.tests]
        runs[name], detail = _join_tests(name, having)
        populations[name] = population(
            runs[name],
            _worst_outcomes(part.outcomes.get(name, {}) for part in having),
            {collector for part in having for collector in part.set_aside.get(name, ())},
        )
        if detail is not None:
            details[name] = detail
    evidence = _replace(evidence, tests=runs, commands=_join_commands(parts))
    return Joined(evidence=evidence, populations=populations, details=details)


def _alone(part: Part) -> Joined:
    runs = part.evidence.tests
    details = {
        name: part.detail
        for name, run in runs.items()
        if part.detail is not None and part.detail.session == run.start.session
    }
    populations = {
        name: population(run, part.outcomes.get(name, {}), part.set_aside.get(name, ()))
        for name, run in runs.items()
    }
    return Joined(evidence=part.evidence, populations=populations, details=details)


def _frame(parts: Sequence[Part]) -> Evidence:
    """The joined evidence without its runs, or why there is none."""
    logs = "\n".join(part.evidence.log for part in parts)
    troubles = [f"{p.name}: {p.evidence.problem}" for p in parts if p.evidence.problem]
    problems = [problem for part in parts for problem in part.evidence.problems]
    if text := _unrelated(parts):
        problems.append(("evidence.unjoined", text))
    return Evidence(
        resolutions=tuple(found for part in parts for found in part.evidence.resolutions),
        log=f"sha256:{hashlib.sha256(logs.encode()).hexdigest()}" if parts else "",
        end=sum(part.evidence.end for part in parts),
        fresh=any(part.evidence.fresh for part in parts),
        unreadable=sum(part.evidence.unreadable for part in parts),
        problem="; ".join(troubles) or None,
        problems=tuple(problems),
    )


def _unrelated(parts: Sequence[Part]) -> str | None:
    """In which way the parts are not of one run; None if they may be."""
    for number, what in enumerate(("files", "commits")):
        seen: dict[str, str] = {}
        for part in parts:
            for origin in _origins(part.evidence):
                seen.setdefault(str(origin[number] or "none")[:12], part.name)
        if len(seen) > 1:
            listed = [f"{origin} in {name}" for origin, name in sorted(seen.items())]
            return f"The parts are of different {what}: {', '.join(listed[:_NAMED])}"
    return None


def _origins(evidence: Evidence) -> Iterable[tuple[str | None, str | None]]:
    """Tree and commit of each run that counts."""
    for run in evidence.tests.values():
        yield run.start.tree, run.start.commit
    for runs in evidence.commands.values():
        for command in runs:
            yield command.tree, command.commit


# --- tests ---------------------------------------------------------------------------------------


def _join_tests(name: str, parts: Sequence[Part]) -> tuple[TestRun, CoverageDetail | None]:
    if len(parts) == 1:
        alone = _alone(parts[0])
        return parts[0].evidence.tests[name], alone.details.get(name)
    runs = {part.name: part.evidence.tests[name] for part in parts}
    joined = join_runs(
        [
            Shard(
                part=part.name,
                run=part.evidence.tests[name],
                outcomes=part.outcomes.get(name, {}),
            )
            for part in parts
        ]
    )
    measured = [
        PartCoverage(
            part=part.name,
            measured=run.coverage,
            detail=part.detail
            if part.detail is not None and part.detail.session == run.start.session
            else None,
        )
        for part in parts
        for run in [part.evidence.tests[name]]
        if run.coverage is not None
    ]
    if not measured:
        return joined, None
    coverage, detail = join_coverage(measured)
    without = [part for part, run in runs.items() if run.coverage is None]
    if without:
        text = f"No coverage was measured in {', '.join(without[:_NAMED])}"
        problem = CoverageProblem(code="coverage.combine", message=text)
        coverage = _replace(coverage, problems=(*coverage.problems, problem))
    return _replace(joined, coverage=coverage), detail


def _worst_outcomes(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for outcomes in parts:
        for test, outcome in outcomes.items():
            joined[test] = worst((joined.get(test, outcome), outcome))
    return joined


# --- commands ------------------------------------------------------------------------------------


def _join_commands(parts: Sequence[Part]) -> dict[str, tuple[CommandRun, ...]]:
    """Of each name and argv the run that ended worst, wherever it ran."""
    joined: dict[str, dict[tuple[str, ...], CommandRun]] = {}
    for part in parts:
        for name, runs in part.evidence.commands.items():
            kept = joined.setdefault(name, {})
            for run in runs:
                before = kept.get(run.argv)
                kept[run.argv] = run if before is None else min((before, run), key=_goodness)
    return {name: tuple(kept.values()) for name, kept in joined.items()}


def _goodness(run: CommandRun) -> int:
    """The higher, the better a command ended."""
    if not run.finished or run.withdrawn or run.signal or run.exit_code in {None, *_KILLED}:
        return 0
    if run.exit_code != 0:
        return 1
    return 2 if run.tree_after != run.tree else 3
