"""Turns what pytest knows of a failure into `gate.evidence.Failure`.

The exception exists only in the process that ran the test, so `attach` is called there (in
`pytest_runtest_makereport` and `pytest_make_collect_report`) and leaves plain data on the report,
which xdist carries to the controller with it. `failure_of` reads it back wherever the report
arrives, and falls back to what the report shows.

Nothing here raises: a failure that cannot be described still gets a fingerprint from its test and
its type, for a lost failure would read as a pass.
"""

from __future__ import annotations

import doctest
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

import msgspec
import pytest

from pytest_malagate.collect.assertions import assertion_message, bounded_repr
from pytest_malagate.collect.places import (
    Place,
    innermost_place,
    last_entry,
    repository_path,
    spellings,
)
from pytest_malagate.gate.evidence import Failure
from pytest_malagate.gate.fingerprint import clean_line, fingerprint, normalise_message

ATTRIBUTE = "malagate_failure"
"""The attribute of a report that carries a failure from a worker to the controller."""

CHECK = "pytest"
"""The check that a test's fingerprint names, whatever the policy calls the validation."""

Phase = Literal["setup", "call", "teardown", "collect", "crash"]

_ASSERTION_LIMIT = 2500  # both operands of an assertion, as `collect.assertions` bounds them
_LEAVES = 20  # exceptions of one group that are told apart


class _Scene(NamedTuple):
    """Where the test ran: what the message may name and a fingerprint must not."""

    roots: tuple[str, ...]
    temporary: tuple[str, ...]

    def normalise(self, text: str, *, limit: int = 300) -> str:
        ids = (os.getpid(), os.getppid())
        return normalise_message(
            text, roots=self.roots, temporary=self.temporary, process_ids=ids, limit=limit
        )

    def relative(self, filename: str) -> str | None:
        return repository_path(filename, self.roots)


class _Cause(NamedTuple):
    """One exception, described."""

    exception: str
    shown: str
    normalised: str
    place: Place | None


def attach(
    report: pytest.TestReport | pytest.CollectReport,
    excinfo: pytest.ExceptionInfo[BaseException] | None,
    nodeid: str,
    root: Path,
    *,
    temporary: Sequence[str] = (),
) -> None:
    """Describes the failure of a failed report on the report itself; others stay untouched.

    `excinfo` is the call's, None where pytest failed the test without an exception (a strict
    xpass). `root` is the root directory that node ids are relative to, and `temporary` pytest's
    base temporary directory, if one was chosen.
    """
    if not report.failed:
        return
    if excinfo is None:
        failure = failure_from_report(report, root=root)
    else:
        failure = failure_from_exception(
            excinfo, nodeid=nodeid, phase=_phase(report), root=root, temporary=temporary
        )
    setattr(report, ATTRIBUTE, msgspec.to_builtins(failure))


def failure_of(report: pytest.TestReport | pytest.CollectReport, *, root: Path) -> Failure:
    """The failure that `attach` left on the report, or what the report itself shows."""
    try:
        return msgspec.convert(getattr(report, ATTRIBUTE, None), Failure)
    except msgspec.ValidationError:
        return failure_from_report(report, root=root)


def failure_from_exception(
    excinfo: pytest.ExceptionInfo[BaseException],
    *,
    nodeid: str,
    phase: str,
    root: Path,
    temporary: Sequence[str] = (),
) -> Failure:
    """Describes an exception at hand. Of a chain it is the last one, the one that was raised."""
    scene = _Scene(spellings(root), tuple(temporary))
    error = excinfo.value
    try:
        cause = _describe(error, excinfo.tb, scene)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # an exception object may lie in any way: see above
        cause = _Cause(type(error).__qualname__, "<unprintable exception>", "", None)
    return _failure(cause, nodeid=nodeid, phase=phase)


def failure_from_report(report: pytest.TestReport | pytest.CollectReport, *, root: Path) -> Failure:
    """Describes a failure by its report alone: a crashed worker's, another plugin's, a collector's.

    Weaker than `failure_from_exception`: the text may depend on `--tb`, and no function is known.
    """
    scene = _Scene(spellings(root), ())
    longrepr = report.longrepr
    crash = getattr(longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else _error_line(_report_text(longrepr))
    exception, message = _split_type(text)
    path = None if crash is None else scene.relative(str(crash.path))
    place = None if path is None else Place(path, "", int(getattr(crash, "lineno", 0)))
    cause = _Cause(exception, message, scene.normalise(message), place)
    return _failure(cause, nodeid=report.nodeid, phase=_phase(report))


def _failure(cause: _Cause, *, nodeid: str, phase: str) -> Failure:
    place = cause.place
    return Failure(
        fingerprint=fingerprint(
            check=CHECK,
            nodeid=nodeid,
            exception=cause.exception,
            message=cause.normalised,
            frame=None if place is None else place.frame,
        ),
        exception=clean_line(cause.exception),
        message=clean_line(cause.shown),
        phase=_known_phase(phase),
        path=None if place is None else clean_line(place.path),
        line=None if place is None else place.line,
        function=None if place is None else clean_line(place.function) or None,
    )


def _phase(report: pytest.TestReport | pytest.CollectReport) -> Phase:
    # A collector's report has no phase, and xdist gives a crashed worker's report "???".
    return _known_phase(getattr(report, "when", None) or "collect")


def _known_phase(phase: str) -> Phase:
    match phase:
        case "setup" | "call" | "teardown" | "collect":
            return phase
    return "crash"


# Exceptions


def _describe(error: BaseException, traceback: TracebackType | None, scene: _Scene) -> _Cause:
    error, traceback = _unwrapped(error, traceback)
    if isinstance(error, BaseExceptionGroup):
        return _describe_group(error, traceback, scene)
    if isinstance(error, doctest.DocTestFailure):
        return _describe_doctest(error, scene)
    text, key, limit = _text(error), "", 300
    if isinstance(error, AssertionError) and traceback is not None:
        # The value of `assert x, value` is shown by its repr if pytest rewrote the statement.
        if error.args and not isinstance(error.args[0], str):
            text = bounded_repr(error.args[0])
        key, limit = assertion_message(last_entry(traceback), text), _ASSERTION_LIMIT
    name = type(error).__qualname__
    place = innermost_place(traceback, scene.roots, cyclic=isinstance(error, RecursionError))
    return _Cause(name, text or key, scene.normalise(key or text, limit=limit), place)


def _describe_group(
    group: BaseExceptionGroup[BaseException], traceback: TracebackType | None, scene: _Scene
) -> _Cause:
    """A group is what it holds, in whatever order; its place is that of its first leaf."""
    causes = [
        _describe(leaf, leaf.__traceback__, scene)
        for leaf in itertools.islice(_leaves(group), _LEAVES)
    ]
    causes.sort(key=lambda cause: (cause.exception, cause.normalised, cause.place or ()))
    held = sorted({f"{cause.exception}: {cause.normalised}" for cause in causes})
    place = next((cause.place for cause in causes if cause.place), None)
    return _Cause(
        type(group).__qualname__,
        f"{group.message}: {'; '.join(held)}",
        f"{scene.normalise(group.message)}: {'; '.join(held)}",
        place or innermost_place(traceback, scene.roots),
    )


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop()
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            yield error


def _describe_doctest(error: doctest.DocTestFailure, scene: _Scene) -> _Cause:
    text = f"expected {clean_line(error.example.want)!r}, got {clean_line(error.got)!r}"
    path = scene.relative(error.test.filename or "")
    line = (error.test.lineno or 0) + error.example.lineno + 1
    place = None if path is None else Place(path, error.test.name, line)
    return _Cause("DocTestFailure", text, scene.normalise(text), place)


def _unwrapped(
    error: BaseException, traceback: TracebackType | None
) -> tuple[BaseException, TracebackType | None]:
    """The exception of the repository's code, where pytest or doctest raised one about it."""
    failures = getattr(error, "failures", None)
    if type(error).__name__ == "MultipleDoctestFailures" and failures:
        error, traceback = failures[0], failures[0].__traceback__
    if isinstance(error, doctest.UnexpectedException):
        return error.exc_info[1], error.exc_info[2]
    if isinstance(error, pytest.Collector.CollectError) and error.__cause__ is not None:
        return error.__cause__, error.__cause__.__traceback__
    return error, traceback


def _text(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        # What the interpreter was doing when the stack ended depends on the stack's depth.
        return "maximum recursion depth exceeded"
    if isinstance(error, SyntaxError):
        return str(error.msg)
    if isinstance(error, pytest.FixtureLookupError):
        return f"fixture {error.argname!r} not found"
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # the repository's own __str__ may raise anything
        return f"<unprintable {type(error).__qualname__} object>"


# Reports


def _report_text(longrepr: Any) -> str:
    if isinstance(longrepr, tuple):  # (path, line, message)
        return str(longrepr[-1])
    return "" if longrepr is None else str(longrepr)


def _error_line(text: str) -> str:
    """The first line of the last block that pytest marks with `E`; the first line without one."""
    lines = text.splitlines()[-2000:]
    marked = [number for number, line in enumerate(lines) if line.startswith("E  ")]
    if not marked:
        return text
    first = marked[-1]
    while first and lines[first - 1].startswith("E  "):
        first -= 1
    return lines[first][1:].strip()


def _split_type(text: str) -> tuple[str, str]:
    """`package.Error: text` as (`Error`, `text`), by the form of traceback's last line."""
    line = text.lstrip().partition("\n")[0]
    if line.startswith("assert "):
        return "AssertionError", line
    name, colon, message = line.partition(":")
    if name.replace(".", "").isidentifier() and (colon or name[:1].isupper()):
        return name.rpartition(".")[2], message.strip()
    return "", line
