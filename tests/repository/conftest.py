"""Real git repositories in temporary directories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_malagate.repository import Repository


class Checkout:
    """A git work tree that a test writes to, apart from the code under test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *args: str, stdin: str | None = None, **environ: str) -> str:
        """Runs git here and returns what it printed, without the last line end."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.root,
            env=os.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.removesuffix("\n")

    def write(self, path: str, content: str = "x = 1\n") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
        return file

    def commit(self, message: str, *paths: str, at: int | None = None) -> str:
        """Commits the named paths (everything that is staged, if none) and returns the hash."""
        if paths:
            self.git("add", "--all", "--force", "--", *paths)
        date = {} if at is None else {"GIT_COMMITTER_DATE": f"@{at} +0000"}
        self.git("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-F", "-",
                 stdin=message, **date)  # fmt: skip
        return self.git("rev-parse", "HEAD")

    @property
    def repository(self) -> Repository:
        found = Repository.discover(self.root)
        assert found is not None
        return found

    @property
    def tree(self) -> str:
        """The hash of the working files."""
        return self.repository.working_tree().tree


@pytest.fixture(autouse=True)
def plain_git(monkeypatch, tmp_path):
    """No configuration but git's own, a fixed author, and no repository above tmp_path."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")


@pytest.fixture
def empty(tmp_path) -> Checkout:
    """A repository without a commit."""
    checkout = Checkout(tmp_path / "work")
    checkout.root.mkdir()
    checkout.git("init", "--quiet", "--initial-branch=main")
    return checkout


@pytest.fixture
def checkout(empty) -> Checkout:
    """A repository with one commit of `app.py` and `README.md`."""
    empty.write("app.py")
    empty.write("README.md", "# App\n")
    empty.commit("start", "app.py", "README.md")
    return empty
