"""The view for a terminal."""

from __future__ import annotations

import io
import unicodedata

import msgspec
import pytest
from _pytest._io.terminalwriter import TerminalWriter
from hypothesis import given, settings

from pytest_malagate.gate.reasons import REASONS, reason
from pytest_malagate.gate.result import GateResult
from pytest_malagate.report.terminal import lines, markup, paint, use_color
from tests.report.results import FAILED, PASSED, SEEDS, grown, hostile, many


def text_of(result: GateResult, *, width: int = 80, verbose: bool = False) -> str:
    return paint(lines(result, width=width, verbose=verbose), color=False)


def test_a_pass_is_short() -> None:
    assert text_of(PASSED).splitlines() == [
        "=============================== malagate: passed ===============================",
        "task x-1, commit 1a2b3c4d5e6f, tree 9f8e7d6c5b4a",
        "passed: tests (412 passed, 3 skipped), lint, types allowed",
        "coverage 91.24%, at least 85% is required",
    ]


def test_a_verbose_pass_has_a_line_for_each_validation() -> None:
    assert text_of(PASSED, verbose=True).splitlines()[2:] == [
        "  tests  passed   412 passed, 3 skipped",
        "  lint   passed",
        "  types  allowed  mypy src exited with 1; it is allowed to fail",
        "coverage 91.24%, at least 85% is required",
        "attempt 1 of 3",
    ]


def test_a_failure_is_complete() -> None:
    hint = REASONS["tests.failed"].fix
    assert text_of(FAILED, width=120).splitlines()[1:] == [
        "task x-1, tree 9f8e7d6c5b4a, with uncommitted changes",
        "  tests  failed   2 failed, 410 passed",
        "  lint   failed   ruff check . exited with 1",
        "  types  missing  no evidence that it ran",
        "coverage 84.999%, at least 85% is required",
        "attempt 2 of 3: changed, neither better nor worse (1 fixed, 1 new)",
        " 1. tests.failed  tests/test_a.py:12  tests/test_a.py::test_x",
        "    AssertionError: assert 1 == 2",
        f"    {hint}",
        " 2. tests.failed  tests/test_a.py::test_y",
        "    ValueError: no",
        " 3. evidence.failed",
        "    lint: ruff failed (exit code 1)",
        "    Run `ruff check --fix`.",
        "    4 more reasons not shown",
        "warning: no data for x src/x.py:3  [coverage.warned]",
        "next: repair what the reasons name, then run",
        "    pytest -p malagate",
        "    malagate check",
        "stop when: attempt 3 fails as well, or the same failures come back.",
    ]


def test_ten_reasons_are_shown_and_the_rest_counted() -> None:
    text = text_of(many(13))
    assert text.count("tests.failed") == 10
    assert "    3 more reasons not shown\n" in text


def test_verbose_shows_all_reasons() -> None:
    text = text_of(many(13), verbose=True)
    assert text.count("tests.failed") == 13
    assert "not shown" not in text


def test_further_warnings_are_counted() -> None:
    warnings = tuple(reason("coverage.warned", f"number {n}") for n in range(4))
    result = GateResult(verdict="pass", passed=True, warnings=warnings)
    assert text_of(result).splitlines()[-1] == "1 more warning not shown"
    assert "number 3" in text_of(result, verbose=True)


@pytest.mark.parametrize(
    ("verdict", "style"),
    [("pass", "green"), ("fail", "red"), ("inconclusive", "yellow"), ("error", "yellow")],
)
def test_the_verdict_has_its_colour(verdict: str, style: str) -> None:
    result = GateResult(verdict=verdict, passed=verdict == "pass")  # type: ignore[arg-type]
    assert lines(result, width=40)[0][0][1] == f"bold {style}"


def test_a_resolution_and_a_later_attempt_are_told_of_a_pass() -> None:
    result = msgspec.structs.replace(
        PASSED,
        resolution="ISSUE_OBSOLETE",
        attempt=msgspec.structs.replace(PASSED.attempt, number=2),
    )
    assert "resolution: ISSUE_OBSOLETE\n" in text_of(result)
    assert "attempt 2 of 3\n" in text_of(result)


def test_hints_are_wrapped_to_the_width() -> None:
    shown = [line for line in text_of(FAILED, width=50).splitlines() if line.startswith("    R")]
    assert shown
    assert all(len(line) < 50 for line in shown)


def test_a_narrow_terminal_is_no_error() -> None:
    assert "malagate: failed" in text_of(FAILED, width=0)


@settings(deadline=None)
@given(SEEDS)
def test_no_control_character_and_no_workflow_command_reaches_the_terminal(
    seed: tuple[str, int, int],
) -> None:
    result = grown(seed)
    text = text_of(result)
    assert all(
        unicodedata.category(char) not in ("Cc", "Cf", "Cs") for char in text if char != "\n"
    )
    assert not any(line.lstrip().startswith("::") for line in text.split("\n"))
    assert "##[" not in text


def test_wrapping_puts_no_workflow_command_at_the_start_of_a_line() -> None:
    text = text_of(hostile("word " * 20 + "::error::forged"), width=42)
    assert "forged" in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_one_long_message_does_not_flood_the_terminal() -> None:
    assert len(text_of(hostile("x" * 1_000_000))) < 20_000


def test_equal_results_give_equal_lines() -> None:
    assert text_of(FAILED) == text_of(msgspec.structs.replace(FAILED))


def test_colour_is_painted_only_if_asked_for() -> None:
    line = (("a", "bold red"), ("b", ""), ("", "red"), ("c", "dim"))
    assert paint([line], color=False) == "abc\n"
    assert paint([line], color=True) == "\x1b[1;31ma\x1b[0mb\x1b[2mc\x1b[0m\n"


def test_every_style_is_one_that_pytests_terminal_writer_knows() -> None:
    writer = TerminalWriter(io.StringIO())
    styles = {
        style
        for result in (PASSED, FAILED, many(13), hostile("x", 5))
        for line in lines(result, width=80)
        for _, style in line
    }
    assert {"bold red", "bold green", "dim", "cyan"} <= styles
    for style in styles:
        assert writer.markup("x", **markup(style)).endswith("x") is not writer.hasmarkup


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("environ", "terminal", "colour"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_environment_and_the_stream(
    environ: dict[str, str], terminal: bool, colour: bool
) -> None:
    assert use_color(Stream(terminal=terminal), environ) is colour


def test_a_closed_stream_is_not_coloured() -> None:
    stream = Stream(terminal=True)
    stream.close()
    assert use_color(stream, {}) is False
