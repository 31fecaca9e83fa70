from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.fingerprint import (
    MESSAGE_LIMIT,
    VERSION,
    clean_line,
    fingerprint,
    normalise_message,
    set_digest,
)

VOLATILE = [
    ("<Foo object at 0x7f3a12b4c5d0>", "<Foo object at 0x10c5d0a30>"),
    ("no job 71d6a345-63c8-47a0-8197-19a78d10a658", "no job abcdefab-abcd-abcd-abcd-abcdefabcdef"),
    ("blob 1a2b3c4d5e6f7a8b", "blob 99887766554433aa"),
    ("blob 1a2b3c4d", "blob 11223344"),
    ("hash -1234567890123", "hash 987654321098"),
    ("at 2026-11-20T10:11:12.123456+01:00", "at 2027-01-02 03:04:05Z"),
    ("on 20 Nov 2026", "on 1 Jan 2027"),
    ("on Fri Nov 20 21:00:00 2026", "on Sat Jan  2 01:02:03 2027"),
    ("datetime.datetime(2026, 1, 2, 3, 4)", "datetime.datetime(2026, 1, 2, 3, 5, 6)"),
    ("took 12.5 ms", "took 9ms"),
    ("took 3.01959998e-05 s", "took 0.25 seconds"),
    ("grew to 10 MiB", "grew to 12.5 MiB"),
    ("0.30000000000000004 left", "1e-05 left"),
    ("pid 812 is gone", "pid 99 is gone"),
    ("listening on port 8080", "listening on port 9999"),
    ("127.0.0.1:5000 refused", "127.0.0.1:8123 refused"),
    ("laddr=('127.0.0.1', 5000)", "laddr=('127.0.0.1', 61234)"),
    ("see app.py:12", "see app.py:15:3"),
    ("error on line 12", "error on line 15"),
    ("worker gw0 crashed", "worker gw11 crashed"),
    ("<Thread(Thread-2 (run), initial)>", "<Thread(Thread-13 (run), initial)>"),
    ("Task-7 in ThreadPoolExecutor-0_1", "Task-12 in ThreadPoolExecutor-3_0"),
    ("missing '/tmp/tmpab12cd3x/a'", "missing '/var/tmp/x_9/b/c'"),
    ("no tmpab12cd3x", "no tmp_mgtjmgg"),
    (
        "no /tmp/pytest-of-ada/pytest-12/test_a0/in.txt",
        "no /scratch/pytest-of-bob/pytest-3/popen-gw1/test_a1/in.txt",
    ),
    ("/opt/a/lib/python3.11/json/x.py", "/usr/lib/python3.12/json/x.py"),
    ("/v/lib/python3.11/site-packages/q/x.py", "/w/site-packages/q/x.py"),
    ("unknown {'a', 'b', 'c'}", "unknown {'c', 'a', 'b'}"),
    ("{1: frozenset({3, 4})}", "{1: frozenset({4, 3})}"),
    ("{('b, c', 1), ('a', 2)}", "{('a', 2), ('b, c', 1)}"),
    ("\x1b[31massert 1\x1b[0m", "assert 1\r\nE  more"),
]


@pytest.mark.parametrize(("one", "other"), VOLATILE)
def test_what_differs_from_run_to_run_is_erased(one: str, other: str) -> None:
    assert normalise_message(one) == normalise_message(other)


MEANINGFUL = [
    ("assert 3 == 4", "assert 3 == 5"),
    ("assert 1000 == 2048", "assert 1000 == 2049"),
    ("HTTP 404", "HTTP 500"),
    ("1.5 is wrong", "2.25 is wrong"),
    ("'abc' is missing", "'abd' is missing"),
    ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),  # a dict's order is the program's own
    ("[1, 2]", "[2, 1]"),
    ("no /tmp/pytest-of-a/pytest-1/test_a0/in", "no /tmp/pytest-of-a/pytest-1/test_a0/out"),
    ("needs Python 3.11.7", "needs Python 3.12.1"),
    ("deadbeef", "defaced"),
    ("column 5", "column 6"),
]


@pytest.mark.parametrize(("one", "other"), MEANINGFUL)
def test_what_the_program_says_is_kept(one: str, other: str) -> None:
    assert normalise_message(one) != normalise_message(other)


def test_paths_below_a_root_are_relative_wherever_the_root_is() -> None:
    here = normalise_message(
        "no /home/ada/repo/src/x.py in /home/ada/repo", roots=["/home/ada/repo"]
    )
    there = normalise_message("no /tmp/copy/src/x.py in /tmp/copy", roots=["/tmp/copy/"])
    assert here == there == "no src/x.py in <root>"


def test_a_root_is_no_prefix_of_another_directory() -> None:
    assert normalise_message("in /repository/x", roots=["/repo"]) == "in /repository/x"


def test_a_chosen_temporary_directory_is_erased_up_to_the_test_s_own() -> None:
    plain = normalise_message("no /scratch/base/test_a0/in", temporary=["/scratch/base"])
    worker = normalise_message("no /scratch/base/popen-gw1/test_a0/in", temporary=["/scratch/base"])
    assert plain == worker == "no <tmp>/in"


def test_the_processes_own_ids_are_erased_where_they_stand_alone() -> None:
    assert normalise_message("812 of 811", process_ids=[812, 811]) == "<#> of <#>"
    assert normalise_message("x812 8120", process_ids=[812]) == "x812 8120"
    assert normalise_message("7 left", process_ids=[7]) == "7 left"


def test_only_the_first_line_that_shows_anything_counts() -> None:
    assert normalise_message("\n \x1b[0m\nfirst\nsecond") == "first"
    assert normalise_message("") == ""


@given(st.text(), st.integers(min_value=1, max_value=400))
def test_a_clean_line_is_one_bounded_printable_line(text: str, limit: int) -> None:
    line = clean_line(text, limit=limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in line)
    assert line.encode().decode() == line


hostile = st.one_of(
    st.text(),
    st.text(alphabet="0123456789abcdefxe-:./{}[]()'\", \\#<>"),
    st.lists(
        st.sampled_from(
            [text for pair in VOLATILE + MEANINGFUL for text in pair]
            + ["{", "}", "'", ",", "<#>", "/repo/", "gw", "-", "1", " ", "é", "\ud800"]
        )
    ).map("".join),
    st.lists(st.integers(0, 99).map(str), min_size=100).map(" s, ".join),
)


@given(hostile)
def test_normalising_is_total_bounded_and_idempotent(text: str) -> None:
    once = normalise_message(text, roots=["/repo"], process_ids=[123])
    assert len(once) <= MESSAGE_LIMIT
    assert normalise_message(once, roots=["/repo"], process_ids=[123]) == once
    assert isinstance(once.encode(), bytes)


@given(st.sets(st.text(alphabet="abc,'\"{}():[] ")))
def test_a_printed_set_of_strings_has_no_order(elements: set[str]) -> None:
    forward, backward = sorted(elements), sorted(elements, reverse=True)
    shown = [
        normalise_message("{" + ", ".join(map(repr, each)) + "}") for each in (forward, backward)
    ]
    assert shown[0] == shown[1]


PARTS = {
    "check": "pytest",
    "nodeid": "test_a.py::test_a",
    "exception": "ValueError",
    "message": "bad",
    "frame": "a.py:f",
}


def test_a_fingerprint_is_its_version_and_16_hexadecimal_digits() -> None:
    version, digits = fingerprint(**PARTS).split(":")
    assert version == VERSION == "v1"
    assert len(digits) == 16
    assert int(digits, 16) >= 0


def test_the_fingerprint_of_a_known_failure_does_not_change_within_a_version() -> None:
    assert fingerprint(**PARTS) == "v1:1ac0a3650963d418"


@pytest.mark.parametrize("part", PARTS)
def test_every_part_tells_failures_apart(part: str) -> None:
    assert fingerprint(**{**PARTS, part: "other"}) != fingerprint(**PARTS)


def test_parts_do_not_run_into_each_other() -> None:
    one = {**PARTS, "exception": "ab", "message": "c"}
    other = {**PARTS, "exception": "a", "message": "bc"}
    assert fingerprint(**one) != fingerprint(**other)


@given(st.lists(st.text()), st.randoms())
def test_a_set_s_digest_ignores_order_and_repeats(prints: list[str], random) -> None:
    shuffled = prints + prints[:2]
    random.shuffle(shuffled)
    assert set_digest(shuffled) == set_digest(prints)


@given(st.sets(st.text(), min_size=1), st.text())
def test_another_set_has_another_digest(prints: set[str], extra: str) -> None:
    assert (set_digest(prints) == set_digest(prints | {extra})) is (extra in prints)


def test_nothing_failed_has_no_digest() -> None:
    assert set_digest([]) == ""
