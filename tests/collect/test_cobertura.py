"""Cobertura reports: the totals of good ones, an error of its own for each sort of bad one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_malagate.collect import cobertura
from pytest_malagate.collect.cobertura import CoberturaTotals, CoverageReportError, read_cobertura

COUNTS = 'lines-valid="100" lines-covered="90"'
DTD = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
BOMB = (
    '<!DOCTYPE coverage [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>'
    '<coverage line-rate="1">&c;</coverage>'
)
EXTERNAL = (
    '<!DOCTYPE coverage [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<coverage line-rate="&x;"></coverage>'
)


def report(directory: Path, text: str | bytes) -> Path:
    path = directory / "coverage.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def coverage(attributes: str) -> str:
    return f'<?xml version="1.0" ?>\n<coverage {attributes}><packages/></coverage>\n'


def error(path: Path) -> CoverageReportError:
    with pytest.raises(CoverageReportError) as caught:
        read_cobertura(path)
    return caught.value


BAD = {
    "empty": ("", "not-xml", "it is empty"),
    "text": ("TOTAL 90%", "not-xml", "not XML"),
    "binary": (b"\x00\xff" * 9, "not-xml", "not XML"),
    "truncated": ('<coverage line-rate="1"><packages>', "not-xml", "truncated XML"),
    "truncated in the root": ('<coverage line-rate="1', "not-xml", "truncated XML"),
    "an unknown encoding": ('<?xml version="1.0" encoding="x"?><coverage/>', "not-xml", "encoding"),
    "bytes of another encoding": (b'<coverage line-rate="1">\xff</coverage>', "not-xml", "not XML"),
    "two roots": ('<coverage line-rate="1"/><coverage/>', "not-xml", "junk after"),
    "an entity bomb": (BOMB, "not-xml", "of its own (entities)"),
    "an external entity": (EXTERNAL, "not-xml", "of its own (entities)"),
    "no element at all": (b" " * 1_200_000, "not-xml", "no element in its first megabyte"),
    "a wrong root": ("<testsuites/>", "root", "<testsuites>, not <coverage>"),
    "a hostile root": ("<a\u0085b/>", "not-xml", "not XML"),
    "a root in another case": ('<Coverage line-rate="1"/>', "root", "<Coverage>"),
    "no rate": ("<coverage/>", "no-rate", "no line-rate"),
    "an empty rate": (coverage('line-rate=""'), "rate", "not a number: line-rate is ''"),
    "a word": (coverage('line-rate="high"'), "rate", "not a number: line-rate is 'high'"),
    "a percentage": (coverage('line-rate="90%"'), "rate", "not a number"),
    "an underscore": (coverage('line-rate="0_1"'), "rate", "not a number"),
    "other digits": (coverage('line-rate="\u0660"'), "rate", "not a number"),
    "above 1": (coverage('line-rate="1.5"'), "rate", "above 1: line-rate is '1.5'"),
    "far above 1": (coverage('line-rate="1e9999"'), "rate", "above 1"),
    "infinite": (coverage('line-rate="inf"'), "rate", "not finite: line-rate is 'inf'"),
    "minus infinite": (coverage('line-rate="-Infinity"'), "rate", "not finite"),
    "no number at all": (coverage('line-rate="nan"'), "rate", "not finite: line-rate is 'nan'"),
    "negative": (coverage('line-rate="-0.1"'), "rate", "negative rate: line-rate is '-0.1'"),
    "a bad branch rate": (coverage('line-rate="1" branch-rate="2"'), "rate", "branch-rate is '2'"),
    "half a pair": (coverage('line-rate="1" lines-valid="3"'), "counts", "-covered is missing"),
    "a negative count": (
        coverage('line-rate="1" lines-valid="3" lines-covered="-3"'),
        "counts",
        "not whole numbers",
    ),
    "a fraction": (
        coverage('line-rate="1" lines-valid="3.5" lines-covered="3"'),
        "counts",
        "not whole numbers",
    ),
    "more than there is": (
        coverage('line-rate="1" lines-valid="3" lines-covered="4"'),
        "counts",
        "covers more than there is",
    ),
    "a contradiction": (coverage(f'line-rate="0.95" {COUNTS}'), "counts", "contradicts itself"),
    "a contradiction of branches": (
        coverage('line-rate="1" branch-rate="1" branches-valid="4" branches-covered="1"'),
        "counts",
        "branches-covered is '1'",
    ),
}


@pytest.mark.parametrize(("text", "code", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_report_has_an_error_of_its_own(
    text: str | bytes, code: str, message: str, tmp_path: Path
) -> None:
    path = report(tmp_path, text)
    caught = error(path)
    assert caught.code == f"coverage.report-{code}"
    assert message in caught.message
    assert str(path) in caught.message
    assert caught.problem.file == str(path)
    assert caught.message.isprintable()


def test_a_missing_report_is_missing(tmp_path: Path) -> None:
    assert error(tmp_path / "none.xml").code == "coverage.report-missing"


def test_a_directory_is_no_report(tmp_path: Path) -> None:
    caught = error(tmp_path)
    assert caught.code == "coverage.report-unreadable"
    assert "is a directory" in caught.message


def test_a_named_pipe_is_no_report_and_nobody_waits_for_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.xml"
    os.mkfifo(pipe)
    assert "no regular file" in error(pipe).message


def test_a_report_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cobertura, "MAX_BYTES", 1 << 20)
    path = report(tmp_path, b'<coverage line-rate="1">' + b" " * (1 << 20) + b"</coverage>")
    assert error(path).code == "coverage.report-unreadable"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('line-rate="0.9"', CoberturaTotals(90.0, 0.9)),
        ('line-rate="1"', CoberturaTotals(100.0, 1.0)),
        ('line-rate="0"', CoberturaTotals(0.0, 0.0)),
        (
            f'line-rate="0.9" {COUNTS} branch-rate="0" branches-valid="0" branches-covered="0"',
            CoberturaTotals(90.0, 0.9, 0.0, 100, 90, 0, 0),
        ),
        (
            f'line-rate="0.9" {COUNTS} branch-rate="0.5" branches-valid="20" branches-covered="10"',
            CoberturaTotals(100.0 * 100 / 120, 0.9, 0.5, 100, 90, 20, 10),
        ),
        (
            'line-rate="1" lines-valid="0" lines-covered="0" timestamp="1700000000"',
            CoberturaTotals(100.0, 1.0, None, 0, 0, timestamp=1.7e9),
        ),
        (
            'line-rate="1" timestamp="1700000000123"',
            CoberturaTotals(100.0, 1.0, timestamp=1700000000.123),
        ),
        ('line-rate="1" timestamp="yesterday"', CoberturaTotals(100.0, 1.0)),
    ],
)
def test_a_good_report_gives_its_totals(
    attributes: str, expected: CoberturaTotals, tmp_path: Path
) -> None:
    assert read_cobertura(report(tmp_path, coverage(attributes))) == expected


def test_a_document_type_that_is_only_named_is_not_fetched(tmp_path: Path) -> None:
    path = report(tmp_path, f'{DTD}<coverage line-rate="0.5"></coverage>')
    assert read_cobertura(path).percent == 50.0


@given(valid=st.integers(1, 10**6), share=st.floats(0, 1))
@settings(deadline=None)
def test_the_rates_that_coverage_py_prints_agree_with_its_counts(
    tmp_path_factory: pytest.TempPathFactory, valid: int, share: float
) -> None:
    covered = round(valid * share)
    rate = covered / valid if covered in (0, valid) else min(max(covered / valid, 1e-4), 0.9999)
    attributes = f'line-rate="{rate:.4g}" lines-valid="{valid}" lines-covered="{covered}"'
    path = report(tmp_path_factory.getbasetemp(), coverage(attributes))
    assert read_cobertura(path).percent == 100.0 * covered / valid


@given(st.binary(max_size=200) | st.text(alphabet='<>&;"= coverage-line1.!?[]', max_size=99))
@settings(deadline=None)
def test_any_bytes_are_totals_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, text: bytes | str
) -> None:
    path = report(tmp_path_factory.getbasetemp(), text)
    try:
        assert 0 <= read_cobertura(path).percent <= 100
    except CoverageReportError as caught:
        assert caught.code.startswith("coverage.report-")


@pytest.mark.parametrize("branch", ["", "--branch"])
def test_the_percentage_is_coverage_pys_own_to_the_last_digit(branch: str, tmp_path: Path) -> None:
    source = "def f(x):\n    if x:\n        return 1\n    for i in x:\n        print(i)\n\n\nf(1)\n"
    (tmp_path / "mod.py").write_text(source)

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "coverage", *filter(None, arguments)]
        environ = {key: value for key, value in os.environ.items() if "COV" not in key}
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environ)

    run("run", branch, "--source=.", "mod.py")
    run("xml")
    run("json")
    totals = json.loads((tmp_path / "coverage.json").read_text())["totals"]
    assert read_cobertura(tmp_path / "coverage.xml").percent == totals["percent_covered"]
