"""What a workflow's file says of a run that is dispatched: its inputs and its title."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PLACE = re.compile(r"\$\{\{\s*(?:github\.event\.)?inputs\.([\w-]+)\s*\}\}")


def read(data: bytes) -> dict[str, Any]:
    """The file's mapping; of a file that is none, nothing is known."""
    try:
        found = YAML(typ="safe", pure=True).load(data.decode())
    except (YAMLError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def declared(workflow: dict[str, Any]) -> dict[str, Any] | None:
    """The inputs that the file declares; None: it says nothing of them, and all are taken (where
    GitHub takes none)."""
    triggers = workflow.get("on")
    trigger = triggers.get("workflow_dispatch") if isinstance(triggers, dict) else None
    inputs = trigger.get("inputs") if isinstance(trigger, dict) else None
    return inputs if isinstance(inputs, dict) else None


def complete(workflow: dict[str, Any], given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The inputs with their defaults, and what GitHub says against them."""
    known = declared(workflow)
    if known is None:
        return dict(given), ""
    strange = [name for name in given if name not in known]
    if strange:
        return {}, f"Unexpected inputs provided: {strange}"
    result = dict(given)
    for name, value in known.items():
        said = value if isinstance(value, dict) else {}
        if name not in given and said.get("required") and "default" not in said:
            return {}, f"Required input '{name}' not provided"
        result.setdefault(name, said.get("default", ""))
    return result, ""


def title(workflow: dict[str, Any], inputs: dict[str, Any]) -> str | None:
    """`run-name` with its inputs put in. Other expressions stay as they stand there."""
    name = workflow.get("run-name")
    if not isinstance(name, str):
        return None
    return PLACE.sub(lambda found: spelled(inputs.get(found[1], "")), name).strip() or None


def spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
