"""Writes the published schemas anew: `python -m pytest_malagate.schemas`."""

from __future__ import annotations

from pathlib import Path

from pytest_malagate.schemas import TITLES, file_name, generated


def write_schemas(directory: Path) -> None:
    """Writes each schema into its file in `directory`."""
    for name in TITLES:
        (directory / file_name(name)).write_text(generated(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(__file__).parent)
