"""The evidence log is read back as it was written, and what is no record is skipped and counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.collect.lines import MAX_LINE, lines_from
from pytest_malagate.collect.log import encode_record
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.gate.evidence import (
    CommandStarted,
    Failure,
    Ingested,
    LogHeader,
    Receipt,
    Record,
    TestEnded,
)
from tests.collect.test_log import ended, finish, start

HEADER = LogHeader(schema="malagate/evidence@1", id="1", at=0.0)
LINT = ("ruff", "check")


def receipt(exit_code: int = 0, run: str = "r", argv: tuple[str, ...] = LINT) -> Receipt:
    return Receipt(
        run=run, name="lint", argv=argv, at=1.0, duration=0.1, exit_code=exit_code, tree="t"
    )


def began(run: str = "r", argv: tuple[str, ...] = LINT) -> CommandStarted:
    return CommandStarted(run=run, name="lint", argv=argv, at=1.0, tree="t")


@pytest.fixture
def log(tmp_path: Path):
    path = tmp_path / "evidence.jsonl"

    def write(*records: Record | bytes) -> Path:
        lines = [r if isinstance(r, bytes) else encode_record(r) for r in (HEADER, *records)]
        path.write_bytes(b"".join(lines))
        return path

    return write


BAD_LINES = {
    "bad UTF-8": b"\xff\xfe{}\n",
    "a truncated record": b'{"type":"receipt","name":\n',
    "a list": b"[1,2]\n",
    "a foreign object": b'{"message": null}\n',
    "a number": b"17\n",
    "a wrong type": b'{"type":"test","session":"s","nodeid":1,"outcome":"passed"}\n',
    "an unknown outcome": b'{"type":"test","session":"s","nodeid":"n","outcome":"great"}\n',
    "deep nesting": b"[" * 100_000 + b"\n",
    "a NUL": b"\x00\n",
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_a_line_that_is_no_record_is_counted_and_the_others_are_read(log, what: str) -> None:
    path = log(start(), BAD_LINES[what], ended("a"), BAD_LINES[what], receipt(), finish(1))
    evidence = read_evidence(path)
    assert evidence.unreadable == 2
    assert evidence.tests["tests"].reported == 1
    assert evidence.commands["lint"][0].exit_code == 0


def test_a_test_that_cannot_be_read_leaves_a_journal_that_does_not_add_up(log) -> None:
    run = read_evidence(log(start(), BAD_LINES["a wrong type"], ended("b"), finish(2))).tests[
        "tests"
    ]
    assert run.finish is not None
    assert (run.reported, run.finish.reported) == (1, 2)


def test_evidence_before_the_offset_does_not_count(log) -> None:
    path = log(start(), ended("a"), finish(1))
    offset = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode_record(receipt()))
    evidence = read_evidence(path, offset=offset)
    assert evidence.tests == {}
    assert list(evidence.commands) == ["lint"]


def test_offsets_are_bytes(log) -> None:
    emoji = ended("test[\N{FIREWORKS}\N{FIREWORKS}]")
    path = log(start(), emoji)
    offset = path.stat().st_size
    assert offset > len(path.read_text("utf-8"))
    with path.open("ab") as file:
        file.write(encode_record(receipt()))
    assert "lint" in read_evidence(path, offset=offset).commands


def test_an_offset_past_the_end_and_a_missing_log_are_no_evidence(log, tmp_path: Path) -> None:
    past = read_evidence(log(receipt()), offset=10_000_000)
    assert (past.commands, past.problem) == ({}, None)
    missing = read_evidence(tmp_path / "none.jsonl")
    assert (missing.commands, missing.problem, missing.fresh) == ({}, None, False)


def test_a_log_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert "cannot read" in (read_evidence(tmp_path).problem or "")


def test_in_another_log_an_offset_is_nothing(log) -> None:
    path = log(receipt())
    end = path.stat().st_size
    assert read_evidence(path, offset=end, identity="sha256:another").commands
    assert not read_evidence(path, offset=end, identity=read_evidence(path).log).commands


def test_fresh_says_whether_anything_came_after_an_offset(log) -> None:
    path = log(receipt())
    assert read_evidence(path).fresh
    assert not read_evidence(path, fresh_after=path.stat().st_size).fresh


def test_the_latest_session_of_a_name_is_the_one_that_started_last(log) -> None:
    path = log(start("one"), ended("a", "one"), start("two"), finish(1, "one"), ended("b", "two"))
    run = read_evidence(path).tests["tests"]
    assert (run.start.session, run.reported, run.finish) == ("two", 1, None)


def test_sessions_of_different_names_do_not_disturb_each_other(log) -> None:
    path = log(
        start("one", "unit"), start("two", "slow"), ended("a", "one"), ended("b", "two"),
        ended("c", "two"), finish(2, "two"), finish(1, "one"),
    )  # fmt: skip
    tests = read_evidence(path).tests
    assert {name: run.reported for name, run in tests.items()} == {"unit": 1, "slow": 2}


@pytest.mark.parametrize(
    ("records", "finished", "exit_code"),
    [
        ((began(), receipt(1)), True, 1),
        ((began(), receipt(0), began("q")), False, None),
        ((began(), began("q"), receipt(0, "r")), False, None),
        ((began(), began("q"), receipt(0, "r"), receipt(1, "q")), True, 1),
        ((receipt(1), receipt(0)), True, 0),
    ],
)
def test_the_run_that_started_last_is_the_one_that_counts(
    log, records, finished, exit_code
) -> None:
    (run,) = read_evidence(log(*records)).commands["lint"]
    assert (run.finished, run.exit_code) == (finished, exit_code)


def test_an_invalid_ingestion_withdraws_an_earlier_pass(log) -> None:
    def ingested(code: int | None) -> Ingested:
        return Ingested(name="lint", source="claude", command="ruff check", at=1.0, exit_code=code)

    (run,) = read_evidence(log(ingested(0), ingested(None))).commands["lint"]
    assert not run.finished


def test_failures_are_kept_with_their_test_and_phase(log) -> None:
    failed = TestEnded(
        session="s", nodeid="a", outcome="failed", failures=(Failure(fingerprint="v1:x"),)
    )
    run = read_evidence(log(start(), failed)).tests["tests"]
    assert run.failure_keys == ("v1:x a",)
    assert run.failures[0].nodeid == "a"


def test_a_line_of_any_length_costs_bounded_memory_and_itself_only(log) -> None:
    path = log(receipt(), b"x" * (MAX_LINE + 5_000_000) + b"\n", receipt(1))
    evidence = read_evidence(path)
    assert evidence.unreadable == 1
    assert evidence.commands["lint"][0].exit_code == 1


@given(
    st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=8),
    st.integers(0, 400),
)
def test_from_any_offset_the_lines_that_begin_there_are_read(
    tmp_path_factory, lines, offset
) -> None:
    path = tmp_path_factory.mktemp("lines") / "log"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + b"torn")
    with path.open("rb") as file:
        everything = list(lines_from(file))
        assert [line for _, line in everything] == lines
        assert list(lines_from(file, offset)) == [
            found for found in everything if found[0] >= offset
        ]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_exception(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "log"
    path.write_bytes(data)
    assert read_evidence(path).problem is None
