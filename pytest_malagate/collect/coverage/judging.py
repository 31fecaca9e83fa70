"""What is wrong with a measurement: reasons not to believe it, and things to know about it.

A problem says that data is missing, belongs to something else, or cannot be counted. A warning
says what the total does not show although nothing was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pytest_malagate.collect.coverage.processes import listed
from pytest_malagate.collect.coverage.reading import Report, relative_name
from pytest_malagate.collect.coverage.settings import Sources
from pytest_malagate.collect.coverage.sources import Snapshot, digest_file, syntax_line
from pytest_malagate.collect.coverage.warned import as_problem, slug_of
from pytest_malagate.gate.evidence import CoverageProblem
from pytest_malagate.gate.fingerprint import clean_line

MAX_PROBLEMS = 20  # of one kind; a problem for each of a thousand files helps nobody


def _problem(code: str, message: str, file: str | None = None) -> CoverageProblem:
    return CoverageProblem(code=code, message=clean_line(message), file=file)


def nothing_measured(report: Report, sources: Sources) -> list[CoverageProblem]:
    """Sources with no measured file at all; failing that, a measurement in which nothing ran."""
    known = (*report.files, *report.unreported)
    absent = [
        name
        for name in (*sources.directories, *sources.packages)
        if not any(_one(name, sources).holds(path) for path in known)
    ]
    if absent:
        return [
            _problem("coverage.no-source", f"Nothing was measured under the source {name!r}")
            for name in absent
        ]
    if report.totals is None or report.totals.statements == 0:
        return [_problem("coverage.no-data", "There is no statement to measure in the source")]
    if report.totals.missing == report.totals.statements:
        return [_problem("coverage.no-data", "No statement of the measured source was executed")]
    return []


def _one(name: str, sources: Sources) -> Sources:
    is_directory = name in sources.directories
    return Sources(directories=(name,)) if is_directory else Sources(packages=(name,))


def unparsable(report: Report, texts: Sequence[str], root: str) -> list[CoverageProblem]:
    """Files that coverage.py warned it could not parse, with the line where that is known."""
    problems = []
    for text in texts:
        if slug_of(text) != "couldnt-parse":
            continue
        path = next((path for path in report.unreported if f"'{path}'" in text), None)
        problems.append(
            as_problem("coverage.unparsable", text) if path is None else _syntax(path, text, root)
        )
    return problems[:MAX_PROBLEMS]


def _syntax(path: str, text: str, root: str) -> CoverageProblem:
    name = relative_name(path, root)
    line, reason = syntax_line(path)
    message = f"{name} could not be parsed: {reason} (couldnt-parse)" if reason else text
    problem = as_problem("coverage.unparsable", message, file=name)
    return msgspec.structs.replace(problem, line=line)


def changed_sources(report: Report, snapshot: Snapshot, root: str) -> list[CoverageProblem]:
    """Files that were not the same at the end of the run as at its beginning."""
    digests = {path: detail.sha256 for path, detail in report.files.items()}
    digests |= {path: digest_file(path) for path in report.unreported}
    problems = []
    for path, digest in digests.items():
        if change := snapshot.change_of(path, digest):
            name = relative_name(path, root)
            message = f"{name} was {change} while the tests ran"
            problems.append(_problem("coverage.source-changed", message, name))
    return problems[:MAX_PROBLEMS]


def imported_too_early(report: Report, early: dict[str, str]) -> list[CoverageProblem]:
    """Modules of the source that were imported before the measuring began and miss lines.

    Where no line is missing nothing was lost: another process, or a reload, executed them.
    """
    modules = [
        module
        for path, module in early.items()
        if (detail := report.files.get(path)) and (detail.missing or detail.missing_branches)
    ]
    if not modules:
        return []
    message = f"Imported before the measuring began, so lines are missing: {listed(modules)}"
    return [_problem("coverage.imported-early", message)]


def unreported_files(report: Report, executable: Iterable[str], root: str) -> list[CoverageProblem]:
    """Python files below the source that are in no report: of folders without `__init__.py`."""
    unknown = set(executable) - report.files.keys() - set(report.unreported)
    if not unknown:
        return []
    names = listed(relative_name(path, root) for path in unknown)
    message = f"Python files below the source that are not in the total ({len(unknown)}): {names}"
    return [_problem("coverage.unreported", message)]
