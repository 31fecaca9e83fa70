"""git as facts: tree hashes, commits of a range, files at a revision."""

from __future__ import annotations

from pytest_malagate.repository.git import GitError
from pytest_malagate.repository.repository import Repository
from pytest_malagate.repository.tree import WorkingTree, directory_tree

__all__ = ["GitError", "Repository", "WorkingTree", "directory_tree"]
