"""Joins a session's data and lets coverage.py count it, as `coverage report` would."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
from coverage import Coverage
from coverage.exceptions import CoverageException, NoDataError

from pytest_malagate.collect.coverage.detail import FileDetail, Totals
from pytest_malagate.collect.coverage.settings import below
from pytest_malagate.collect.coverage.sources import digest_file
from pytest_malagate.collect.coverage.warned import as_problem
from pytest_malagate.gate.evidence import CoverageProblem

_open, _realpath, _loads = open, os.path.realpath, json.loads


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What coverage.py says of the joined data.

    `files` are by absolute path, symbolic links resolved; `unreported` are measured files that
    coverage.py had to leave out. `totals` None: there was nothing to report.
    """

    totals: Totals | None = None
    branch: bool = False
    files: dict[str, FileDetail] = {}
    unreported: tuple[str, ...] = ()


def make_reader(config_file: str | bool, directory: Path) -> Coverage:
    """A Coverage object that reports and never measures. Every warning of it is to be heard."""
    reader = Coverage(data_file=str(directory / "combined"), config_file=config_file)
    reader.set_option("run:disable_warnings", [])
    reader.set_option("run:relative_files", False)
    return reader


def combine(reader: Coverage, files: list[Path]) -> list[CoverageProblem]:
    """Adds data files to the reader's data, one by one, so that a bad one costs only itself."""
    problems = []
    for file in files:
        try:
            reader.combine([str(file)], keep=True)
        except CoverageException as error:
            problems.append(as_problem("coverage.combine", f"{file.name}: {error}"))
    return problems


def add_running(reader: Coverage, running: Coverage, *, discard: bool) -> list[CoverageProblem]:
    """Adds what somebody else's Coverage object has measured up to now; it goes on running.

    Asking for the data may write its data file. `discard`: its owner was not going to write one,
    so a file that comes into being here is taken away again.
    """
    try:
        data = running.get_data()
        reader.get_data().update(data)
        if discard:
            data.erase()
    except CoverageException as error:
        return [as_problem("coverage.combine", f"the running measurement: {error}")]
    return []


def read_report(reader: Coverage, base: Path, directory: Path) -> Report:
    """Counts the joined data; `base` is the working directory, which names are relative to.

    Files that cannot be parsed are left out and warned about (`couldnt-parse`). Raises
    CoverageException where the configuration makes a report impossible, or OSError.
    """
    outfile = directory / "report.json"
    try:
        reader.json_report(
            outfile=str(outfile), ignore_errors=True, show_contexts=False, pretty_print=False
        )
    except NoDataError:
        return Report(unreported=tuple(sorted(reader.get_data().measured_files())))
    with _open(outfile, encoding="utf-8") as file:
        document: dict[str, Any] = _loads(file.read())
    top = Path(_realpath(base))
    files = {
        path: _file_detail(path, entry)
        for name, entry in document["files"].items()
        for path in [str(top / name)]
    }
    return Report(
        totals=_totals(document["totals"], len(files)),
        branch=bool(document["meta"]["branch_coverage"]),
        files=files,
        unreported=tuple(sorted(reader.get_data().measured_files() - files.keys())),
    )


def _totals(totals: dict[str, Any], files: int) -> Totals:
    return Totals(
        percent=float(totals["percent_covered"]),
        display=f"{totals['percent_covered_display']}%",
        statements=totals["num_statements"],
        missing=totals["missing_lines"],
        excluded=totals["excluded_lines"],
        branches=totals.get("num_branches", 0),
        partial_branches=totals.get("num_partial_branches", 0),
        covered_branches=totals.get("covered_branches", 0),
        files=files,
    )


def _file_detail(path: str, entry: dict[str, Any]) -> FileDetail:
    return FileDetail(
        sha256=digest_file(path),
        statements=tuple(sorted({*entry["executed_lines"], *entry["missing_lines"]})),
        missing=tuple(entry["missing_lines"]),
        excluded=tuple(entry["excluded_lines"]),
        executed_branches=_branches(entry.get("executed_branches", [])),
        missing_branches=_branches(entry.get("missing_branches", [])),
    )


def _branches(pairs: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((start, end) for start, end in pairs))


def relative_name(path: str, root: str) -> str:
    """A path below the root relative to it, with `/`; any other path as it is."""
    return os.path.relpath(path, root).replace(os.sep, "/") if below(path, root) else path
