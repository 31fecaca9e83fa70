"""The coverage of several runs of one tree, added up as coverage.py would have done it.

Lines and branches are joined file by file, and only where the files are the very same. The totals
follow coverage.py's own definitions, so that they equal those of `coverage combine` with the same
data to the last digit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from pytest_malagate.collect.coverage.detail import (
    DETAIL_SCHEMA,
    Branch,
    CoverageDetail,
    FileDetail,
    Totals,
    encode_detail,
)
from pytest_malagate.gate.evidence import CoverageMeasured, CoverageProblem

_MAX_PROBLEMS = 20
_MOST_DECIMALS = 15


class PartCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """What one part measured. `detail` is None where it is not there or not the record's own."""

    part: str
    measured: CoverageMeasured
    detail: CoverageDetail | None = None


def join_coverage(
    parts: Sequence[PartCoverage],
) -> tuple[CoverageMeasured, CoverageDetail | None]:
    """The measurement of all parts together, with `problems` where it must not be believed."""
    problems = [*_unfit(parts), *_other_sources(parts)]
    detail = None if problems else _joined(parts)
    if detail is not None and (text := _uncounted(parts)):
        problems.append(CoverageProblem(code="coverage.combine", message=text))
    covered = detail is not None and detail.totals.missing < detail.totals.statements
    theirs = [
        problem
        for part in parts
        for problem in part.measured.problems
        # A part that executed nothing of the source is no trouble where the others did.
        if not (covered and problem.code == "coverage.no-data")
    ]
    warnings = dict.fromkeys(chain.from_iterable(part.measured.warnings for part in parts))
    first = parts[0].measured
    record = CoverageMeasured(
        session=first.session,
        at=max(part.measured.at for part in parts),
        tree=first.tree,
        source=_agreed([part.measured.source for part in parts]),
        core=_agreed([part.measured.core for part in parts]),
        branch=first.branch,
        problems=(*dict.fromkeys(theirs), *problems),
        warnings=tuple(warnings),
    )
    if detail is None:
        return record, None
    digest = f"sha256:{hashlib.sha256(encode_detail(detail)).hexdigest()}"
    totals = msgspec.structs.asdict(detail.totals)
    return msgspec.structs.replace(record, **totals, detail=digest), detail


def _agreed(words: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, words)))


def _unfit(parts: Sequence[PartCoverage]) -> list[CoverageProblem]:
    """Parts that cannot be added to the others."""
    texts = [
        f"{part.part} did not hand over the lines that it measured (coverage.json)"
        for part in parts
        if part.detail is None
    ]
    if len({part.measured.branch for part in parts}) > 1:
        texts.append("Some of the parts measured branches and some did not")
    if len({part.measured.tree for part in parts}) > 1:
        texts.append("The parts measured different files")
    return [CoverageProblem(code="coverage.combine", message=text) for text in texts]


def _other_sources(parts: Sequence[PartCoverage]) -> list[CoverageProblem]:
    """Files that one part measured in another version than the others."""
    versions: dict[str, set[str | None]] = {}
    for part in parts:
        for name, file in part.detail.files.items() if part.detail else ():
            versions.setdefault(name, set()).add(file.sha256)
    changed = sorted(name for name, seen in versions.items() if len(seen) > 1 or None in seen)
    return [
        CoverageProblem(
            code="coverage.source-changed",
            message=f"{name} was not the same file in all parts of the run",
            file=name,
        )
        for name in changed[:_MAX_PROBLEMS]
    ]


def _details(parts: Sequence[PartCoverage]) -> list[CoverageDetail]:
    return [part.detail for part in parts if part.detail is not None]


def _joined(parts: Sequence[PartCoverage]) -> CoverageDetail:
    details = _details(parts)
    versions: dict[str, list[FileDetail]] = {}
    for detail in details:
        for name, file in detail.files.items():
            versions.setdefault(name, []).append(file)
    files = {name: _file(found) for name, found in sorted(versions.items())}
    branches = _branches(details, files)
    totals = _totals(files, branches, _decimals(parts))
    return CoverageDetail(
        schema=DETAIL_SCHEMA,
        session=details[0].session,
        tree=details[0].tree,
        branch=details[0].branch,
        totals=totals,
        files=files,
    )


def _file(found: Sequence[FileDetail]) -> FileDetail:
    """One file: a line or a branch is covered if it is in any of the parts."""
    statements = {line for file in found for line in file.statements}
    executed = {line for file in found for line in {*file.statements} - {*file.missing}}
    taken = {branch for file in found for branch in file.executed_branches}
    possible = {branch for file in found for branch in file.missing_branches} | taken
    excluded = {line for file in found for line in file.excluded} - statements
    return FileDetail(
        sha256=found[0].sha256,
        statements=tuple(sorted(statements)),
        missing=tuple(sorted(statements - executed)),
        excluded=tuple(sorted(excluded)),
        executed_branches=tuple(sorted(taken)),
        missing_branches=tuple(sorted(possible - taken)),
    )


def _listed_branches(files: Mapping[str, FileDetail]) -> int:
    return sum(len(f.executed_branches) + len(f.missing_branches) for f in files.values())


def _branches(details: Sequence[CoverageDetail], files: Mapping[str, FileDetail]) -> int:
    """How many branches there are.

    coverage.py counts them in the source and may list more than it counts, but what it counts
    is the same for the same files.
    """
    same = all(detail.files.keys() == files.keys() for detail in details)
    counts = {detail.totals.branches for detail in details}
    return counts.pop() if same and len(counts) == 1 else _listed_branches(files)


def _uncounted(parts: Sequence[PartCoverage]) -> str | None:
    """Why the branches cannot be counted exactly; None if they can."""
    details = _details(parts)
    names = {name for detail in details for name in detail.files}
    same = all(detail.files.keys() == names for detail in details)
    if same and len({detail.totals.branches for detail in details}) == 1:
        return None
    if all(detail.totals.branches == _listed_branches(detail.files) for detail in details):
        return None
    return "The parts measured different sets of files, and their branches cannot be counted"


def _totals(files: Mapping[str, FileDetail], branches: int, decimals: int) -> Totals:
    statements = sum(len(file.statements) for file in files.values())
    missing = sum(len(file.missing) for file in files.values())
    not_taken = sum(len(file.missing_branches) for file in files.values())
    partial = sum(_partial(file.missing_branches, file.missing) for file in files.values())
    executed = statements - missing + branches - not_taken
    counted = statements + branches
    percent = 100.0 * executed / counted if counted > 0 else 100.0
    return Totals(
        percent=percent,
        display=f"{_shown(percent, decimals)}%",
        statements=statements,
        missing=missing,
        excluded=sum(len(file.excluded) for file in files.values()),
        branches=branches,
        partial_branches=partial,
        covered_branches=branches - not_taken,
        files=len(files),
    )


def _partial(missing_branches: Sequence[Branch], missing: Sequence[int]) -> int:
    """Branches that were not taken, though the line that they leave was executed."""
    lines = {*missing}
    return sum(start not in lines for start, _ in missing_branches)


def _decimals(parts: Sequence[PartCoverage]) -> int:
    """As many decimals as coverage.py was told to show."""
    shown = (part.measured.display.strip("%").partition(".")[2] for part in parts)
    return min(_MOST_DECIMALS, max(map(len, shown)))


def _shown(percent: float, decimals: int) -> str:
    """As coverage.py shows it: 0 and 100 stand for exactly that and for nothing near it."""
    near = 1.0 / 10**decimals
    if 0 < percent < near:
        percent = near
    elif 100.0 - near < percent < 100:
        percent = 100.0 - near
    return f"{round(percent, decimals):.{decimals}f}"
