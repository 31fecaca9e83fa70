"""Ways to ask for what is under test."""

from __future__ import annotations

from pathlib import Path

from pytest_malagate.repository import Repository, WorkingTree


def opened(path: Path) -> Repository:
    repository = Repository.discover(path)
    assert repository is not None
    return repository


def working(path: Path) -> WorkingTree:
    return opened(path).working_tree()


def tree(path: Path) -> str:
    return working(path).tree
