"""What the workflow asks for: the inputs of action.yml, handed over in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar, get_args

import msgspec

from pytest_malagate.errors import UsageError
from pytest_malagate.policy.suggest import nearest_word
from pytest_malagate.serial_gate import OnGitHub, on_github

Mode = Literal[
    "auto",
    "gate",
    "admit",
    "freeze",
    "unfreeze",
    "post-deploy",
    "reconcile",
    "coordinate",
    "collect",
]
EvidenceRun = Literal["triggering", "this"]

T = TypeVar("T")

MODES: tuple[Mode, ...] = get_args(Mode)
EVIDENCE_RUNS: tuple[EvidenceRun, ...] = get_args(EvidenceRun)

EVIDENCE = "malagate-evidence"
CHECK_SECONDS = 600.0
"""What the check after a deployment may take, unless the workflow says it."""
_PREFIX = "MALAGATE_INPUT_"
_NAME_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs, checked. Empty texts mean "not given"."""

    mode: Mode = "auto"
    token: str = ""
    policy: str = ""
    pull_request: int | None = None
    evidence: str = f"{EVIDENCE}*"
    evidence_run: EvidenceRun = "triggering"
    reason: str = ""
    command: str = ""
    timeout: float = CHECK_SECONDS
    store: OnGitHub | None = None
    gate_workflow: str = ""
    epic: str = ""
    ask: str = ""
    assign: str = ""
    dry_run: bool = False
    job: str = ""
    shard: str = ""


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """The inputs as action.yml hands them over. Raises UsageError naming the input."""

    def given(name: str) -> str:
        return environ.get(_PREFIX + name.upper().replace("-", "_"), "").strip()

    return Inputs(
        mode=_choice("mode", given("mode") or "auto", MODES),
        token=given("token"),
        policy=_path("policy", given("policy")),
        pull_request=_number("pull-request", given("pull-request")),
        evidence=given("evidence") or f"{EVIDENCE}*",
        evidence_run=_choice("evidence-run", given("evidence-run") or "triggering", EVIDENCE_RUNS),
        reason=given("reason"),
        command=given("command"),
        timeout=_seconds("timeout", given("timeout")),
        store=_store(given("store")),
        gate_workflow=given("gate-workflow"),
        epic=given("epic"),
        ask=given("ask"),
        assign=given("assign"),
        dry_run=_flag("dry-run", given("dry-run")),
        job=_NAME_UNSAFE.sub("-", environ.get("MALAGATE_JOB", "")),
        shard=_shard(environ),
    )


def _choice(name: str, value: str, values: Sequence[T]) -> T:
    found = next((choice for choice in values if choice == value), None)
    if found is None:
        near = nearest_word(value, [str(choice) for choice in values])
        hint = f"; {near}" if near else ""
        raise UsageError(
            f"input {name}: {value[:40]!r} is none of {', '.join(map(str, values))}{hint}"
        )
    return found


def _number(name: str, value: str) -> int | None:
    if not value:
        return None
    if not value.isdecimal() or len(value) > 12 or int(value) == 0:
        raise UsageError(f"input {name}: {value[:40]!r} is no number of a pull request")
    return int(value)


def _seconds(name: str, value: str) -> float:
    if not value:
        return CHECK_SECONDS
    if not value.isdecimal() or len(value) > 6 or int(value) == 0:
        raise UsageError(f"input {name}: {value[:40]!r} is no number of seconds, such as 600")
    return float(value)


def _store(value: str) -> OnGitHub | None:
    """None: this repository's own. A file would be lost with the job."""
    found = on_github(value, by="input store:")
    if value and found is None:
        raise UsageError(
            f"input store: {value[:80]!r} is no github:OWNER/REPO; a file ends with the job"
        )
    return found


def _flag(name: str, value: str) -> bool:
    if value not in ("", "true", "false"):
        raise UsageError(f"input {name}: must be true or false, not {value[:40]!r}")
    return value == "true"


def _path(name: str, value: str) -> str:
    if value.startswith("/") or ".." in value.split("/") or "\\" in value:
        raise UsageError(f"input {name}: {value!r} must be a path within the repository")
    return value


def _shard(environ: Mapping[str, str]) -> str:
    """The job's place in its matrix; empty outside one."""
    index, total = environ.get("MALAGATE_SHARD", ""), environ.get("MALAGATE_SHARDS", "")
    return index if index.isdecimal() and total.isdecimal() and int(total) > 1 else ""
