"""Where the keys and values of a TOML text stand.

The text has been accepted by `tomllib`, so this only has to find its way: strings, arrays and
inline tables are stepped over, keys are recorded. Where it loses its way it stops, and what it
has not seen is placed at the nearest table around it.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress

from pytest_malagate.policy.problems import Key, Position

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_DEEPEST = 40


class Positions:
    """The places of keys and values by path, tables and arrays of tables included."""

    def __init__(self, text: str) -> None:
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._keys: dict[Key, int] = {}
        self._values: dict[Key, int] = {}

    def add_key(self, path: Key, index: int) -> None:
        """Records where a key is written first: `[a.b]` and `[a.c]` both name `a`."""
        self._keys.setdefault(path, index)

    def add_value(self, path: Key, index: int) -> None:
        """Records where a value begins."""
        self._values.setdefault(path, index)

    def of_key(self, path: Key) -> Position:
        """Where the key stands, or else the nearest table around it."""
        index = self._keys.get(path)
        return self.of_value(path[:-1]) if index is None else self._position(index)

    def of_value(self, path: Key) -> Position:
        """Where the value begins, or else its key, or else the nearest table around it."""
        for length in range(len(path), 0, -1):
            index = self._values.get(path[:length], self._keys.get(path[:length]))
            if index is not None:
                return self._position(index)
        return Position(1, 1)

    def _position(self, index: int) -> Position:
        line = bisect_right(self._line_starts, index)
        return Position(line, index - self._line_starts[line - 1] + 1)


def locate(text: str) -> Positions:
    """The places of all keys and values of a text that `tomllib` accepts. Never raises."""
    positions = Positions(text)
    with suppress(_Lost):  # what was found so far still helps
        _Scanner(text, positions).document()
    return positions


class _Lost(Exception):
    """The text is not laid out as the scanner expects."""


class _Scanner:
    def __init__(self, text: str, positions: Positions) -> None:
        self._text = text
        self._at = 0
        self._positions = positions
        self._lengths: dict[Key, int] = {}  # of the arrays of tables, so far

    def document(self) -> None:
        table: Key = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._assignment(table, 0)

    def _header(self) -> Key:
        start = self._at
        double = self._text.startswith("[[", start)
        self._at += 2 if double else 1
        path: Key = ()
        for name, index in self._dotted_key():
            path = (*self._last_table(path), name)
            self._positions.add_key(path, index)
        self._expect("]]" if double else "]")
        if double:
            number = self._lengths.get(path, 0)
            self._lengths[path] = number + 1
            self._positions.add_value(path, start)
            path = (*path, number)
        else:
            path = self._last_table(path)
        self._positions.add_value(path, start)
        return path

    def _last_table(self, path: Key) -> Key:
        """`[a.b]` below `[[a]]` means the latest table of that array."""
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _dotted_key(self) -> list[tuple[str, int]]:
        parts = []
        while True:
            self._skip(_SPACE)
            start = self._at
            parts.append((_unquote(self._take(_KEY_PART)), start))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _assignment(self, table: Key, depth: int) -> None:
        path = table
        for name, index in self._dotted_key():
            path = (*path, name)
            self._positions.add_key(path, index)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path, depth)

    def _value(self, path: Key, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Lost
        self._positions.add_value(path, self._at)
        match self._text[self._at : self._at + 1]:
            case "[":
                self._at += 1
                self._array(path, depth + 1)
            case "{":
                self._at += 1
                self._inline_table(path, depth + 1)
            case '"' | "'":
                self._take(_STRING)
            case _:
                self._take(_SCALAR)

    def _array(self, path: Key, depth: int) -> None:
        number = 0
        while not self._closes("]"):
            self._value((*path, number), depth)
            number += 1
            self._separator()

    def _inline_table(self, path: Key, depth: int) -> None:
        while not self._closes("}"):
            self._assignment(path, depth)
            self._separator()

    def _closes(self, bracket: str) -> bool:
        self._skip(_BLANK)
        if not self._text.startswith(bracket, self._at):
            return False
        self._at += 1
        return True

    def _separator(self) -> None:
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _Lost
        self._at = match.end()
        return match.group()

    def _expect(self, token: str) -> None:
        if not self._text.startswith(token, self._at):
            raise _Lost
        self._at += len(token)


def _unquote(part: str) -> str:
    if part.startswith("'"):
        return part[1:-1]
    if part.startswith('"'):
        try:
            text: str = tomllib.loads(f"key = {part}")["key"]
        except tomllib.TOMLDecodeError as error:
            raise _Lost from error
        return text
    return part
