"""Running git: bounded, and clear when it fails."""

from __future__ import annotations

import pytest

from pytest_malagate.repository import GitError
from pytest_malagate.repository import git as module
from pytest_malagate.repository.git import decode, encode, git, git_environment, printable, readable


def test_git_learns_where_its_configuration_is_and_not_where_a_repository_is():
    kept = {"GIT_CONFIG_GLOBAL": "x", "GIT_SSH_COMMAND": "x", "GIT_CONFIG_KEY_0": "x", "HOME": "x"}
    dropped = {"GIT_DIR": "x", "GIT_INDEX_FILE": "x", "GIT_PAGER": "x", "GIT_TRACE": "x"}
    environment = git_environment(kept | dropped)
    assert kept.items() <= environment.items()
    assert dropped.keys().isdisjoint(environment)
    assert environment["GIT_TERMINAL_PROMPT"] == "0"


def test_a_failure_names_the_command_and_the_first_line_of_the_complaint(tmp_path):
    with pytest.raises(GitError, match=r"^git cat-file failed \(exit code 128\): fatal: [^\n]*$"):
        git(tmp_path, "cat-file", "-p", "HEAD")


def test_more_output_than_allowed_is_an_error(committed):
    with pytest.raises(GitError, match="git log printed more than 10 bytes"):
        git(committed.path, "log", limit=10)


def test_a_command_that_takes_too_long_is_ended(committed, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    committed.git("config", "alias.sleep", "!sleep 60")
    with pytest.raises(GitError, match="git sleep took longer than"):
        git(committed.path, "sleep")


def test_a_command_that_lives_on_after_its_output_is_ended(committed, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    committed.git("config", "alias.sleep", "!exec sleep 60 >&-")
    with pytest.raises(GitError, match="git sleep took longer than"):
        git(committed.path, "sleep")


def test_a_path_survives_decoding_and_is_readable_without_its_unsafe_characters():
    name = b"\xffschoen\n\x1b[31m"
    assert encode(decode(name)) == name
    assert readable(decode(name)) == "\\xffschoen\\x0a\\x1b[31m"
    assert printable("a\tb", 10) == "a\N{REPLACEMENT CHARACTER}b"
