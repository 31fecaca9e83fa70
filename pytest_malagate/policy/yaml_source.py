"""YAML text -> a tree of values with line and column.

PyYAML's pure Python parser is used even where libyaml is there: the two differ in what they
accept and in where they say an error is, and a policy must read the same on every machine. The
tree is built from parse events, so that depth and aliases are bounded before they cost anything.
"""

from __future__ import annotations

from typing import Any, NoReturn

import yaml

from pytest_malagate.policy.problems import Findings, Key, PolicyError, Position
from pytest_malagate.policy.source import (
    MAX_DEPTH,
    MAX_VALUES,
    Entry,
    Foreign,
    Node,
    position_of,
)

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {_TAG + "str", _TAG + "value"}  # YAML 1.1 gives a plain `=` a type of its own
_LONGEST_NUMBER = 64  # base 60 numbers take time that grows with the square of their length


def read_yaml(text: str, findings: Findings) -> Node | None:
    """The document's root; None for an empty text.

    Problems that leave the rest readable (a duplicate key, a key that is no text) are added to
    the findings. Raises PolicyError where reading cannot go on.
    """
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        raise findings.stop(
            position_of(text, error.position),
            f"not valid YAML: the character U+{ord(text[error.position]):04X} may not stand in it",
        ) from error
    try:
        return _TreeBuilder(loader, findings).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, findings) from error
    except (ValueError, OverflowError) as error:
        # PyYAML lets chr() and int() fail on an escape or a version that is out of range.
        at = Position(loader.line + 1, loader.column + 1)
        raise findings.stop(at, "not valid YAML: a number or an escape is out of range") from error
    finally:
        loader.dispose()


class _TreeBuilder:
    def __init__(self, loader: yaml.SafeLoader, findings: Findings) -> None:
        self._loader: Any = loader  # the stubs of PyYAML leave out what is called here
        self._findings = findings
        self._anchors: dict[str, tuple[Node, int]] = {}  # with how many values each holds
        self._values = 0

    def document(self) -> Node | None:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        root = self._node(self._next(), (), 0)
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._stop(after, "a second document begins here", "a policy is one document")
        empty = root.value is None and not root.raw
        return None if empty else root

    def _next(self) -> yaml.Event:
        event: yaml.Event = self._loader.get_event()
        return event

    def _node(self, event: yaml.Event, key: Key, depth: int) -> Node:
        before = self._values
        self._count(event, 1)
        if depth > MAX_DEPTH:
            self._stop(event, f"nested more than {MAX_DEPTH} levels deep")
        match event:
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.ScalarEvent():
                node = self._scalar(event, key)
            case yaml.SequenceStartEvent():
                node = Node(self._sequence(key, depth), _position(event))
            case _:
                node = Node(self._mapping(key, depth), _position(event))
        if getattr(event, "tag", None) not in (None, "!"):
            self._findings.add(node.at, key, "a policy takes no YAML tags", "leave the tag out")
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = (node, self._values - before)
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        known = self._anchors.get(event.anchor or "")
        if known is None:
            message = f"no value before this alias has the anchor &{event.anchor}"
            self._stop(event, message, "a text that begins with * needs quotes")
        node, size = known
        self._count(event, size)
        return Node(node.value, _position(event), node.raw)

    def _sequence(self, key: Key, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*key, len(items)), depth + 1))
        return tuple(items)

    def _mapping(self, key: Key, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._name(self._node(event, key, depth + 1), key)
            value = self._node(self._next(), (*key, name or ""), depth + 1)
            if name is None:
                continue
            if name in entries:
                first = entries[name].at.line
                message = f"given twice; the first is on line {first}"
                self._findings.add(_position(event), (*key, name), message)
            else:
                entries[name] = Entry(_position(event), value)
        return entries

    def _name(self, node: Node, key: Key) -> str | None:
        """A mapping key's text; None, and a finding, if it is not text."""
        hint: str | None
        if node.raw == "<<":
            message, hint = "a policy takes no merge keys (<<)", "write the keys out"
        elif isinstance(node.value, str):
            return node.value
        else:
            message = f"a key must be text, not {node.describe()}"
            hint = "put it in quotes" if node.raw else None
        self._findings.add(node.at, key, message, hint)
        return None

    def _scalar(self, event: yaml.ScalarEvent, key: Key) -> Node:
        at, text = _position(event), str(event.value)
        if not event.implicit[0]:  # quoted, a block, or tagged
            return Node(text, at)
        tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)
        if tag in _TEXT_TAGS or text == "<<":
            return Node(text, at, text)
        if tag == _TAG + "timestamp":
            return Node(Foreign("a date"), at, text)
        if len(text) > _LONGEST_NUMBER:
            return Node(Foreign("a number of too many digits"), at, text)
        try:
            return Node(self._loader.construct_object(yaml.ScalarNode(tag, text)), at, text)
        except ValueError:  # `0x_` has the shape of a number and is none
            self._findings.add(at, key, f"{text} is not a number", "put a text in quotes")
            return Node(Foreign("not a number"), at, text)

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            self._stop(event, f"holds more than {MAX_VALUES} values", "a policy is a short text")

    def _stop(self, event: yaml.Event, message: str, hint: str | None = None) -> NoReturn:
        raise self._findings.stop(_position(event), message, hint)


def _position(where: yaml.Event) -> Position:
    mark = where.start_mark
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)


def _syntax_error(error: yaml.MarkedYAMLError, findings: Findings) -> PolicyError:
    mark = error.problem_mark or error.context_mark
    at = Position(mark.line + 1, mark.column + 1) if mark else None
    message = f"not valid YAML: {error.problem or error.context}"
    began = error.context_mark
    if error.context and began and at and began.line + 1 != at.line:
        message += f", {error.context} that begins on line {began.line + 1}"
    tab = "'\\t'" in (error.problem or "")
    return findings.stop(at, message, "indent with spaces, not tabs" if tab else None)
