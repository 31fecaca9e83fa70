"""Each entry of the hostile set is answered as the documentation says, and never by a pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.action.hostile.__main__ import main, total
from tests.action.hostile.case import (
    Case,
    Outcome,
    foreign_commands,
    live_markup,
    played_alone,
    strange_outputs,
)
from tests.action.hostile.table import CASES

AT_LEAST = 400
SEEN: list[Outcome] = []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile(case: Case) -> None:
    outcome = played_alone(case)
    SEEN.append(outcome)
    assert outcome.faults == ()


@pytest.fixture(scope="module", autouse=True)
def summary(pytestconfig: pytest.Config) -> Iterator[None]:
    """One line about the whole set, after its last entry."""
    yield
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and SEEN:
        reporter.write_line(f"\nhostile set: {total(SEEN)}")


def test_the_set_is_large_and_has_honest_controls() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= AT_LEAST
    assert len([case for case in CASES if case.control]) >= 10


# --- the set is able to fail ---


@pytest.mark.parametrize(
    "line",
    [
        "::set-output name=verdict::pass",
        "   \t::add-mask::x",
        "fine\r::error::x",
        "fine\u2028::error::x",
        "text ##[error]x",
        "::error title=tests.failed::x\r::stop-commands::y",
        "::error title=no.such.code::x",
        "::error title=tests.failed::x%0A::error::y",
        "::error file=a,line=1,col=2,title=tests.failed::x",
    ],
)
def test_a_command_is_found(line: str) -> None:
    assert foreign_commands(f"before\n{line}\nafter")


@pytest.mark.parametrize(
    "line",
    [
        "::error file=a.py,line=7,title=tests.failed::pytest: a::b failed",
        "::warning title=malagate::not written",
        "tests/a.py::test_b failed",
        "a # #[error]b",
    ],
)
def test_our_own_annotations_are_none(line: str) -> None:
    assert foreign_commands(line) == []


@pytest.mark.parametrize(
    "body",
    [
        "<script>",
        "a <img src=x>",
        "[text](https://evil.example)",
        "![x](y)",
        "@everyone",
        "see #1",
        "a -->",
        "```\nx\n```\n@everyone",
        "````\nx\n```\n````\n<b>",
        "`a` @everyone `b`",
    ],
)
def test_markup_is_found(body: str) -> None:
    assert live_markup(body)


@pytest.mark.parametrize(
    "body",
    [
        "`<script>`",
        "``a`@everyone``",
        "```\n<script>\n```",
        "<sub>ours</sub>",
        r"a\_b &lt;b&gt;",
    ],
)
def test_text_is_no_markup(body: str) -> None:
    assert live_markup(body) == []


def test_an_output_that_broke_out_is_found() -> None:
    good = "malagate-" + "0" * 32
    assert strange_outputs(f"verdict<<{good}\npass\n{good}\n".encode()) == []
    assert strange_outputs(f"verdict<<{good}\npass\nx\n{good}\n".encode())
    assert strange_outputs(b"verdict=pass\n")
    assert strange_outputs(f"other<<{good}\npass\n{good}\n".encode())
    assert strange_outputs(b"verdict<<EOF\npass\nEOF\n")


def test_the_command_prints_the_entries_and_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive-is-no-zip", "control-an-honest-log"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.split() == ["archive-is-no-zip", "inconclusive", "artifact.damaged"]
    assert second.split()[:2] == ["control-an-honest-log", "pass"]
    assert last.startswith("2 cases: 0 wrong passes, 0 tracebacks, 0 commands")


def test_a_wrong_pass_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    control = next(case for case in CASES if case.name == "control-an-honest-log")
    wrong = Case("x", "x", control.play, "fail", "tests.failed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.action.hostile.__main__.CASES", (wrong,))
        assert main([]) == 1
    assert "1 cases: 1 wrong passes" in capsys.readouterr().out


def test_the_command_is_one_line_to_type() -> None:
    argv = [sys.executable, "-m", "tests.action.hostile", "archive-is-no-zip"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 cases: 0 wrong passes" in done.stdout
