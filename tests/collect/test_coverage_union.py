"""Coverage of several parts added up: exact where the files are the same, else not believed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.collect.coverage.detail import (
    DETAIL_SCHEMA,
    CoverageDetail,
    FileDetail,
    Totals,
)
from pytest_malagate.collect.coverage.union import PartCoverage, join_coverage
from pytest_malagate.gate.evidence import CoverageMeasured, CoverageProblem

LINES = tuple(range(1, 11))
ARCS = tuple((line, line + step) for line in (2, 5, 7) for step in (1, 3))


def file(executed: set[int], taken: set[tuple[int, int]], sha: str | None = "sha256:a"):
    return FileDetail(
        sha256=sha,
        statements=LINES,
        missing=tuple(line for line in LINES if line not in executed),
        excluded=(20,),
        executed_branches=tuple(sorted(taken)),
        missing_branches=tuple(arc for arc in ARCS if arc not in taken),
    )


def part(name: str, **files: FileDetail) -> PartCoverage:
    totals = Totals(
        percent=0.0,
        display="0%",
        statements=0,
        missing=0,
        excluded=0,
        branches=len(ARCS) * len(files),
        files=len(files),
    )
    detail = CoverageDetail(
        schema=DETAIL_SCHEMA, session=name, tree="t", branch=True, totals=totals, files=files
    )
    measured = CoverageMeasured(session=name, at=1.0, tree="t", branch=True, display="50.0%")
    return PartCoverage(part=name, measured=measured, detail=detail)


def changed(part: PartCoverage, **changes: Any) -> PartCoverage:
    measured = msgspec.structs.replace(part.measured, **changes)
    return msgspec.structs.replace(part, measured=measured)


def problems(*parts: PartCoverage) -> list[str]:
    return [problem.code for problem in join_coverage(parts)[0].problems]


executed_lines = st.sets(st.sampled_from(LINES))
taken_arcs = st.sets(st.sampled_from(ARCS))


@given(st.lists(st.tuples(executed_lines, taken_arcs), min_size=1, max_size=4))
def test_a_line_or_a_branch_is_covered_if_any_part_covered_it(ran) -> None:
    parts = [part(f"p{n}", a=file(lines, arcs)) for n, (lines, arcs) in enumerate(ran)]
    measured, detail = join_coverage(parts)
    lines = set().union(*(lines for lines, _ in ran))
    arcs = set().union(*(arcs for _, arcs in ran))
    assert detail is not None
    assert detail.files["a"] == file(lines, arcs)
    assert measured.percent == 100.0 * (len(lines) + len(arcs)) / (len(LINES) + len(ARCS))
    assert measured.covered_branches == len(arcs)
    assert measured.problems == ()
    assert join_coverage(parts[::-1])[0].percent == measured.percent


def test_files_of_one_part_only_are_in_the_sum() -> None:
    parts = part("p", a=file({1}, set())), part("q", b=file({1, 2}, {ARCS[0]}))
    measured, detail = join_coverage(parts)
    assert detail is not None
    assert (measured.files, measured.statements, measured.missing) == (2, 20, 17)
    assert (measured.branches, measured.covered_branches) == (12, 1)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (part("q", a=file({2}, set(), "sha256:b")), "coverage.source-changed"),
        (part("q", a=file({2}, set(), None)), "coverage.source-changed"),
        (msgspec.structs.replace(part("q", a=file({2}, set())), detail=None), "coverage.combine"),
        (changed(part("q", a=file({2}, set())), branch=False), "coverage.combine"),
        (changed(part("q", a=file({2}, set())), tree="other"), "coverage.combine"),
    ],
)
def test_what_does_not_fit_together_has_no_sum(other: PartCoverage, code: str) -> None:
    measured, detail = join_coverage([part("p", a=file({1}, set())), other])
    assert [problem.code for problem in measured.problems] == [code]
    assert (measured.percent, measured.detail, detail) == (None, None, None)


def test_a_part_that_reached_no_code_is_no_trouble_if_another_did() -> None:
    nothing = CoverageProblem(code="coverage.no-data", message="nothing")
    idle = changed(part("q", a=file(set(), set())), problems=(nothing,))
    assert problems(part("p", a=file({1}, set())), idle) == []
    assert problems(part("p", a=file(set(), set())), idle) == ["coverage.no-data"]


def test_any_other_trouble_of_a_part_stays() -> None:
    lost = CoverageProblem(code="coverage.worker-lost", message="gone")
    spoiled = changed(part("q", a=file({2}, set())), problems=(lost,))
    assert problems(part("p", a=file({1}, set())), spoiled) == ["coverage.worker-lost"]


@pytest.mark.parametrize("shown", ["", "%", "." * 50, "1." + "0" * 5000 + "%"])
def test_an_odd_display_does_not_break_it(shown: str) -> None:
    odd = changed(part("q", a=file({1}, set())), display=shown)
    assert len(join_coverage([odd, odd])[0].display) < 25
