"""YAML that cannot be read, or must not be: the first trouble is told, nothing is executed."""

from __future__ import annotations

import pytest

from tests.policy.examples import problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:\n\tb: 1", "2:1: not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs"),
        ("retry: [1,\n  2", "2:4: not valid YAML: expected ',' or ']', but got '<stream end>', while parsing a flow sequence that begins on line 1"),
        ('a: "x', "1:6: not valid YAML: found unexpected end of stream"),
        ("a: b: c", "1:5: not valid YAML: mapping values are not allowed here"),
        ("a: \0", "1:4: not valid YAML: the character U+0000 may not stand in it"),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here; a policy is one document"),
        ('a: "\\U00110000"', "1:7: not valid YAML: a number or an escape is out of range"),
        ("retry: *all", "1:8: no value before this alias has the anchor &all; a text that begins with * needs quotes"),
        ("&a [*a]", "1:5: no value before this alias has the anchor &a; a text that begins with * needs quotes"),
        ("[" * 500, "1:18: nested more than 16 levels deep"),
        ("a: " + "[" * 17 + "]" * 17, "1:20: nested more than 16 levels deep"),
    ],
)  # fmt: skip
def test_reading_stops_at_what_is_not_yaml(text: str, problem: str) -> None:
    assert problems(text) == [f"malagate.yaml:{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retry: {}\nretry: {}", "2:1: retry: given twice; the first is on line 1"),
        ("retry: {max_attempts: 1, max_attempts: 2}", "1:26: retry.max_attempts: given twice; the first is on line 1"),
        ("1: 2", "1:1: a key must be text, not 1; put it in quotes"),
        ("? [a]\n: 2", "1:3: a key must be text, not a list"),
        ("<<: {a: b}", "1:1: a policy takes no merge keys (<<); write the keys out"),
        ("retry: !!map {}", "1:8: retry: a policy takes no YAML tags; leave the tag out"),
        ("version: 0x_", "1:10: version: 0x_ is not a number; put a text in quotes"),
    ],
)  # fmt: skip
def test_yaml_that_a_policy_does_not_take_is_told(text: str, problem: str) -> None:
    assert f"malagate.yaml:{problem}" in problems(text)


def test_a_tag_that_names_an_object_creates_none() -> None:
    text = "retry: !!python/object/apply:os.system [exit 1]"
    assert problems(text)[0].endswith("a policy takes no YAML tags; leave the tag out")


def test_aliases_that_multiply_are_stopped_by_the_number_of_values() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        aliases = ", ".join([f"*l{level - 1}"] * 10)
        levels.append(f"l{level}: &l{level} [{aliases}]")
    (problem,) = problems("\n".join(levels))
    assert problem.endswith("holds more than 20000 values; a policy is a short text")


def test_a_text_of_more_than_a_megabyte_is_refused() -> None:
    text = "#" * (1024 * 1024 + 1)
    assert problems(text) == ["malagate.yaml: is larger than 1024 KiB; a policy is a short text"]
    assert problems(text[:-1]) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"retry: {}\n# \xff", "2:3: the byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbf# \xe9", "1:3: the byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("retry: {}".encode("utf-16"), "1:1: the byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_text_that_is_not_utf8_is_refused(data: bytes, problem: str) -> None:
    assert problems(data) == [f"malagate.yaml:{problem}"]


def test_lines_and_columns_count_characters_behind_wide_ones_and_crlf() -> None:
    text = "# \N{GRINNING FACE}\r\nfreeze: {mode: '\N{GRINNING FACE}', clear_need: admin}\r\n"
    assert [problem.split(": ")[0] for problem in problems(text.encode())] == [
        "malagate.yaml:2:16",
        "malagate.yaml:2:21",
    ]
