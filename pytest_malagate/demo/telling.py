"""The story as the audience meets it: told while it is played, or as JSON at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TextIO

import msgspec

from pytest_malagate.demo.stage import Audience, Played, Ran
from pytest_malagate.demo.story import TASK, Chapter, Expected
from pytest_malagate.gate.result import GateResult, Progress, Reason
from pytest_malagate.report.terminal import Line, paint
from pytest_malagate.report.text import plain
from pytest_malagate.report.wording import (
    NEXT_STEPS,
    VERDICTS,
    attempt_words,
    counts_of,
    percent,
)

WIDTH = 80
_INDENT = "   "

_OPENING = (
    f"An agent has a task, {TASK}: to write a shopping cart that passes the ten tests "
    "prepared for it. A gate decides whether the work may land. It believes no claim; it "
    "wants a record that the whole test run and a lint run passed on the files of the "
    "commit, with 90% coverage. Lines after $ really run, in a repository made for this; "
    "lines after => are the gate's real answer."
)
_CLOSING = (
    "In a repository of yours, `pytest -p malagate` records a run and judges it at once; "
    "with --malagate-collect, as above, it leaves that to `malagate check`. "
    "`malagate explain CODE` tells more about a reason."
)
_NEXT_STEPS = {
    "fix": "repair what fails, then run everything again",
    "rerun": "run",
    "ask_human": "stop, and ask a person",
}
"""Shorter than the words of other reports, because the story repeats them."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A chapter in the JSON: what was told, run, expected and answered."""

    chapter: int
    title: str
    claim: str
    moral: str
    commands: tuple[Ran, ...]
    expected: Expected
    deviations: tuple[str, ...]
    result: GateResult


def as_json(played: Iterable[Played]) -> bytes:
    """The chapters as a JSON array, two spaces of indentation, a newline at the end."""
    told = [
        Told(
            chapter=one.number,
            title=one.chapter.title,
            claim=one.chapter.claim,
            moral=one.chapter.moral,
            commands=one.ran,
            expected=one.chapter.expected,
            deviations=one.deviations,
            result=one.result,
        )
        for one in played
    ]
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


class Narrator(Audience):
    """Tells the story on a stream, line by line as it is played, in 80 columns."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._stream = stream
        self._color = color

    def opens(self) -> None:
        """Who does what, and how to read it."""
        self._say([(("malagate demo: claims and evidence", "bold"),), *_wrapped(_OPENING, "")])

    def begins(self, number: int, chapter: Chapter) -> None:
        """The title with the claim, and what the agent does."""
        title: Line = (
            (f"{number}. {chapter.title}: ", "bold"),
            (f'"{chapter.claim}"', "bold cyan"),
        )
        self._say([(), title, *(((f"{_INDENT}{line}", ""),) for line in chapter.text)])

    def starts(self, command: str) -> None:
        """The command, before it runs."""
        text = paint([((f"{_INDENT}$ ", "dim"), (command, "cyan"))], color=self._color)
        self._write(text.removesuffix("\n"))

    def ended(self, ran: Ran) -> None:
        """Its exit code, and what pytest counted; git says nothing that matters here."""
        if ran.command.startswith("git "):
            return self._write("\n")
        words = f"# exit code {ran.exit_code}" + (f": {ran.summary}" if ran.summary else "")
        if len(f"{_INDENT}$ {ran.command}  {words}") > WIDTH:
            return self._say([(), ((f"{_INDENT}  {words}", "dim"),)])
        return self._say([((f"  {words}", "dim"),)])

    def judged(self, played: Played) -> None:
        """The gate's answer, and the moral."""
        answer = [*_verdict(played.result), *_why(played.result), *_next_step(played.result)]
        self._say([*answer, ((f"{_INDENT}{played.chapter.moral}", "bold"),)])
        self._say(_deviations(played))

    def closes(self, played: Sequence[Played]) -> None:
        """The story in a table, and what to do next."""
        self._say([(), *_table(played), (), *_wrapped(_CLOSING, "")])
        if unmet := sum(bool(one.deviations) for one in played):
            words = "1 chapter" if unmet == 1 else f"{unmet} chapters"
            self._say(
                [((f"{words} did not end as the story declares: see UNEXPECTED", "bold red"),)]
            )

    def _say(self, lines: Iterable[Line]) -> None:
        self._write(paint(lines, color=self._color))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _verdict(result: GateResult) -> list[Line]:
    words = f"{_INDENT}=> {VERDICTS[result.verdict].upper()}"
    # A pass is no attempt that failed, and so never counted: that would need an explanation.
    attempt = (
        msgspec.structs.replace(result.attempt, counted=True) if result.passed else result.attempt
    )
    # Only the state: the counts of what was fixed and what is new hold more than tests.
    state = Progress(state=result.progress.state)
    return [((words, _style(result)), (f"  {attempt_words(attempt, state)}", ""))]


def _style(result: GateResult) -> str:
    return {"pass": "bold green", "fail": "bold red"}.get(result.verdict, "bold yellow")


def _why(result: GateResult) -> list[Line]:
    out: list[Line] = []
    for code, group in groupby(result.reasons, key=lambda why: why.code):
        out += _coded(code, _in_short(list(group)), "red")
    for warning in result.warnings:
        out += _coded(warning.code, plain(warning.message), "yellow")
    if changes := _changes(result.progress):
        out += _wrapped(changes, "", indent=_INDENT * 2)
    if result.passed:
        out += _wrapped(_proof(result), "", indent=_INDENT * 2)
    return out


def _coded(code: str, text: str, style: str) -> list[Line]:
    first, *rest = _wrapped(f"{code}: {text}", "", indent=_INDENT * 2)
    ((words, _),) = first
    head, tail = f"{_INDENT * 2}{code}", words.removeprefix(f"{_INDENT * 2}{code}")
    return [((head, style), (tail, "")), *rest]


def _in_short(reasons: list[Reason]) -> str:
    """One reason in its own words; several of one code by the tests that they are about."""
    tests = [_name(why.nodeid) for why in reasons if why.nodeid]
    if len(reasons) > 1 and len(tests) == len(reasons):
        return ", ".join(tests)
    return "; ".join(plain(why.message) for why in reasons)


def _name(nodeid: str) -> str:
    return plain(nodeid.rpartition("::")[2])


def _changes(progress: Progress) -> str:
    """Which tests were repaired, where any was."""
    fixed = [_name(test) for test in progress.fixed if "::" in test]
    return f"fixed: {', '.join(fixed)}" if fixed else ""


def _proof(result: GateResult) -> str:
    parts = []
    for item in result.validation_evidence:
        figures = counts_of(item, result)
        parts.append(f"{item.name} ({figures})" if figures else item.name)
    if result.coverage is not None and result.coverage.percent is not None:
        parts.append(f"coverage {percent(result.coverage.percent)}")
    return f"on record for {_commit(result)}: {', '.join(parts)}"


def _commit(result: GateResult) -> str:
    return (result.commit_hash or "unknown")[:12]


def _next_step(result: GateResult) -> list[Line]:
    action = result.next_action
    if action.kind == "none":
        return []
    words = _NEXT_STEPS.get(action.kind, NEXT_STEPS[action.kind])
    if action.kind == "rerun":
        words += f" {', '.join(action.commands)}"
    return _wrapped(f"next: {words}", "", indent=_INDENT * 2)


def _deviations(played: Played) -> list[Line]:
    return [
        line
        for deviation in played.deviations
        for line in _wrapped(f"UNEXPECTED: {plain(deviation)}", "bold red", indent=_INDENT)
    ]


_TITLES = ("chapter", "the agent's claim", "the gate")


def _table(played: Sequence[Played]) -> list[Line]:
    rows = [(one.chapter.title, f'"{one.chapter.claim}"') for one in played]
    title_width = max(len(_TITLES[0]), *(len(title) for title, _ in rows))
    claim_width = max(len(_TITLES[1]), *(len(claim) for _, claim in rows))
    head = f"   {_TITLES[0]:{title_width}}  {_TITLES[1]:{claim_width}}  {_TITLES[2]}"
    out: list[Line] = [((head, "bold"),)]
    for one, (title, claim) in zip(played, rows, strict=True):
        result = one.result
        verdict = f"{VERDICTS[result.verdict]:6}"
        out.append(
            (
                (f"{one.number}. {title:{title_width}}  {claim:{claim_width}}  ", ""),
                (verdict, _style(result)),
                (f" {_chief(result, one.chapter.expected)}", ""),
            )
        )
    return out


def _chief(result: GateResult, expected: Expected) -> str:
    """The reason that the chapter is about, if the gate named it; else its first."""
    codes = [why.code for why in result.reasons]
    if expected.reason in codes:
        return expected.reason or ""
    return codes[0] if codes else _commit(result)


def _wrapped(text: str, style: str, *, indent: str = "") -> list[Line]:
    wrapped = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  " if indent else "",
        break_on_hyphens=False,
    )
    return [((line, style),) for line in wrapped]
