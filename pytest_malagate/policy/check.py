"""Holds a tree of values against the table of keys, and collects what is wrong."""

from __future__ import annotations

import re
from typing import Any, Final

from pytest_malagate.policy.problems import Findings, Key, quoted
from pytest_malagate.policy.rules import (
    Choice,
    Flag,
    ListOf,
    Named,
    Number,
    Options,
    Rule,
    Table,
    Text,
)
from pytest_malagate.policy.selection import selection_tokens, why_not_split
from pytest_malagate.policy.source import Foreign, Node
from pytest_malagate.policy.suggest import nearest_key, nearest_word

INVALID: Final = object()
"""Stands for a value that was refused; never part of a checked mapping."""


def check(rule: Rule, node: Node, key: Key, findings: Findings) -> Any:
    """The value as plain data, or INVALID. Refused parts of a mapping are left out of it.

    Every refusal adds one problem to the findings, at the value or, for an unknown key, the key.
    """
    match rule:
        case Table():
            return _table(rule, node, key, findings)
        case Named():
            return _named(rule, node, key, findings)
        case ListOf():
            return _list(rule, node, key, findings)
        case Options():
            return _options(rule, node, key, findings)
        case Number():
            value = _number(rule, node.value)
        case Choice():
            value = _choice(rule, node.value)
        case Flag():
            value = node.value if isinstance(node.value, bool) else INVALID
        case Text():
            value = _text(rule, node.value)
        case _:
            raise TypeError(f"no check for {type(rule).__name__}")
    if value is INVALID:
        _refuse(rule, node, key, findings)
    return value


def _table(rule: Table, node: Node, key: Key, findings: Findings) -> Any:
    if not isinstance(node.value, dict):
        return _refuse(rule, node, key, findings)
    values: dict[str, Any] = {}
    for name, entry in node.value.items():
        known = rule.keys.get(name)
        if known is None:
            hint = nearest_key(name, rule, at_root=not key)
            findings.add(entry.at, (*key, name), "unknown key", hint)
            continue
        _keep(values, name, check(known, entry.node, (*key, name), findings))
    return values


def _named(rule: Named, node: Node, key: Key, findings: Findings) -> Any:
    if not isinstance(node.value, dict):
        return _refuse(rule, node, key, findings)
    values: dict[str, Any] = {}
    for name, entry in node.value.items():
        if not re.fullmatch(rule.names.pattern, name):
            findings.add(entry.at, (*key, name), f"must be {rule.names.wanted}")
            continue
        _keep(values, name, check(rule.item, entry.node, (*key, name), findings))
    return values


def _list(rule: ListOf, node: Node, key: Key, findings: Findings) -> Any:
    if not isinstance(node.value, tuple):
        return _refuse(rule, node, key, findings)
    seen: dict[str, None] = {}
    for number, item in enumerate(node.value):
        text = check(rule.item, item, (*key, number), findings)
        if rule.unique and text in seen:
            findings.add(item.at, (*key, number), f"{text} stands in this list twice")
        elif text is not INVALID:
            seen[text] = None
    return list(seen)


def _options(rule: Options, node: Node, key: Key, findings: Findings) -> Any:
    match node.value:
        case str() as line if "\0" not in line and _encodable(line):
            written: str | list[str] = line
        case tuple() as items:
            texts = [check(_OPTION, item, (*key, n), findings) for n, item in enumerate(items)]
            written = [text for text in texts if text is not INVALID]
        case _:
            return _refuse(rule, node, key, findings)
    try:
        return list(selection_tokens(written))
    except ValueError as error:
        findings.add(node.at, key, *why_not_split(error))
        return INVALID


_OPTION = Text(doc="One option or its value.")


def _number(rule: Number, value: object) -> object:
    if value is None and rule.nullable:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return INVALID
    # nan is within no bounds, and inf within none of a rule's.
    if not rule.minimum <= value <= rule.maximum or (rule.whole and value != int(value)):
        return INVALID
    return int(value) if rule.whole else float(value)


def _choice(rule: Choice, value: object) -> object:
    if value is False and rule.false_is:
        return rule.false_is
    return str(value) if isinstance(value, str) and value in rule.values else INVALID


def _text(rule: Text, value: object) -> object:
    if isinstance(value, str) and re.fullmatch(rule.pattern, value) and _encodable(value):
        return value
    return INVALID


def _encodable(text: str) -> bool:
    """False for half of a surrogate pair, which an escape in YAML can write."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _keep(values: dict[str, Any], name: str, value: Any) -> None:
    if value is not INVALID:
        values[name] = value


def _refuse(rule: Rule, node: Node, key: Key, findings: Findings) -> object:
    findings.add(node.at, key, f"must be {rule.wanted}, not {node.describe()}", _advice(rule, node))
    return INVALID


def _advice(rule: Rule, node: Node) -> str | None:
    """What to write instead, where the value shows what was meant."""
    advice = rule.hint
    match rule, node.value:
        case Choice(), str() as word:
            advice = nearest_word(word, rule.values)
        case Text(), bool() | int() | float() | Foreign() if node.raw:
            advice = f"put it in quotes: {quoted(node.raw)}"
        case Number(), int() | float() as number if not isinstance(number, bool):
            advice = None
        case ListOf(), str() as text:
            advice = f"write a list: [{quoted(text)}]"
        case Table(keys={"command": _}), str() as text:
            advice = f"write a mapping: {{command: {quoted(text)}}}"
        case ((Number() | Flag()), str() as text) if _reads_as(rule, text):
            advice = "take the quotes away"
        case _, None:
            advice = rule.hint or "write a value, or leave the key out"
    return advice


def _reads_as(rule: Rule, text: str) -> bool:
    if isinstance(rule, Flag):
        return text in {"true", "false"}
    try:
        return isinstance(rule, Number) and _number(rule, float(text)) is not INVALID
    except ValueError:
        return False
