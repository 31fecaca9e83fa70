"""Prints the dependency group `dev` of pyproject.toml, one requirement a line."""

from __future__ import annotations

import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))
print("\n".join(project["dependency-groups"]["dev"]))
