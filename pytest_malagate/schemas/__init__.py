"""The published JSON Schemas (draft 2020-12).

The files beside this module are what is published, so that a change of a type shows as a change
of its schema. `python -m pytest_malagate.schemas` writes them anew; a test keeps the two equal.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import msgspec

TITLES = {
    "policy": "the policy, malagate.yaml",
    "evidence": "one record, a line of the evidence log",
    "gate-result": "the GateResult, gate-result.json",
}
"""The schemas by name, and what each describes."""

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def file_name(name: str) -> str:
    """The file of a schema, beside this module."""
    return f"{name}.schema.json"


def published(name: str) -> str:
    """The text of a published schema. `name` is a key of TITLES."""
    return files(__name__).joinpath(file_name(name)).read_text(encoding="utf-8")


def generated(name: str) -> str:
    """The text that the schema should have, made from the types. `name` is a key of TITLES."""
    make = {"policy": _policy, "evidence": _evidence, "gate-result": _gate_result}[name]
    return json.dumps(make(), indent=2) + "\n"


def _policy() -> dict[str, Any]:
    from pytest_malagate.policy import policy_schema

    return policy_schema()


def _evidence() -> dict[str, Any]:
    from pytest_malagate.gate import evidence

    schema = msgspec.json.schema(evidence.AnyRecord)
    schema["$defs"]["LogHeader"]["properties"]["schema"] = {"const": evidence.SCHEMA}
    return _with_head(evidence.SCHEMA, TITLES["evidence"], schema)


def _gate_result() -> dict[str, Any]:
    from pytest_malagate.gate import result

    schema = msgspec.json.schema(result.GateResult)
    schema["$defs"]["GateResult"]["properties"]["schema"] = {"const": result.SCHEMA}
    for definition in schema["$defs"].values():  # each field is always there (see `Value`)
        definition["required"] = list(definition["properties"])
    return _with_head(result.SCHEMA, TITLES["gate-result"], schema)


def _with_head(identity: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    """`$id` is a name and no address: nothing is fetched to validate a file."""
    urn = f"urn:{identity.replace('/', ':').replace('@', ':')}"
    return {"$schema": DRAFT, "$id": urn, "title": title, **schema}
