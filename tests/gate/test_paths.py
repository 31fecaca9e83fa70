"""Globs of protected paths: what a .gitignore would match."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.paths import protected

CASES = [
    # pattern, matches, does not match
    (".github/**", ".github/workflows/ci.yml .github/CODEOWNERS", ".github x/.github/a"),
    ("malagate.yaml", "malagate.yaml sub/malagate.yaml", "malagate.yaml.bak amalagate.yaml"),
    ("conftest.py", "conftest.py tests/conftest.py a/b/conftest.py", "conftest.pyc xconftest.py"),
    ("/conftest.py", "conftest.py", "tests/conftest.py"),
    ("docs/conf.py", "docs/conf.py", "x/docs/conf.py docs/sub/conf.py"),
    ("*.toml", "pyproject.toml a/b/x.toml", "toml a.tomlx"),
    ("tests", "tests tests/a.py a/tests/b.py", "tests2/a.py test"),
    ("tests/", "tests/a.py a/tests/b/c.py", "tests a/tests"),
    ("src/*.py", "src/a.py", "src/sub/a.py a/src/a.py"),
    ("src/*", "src/a.py src/sub/a.py", "src"),
    ("src/**/a.py", "src/a.py src/x/a.py src/x/y/a.py", "src/xa.py a.py"),
    ("**/a.py", "a.py x/a.py x/y/a.py", "xa.py"),
    ("a/**", "a/b a/b/c", "a b/a/c"),
    ("a?c", "abc x/abc", "ac a/c abbc"),
    ("[a-c].py", "a.py x/b.py", "d.py"),
    ("[!a-c].py", "d.py", "a.py /.py"),
    ("a.b", "a.b", "axb"),
    ("a+(b)", "a+(b)", "aab"),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), CASES, ids=[case[0] for case in CASES])
def test_a_pattern_matches(pattern: str, yes: str, no: str) -> None:
    assert protected([*yes.split(), *no.split()], [pattern]) == tuple(sorted(yes.split()))


@pytest.mark.parametrize(("pattern", "yes", "no"), CASES, ids=[case[0] for case in CASES])
def test_git_itself_matches_the_same(tmp_path: Path, pattern: str, yes: str, no: str) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text(f"{pattern}\n")
    for path in (path for path in (*yes.split(), *no.split()) if not path.startswith("/")):
        done = subprocess.run(
            ["git", "check-ignore", "-q", "--no-index", path], cwd=tmp_path, check=False
        )
        assert (done.returncode == 0) is (path in yes.split()), path


def test_a_name_in_another_case_is_another_name() -> None:
    assert protected(["Conftest.py"], ["conftest.py"]) == ()


def test_there_is_no_negation_and_an_empty_pattern_matches_nothing() -> None:
    assert protected(["a.py", "!a.py"], ["!a.py"]) == ("!a.py",)
    assert protected(["a.py"], ["", "/", "[z-a]"]) == ()


@given(
    pattern=st.text("ab*?[]!/\\.-^", max_size=12),
    paths=st.lists(st.text("ab/.[]", min_size=1, max_size=8), max_size=5),
)
def test_no_pattern_breaks_it(pattern: str, paths: list[str]) -> None:
    assert set(protected(paths, [pattern])) <= set(paths)


@given(name=st.text("abc._-+()", min_size=1, max_size=8), folder=st.text("xy", max_size=3))
def test_a_plain_name_matches_itself_at_any_depth(name: str, folder: str) -> None:
    path = f"{folder}/{name}" if folder else name
    assert protected([path], [name]) == (path,)
