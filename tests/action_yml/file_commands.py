"""The files by which a step speaks to the runner: GITHUB_OUTPUT, _ENV, _PATH, _STEP_SUMMARY."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

KINDS = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY", "STATE")
MAX_SUMMARY = 1024 * 1024

_LINE = re.compile(r"(.*?)(\r\n|\n|\Z)", re.DOTALL)


class FileCommandError(Exception):
    """A file the runner would not accept; it fails the step."""


@dataclass(frozen=True)
class Written:
    """What a step wrote."""

    outputs: dict[str, str]
    environment: dict[str, str]
    paths: list[str]
    summary: str


def fresh_files(directory: Path) -> dict[str, str]:
    """Empty files for a step, and the variables that name them."""
    directory.mkdir(parents=True)
    variables = {}
    for kind in KINDS:
        path = directory / kind.lower()
        path.touch()
        variables[f"GITHUB_{kind}"] = str(path)
    return variables


def read_files(directory: Path) -> Written:
    """What the step wrote to its files. Raises FileCommandError as the runner does."""

    def text(kind: str) -> str:
        return (directory / kind.lower()).read_bytes().decode("utf-8", "replace")

    environment = key_values(text("ENV"))
    if "NODE_OPTIONS" in (name.upper() for name in environment):
        raise FileCommandError("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV'")
    key_values(text("STATE"))
    summary = text("STEP_SUMMARY")
    if len(summary.encode()) > MAX_SUMMARY:
        summary = ""  # the runner drops it with an annotation, and the step goes on
    paths = [line for line in text("PATH").splitlines() if line.strip()]
    return Written(key_values(text("OUTPUT")), environment, paths, summary)


def key_values(text: str) -> dict[str, str]:
    """`name=value` lines and `name<<DELIMITER` blocks."""
    lines = [(m[1], m[2]) for m in _LINE.finditer(text) if m[0]]
    values: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at][0]
        at += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            if not name or not delimiter:
                raise FileCommandError(f"Invalid format '{line}'. Name and delimiter must be given")
            end = next((i for i in range(at, len(lines)) if lines[i][0] == delimiter), None)
            if end is None:
                raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")
            block = lines[at:end]
            value = "".join(part + newline for part, newline in block[:-1])
            value += block[-1][0] if block else ""
            at = end + 1
        else:
            raise FileCommandError(f"Invalid format '{line}'")
        if not name:
            raise FileCommandError(f"Invalid format '{line}'. Name must not be empty")
        values[name] = value
    return values
