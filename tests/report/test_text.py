"""Hostile text: what reaches a terminal, a CI log, an agent or a rendered page."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.report.text import code, cut, plain, prose

ANYTHING = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(list("\x1b\x9b\x9d\x07[]m;\\:#<!->`|@\r\n\t \u202e\u200b\u2066\U000e0041")),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("a plain sentence", "a plain sentence"),
        ("grüße, 世界 🎉", "grüße, 世界 🎉"),
        ("two\nlines\r\nand\ttab", "two lines and tab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]no end", "no end"),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("back\x08space \x00 bell\x07", "back space bell"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("tag\U000e0041\U000e0042s v\U000e0101 t\ufe0f", "tags v t"),
        ("line\u2028separator", "line separator"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("a<!-- hidden -->b", "ab"),
        ("<!<!-- x -->-- secret -->", "<! -- secret -->"),
        ("<!-- never closed", "<! -- never closed"),
        ("::error::forged", ": :error::forged"),
        ("  ::set-env name=X::y", ": :set-env name=X::y"),
        ("text ::warning::x", "text : :warning::x"),
        ("\n::add-mask::x", ": :add-mask::x"),
        ("::::error::x", ": : : :error::x"),
        ("tests/test_a.py::test_x", "tests/test_a.py::test_x"),
        ("##[error]x", "# #[error]x"),
        ("a ###[group]x", "a ## #[group]x"),
        ("##vso[task.setvariable]x", "# #vso[task.setvariable]x"),
        ("## heading", "## heading"),
    ],
)
def test_plain_keeps_what_can_be_seen_and_nothing_else(hostile: str, harmless: str) -> None:
    assert plain(hostile) == harmless


@given(ANYTHING)
def test_plain_is_one_line_of_visible_characters(text: str) -> None:
    shown = plain(text)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in shown)
    assert shown == shown.strip()
    assert "  " not in shown
    assert "<!--" not in shown
    assert "##[" not in shown


@given(ANYTHING)
def test_no_line_that_plain_is_broken_into_begins_with_a_workflow_command(text: str) -> None:
    assert not any(word.startswith("::") for word in plain(text).split(" "))


@given(ANYTHING)
def test_plain_of_plain_changes_nothing(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(ANYTHING, st.integers(min_value=1, max_value=40))
def test_a_limit_holds(text: str, limit: int) -> None:
    assert len(plain(text, limit)) <= limit


def test_what_was_cut_off_is_shown() -> None:
    assert plain("abcdef", 4) == "abc…"
    assert cut("abc def", 5) == "abc…"
    assert cut("abc", 3) == "abc"


def test_a_message_of_many_megabytes_is_bounded_before_it_is_read() -> None:
    assert len(plain("\x1b[31m" * 5_000_000 + "x", 300)) <= 300


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        ("a `tick`", "`` a `tick` ``"),
        ("`````", "`````` ````` ``````"),
        ("@team #12 <b> [x](y) ![i](u)", "`@team #12 <b> [x](y) ![i](u)`"),
        ("a | b", "`a | b`"),
        ("", ""),
        ("\x00\u200b", ""),
        ("two\n\nparagraphs", "`two paragraphs`"),
    ],
)
def test_code_spans_cannot_be_left(text: str, span: str) -> None:
    assert code(text) == span


@given(ANYTHING)
def test_a_code_span_ends_only_at_its_own_end(text: str) -> None:
    span = code(text)
    if not span:
        return
    fence = re.match(r"`+", span)
    assert fence is not None
    inner = span[fence.end() : -fence.end()]
    assert span == f"{fence[0]}{inner}{fence[0]}"
    assert fence[0] not in re.findall(r"`+", inner)
    assert not (inner.startswith("`") or inner.endswith("`"))
    assert "\n" not in span


@pytest.mark.parametrize(
    ("text", "cell"),
    [("a | b", r"`a \| b`"), (r"a \| b", "`a \\ \\| b`"), (r"a \\| b", "`a \\\\ \\| b`")],
)
def test_no_pipe_ends_a_table_cell(text: str, cell: str) -> None:
    assert code(text, cell=True) == cell


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a sentence, plain", "a sentence, plain"),
        ("*bold* _it_ ~x~ `c`", r"\*bold\* \_it\_ \~x\~ \`c\`"),
        ("[a](b) ![i](u)", r"\[a\]\(b\) \!\[i\]\(u\)"),
        ("<img src=x>", r"&lt;img src\=x&gt;"),
        ("&amp; | $x$", r"&amp;amp; \| \$x\$"),
        ("@team", "@\u200bteam"),
        ("fixes #12, o/r#3", "fixes \\#\u200b12, o/r\\#\u200b3"),
        ("GH-12", "GH\u200b\\-12"),
        ("https://evil.example", "https:\u200b//evil\\.example"),
        ("www.evil.example", "www\u200b\\.evil\\.example"),
        ("# heading", r"\# heading"),
        ("1. list", r"1\. list"),
        ("> quote", "&gt; quote"),
    ],
)
def test_prose_has_no_markup_and_no_references(text: str, escaped: str) -> None:
    assert prose(text) == escaped


@given(ANYTHING)
def test_prose_leaves_no_markup_unescaped(text: str) -> None:
    escaped = prose(text)
    assert not re.search(r"[<>\n]", escaped)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|!#]", escaped)
    assert not re.search(r"@(?!\u200b)", escaped)
