"""Resolution markers, the id that a rationale names, and what is documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.resolution import (
    Marker,
    docs_only_offenders,
    find_markers,
    referenced_id,
)


@pytest.mark.parametrize("marker", list(Marker))
def test_a_marker_with_its_rationale_on_a_line_of_its_own_counts(marker):
    text = f"I looked at it.\n\n{marker}: the parser does this already\n\nDone."
    assert find_markers(text) == ((marker, "the parser does this already"),)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028"])
def test_every_kind_of_line_end_ends_the_line(line_end):
    text = line_end.join(["before", "ISSUE_OBSOLETE: gone", "after"])
    assert find_markers(text) == ((Marker.OBSOLETE, "gone"),)
    assert find_markers(f"ISSUE_OBSOLETE:{line_end}gone") == ()


@pytest.mark.parametrize(
    "line",
    [
        "  ISSUE_NO_CHANGE: a reason",
        "ISSUE_NO_CHANGE:a reason",
        "ISSUE_NO_CHANGE:\t a reason \t",
        "ISSUE_NO_CHANGE: a reason\u00a0",
    ],
)
def test_white_space_around_the_parts_is_no_part_of_them(line):
    assert find_markers(line) == ((Marker.NO_CHANGE, "a reason"),)


@pytest.mark.parametrize(
    "text",
    [
        "ISSUE_NO_CHANGE",
        "ISSUE_NO_CHANGE:",
        "ISSUE_NO_CHANGE:   ",
        "ISSUE_NO_CHANGE: \u200b",
        "ISSUE_NO_CHANGE: ...",
        "ISSUE_NO_CHANGE: <rationale>",
        "ISSUE_NO_CHANGE: [reason]",
        "ISSUE_NO_CHANGE:\nthe reason on the next line",
        "ISSUE_NO_CHANGE :reason",
        "ISSUE_NO_CHANGES: reason",
        "NO_CHANGE: reason",
        "issue_no_change: reason",
        "I will not write ISSUE_NO_CHANGE: since there is work",
        "The options are `ISSUE_NO_CHANGE: reason`",
        "`ISSUE_NO_CHANGE: reason`",
        "**ISSUE_NO_CHANGE: reason**",
        "- ISSUE_NO_CHANGE: reason",
        "1. ISSUE_NO_CHANGE: reason",
        "    ISSUE_NO_CHANGE: reason in an indented code block",
        "\tISSUE_NO_CHANGE: reason in an indented code block",
        "> ISSUE_NO_CHANGE: reason",
        "> the prompt said\nISSUE_NO_CHANGE: reason",
        "```\nISSUE_NO_CHANGE: reason\n```",
        "~~~text\nISSUE_NO_CHANGE: reason\n~~~",
        "````\n```\nISSUE_NO_CHANGE: reason\n````",
        "```\n~~~\nISSUE_NO_CHANGE: reason\n```",
        "```\n        ```\nISSUE_NO_CHANGE: reason\n```",
        "- ```\n  ISSUE_NO_CHANGE: reason\n  ```",
        "1. ```text\nISSUE_NO_CHANGE: reason\n   ```",
        "```\nISSUE_NO_CHANGE: reason, the fence never closed",
    ],
)
def test_a_marker_that_is_empty_quoted_or_mentioned_does_not_count(text):
    assert find_markers(text) == ()


@pytest.mark.parametrize(
    "before",
    [
        "```\ncode\n```\n",
        "```python\ncode\n`````\n",
        "   ~~~\ncode\n~~~\n",
        "- ```\n  code\n  ```\n",
        "> quoted\n\n",
        "```not a fence``` but code within a line\n",
        "`` short\n",
    ],
)
def test_a_marker_after_what_was_quoted_counts(before):
    assert find_markers(f"{before}ISSUE_NO_CHANGE: reason") == ((Marker.NO_CHANGE, "reason"),)


def test_several_markers_are_found_in_the_order_they_stand():
    text = "ISSUE_OBSOLETE: first\nISSUE_NO_CHANGE: second\nISSUE_OBSOLETE: third"
    assert find_markers(text) == (
        (Marker.OBSOLETE, "first"),
        (Marker.NO_CHANGE, "second"),
        (Marker.OBSOLETE, "third"),
    )


@given(st.text(alphabet="IS_NO: `>~-1.\n\r\t ab\u2028", max_size=60))
def test_no_rationale_is_ever_blank_or_of_several_lines(noise):
    text = f"{noise}ISSUE_NO_CHANGE:{noise}"
    for _, rationale in find_markers(text):
        assert rationale.strip() == rationale
        assert len(rationale.splitlines()) == 1


@pytest.mark.parametrize(
    ("rationale", "own", "named"),
    [
        ("done in x-2", "x-1", "x-2"),
        ("done in x-2.", "x-1", "x-2"),
        ("x-1 was done in x-2, see x-3", "x-1", "x-2"),
        ("(x-2)", "x-1", "x-2"),
        ("done in x-2.3.", "x-1", "x-2.3"),
        ("done in x-2-beta!", "x-1", "x-2-beta"),
        ("done in x-10", "x-1", "x-10"),
        ("done in mala-g3h.7: merged", "mala-g3h.1", "mala-g3h.7"),
        ("done in mala-moty", "mala-abcd", "mala-moty"),
        ("done in x.2", "x.1", "x.2"),
        ("done in xA2", "xA1", "xA2"),
        ("done in org/repo, as `PROJ-7` says", "x-1", "PROJ-7"),
        ("done in PROJ-7", "x-1", "PROJ-7"),
        ("done in `#12`", "x-1", "#12"),
        ("done in #12.", "x-1", "#12"),
        ("done in #12", "45", "12"),
        ("#45 was done in #12", "45", "12"),
        ("done in #12", "#45", "#12"),
        ("x-2 did it in the pull request #12", "x-1", "x-2"),
        ("x-1 did it, in #12", "x-1", "x-1"),
    ],
)
def test_the_id_that_a_rationale_names_is_found(rationale, own, named):
    assert referenced_id(rationale, own) == named


@pytest.mark.parametrize(
    "rationale",
    [
        "the parser does this already",
        "an x-ray showed that it works",
        "it reads UTF-8 and ISO-8859-1 on python-3",
        "see `parser.py` and `utf-8`",
        "12 tests cover it",
        "see docs/x-2",
        "see https://example.org/x-2",
        "",
    ],
)
def test_a_rationale_that_names_no_id_speaks_of_its_own_task(rationale):
    assert referenced_id(rationale, "x-1") == "x-1"


@given(tail=st.from_regex(r"[0-9]{1,3}([.-][a-z0-9]{1,3}){0,2}", fullmatch=True))
@pytest.mark.parametrize("sentence", ["done in {}.", "{}: done", "it is ({}), I think", "`{}`"])
def test_punctuation_is_no_part_of_an_id_and_an_id_is_never_cut(sentence, tail):
    assert referenced_id(sentence.format(f"x-{tail}"), "x-1") == f"x-{tail}"


DOCUMENTS = (
    "README.md",
    "docs/guide.md",
    "docs/api/index.rst",
    "CHANGES.txt",
    "notes/plan.adoc",
    "docs/images/queue.png",
    "Documentation/queue.SVG",
    "src/package/README.md",
    "tests/README.md",
)
OFFENDERS = (
    "src/parser.py",
    "docs/conf.py",
    "conftest.py",
    "pyproject.toml",
    "packages/a/pyproject.toml",
    "malagate.yaml",
    "Makefile",
    "CMakeLists.txt",
    "src/CMakeLists.txt",
    "meson_options.txt",
    "requirements.txt",
    "requirements-dev.txt",
    "dev-requirements.txt",
    "requirements/base.txt",
    "constraints.txt",
    "constraints-3.11.txt",
    ".github/workflows/ci.yml",
    ".github/pull_request_template.md",
    ".claude/commands/land.md",
    "tests/test_parser.txt",
    "test_parser.txt",
    "tests/data/expected.md",
    "src/logo.png",
    "docs/script.js",
    "docs/guide.ipynb",
    "LICENSE",
    ".md",
    "parser.md.py",
    "guide.md\n",
    "guide.md ",
    "",
)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documentation_is_no_offender(path):
    assert docs_only_offenders([path]) == ()


@pytest.mark.parametrize("path", OFFENDERS)
def test_code_build_files_policy_tests_and_the_unknown_are_offenders(path):
    assert docs_only_offenders([path]) == (path,)


@given(st.lists(st.sampled_from(DOCUMENTS + OFFENDERS)))
def test_all_offenders_are_named_in_the_order_given(files):
    assert docs_only_offenders(files) == tuple(path for path in files if path in OFFENDERS)
