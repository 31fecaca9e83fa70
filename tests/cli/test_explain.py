"""`malagate explain`."""

from __future__ import annotations

import json

import pytest

from pytest_malagate.cli import main
from pytest_malagate.gate.reasons import REASONS, ReasonPhase


def test_a_code_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "evidence.stale"]) == 0
    info = REASONS["evidence.stale"]
    shown = capsys.readouterr().out
    assert shown.startswith(f"evidence.stale: {info.title}\n\nwhy     ")
    words = " ".join(shown.split())
    assert info.why in words
    assert f"fix {info.fix}" in words
    assert "effect blocks, and is charged to the author" in words
    assert words.endswith("phase evidence and collection")


def test_no_line_is_wider_than_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for code in REASONS:
        main(["explain", code])
    assert all(len(line) <= 100 for line in capsys.readouterr().out.splitlines())


def test_a_code_is_explained_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "progress.nudge", "--json"]) == 0
    info = REASONS["progress.nudge"]
    assert json.loads(capsys.readouterr().out) == {
        "code": "progress.nudge",
        "title": info.title,
        "why": info.why,
        "fix": info.fix,
        "phase": "progress",
        "severity": "warn",
    }


def test_without_a_code_all_are_listed_by_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == [phase.title for phase in ReasonPhase]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(REASONS)


def test_all_codes_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json"]) == 0
    assert [info["code"] for info in json.loads(capsys.readouterr().out)] == list(REASONS)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("evidence.mising", "there is no reason 'evidence.mising'; did you mean evidence.missing?"),
        ("zzz", "there is no reason 'zzz'; `malagate explain` lists all codes"),
        ("\x1b[31mzzz", "there is no reason 'zzz'; `malagate explain` lists all codes"),
    ],
)
def test_an_unknown_code_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], code: str, said: str
) -> None:
    assert main(["explain", code]) == 2
    assert capsys.readouterr().err == f"malagate: error: {said}\n"
