"""Totals of a Cobertura XML report, as `coverage xml` and many other tools write it.

The report is made by the change that is judged, so it is hostile: it is read as a stream, a
document type with declarations of its own (entities) is refused, and nothing it names is opened.
Trouble never looks like a number: every defect is an error with its own message.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from pytest_malagate.gate.evidence import CoverageProblem

MAX_BYTES = 256 * 1024 * 1024
"""A longer report is refused."""

_PROLOGUE_BYTES = 1024 * 1024  # the root element has to begin within these
_CHUNK = 64 * 1024
# expat's numbers for a document that stops: no element found, an unclosed token, half a character,
# an unclosed CDATA section.
_TRUNCATED = frozenset({3, 5, 6, 20})
_COUNT = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_MILLISECONDS = 1e11  # a time stamp beyond it (the year 5138 in seconds) is in milliseconds


class CoverageReportError(Exception):
    """A report that must not be believed. `problem` holds a reason code and a sentence."""

    def __init__(self, code: str, message: str, path: Path) -> None:
        self.problem = CoverageProblem(code=code, message=message, file=str(path))
        super().__init__(message)

    @property
    def code(self) -> str:
        """A reason code, `coverage.report-…`."""
        return self.problem.code

    @property
    def message(self) -> str:
        """One sentence that names the file and the defect."""
        return self.problem.message


@dataclass(frozen=True, slots=True)
class CoberturaTotals:
    """What a report says of the whole. Rates are within 0..1; counts are None where not given.

    `percent` is unrounded, 0 to 100. If the report has counts it is coverage.py's own total,
    branches included; otherwise it is the line rate. `timestamp` is in seconds since the epoch.
    """

    percent: float
    line_rate: float
    branch_rate: float | None = None
    lines_valid: int | None = None
    lines_covered: int | None = None
    branches_valid: int | None = None
    branches_covered: int | None = None
    timestamp: float | None = None


def read_cobertura(path: Path) -> CoberturaTotals:
    """Reads the totals of a report. Raises CoverageReportError, and nothing else, for a bad one."""
    try:
        with _opened(path) as file:
            attributes = _root_attributes(file, path)
    except FileNotFoundError:
        raise _error("missing", path, "was not found") from None
    except OSError as error:
        raise _error("unreadable", path, f"cannot be read: {error.strerror or error}") from error
    return _totals(attributes, path)


def _error(code: str, path: Path, text: str) -> CoverageReportError:
    return CoverageReportError(f"coverage.report-{code}", f"coverage report {path} {text}", path)


def _opened(path: Path) -> BinaryIO:
    # Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    what = "is a directory" if stat.S_ISDIR(mode) else "is no regular file"
    raise _error("unreadable", path, f"{what}; name the XML file itself")


def _root_attributes(file: BinaryIO, path: Path) -> Mapping[str, str]:
    """The attributes of `<coverage>`, after the whole document was found well-formed."""
    reader = _Reader(path)
    size = 0
    try:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise _error("unreadable", path, f"is longer than {MAX_BYTES >> 20} MiB")
            reader.parser.Parse(chunk, False)
            if reader.attributes is None and size > _PROLOGUE_BYTES:
                raise _error("not-xml", path, "is not XML: no element in its first megabyte")
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _error("not-xml", path, f"is not XML: {error}") from error
    if not size:
        raise _error("not-xml", path, "is not XML: it is empty")
    try:
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = "truncated XML" if error.code in _TRUNCATED else "not XML"
        raise _error("not-xml", path, f"is {what}: {error}") from error
    return reader.attributes or {}


class _Reader:
    """An expat parser that keeps the root element's attributes and nothing else."""

    def __init__(self, path: Path) -> None:
        self.attributes: Mapping[str, str] | None = None
        self._path = path
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._root
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _root(self, name: str, attributes: Mapping[str, str]) -> None:
        if name != "coverage":
            text = f"is no Cobertura report: its root is <{_shown(name)}>, not <coverage>"
            raise _error("root", self._path, text)
        self.attributes = attributes
        self.parser.StartElementHandler = None

    def _doctype(
        self, _name: str, _system: str | None, _public: str | None, has_declarations: bool
    ) -> None:
        # Cobertura's own reports name a DTD, which is not fetched. Declarations within the file
        # are what an entity bomb is made of, and no tool writes them.
        if has_declarations:
            text = "declares a document type of its own (entities), which is refused"
            raise _error("not-xml", self._path, text)


def _totals(attributes: Mapping[str, str], path: Path) -> CoberturaTotals:
    if "line-rate" not in attributes:
        raise _error("no-rate", path, "has no line-rate on its <coverage> element")
    line_rate = _rate(attributes, "line-rate", path)
    branch_rate = _rate(attributes, "branch-rate", path) if "branch-rate" in attributes else None
    lines = _counts(attributes, "lines", line_rate, path)
    branches = _counts(attributes, "branches", branch_rate, path)
    return CoberturaTotals(
        percent=_percent(lines, branches, line_rate),
        line_rate=line_rate,
        branch_rate=branch_rate,
        lines_covered=lines[0] if lines else None,
        lines_valid=lines[1] if lines else None,
        branches_covered=branches[0] if branches else None,
        branches_valid=branches[1] if branches else None,
        timestamp=_timestamp(attributes.get("timestamp", "")),
    )


def _percent(
    lines: tuple[int, int] | None, branches: tuple[int, int] | None, line_rate: float
) -> float:
    covered, valid = lines or (0, 0)
    if not valid:
        return line_rate * 100
    covered += branches[0] if branches else 0
    valid += branches[1] if branches else 0
    # In this order of operations, so that the result is coverage.py's to the last bit.
    return (100.0 * covered) / valid


def _rate(attributes: Mapping[str, str], key: str, path: Path) -> float:
    text = attributes[key].strip()
    shown = f"{key} is {_shown(attributes[key])!r}"
    if text.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        raise _error("rate", path, f"has a rate that is not finite: {shown}")
    if not _NUMBER.fullmatch(text):
        raise _error("rate", path, f"has a rate that is not a number: {shown}")
    rate = float(text)
    if math.isinf(rate) or rate > 1:
        raise _error("rate", path, f"has a rate above 1: {shown}; rates are within 0 to 1")
    if rate < 0:
        raise _error("rate", path, f"has a negative rate: {shown}; rates are within 0 to 1")
    return rate


def _counts(
    attributes: Mapping[str, str], what: str, rate: float | None, path: Path
) -> tuple[int, int] | None:
    """Covered and valid, or None if neither is given. Raises if they contradict each other."""
    texts = [attributes.get(f"{what}-covered"), attributes.get(f"{what}-valid")]
    if texts == [None, None]:
        return None
    shown = " and ".join(
        f"{what}-{word} is {'missing' if text is None else repr(_shown(text))}"
        for word, text in zip(("covered", "valid"), texts, strict=True)
    )
    if not all(text is not None and _COUNT.fullmatch(text) for text in texts):
        raise _error("counts", path, f"has counts that are not whole numbers: {shown}")
    covered, valid = (int(text or "") for text in texts)
    if covered > valid:
        raise _error("counts", path, f"covers more than there is: {shown}")
    given = attributes.get("line-rate" if what == "lines" else "branch-rate", "").strip()
    if valid and rate is not None and abs(covered / valid - rate) > _tolerance(given):
        text = f"contradicts itself: {shown}, but the rate is {_shown(given)!r}"
        raise _error("counts", path, text)
    return covered, valid


def _tolerance(rate: str) -> float:
    """One unit of the last digit that is printed, and at most 0.01.

    coverage.py prints four significant digits and drops zeros at the end (0.9 for 0.90001).
    """
    mantissa, _, exponent = rate.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return 1.001 * 10.0 ** -min(max(decimals, 2), 15)


def _timestamp(text: str) -> float | None:
    if not _COUNT.fullmatch(text):
        return None
    stamp = float(text)
    return stamp / 1000 if stamp > _MILLISECONDS else stamp


def _shown(text: str) -> str:
    """Text from the report as it may stand in a message: one line, bounded."""
    return "".join(char if char.isprintable() else " " for char in text[:40])
