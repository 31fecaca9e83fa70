"""What a runner reads: one line an annotation, no second command, outputs that come back whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_malagate.action.telling import (
    MAX_ERRORS,
    MAX_SUMMARY,
    annotation_lines,
    command,
    write_outputs,
    write_summary,
)
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.result import Attempt, GateResult, PolicyUsed, Reason, Subject
from tests.action.hostile.case import foreign_commands
from tests.action.hostile.texts import TEXTS
from tests.action.stage import read_outputs

HOSTILE = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                "::",
                "##[",
                "error",
                "]",
                "\n",
                "\r",
                "\u2028",
                "%0A",
                " ",
                "\x1b[",
                ",",
                "=",
                "::x::",
            ]
        ),
        max_size=12,
    ).map("".join),
    st.sampled_from(sorted(TEXTS.values())),
)


def shown(*reasons: Reason) -> list[str]:
    result = GateResult(
        verdict="fail",
        passed=False,
        subject=Subject(),
        policy=PolicyUsed(source="x"),
        trust="workflow",
        attempt=Attempt(number=1, max=3, remaining=2),
        reasons=reasons,
    )
    return list(annotation_lines(result))


@given(message=HOSTILE, file=HOSTILE, line=st.one_of(st.none(), st.integers()))
@example(message="x", file="a,line=1::y", line=3)
def test_an_annotation_is_one_line_and_one_command(
    message: str, file: str, line: int | None
) -> None:
    (text,) = shown(reason("tests.failed", message, file=file, line=line))
    assert text.splitlines() == [text]
    assert foreign_commands(text) == []
    assert text.startswith("::error ")
    assert "%0A" not in text


@given(message=HOSTILE)
def test_our_own_annotation_is_one_line(message: str) -> None:
    text = command("warning", message)
    assert text.splitlines() == [text]
    assert foreign_commands(text) == []


def test_no_more_annotations_than_a_runner_shows() -> None:
    assert len(shown(*(reason("tests.failed", str(n)) for n in range(50)))) == MAX_ERRORS


@given(
    values=st.dictionaries(
        st.sampled_from(["verdict", "reasons", "result"]),
        st.text(st.characters(blacklist_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")),
    )
)
def test_outputs_come_back_as_they_were(values: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "output")
        write_outputs(path, values)
        assert read_outputs(path) == {
            name: value.encode("utf-8", "replace").decode() for name, value in values.items()
        }


@given(value=HOSTILE)
def test_an_output_cannot_be_broken_out_of(value: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "output")
        write_outputs(path, {"verdict": value, "passed": "false"})
        assert set(read_outputs(path)) == {"verdict", "passed"}


def test_outputs_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "output"
    write_outputs(path, {"verdict": "fail"})
    write_outputs(path, {"passed": "false"})
    assert read_outputs(path) == {"verdict": "fail", "passed": "false"}


def test_without_a_runner_s_file_nothing_is_written() -> None:
    write_outputs(None, {"verdict": "fail"})
    write_summary(None, ["x"])


def test_a_file_that_cannot_be_written_is_machinery(tmp_path: Path) -> None:
    with pytest.raises(MachineryError, match="cannot write"):
        write_outputs(tmp_path, {"verdict": "fail"})


def test_the_summary_keeps_what_there_is_room_for(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    write_summary(path, ["first", "x" * MAX_SUMMARY, "third"])
    assert path.read_text() == "first\n"
