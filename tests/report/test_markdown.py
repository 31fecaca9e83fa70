"""The view as Markdown."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given, settings

from pytest_malagate.gate.reasons import REASONS, reason
from pytest_malagate.gate.result import GateResult, NextAction, ValidationEvidence
from pytest_malagate.report.markdown import summary
from tests.report.results import FAILED, PASSED, SEEDS, grown, hostile, many

OWN_LINES = re.compile(
    r"## malagate: \w+|### (?:Reasons|Warnings|Next)|\|.*\||\|---\|---\|---\|"
    r"|\d+\. \*\*.*|   <br>.*|- .*|\d+ more not shown\.|Coverage: .*|",
    re.DOTALL,
)


def test_a_pass_in_markdown() -> None:
    assert summary(PASSED) == (
        "## malagate: passed\n"
        "\n"
        "task x\\-1, commit 1a2b3c4d5e6f, tree 9f8e7d6c5b4a; attempt 1 of 3\n"
        "\n"
        "| validation | status | evidence |\n"
        "|---|---|---|\n"
        "| `tests` | passed | `412 passed, 3 skipped` |\n"
        "| `lint` | passed |  |\n"
        "| `types` | allowed | `mypy src exited with 1; it is allowed to fail` |\n"
        "\n"
        "Coverage: 91.24%, at least 85% is required\n"
    )


def test_a_failure_in_markdown() -> None:
    text = summary(FAILED)
    place = "`tests/test_a.py:12` `tests/test_a.py::test_x`"
    assert f"1. **tests\\.failed** {place} `AssertionError: assert 1 == 2`\n" in text
    assert f"   <br>{REASONS['tests.failed'].fix}\n" in text
    assert "   <br>Run \\`ruff check \\-\\-fix\\`\\.\n" in text
    assert "\n\n4 more not shown.\n" in text
    assert "### Warnings\n\n- coverage\\.warned: `src/x.py:3` `no data for x`\n" in text
    assert text.endswith(
        "### Next\n\n"
        "- Repair what the reasons name, then run:\n"
        "- `pytest -p malagate`\n"
        "- `malagate check`\n"
        "- Stop when: attempt 3 fails as well, or the same failures come back\\.\n"
    )


def test_the_registrys_hint_is_said_once_for_reasons_in_a_row() -> None:
    assert summary(many(5)).count(REASONS["tests.failed"].fix) == 1


def test_a_hint_of_the_registry_keeps_its_code_spans_and_anybody_elses_does_not() -> None:
    own = reason("evidence.missing", "m")
    other = reason("evidence.missing", "m", hint="`x` <b>")
    result = GateResult(verdict="fail", passed=False, reasons=(own, other))
    assert "`malagate run NAME`" in summary(result)
    assert r"\`x\` &lt;b&gt;" in summary(result)


def test_a_pipe_in_a_name_does_not_add_a_column() -> None:
    item = ValidationEvidence(name="a|b", status="failed", command="x | y", exit_code=1)
    result = GateResult(verdict="fail", passed=False, validation_evidence=(item,))
    row = next(line for line in summary(result).splitlines() if "a\\|b" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


def test_a_step_without_commands_is_a_sentence() -> None:
    result = GateResult(verdict="fail", passed=False, next_action=NextAction(kind="ask_human"))
    assert summary(result).endswith("- Stop and ask a person.\n")


def test_long_lists_are_cut_and_counted() -> None:
    items = tuple(ValidationEvidence(name=f"v{n}", status="passed") for n in range(60))
    warnings = tuple(reason("coverage.warned", "w") for _ in range(12))
    result = msgspec.structs.replace(many(23), validation_evidence=items, warnings=warnings)
    text = summary(result)
    assert "| 10 more | | |" in text
    assert "\n3 more not shown.\n" in text
    assert "- 2 more not shown\n" in text


@settings(deadline=None)
@given(SEEDS)
def test_every_line_begins_as_this_module_begins_lines(seed: tuple[str, int, int]) -> None:
    result = grown(seed)
    head, *rest = summary(result).split("\n\n", 2)
    assert head == "## malagate: failed"
    facts, *blocks = rest
    assert "\n" not in facts
    assert all(OWN_LINES.fullmatch(line) for block in blocks for line in block.split("\n"))


@settings(deadline=None)
@given(SEEDS)
def test_outside_of_code_spans_nothing_is_markup_of_the_change(seed: tuple[str, int, int]) -> None:
    result = grown(seed)
    text = summary(result).replace("   <br>", "").replace("**", "")
    outside = re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"<|!\[|\]\(|@(?!\u200b)", outside.replace("\\[", "").replace("\\]", ""))


def test_a_large_result_stays_far_below_a_comments_limit() -> None:
    assert len(summary(hostile("`|@<x>" * 100_000, 200))) < 60_000
