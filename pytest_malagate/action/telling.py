"""What the job itself says: outputs, annotations and the step summary.

A runner reads commands in what is printed and in the files it names. Everything that comes from a
change is made plain first, so that no line of it is one; the outputs' delimiter cannot be guessed.

Source: GitHub's "Workflow commands", and the runner's limits (10 errors and 10 warnings a step,
4,096 characters a message, 1 MiB a summary).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.reasons import phase
from pytest_malagate.gate.result import GateResult, Reason
from pytest_malagate.report.text import plain

MAX_ERRORS = 10
MAX_WARNINGS = 10
MAX_SUMMARY = 1_000_000  # bytes
_MESSAGE = 1000

Level = Literal["error", "warning", "notice"]


def annotation_lines(result: GateResult) -> Iterator[str]:
    """The lines that make the runner show the reasons, the most important first."""
    ranked = sorted(result.reasons, key=lambda reason: phase(reason.code))
    for reason in ranked[:MAX_ERRORS]:
        yield _annotation("error", reason)
    for warning in result.warnings[:MAX_WARNINGS]:
        yield _annotation("warning", warning)


def _annotation(level: Level, reason: Reason) -> str:
    place = []
    if reason.file:
        place.append(f"file={_property(reason.file)}")
        if reason.line:
            place.append(f"line={reason.line}")
    place.append(f"title={_property(reason.code)}")
    return f"::{level} {','.join(place)}::{_data(plain(reason.message, _MESSAGE))}"


def command(level: Level, message: str) -> str:
    """One annotation of malagate's own."""
    return f"::{level} title=malagate::{_data(plain(message, _MESSAGE))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(plain(text, 200)).replace(":", "%3A").replace(",", "%2C")


def write_outputs(path: Path | None, values: Mapping[str, str]) -> None:
    """Appends outputs to the runner's file. Raises MachineryError."""
    if path is None:
        return
    delimiter = f"malagate-{secrets.token_hex(16)}"
    text = "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())
    _append(path, text.encode("utf-8", "replace"))


def write_summary(path: Path | None, parts: Sequence[str]) -> None:
    """Appends parts to the step summary, as many as there is room for. Raises MachineryError."""
    if path is None:
        return
    room, kept = MAX_SUMMARY, []
    for part in parts:
        data = part.encode("utf-8", "replace") + b"\n"
        if len(data) > room:
            break
        room -= len(data)
        kept.append(data)
    _append(path, b"".join(kept))


def _append(path: Path, data: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise MachineryError(f"cannot write {path}: {error.strerror or error}") from error
