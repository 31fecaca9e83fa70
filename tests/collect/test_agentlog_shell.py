"""Which shell commands are known to leave the working files alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.collect.agentlog.shell import may_change_files

COMMIT = "git commit -m \"$(cat <<'EOF'\nFix it; rm -rf src > x `y`\n\nEOF later\nEOF\n)\""


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "cat src/a.py | head -20",
        "git status && git diff --stat",
        "git add -A && git commit -m 'x-1: change rm to mv > done'",
        COMMIT,
        "git log --oneline -5 2>/dev/null",
        "git push -u origin HEAD 2>&1 | tail -3",
        "cd src && rg -n 'a > b' .",
        "sed -n '1,40p' src/a.py",
        "find . -name '*.py' -type f",
        "uv run pytest -x tests/test_a.py",
        "python -m pytest -q",
        "ruff check --output-format=concise src",
        "ruff format --check .",
        "black --check .",
        "malagate run lint",
        "malagate check --json",
        "gh pr create --title t --body b",
        "echo done; true",
        "",
    ],
)
def test_reading_committing_and_checking_change_no_files(command: str) -> None:
    assert not may_change_files(command)


@pytest.mark.parametrize(
    "command",
    [
        "sed -i s/a/b/ src/a.py",
        "sed -n 1p -i src/a.py",
        "sed -n 'w src/a.py' x",
        "echo x > src/a.py",
        "echo x >> src/a.py",
        "echo x>src/a.py",
        "cat a 2>/dev/null > src/a.py",
        "ls 2>src/a.py",
        "git checkout -- .",
        "git stash",
        "git reset --hard",
        "git -C . checkout x",
        "git",
        "git diff --output=src/a.py",
        "git diff --outp=src/a.py",
        "git log $'--output=src/a.py'",
        "git log {--output=src/a.py,-p}",
        "git log \"$(cat <<'EOF'\n--output=src/a.py\nEOF\n)\"",
        "git commit -m \"$(cat <<'EOF'\nx\nEOF\nrm src/a.py\ncat <<'EOF'\nEOF\n)\"",
        'git commit -m "$(cat <<EOF\n$(rm src/a.py)\nEOF\n)"',
        'git commit -m "$(rm src/a.py)"',
        "git commit -m `rm src/a.py`",
        "GIT_EXTERNAL_DIFF=./x git diff",
        "find . -delete",
        "find . -name x -exec rm '{}' +",
        "rg --pre ./x y",
        "ls\nrm src/a.py",
        "ls & rm src/a.py",
        "ls || rm src/a.py",
        "(rm src/a.py)",
        "ls <(rm src/a.py)",
        "ruff check --fix .",
        "ruff format .",
        "black .",
        "pytest --snapshot-update",
        "malagate run lint -- rm src/a.py",
        "npm test",
        "make",
        "python x.py",
        "./ls",
        "'unclosed",
        "cat \\\n x",
        "gh pr checkout 3",
        "\x01",
        "ls " + "a" * 100_000,
    ],
)
def test_every_other_command_may_change_files(command: str) -> None:
    assert may_change_files(command)


@given(st.text(max_size=200))
def test_any_text_gets_an_answer(command: str) -> None:
    assert may_change_files(command) in (True, False)


@given(st.text(alphabet=" ;|&()<>$`'\"\\\n{}=-aEOF", max_size=80))
def test_what_is_appended_to_a_harmless_command_is_seen(tail: str) -> None:
    if not may_change_files(f"ls {tail}\nls"):
        assert may_change_files(f"ls {tail}\nls ; rm x")
