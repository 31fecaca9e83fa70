"""Glob patterns of paths, with the meaning that they have in a `.gitignore`.

* A pattern without a slash matches a name at any depth: `conftest.py` is every `conftest.py`.
* A pattern with a slash, at its beginning or within, is anchored at the root: `docs/conf.py`.
* A slash at the end asks for a directory.
* A pattern that matches a directory matches all that is below it.
* `*` and `?` stay within one name, `[a-z]` and `[!a-z]` are one character; `**` as a whole name
  stands for any number of directories, at the end for everything below.

Names are told apart by case. There is no negation, and no comment: `!` and `#` are themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache


def protected(paths: Iterable[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The paths, relative to the root and with `/`, that one of the patterns matches, sorted."""
    compiled = [_compiled(pattern) for pattern in patterns if pattern.strip("/")]
    return tuple(sorted({path for path in paths if any(rule.match(path) for rule in compiled)}))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    body = pattern.strip("/")
    names = body.split("/")
    anchored = pattern.startswith("/") or len(names) > 1
    start = "" if anchored else "(?:.*/)?"
    # As a directory the pattern needs something below it, else it may be the path itself.
    end = "/." if pattern.endswith("/") else "(?:/|$)"
    if names[-1] == "**" and len(names) > 1:
        names, end = names[:-1], "/."
    return re.compile(start + _joined(names) + end, re.DOTALL)


def _joined(names: Sequence[str]) -> str:
    """Names with slashes between them; `**` brings along the one behind it."""
    pieces = []
    for number, name in enumerate(names):
        last = number == len(names) - 1
        if name == "**":
            pieces.append(".*" if last else "(?:.*/)?")
        else:
            pieces.append(_name(name) + ("" if last else "/"))
    return "".join(pieces)


_PART = re.compile(r"\*+|\?|\[[!^]?\]?[^\]]*\]|\\?.", re.DOTALL)


def _name(text: str) -> str:
    return "".join(map(_part, _PART.findall(text)))


def _part(part: str) -> str:
    if part.startswith("*"):
        return "[^/]*"
    if part == "?":
        return "[^/]"
    if part.startswith("[") and len(part) > 2:
        return _characters(part[1:-1])
    return re.escape(part[1:] if part.startswith("\\") and len(part) > 1 else part)


def _characters(inside: str) -> str:
    negated = inside[0] in "!^"
    members = (inside[1:] if negated else inside).replace("\\", "\\\\")
    for special in "[]&~|^":
        members = members.replace(special, f"\\{special}")
    expression = f"[^/{members}]" if negated else f"(?!/)[{members}]"
    try:
        re.compile(expression)
    except re.error:  # a range that runs backwards holds nothing, and so matches nothing
        return "(?!)"
    return expression
