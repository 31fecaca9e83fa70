"""Checked values -> a Policy."""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_malagate.gate.spec import Severity, Validation, ValidationScope
from pytest_malagate.policy.check import INVALID, check
from pytest_malagate.policy.consistency import check_consistency
from pytest_malagate.policy.model import VERSION, Policy
from pytest_malagate.policy.problems import Findings
from pytest_malagate.policy.source import Node
from pytest_malagate.policy.table import POLICY

# Keys that are understood and kept, but that this version holds no change against.
_UNJUDGED = {
    "coverage": ("min_changed_percent",),
    "integrity": ("checks_weakened", "pragmas_added"),
}

# Keys that can be judged only where the change's base, or all that it touches, is known.
_NEEDS_THE_BASE = {
    "coverage": ("no_decrease",),
    "integrity": ("tests_removed", "skips_added", "protected_paths"),
}


def build_policy(root: Node | None, file: str, findings: Findings) -> Policy:
    """The policy that a file's values mean. Raises PolicyError with all that is wrong in it."""
    if root is None:
        findings.raise_if_any()
        return Policy(file=file)
    _check_version(root, findings)
    values = check(POLICY, root, (), findings)
    if values is not INVALID:
        check_consistency(root, values, findings)
    findings.raise_if_any()
    return _policy(values, file)


def _check_version(root: Node, findings: Findings) -> None:
    """Another version's keys are not judged by this one's: its problem is reported alone."""
    entry = root.entries.get("version")
    if entry is None or isinstance(entry.node.value, bool):
        return
    if isinstance(entry.node.value, int) and entry.node.value != VERSION:
        message = f"must be {VERSION}, not {entry.node.describe()}"
        hint = f"this malagate reads version {VERSION} of the policy's language"
        raise findings.stop(entry.node.at, message, hint, key=("version",))


def _policy(values: dict[str, Any], file: str) -> Policy:
    given = dict(values)
    if "validations" in given:
        given["validations"] = [{"name": n, **v} for n, v in given["validations"].items()]
        given["scopes"] = _scopes(given)
    elif "scopes" in given:
        given["scopes"] = {**Policy().scopes, **given["scopes"]}
    given["unjudged"] = _set_keys(values, _UNJUDGED)
    given["explicit"] = _set_keys(values, _NEEDS_THE_BASE)
    return msgspec.convert({**given, "file": file}, Policy)


def _scopes(given: dict[str, Any]) -> dict[str, list[str]]:
    """The scopes, with every required validation in those that the file leaves out."""
    defined = msgspec.convert(given["validations"], tuple[Validation, ...])
    required = [validation.name for validation in defined if validation.required]
    scopes: dict[str, list[str]] = {scope.value: required for scope in ValidationScope}
    scopes.update(given.get("scopes", {}))
    return scopes


def _set_keys(values: dict[str, Any], sections: dict[str, tuple[str, ...]]) -> list[str]:
    """Those of the keys that the file sets to something."""
    return [
        f"{section}.{key}"
        for section, keys in sections.items()
        for key in keys
        if _asks_for_something(values.get(section, {}).get(key))
    ]


def _asks_for_something(value: object) -> bool:
    """False for a key that is absent or switched off. A bound of 0 is a bound: it was set."""
    return value is not None and value is not False and value not in (Severity.OFF, [])
