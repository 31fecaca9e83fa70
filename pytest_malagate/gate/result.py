"""The GateResult: one verdict, why, and what to do next (schema `malagate/gate-result@1`).

Nothing in it depends on the clock or on the machine, so identical input gives identical bytes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from pytest_malagate.gate.encoding import encode_json

SCHEMA = "malagate/gate-result@1"

Verdict = Literal["pass", "fail", "inconclusive", "error"]
ProgressState = Literal[
    "first", "progress", "changed", "no_progress", "oscillating", "flaky", "infra"
]
NextKind = Literal["none", "fix", "rerun", "rebase", "wait", "ask_human"]

Trust = Literal["local", "job", "workflow", "verified"]
"""Who vouches for a result. See `GateResult`."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the result's parts: every field is always present in the JSON."""


class Subject(Value, frozen=True, kw_only=True):
    """What was judged."""

    repository: str | None = None
    task: str | None = None
    pull_request: int | None = None
    commit: str | None = None
    tree: str | None = None
    base: str | None = None
    dirty: bool = False


class PolicyUsed(Value, frozen=True, kw_only=True):
    """Which policy judged: where it was read, and its digest."""

    source: str = "default"
    digest: str = ""


class Attempt(Value, frozen=True, kw_only=True):
    """Where this evaluation stands in the budget. `reason` says why it was not counted."""

    number: int = 1
    max: int = 3
    remaining: int = 2
    counted: bool = True
    reason: str | None = None


class Progress(Value, frozen=True, kw_only=True):
    """How the failures of this attempt compare with those before it."""

    state: ProgressState = "first"
    fingerprint: str | None = None  # of the whole failure set; None when nothing failed
    fixed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    persisting: tuple[str, ...] = ()


class Reason(Value, frozen=True, kw_only=True):
    """Why the verdict is what it is. `code` is stable; `malagate explain CODE` says more."""

    code: str
    message: str
    severity: Literal["fail", "inconclusive", "error", "warn"] = "fail"
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    nodeid: str | None = None
    fingerprint: str | None = None


class ValidationEvidence(Value, frozen=True, kw_only=True):
    """What is known of one required validation."""

    name: str
    status: Literal[
        "passed", "failed", "missing", "stale", "partial", "unfinished", "invalid", "allowed"
    ]
    kind: str = "command"
    command: str | None = None
    exit_code: int | None = None
    source: str | None = None
    tree: str | None = None
    commit: str | None = None
    duration: float | None = None
    output_digest: str | None = None


class ChangedCoverage(Value, frozen=True, kw_only=True):
    """Coverage of the lines that the change touches."""

    percent: float | None = None
    min_percent: float | None = None
    missed: tuple[str, ...] = ()


class CoverageVerdict(Value, frozen=True, kw_only=True):
    """Coverage of the whole, in percent."""

    percent: float | None = None
    min_percent: float | None = None
    baseline_percent: float | None = None
    display: str | None = None
    changed: ChangedCoverage | None = None


class TestCounts(Value, frozen=True, kw_only=True):
    """pytest's own counts: the numbers of its summary line."""

    __test__ = False

    collected: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    deselected: int = 0
    reruns: int = 0
    subtests_passed: int = 0
    removed: tuple[str, ...] = ()
    newly_skipped: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()


class NextAction(Value, frozen=True, kw_only=True):
    """What to do now, and when to stop doing it."""

    kind: NextKind = "none"
    commands: tuple[str, ...] = ()
    stop_when: str = ""


class GateResult(Value, frozen=True, kw_only=True):
    """The verdict. `failure_reasons` are the messages of `reasons`, in the same order.

    `trust` says who could have forged it. `local`: judged on one's own machine. `job`: evidence
    and verdict come from one job of a repository that trusts its branches. `workflow`: the
    evidence is an untrusted workflow's, judged by a trusted one. `verified`: the default
    branch's own workflow ran the validations.
    """

    schema: str = SCHEMA
    verdict: Verdict
    passed: bool
    subject: Subject = Subject()
    policy: PolicyUsed = PolicyUsed()
    trust: Trust = "local"
    attempt: Attempt = Attempt()
    progress: Progress = Progress()
    no_progress: bool = False
    resolution: str | None = None
    failure_reasons: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    reasons_omitted: int = 0
    warnings: tuple[Reason, ...] = ()
    validation_evidence: tuple[ValidationEvidence, ...] = ()
    coverage: CoverageVerdict | None = None
    tests: TestCounts | None = None
    integrity: tuple[Reason, ...] = ()
    next_action: NextAction = NextAction()
    commit_hash: str | None = None


def encode(result: GateResult) -> bytes:
    """The result as JSON, two spaces of indentation, a newline at the end."""
    return msgspec.json.format(encode_json(result), indent=2) + b"\n"


def decode(data: bytes) -> GateResult:
    """Reads what `encode` wrote. Raises msgspec.ValidationError or DecodeError."""
    return msgspec.json.decode(data, type=GateResult)
