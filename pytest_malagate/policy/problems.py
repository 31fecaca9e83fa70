"""What is wrong with a policy: each problem with its place, its key and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec

from pytest_malagate.errors import UsageError

MAX_SHOWN = 50
"""How many problems the text of a `PolicyError` lists; the rest are counted."""

Key = tuple[str | int, ...]
"""A key's path from the policy's root: names, and positions in lists (from 0)."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_NAME = 64
_LONGEST_MESSAGE = 300


class Position(msgspec.Struct, frozen=True):
    """A place in a text; line and column count characters from 1."""

    line: int
    column: int


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `line` and `column` are None if the whole file is meant.

    `key` is the dotted path (`coverage.min_percent`, `scopes.task[1]`), empty for the root.
    `str()` holds no control characters, whatever the file holds.
    """

    file: str
    message: str
    line: int | None = None
    column: int | None = None
    key: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        parts = [place, self.key, self.message] if self.key else [place, self.message]
        text = ": ".join(parts)
        return printable(f"{text}; {self.hint}" if self.hint else text)


class PolicyError(UsageError):
    """The policy is wrong, or cannot be read. `str()` is one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"and {len(self.problems) - MAX_SHOWN} more problems")
        super().__init__("\n".join(lines))


class Findings:
    """The problems of one file, collected so that they can be reported together."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._problems: list[Problem] = []

    def add(self, at: Position | None, key: Key, message: str, hint: str | None = None) -> None:
        """Records a problem; reading goes on."""
        self._problems.append(self._problem(at, key, message, hint))

    def stop(
        self, at: Position | None, message: str, hint: str | None = None, *, key: Key = ()
    ) -> PolicyError:
        """The error of a text that cannot be read any further, with this problem alone."""
        return PolicyError([self._problem(at, key, message, hint)])

    def raise_if_any(self) -> None:
        """Raises PolicyError with all problems, in the order of the text."""
        if self._problems:
            raise PolicyError(sorted(self._problems, key=lambda p: (p.line or 0, p.column or 0)))

    def _problem(self, at: Position | None, key: Key, message: str, hint: str | None) -> Problem:
        return Problem(
            file=self.file,
            line=at.line if at else None,
            column=at.column if at else None,
            key=dotted(key),
            message=_cut(message, _LONGEST_MESSAGE),
            hint=hint and _cut(hint, _LONGEST_MESSAGE),
        )


def dotted(key: Key) -> str:
    """`("scopes", "task", 1)` as `scopes.task[1]`; an unusual name stands in quotes."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = (
                part if _PLAIN_NAME.fullmatch(part) and len(part) <= _LONGEST_NAME else quoted(part)
            )
            text += f".{name}" if text else name
    return text


def quoted(text: str) -> str:
    """The text in double quotes, cut to a length that fits into a message."""
    return json.dumps(_cut(text, _LONGEST_NAME), ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def printable(text: str) -> str:
    """The text with each character that a terminal could act on written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
