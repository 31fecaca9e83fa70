"""The policy as values, with the default of each key. Nothing here reads a file."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import msgspec

from pytest_malagate.gate.spec import (
    CoverageRule,
    IntegrityRule,
    RetryRule,
    Validation,
    ValidationKind,
    ValidationScope,
    ValidationSpec,
)

VERSION = 1
"""The version of the policy's language that this malagate reads."""

FreezeMode = Literal["drain", "pause", "hard"]
Permission = Literal["triage", "write", "maintain", "admin"]
"""GitHub's names of collaborator permissions, from the least that may change labels."""

TESTS = Validation(name="tests", kind=ValidationKind.TEST)
"""What is required where no policy says otherwise."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the policy's parts."""


class CoveragePolicy(Section, frozen=True, kw_only=True):
    """What is measured, and the bounds, in percent from 0 to 100. None: no such bound.

    `source` are paths or import names as coverage.py takes them; `branch` None leaves the choice
    to coverage.py's own configuration. `report` is the path of a Cobertura XML file, relative to
    the policy, that is read instead of measuring.
    """

    source: tuple[str, ...] = ()
    branch: bool | None = None
    min_percent: float | None = None
    min_changed_percent: float | None = None
    no_decrease: bool = False
    report: str | None = None


class SerialPolicy(Section, frozen=True, kw_only=True):
    """One task at a time. No repositories named: the rule holds for every one."""

    enabled: bool = True
    repos: tuple[str, ...] = ()


class FreezePolicy(Section, frozen=True, kw_only=True):
    """What a freeze stops, and which permission clears it."""

    enabled: bool = True
    mode: FreezeMode = "pause"
    clear_needs: Permission = "maintain"
    ask_after_hours: float | None = 24


class ReconcilePolicy(Section, frozen=True, kw_only=True):
    """How many minutes a task may stand in a stage before the reconciler looks at it."""

    enabled: bool = True
    grace_minutes: float = 10
    grace_overrides: dict[str, float] = {}
    notify: bool = True


class CoordinatePolicy(Section, frozen=True, kw_only=True):
    """How many agents work at once, on how many issues in total (None: all), by which workflow."""

    max_agents: int = 2
    max_issues: int | None = None
    workflow: str = "agent.yml"


def _tests_alone() -> dict[ValidationScope, tuple[str, ...]]:
    return dict.fromkeys(ValidationScope, (TESTS.name,))


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A repository's policy. `Policy()` is the one of a repository that has no policy file.

    `validations` and the names in `scopes` keep the file's order. `coverage` is None if the
    policy does not speak of it. `file` is where the policy was read (None: nowhere). `unjudged`
    names the keys that the file sets and that this version of malagate does not judge yet;
    `explicit` those that it sets and that can be judged only where the facts to do it are known.
    """

    version: int = VERSION
    validations: tuple[Validation, ...] = (TESTS,)
    scopes: dict[ValidationScope, tuple[str, ...]] = msgspec.field(default_factory=_tests_alone)
    coverage: CoveragePolicy | None = None
    retry: RetryRule = RetryRule()
    integrity: IntegrityRule = IntegrityRule()
    serial: SerialPolicy = SerialPolicy()
    freeze: FreezePolicy = FreezePolicy()
    reconcile: ReconcilePolicy = ReconcilePolicy()
    coordinate: CoordinatePolicy = CoordinatePolicy()
    file: str | None = None
    unjudged: tuple[str, ...] = ()
    explicit: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of what the policy means.

        Comments, the format, the order of keys and a default written out do not change it. The
        order of validations and of the names in a scope does, because reasons follow it.
        """
        meaning = msgspec.to_builtins(self)
        for key in ("file", "unjudged", "explicit"):
            del meaning[key]
        canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"

    def spec(self, scope: ValidationScope) -> ValidationSpec:
        """What the gate holds evidence against in this scope.

        A scope may name a validation with `required: false`; it stays in `required` here, and
        its definition says that it never blocks.
        """
        bounds = self.coverage
        rule = None
        if bounds is not None:
            rule = CoverageRule(min_percent=bounds.min_percent, no_decrease=bounds.no_decrease)
        return ValidationSpec(
            scope=scope,
            validations=self.validations,
            required=self.scopes[scope],
            coverage=rule,
            retry=self.retry,
            integrity=self.integrity,
            explicit=self.explicit,
        )
