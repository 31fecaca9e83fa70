"""A policy's text as values that know their line and column.

Both formats are read into the same tree, so that nothing after this knows YAML from TOML. The
text may come from a change and is hostile: its size, depth and number of values are bounded.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.policy.problems import Findings, Position, quoted

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16
MAX_VALUES = 20_000
"""How many values a policy may hold, counted with every alias written out."""


class Foreign(msgspec.Struct, frozen=True):
    """A value of a type that no key of a policy takes, such as a date."""

    description: str


class Node(msgspec.Struct, frozen=True):
    """A value and where it begins. `raw` is the text that YAML read a plain scalar from."""

    value: str | int | float | bool | Foreign | tuple[Node, ...] | dict[str, Entry] | None
    at: Position
    raw: str | None = None

    @property
    def entries(self) -> dict[str, Entry]:
        """The entries of a mapping; none for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    def describe(self) -> str:
        """The value as an error message names it."""
        match self.value:
            case dict():
                text = "a mapping"
            case tuple():
                text = "a list"
            case str() as written:
                text = f"the text {quoted(written)}"
            case Foreign(description=description):
                text = description
            case None:
                text = "null"
            case bool() as flag:
                text = self._describe_flag("true" if flag else "false")
            case number:
                text = _describe_number(number)
        return text

    def _describe_flag(self, word: str) -> str:
        if self.raw is None or self.raw.lower() == word:
            return word
        return f"{self.raw} (which YAML reads as {word})"


class Entry(msgspec.Struct, frozen=True):
    """A mapping's key, where it begins, and its value."""

    at: Position
    node: Node


def decode(data: str | bytes, findings: Findings) -> str:
    """The text of a policy, without a byte order mark. Raises PolicyError if it is no text."""
    if len(data) > MAX_BYTES:
        raise findings.stop(
            None, f"is larger than {MAX_BYTES // 1024} KiB", "a policy is a short text"
        )
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The error counts from behind a byte order mark, in the bytes that it carries itself.
        valid = error.object[: error.start].decode()
        raise findings.stop(
            position_of(valid, len(valid)),
            f"the byte 0x{error.object[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        ) from error


def position_of(text: str, index: int) -> Position:
    """The line and column of a character of the text."""
    before = text[:index]
    return Position(before.count("\n") + 1, index - before.rfind("\n"))


def _describe_number(number: float) -> str:
    # Python refuses to print an integer of many thousand digits, which TOML can write in hex.
    if isinstance(number, int) and number.bit_length() > 64:
        return "a number of more than 64 bits"
    return str(number)
