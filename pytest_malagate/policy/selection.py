"""The pytest options that define a suite, in the one spelling that evidence has too."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

# pytest's options that select tests by a value, in the order in which evidence lists them.
_WITH_VALUE = ("-k", "-m", "--deselect", "--ignore", "--ignore-glob")
_EXPRESSIONS = ("-k", "-m")


def selection_tokens(options: str | Iterable[str]) -> tuple[str, ...]:
    """Options as separate tokens: `-m=x`, `-mx` and `-m x` are all `("-m", "x")`.

    A text is split as a shell splits it; of a list each item is one argument. The order is the
    one that evidence has, whatever order they are written in, and blanks in an expression are
    collapsed. Raises ValueError for an unclosed quotation mark.
    """
    arguments = iter(shlex.split(options) if isinstance(options, str) else options)
    chosen: list[tuple[str, ...]] = []
    for argument in arguments:
        flag, value = _split(argument)
        if value is None and flag in _WITH_VALUE:
            value = next(arguments, None)
        if value is not None and flag in _EXPRESSIONS:
            value = " ".join(value.split())
        chosen.append((flag,) if value is None else (flag, value))
    return tuple(token for tokens in sorted(chosen, key=_rank) for token in tokens)


def why_not_split(error: ValueError) -> tuple[str, str]:
    """What is wrong with a line that shlex does not split, and what to do about it."""
    if "escaped" in str(error):  # shlex tells its two errors apart by their text alone
        return "the backslash at its end escapes nothing", "take it away, or double it"
    return "a quotation mark is not closed", "close it, or escape it with a backslash"


def _split(argument: str) -> tuple[str, str | None]:
    """An option and the value that is written to it without a blank, if any."""
    if argument.startswith("--"):
        flag, equals, value = argument.partition("=")
        return flag, value if equals else None
    if argument.startswith(_EXPRESSIONS) and len(argument) > len("-m"):
        return argument[:2], argument[2:].removeprefix("=")
    return argument, None


def _rank(tokens: tuple[str, ...]) -> int:
    """Options by name, then others, then node ids, as `SessionStarted.selection` has them."""
    if tokens[0] in _WITH_VALUE:
        return _WITH_VALUE.index(tokens[0])
    return len(_WITH_VALUE) + ("::" in tokens[0])
