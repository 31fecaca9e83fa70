"""A GateResult in a terminal: short for a pass, complete for a failure.

Lines are segments of text and style, so that pytest's own terminal writer can print them too.
A style is empty or names of this module's table, separated by a space (`bold red`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import TextIO

from pytest_malagate.gate.result import GateResult, Reason
from pytest_malagate.report.text import MESSAGE, plain
from pytest_malagate.report.wording import (
    NEXT_STEPS,
    attempt_words,
    counts_of,
    coverage_words,
    detail,
    subject_words,
    verdict_words,
)

Segment = tuple[str, str]
Line = tuple[Segment, ...]

MAX_REASONS = 10
MAX_WARNINGS = 3
MAX_MESSAGE = 2000  # even `verbose` shows a message, not a log

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_VERDICT_STYLES = {"pass": "green", "fail": "red", "inconclusive": "yellow", "error": "yellow"}
_STATUS_STYLES = {"passed": "green", "allowed": "yellow", "failed": "red"}


def lines(result: GateResult, *, width: int, verbose: bool = False) -> list[Line]:
    """The result in lines for a terminal of `width` columns.

    A pass takes a handful of lines unless `verbose`; otherwise every validation has its own, and
    the reasons follow (all of them if `verbose`, else the first ten).
    """
    short = result.passed and not verbose
    return [
        *_head(result, width),
        *(_validations_in_one_line(result) if short else _validations(result)),
        *_coverage(result),
        *_attempt(result, short=short),
        *_reasons(result, width, verbose=verbose),
        *_warnings(result, verbose=verbose),
        *_next_step(result, width),
    ]


def _head(result: GateResult, width: int) -> list[Line]:
    style = f"bold {_VERDICT_STYLES[result.verdict]}"
    title = f" malagate: {verdict_words(result)} "
    head: list[Line] = [((title.center(width, "="), style),)]
    if subject := subject_words(result):
        head.append(((subject, "dim"),))
    if result.resolution:
        head.append((("resolution: ", ""), (plain(result.resolution, MESSAGE), "bold")))
    return head


def _validations_in_one_line(result: GateResult) -> list[Line]:
    if not result.validation_evidence:
        return []
    parts = []
    for item in result.validation_evidence:
        name, status = plain(item.name, 60), "" if item.status == "passed" else f" {item.status}"
        figures = counts_of(item, result)
        parts.append(f"{name}{status}" + (f" ({figures})" if figures else ""))
    return [(("passed: ", "green"), (", ".join(parts), ""))]


def _validations(result: GateResult) -> list[Line]:
    items = result.validation_evidence
    name_width = max((len(plain(item.name, 60)) for item in items), default=0)
    status_width = max((len(item.status) for item in items), default=0)
    rows: list[Line] = []
    for item in items:
        words = detail(item, result)
        name = (f"  {plain(item.name, 60):{name_width}}  ", "")
        status = (item.status, _STATUS_STYLES.get(item.status, "red"))
        gap = " " * (status_width - len(item.status) + 2)
        rows.append((name, status, (f"{gap}{words}", "")) if words else (name, status))
    return rows


def _coverage(result: GateResult) -> list[Line]:
    if result.coverage is None:
        return []
    low = any(reason.code.startswith("coverage.") for reason in result.reasons)
    return [(("coverage ", ""), (coverage_words(result.coverage), "red" if low else ""))]


def _attempt(result: GateResult, *, short: bool) -> list[Line]:
    if short and result.attempt.number == 1:
        return []
    words = attempt_words(result.attempt, result.progress)
    return [((words, "bold yellow" if result.no_progress else ""),)]


def _reasons(result: GateResult, width: int, *, verbose: bool) -> list[Line]:
    shown = result.reasons if verbose else result.reasons[:MAX_REASONS]
    limit = MAX_MESSAGE if verbose else MESSAGE
    out: list[Line] = []
    hint = None
    for number, reason in enumerate(shown, 1):
        out += _reason(number, reason, limit)
        if reason.hint and reason.hint != hint:
            out += _wrapped(plain(reason.hint, limit), width, "dim")
        hint = reason.hint
    hidden = len(result.reasons) - len(shown) + result.reasons_omitted
    if hidden:
        out.append(
            ((f"    {hidden} more {'reason' if hidden == 1 else 'reasons'} not shown", "dim"),)
        )
    return out


def _reason(number: int, reason: Reason, limit: int) -> list[Line]:
    head: list[Segment] = [(f"{number:2}. ", ""), (plain(reason.code, 60), "bold red")]
    head += [(f"  {place}", "") for place in _places(reason)]
    return [tuple(head), ((f"    {plain(reason.message, limit)}", ""),)]


def _places(reason: Reason) -> list[str]:
    places = []
    if reason.file:
        line = "" if reason.line is None else f":{reason.line}"
        places.append(plain(reason.file, MESSAGE) + line)
    if reason.nodeid:
        places.append(plain(reason.nodeid, MESSAGE))
    return places


def _warnings(result: GateResult, *, verbose: bool) -> list[Line]:
    shown = result.warnings if verbose else result.warnings[:MAX_WARNINGS]
    out: list[Line] = [
        (
            ("warning: ", "yellow"),
            (" ".join([plain(warning.message, MESSAGE), *_places(warning)]), ""),
            (f"  [{plain(warning.code, 60)}]", "dim"),
        )
        for warning in shown
    ]
    if hidden := len(result.warnings) - len(shown):
        out.append(
            ((f"{hidden} more {'warning' if hidden == 1 else 'warnings'} not shown", "dim"),)
        )
    return out


def _next_step(result: GateResult, width: int) -> list[Line]:
    action = result.next_action
    out: list[Line] = []
    if words := NEXT_STEPS[action.kind]:
        out.append((("next: ", "bold"), (words, "")))
    out += [((f"    {plain(command, MAX_MESSAGE)}", "cyan"),) for command in action.commands]
    if action.stop_when:
        stop_when = f"stop when: {plain(action.stop_when, MAX_MESSAGE)}"
        out += _wrapped(stop_when, width, "", indent="")
    return out


def _wrapped(text: str, width: int, style: str, *, indent: str = "    ") -> list[Line]:
    wrapped = textwrap.wrap(
        text,
        max(width - 1, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [((line, style),) for line in wrapped]


def markup(style: str) -> dict[str, bool]:
    """A style as the keyword arguments of pytest's terminal writer."""
    return {"light" if name == "dim" else name: True for name in style.split()}


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as text, each ended by a newline, coloured by escape sequences if asked for."""
    return "".join("".join(_painted(*part, color) for part in line) + "\n" for line in lines)


def _painted(text: str, style: str, color: bool) -> str:
    if not (color and style and text):
        return text
    return f"\x1b[{';'.join(_SGR[name] for name in style.split())}m{text}\x1b[0m"


def use_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour what is written to `stream`.

    NO_COLOR, if it is not empty, says no (no-color.org); FORCE_COLOR, unless empty or `0`, says
    yes; otherwise a terminal is coloured, unless TERM is `dumb`.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return environ.get("TERM") != "dumb" and not stream.closed and stream.isatty()
