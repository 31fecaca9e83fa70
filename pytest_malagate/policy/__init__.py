"""`malagate.yaml` (or `[tool.malagate]` in `pyproject.toml`) -> Policy, or PolicyError.

YAML and TOML are parsed by modules that are imported when such a text is read: YAML's parser
costs more than the rest of malagate.
"""

from __future__ import annotations

from pytest_malagate.policy.json_schema import policy_schema
from pytest_malagate.policy.loading import find_policy_file, load_policy, parse_policy
from pytest_malagate.policy.model import (
    CoordinatePolicy,
    CoveragePolicy,
    FreezePolicy,
    Policy,
    ReconcilePolicy,
    SerialPolicy,
)
from pytest_malagate.policy.problems import PolicyError, Problem
from pytest_malagate.policy.selection import selection_tokens

__all__ = [
    "CoordinatePolicy",
    "CoveragePolicy",
    "FreezePolicy",
    "Policy",
    "PolicyError",
    "Problem",
    "ReconcilePolicy",
    "SerialPolicy",
    "find_policy_file",
    "load_policy",
    "parse_policy",
    "policy_schema",
    "selection_tokens",
]
