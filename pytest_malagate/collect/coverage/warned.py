"""coverage.py's own warnings, caught where they are raised and kept as values."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from coverage.exceptions import CoverageWarning

from pytest_malagate.gate.evidence import CoverageProblem
from pytest_malagate.gate.fingerprint import clean_line

_SLUG = re.compile(r" \(([a-z-]+)\); see \S+$")

# Said with more precision by this package's own checks, for all processes together.
CHECKED_OTHERWISE = frozenset(
    {"no-data-collected", "module-not-imported", "module-not-measured", "module-not-python"}
)
# Files left out of the total, data left out of the sum: never a pass.
PROBLEMS = {"couldnt-parse": "coverage.unparsable", "trace-changed": "coverage.tracer-lost"}


@contextmanager
def caught_warnings() -> Iterator[list[str]]:
    """Collects the texts of CoverageWarnings raised inside, whatever filters are set outside.

    Other warnings are dropped: they come from coverage.py's own use of sqlite and the like, and
    must neither appear in the user's output nor become errors under `-W error`.
    """
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            yield texts
        finally:
            texts += [str(w.message) for w in seen if issubclass(w.category, CoverageWarning)]


def slug_of(text: str) -> str:
    """The stable name that coverage.py gives a warning; empty if it gives none."""
    found = _SLUG.search(text)
    return found[1] if found else ""


def as_problem(code: str, text: str, *, file: str | None = None) -> CoverageProblem:
    """A problem whose message is coverage.py's text with its slug, in one clean line."""
    return CoverageProblem(code=code, message=clean_line(_SLUG.sub(r" (\1)", text)), file=file)


def sort_warnings(
    texts: list[str], *, combining: bool = False
) -> tuple[list[CoverageProblem], list[CoverageProblem]]:
    """Problems and plain warnings out of warning texts.

    While data is combined, a warning without a slug says that a data file was left out.
    """
    problems: list[CoverageProblem] = []
    notes: list[CoverageProblem] = []
    for text in dict.fromkeys(texts):
        slug = slug_of(text)
        if slug in CHECKED_OTHERWISE:
            continue
        if slug in PROBLEMS:
            problems.append(as_problem(PROBLEMS[slug], text))
        elif combining and not slug:
            problems.append(as_problem("coverage.combine", text))
        else:
            notes.append(as_problem("coverage.warned", text))
    return problems, notes
