"""From data files to the record of a session and its detail document."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from coverage import Coverage
from coverage.exceptions import ConfigError, CoverageException

from pytest_malagate.collect.coverage.detail import (
    DETAIL_SCHEMA,
    CoverageDetail,
    encode_detail,
)
from pytest_malagate.collect.coverage.executable import executable_files
from pytest_malagate.collect.coverage.following import PytestCov
from pytest_malagate.collect.coverage.judging import (
    changed_sources,
    imported_too_early,
    nothing_measured,
    unparsable,
    unreported_files,
)
from pytest_malagate.collect.coverage.measuring import working_directory
from pytest_malagate.collect.coverage.processes import data_files
from pytest_malagate.collect.coverage.reading import (
    Report,
    add_running,
    combine,
    make_reader,
    read_report,
    relative_name,
)
from pytest_malagate.collect.coverage.settings import Sources
from pytest_malagate.collect.coverage.sources import Snapshot
from pytest_malagate.collect.coverage.warned import (
    as_problem,
    caught_warnings,
    sort_warnings,
)
from pytest_malagate.gate.evidence import CoverageMeasured, CoverageProblem


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A session's data, and what is needed to read it."""

    root: Path  # names in the record are relative to it
    directory: Path  # the session's own
    sources: Sources
    snapshot: Snapshot
    early: dict[str, str]  # path: module
    running: Coverage | None = None  # somebody else's, still to be read
    pytest_cov: PytestCov | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """A counted measurement and what there is to say about it."""

    report: Report
    problems: tuple[CoverageProblem, ...] = ()
    warnings: tuple[CoverageProblem, ...] = ()


def read_session(collected: Collected) -> Findings:
    """Joins, counts and checks the session's data. coverage.py's own errors become problems."""
    follow = collected.pytest_cov
    with working_directory(collected.root if follow is None else follow.base):
        try:
            return _read(collected)
        except ConfigError as error:
            problem = as_problem("coverage.config", str(error))
        except (CoverageException, OSError) as error:
            problem = as_problem("coverage.failed", f"{type(error).__name__}: {error}")
    return Findings(report=Report(), problems=(problem,))


def _read(collected: Collected) -> Findings:
    """To be called in the directory that the configuration and the names are relative to."""
    base = Path.cwd()
    with caught_warnings() as configuring:
        reader = make_reader(_config_file(collected), collected.directory)
    with caught_warnings() as joining:
        problems = _join(reader, collected)
    with caught_warnings() as reading:
        report = read_report(reader, base, collected.directory)
    with caught_warnings():
        problems += [
            *nothing_measured(report, collected.sources),
            *unparsable(report, reading, str(collected.root)),
            *changed_sources(report, collected.snapshot, str(collected.root)),
            *imported_too_early(report, collected.early),
        ]
        warnings = _unreported(report, collected)
    lost, said = sort_warnings(joining, combining=True)
    # Problems of reading have been found above, with more detail.
    _, also_said = sort_warnings([*configuring, *reading])
    return Findings(
        report=report, problems=(*problems, *lost), warnings=(*said, *also_said, *warnings)
    )


def _join(reader: Coverage, collected: Collected) -> list[CoverageProblem]:
    follow = collected.pytest_cov
    if follow is not None and follow.precision is not None:
        reader.set_option("report:precision", follow.precision)
    files = data_files(collected.directory)
    if follow is not None and follow.unfinished is None and follow.data_file.is_file():
        files.append(follow.data_file)
    problems = combine(reader, files)
    if collected.running is not None:
        problems += add_running(reader, collected.running, discard=follow is not None)
    return problems


def _config_file(collected: Collected) -> str | bool:
    return True if collected.pytest_cov is None else collected.pytest_cov.config_file


def _unreported(report: Report, collected: Collected) -> list[CoverageProblem]:
    """A warning only, so trouble in finding it out is no more than that either."""
    if not collected.sources:
        message = "No source is named: files that no test imports are not in the total"
        return [CoverageProblem(code="coverage.unreported", message=message)]
    try:
        known = executable_files(
            _config_file(collected), collected.sources, tuple(sorted(report.files))
        )
    except CoverageException as error:
        return [as_problem("coverage.unreported", f"Files without a report: {error}")]
    return unreported_files(report, known, str(collected.root))


def make_record(
    findings: Findings, *, session: str, tree: str | None, root: Path
) -> tuple[CoverageMeasured, bytes | None]:
    """The numbers of a record, its time and its origin still to be set, and its detail document."""
    report, totals = findings.report, findings.report.totals
    record = CoverageMeasured(
        session=session,
        at=0.0,
        tree=tree,
        branch=report.branch,
        problems=findings.problems,
        warnings=findings.warnings,
    )
    if totals is None:
        return record, None
    detail = encode_detail(
        CoverageDetail(
            schema=DETAIL_SCHEMA,
            session=session,
            tree=tree,
            branch=report.branch,
            totals=totals,
            files={relative_name(path, str(root)): file for path, file in report.files.items()},
        )
    )
    digest = "sha256:" + hashlib.sha256(detail).hexdigest()
    return msgspec.structs.replace(record, detail=digest, **msgspec.structs.asdict(totals)), detail
