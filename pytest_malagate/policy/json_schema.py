"""The JSON Schema (draft 2020-12) of `malagate.yaml`, made from the table of keys."""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_malagate.policy.model import Policy
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
from pytest_malagate.policy.table import POLICY

# What `consistency` demands of one validation, as far as a schema can say it.
_KIND_IS_TEST = {"properties": {"kind": {"const": "test"}}, "required": ["kind"]}
_OF_A_COMMAND = {"required": ["command"], "properties": {"selection": False}}


def policy_schema() -> dict[str, Any]:
    """The schema, which refuses what the loader refuses as far as JSON Schema can express it.

    It cannot express that a name in a scope is defined, and that no two validations have the
    same command.
    """
    schema = _schema(POLICY)
    validations = schema["properties"]["validations"]
    validations["additionalProperties"] |= {"if": _KIND_IS_TEST, "else": _OF_A_COMMAND}
    defaults = msgspec.to_builtins(Policy())
    for section in ("version", "scopes"):
        schema["properties"][section]["default"] = defaults[section]
    validations["default"] = {"tests": {"kind": "test"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "malagate.yaml",
        **schema,
    }


def _schema(rule: Rule) -> dict[str, Any]:
    return {"description": rule.doc, **_constraints(rule)}


def _constraints(rule: Rule) -> dict[str, Any]:
    constraints: dict[str, Any]
    match rule:
        case Flag():
            constraints = {"type": "boolean"}
        case Number():
            constraints = _number(rule)
        case Text():
            constraints = {"type": "string", "pattern": _anchored(rule)}
        case Choice():
            # An editor reads `off` as text, PyYAML as false: the schema has to take both.
            constraints = {"enum": [*rule.values, *([False] if rule.false_is else [])]}
        case ListOf():
            constraints = {"type": "array", "items": _constraints(rule.item)}
            constraints |= {"uniqueItems": True} if rule.unique else {}
        case Options():
            constraints = {"type": ["string", "array"], "items": _constraints(Text(doc=""))}
        case Table():
            constraints = _table(rule)
        case Named():
            constraints = {"type": "object", "propertyNames": {"pattern": _anchored(rule.names)}}
            constraints |= {"additionalProperties": _schema(rule.item)}
        case _:
            raise TypeError(f"no schema for {type(rule).__name__}")
    return constraints


def _anchored(rule: Text) -> str:
    """The pattern, which JSON Schema would else look for anywhere in the text."""
    return f"^(?:{rule.pattern})$"


def _number(rule: Number) -> dict[str, Any]:
    if rule.minimum == rule.maximum:
        return {"const": rule.minimum}
    kind = "integer" if rule.whole else "number"
    types = [kind, "null"] if rule.nullable else kind
    return {"type": types, "minimum": rule.minimum, "maximum": rule.maximum}


def _table(rule: Table) -> dict[str, Any]:
    defaults = msgspec.to_builtins(rule.defaults) if rule.defaults else {}
    properties = {}
    for key, item in rule.keys.items():
        schema = _schema(item)
        # None stands for "no such bound" in the structs; only a nullable key may say so.
        if key in defaults and (defaults[key] is not None or getattr(item, "nullable", False)):
            schema["default"] = defaults[key]
        properties[key] = schema
    return {"type": "object", "additionalProperties": False, "properties": properties}
