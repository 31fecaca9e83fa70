"""TOML text -> a tree of the `[tool.malagate]` table's values with line and column.

`tomllib` reads the values and knows no positions; `toml_positions` finds those in the text.
"""

from __future__ import annotations

import re
import tomllib

from pytest_malagate.policy.problems import Findings, Key, PolicyError, Position
from pytest_malagate.policy.source import MAX_DEPTH, Entry, Foreign, Node, position_of
from pytest_malagate.policy.toml_positions import Positions, locate

TABLE = ("tool", "malagate")
# tomllib's time and memory grow with the square of a dotted key's parts. A text has room for few
# parts that are longer than what is looked at here, and the bound keeps the search itself short.
_KEY_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.){0,200}+"|'[^'\n]{0,200}+')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_KEY_PART}(?:[ \t]*+\.[ \t]*+{_KEY_PART}){{64}}")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_toml(text: str, findings: Findings) -> Node | None:
    """The `[tool.malagate]` table; None if the text has none.

    Raises PolicyError if the text is not valid TOML, with tomllib's own line and column, or if
    it would overtax tomllib.
    """
    if long_key := _LONG_KEY.search(text):
        at = position_of(text, long_key.start())
        raise findings.stop(at, "not readable: a key of more than 64 parts")
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        raise _syntax_error(error, text, findings) from error
    except RecursionError as error:
        raise findings.stop(None, "not readable: it is nested too deeply") from error
    tool = data.get(TABLE[0])
    if not isinstance(tool, dict) or TABLE[1] not in tool:
        return None
    return _Tree(locate(text), findings).node(tool[TABLE[1]], ())


class _Tree:
    def __init__(self, positions: Positions, findings: Findings) -> None:
        self._positions = positions
        self._findings = findings

    def node(self, value: object, key: Key) -> Node:
        at = self._positions.of_value((*TABLE, *key))
        if len(key) > MAX_DEPTH:
            raise self._findings.stop(at, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, dict):
            entries = {
                name: Entry(
                    self._positions.of_key((*TABLE, *key, name)), self.node(item, (*key, name))
                )
                for name, item in value.items()
            }
            return Node(entries, at)
        if isinstance(value, list):
            return Node(tuple(self.node(item, (*key, n)) for n, item in enumerate(value)), at)
        if isinstance(value, str | int | float):
            return Node(value, at)
        return Node(Foreign("a date or a time"), at)


def _syntax_error(error: ValueError, text: str, findings: Findings) -> PolicyError:
    message = str(error)
    found = _PLACE.search(message)
    if found is None:  # int() refuses a number of many thousand digits, without a place
        return findings.stop(None, f"not valid TOML: {message}")
    line, column = found.groups()
    at = Position(int(line), int(column)) if line else position_of(text, len(text))
    return findings.stop(at, f"not valid TOML: {message[: found.start()]}")
