"""What no key can say alone: rules between the keys of a policy.

Values that `check` has refused are missing here and are not reported a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_malagate.gate.spec import ValidationKind, command_argv
from pytest_malagate.policy.model import TESTS
from pytest_malagate.policy.problems import Findings, Position
from pytest_malagate.policy.selection import why_not_split
from pytest_malagate.policy.source import Node
from pytest_malagate.policy.suggest import nearest_word

_Validation = tuple[str, Node, dict[str, Any]]  # its name, its mapping, and what of it is valid


def check_consistency(root: Node, values: dict[str, Any], findings: Findings) -> None:
    """Adds a problem for each validation and each name in a scope that cannot hold as written."""
    checked: list[_Validation] = list(_validations(root, values))
    for validation in checked:
        _check_kind(validation, findings)
        _check_command(validation, findings)
    _check_distinct_commands(checked, findings)
    _check_distinct_test_runs(checked, findings)
    _check_scopes(root, values, findings)


def _validations(root: Node, values: dict[str, Any]) -> Iterator[_Validation]:
    if entry := root.entries.get("validations"):
        defined = entry.node.entries
        for name, fields in values.get("validations", {}).items():
            yield name, defined[name].node, fields


def _is_test(fields: dict[str, Any]) -> bool:
    return bool(fields.get("kind") == ValidationKind.TEST)


def _place(node: Node, key: str) -> Position:
    entry = node.entries.get(key)
    return entry.node.at if entry else node.at


def _check_kind(validation: _Validation, findings: Findings) -> None:
    name, node, fields = validation
    key = ("validations", name)
    kind_refused = "kind" in node.entries and "kind" not in fields
    if _is_test(fields) or kind_refused:
        return
    if "command" not in node.entries:
        findings.add(
            node.at, key, "has no command", "give it a command, or say `kind: test` for pytest"
        )
    if "selection" in node.entries:
        place = node.entries["selection"].at
        hint = "put the options into the command, or say `kind: test`"
        findings.add(place, (*key, "selection"), "is only for `kind: test`", hint)


def _check_command(validation: _Validation, findings: Findings) -> None:
    name, node, fields = validation
    if "command" not in fields:
        return
    key, hint = ("validations", name, "command"), None
    try:
        if command_argv(fields["command"])[0]:
            return
        message = "names no program"
    except ValueError as error:
        message, hint = why_not_split(error)
    findings.add(_place(node, "command"), key, message, hint)


def _argv(fields: dict[str, Any]) -> tuple[str, ...] | None:
    """What a receipt has to hold to count for the command; None if no receipt could."""
    try:
        return command_argv(fields["command"]) if "command" in fields else None
    except ValueError:
        return None


def _check_distinct_commands(validations: list[_Validation], findings: Findings) -> None:
    first: dict[tuple[str, ...], tuple[str, int]] = {}
    for name, node, fields in validations:
        argv = _argv(fields)
        if argv is None:
            continue
        at = _place(node, "command")
        if argv in first:
            other, line = first[argv]
            message = f"the same command as {other} (line {line})"
            hint = "one run would count for both: keep one of them"
            findings.add(at, ("validations", name, "command"), message, hint)
        else:
            first[argv] = (name, at.line)


def _check_distinct_test_runs(validations: list[_Validation], findings: Findings) -> None:
    first: tuple[str, int] | None = None
    for name, node, fields in validations:
        if not _is_test(fields) or "command" in node.entries:
            continue
        if first:
            message = f"nothing tells its test runs from those of {first[0]} (line {first[1]})"
            hint = "give each a command of its own"
            findings.add(node.at, ("validations", name), message, hint)
        else:
            first = (name, node.at.line)


def _check_scopes(root: Node, values: dict[str, Any], findings: Findings) -> None:
    validations = root.entries.get("validations")
    if validations and not isinstance(validations.node.value, dict):
        return  # what they were to define cannot be told
    defined = list(validations.node.entries) if validations else [TESTS.name]
    known = f"defined: {', '.join(defined)}" if defined else "none is defined"
    scopes = root.entries.get("scopes")
    for scope, required in values.get("scopes", {}).items():
        listed = scopes.node.entries[scope].node.value if scopes else ()
        for number, item in enumerate(listed if isinstance(listed, tuple) else ()):
            if item.value in required and item.value not in defined:
                findings.add(
                    item.at,
                    ("scopes", scope, number),
                    f"no validation is called {item.value}",
                    nearest_word(str(item.value), defined) or known,
                )
