"""What a change does to the rule that judges it: its policy, its tests, the protected files."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.paths import protected
from pytest_malagate.gate.population import newly_skipped, removed
from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.result import Reason
from pytest_malagate.gate.spec import IntegrityRule, Severity, ValidationSpec

MAX_LISTED = 200
"""How many tests a result lists by name."""

_NAMED = 3


class TestsLost(msgspec.Struct, frozen=True, kw_only=True):
    """Tests that the base has and the change has not, or not any more runs; all of them."""

    __test__ = False

    removed: tuple[str, ...] = ()
    newly_skipped: tuple[str, ...] = ()


def tests_lost(facts: Facts) -> TestsLost:
    """Compares the populations; nothing is lost where one of them is not known."""
    base, head = facts.baseline_population, facts.population
    if base is None or head is None:
        return TestsLost()
    return TestsLost(removed=removed(base, head), newly_skipped=newly_skipped(base, head))


def findings(rule: IntegrityRule, facts: Facts, lost: TestsLost) -> list[Reason]:
    """All that was found, each with the severity that the policy gives it."""
    changes = f"The change alters its own policy: {'; '.join(facts.rule_changes)}"
    gone = _listed(lost.removed, "that the base has is gone", "that the base has are gone")
    aside = _listed(
        lost.newly_skipped,
        "that ran on the base is set aside now",
        "that ran on the base are set aside now",
    )
    found = (
        (bool(facts.rule_changes), rule.policy_changed, "integrity.policy-changed", changes),
        (bool(lost.removed), rule.tests_removed, "integrity.tests-removed", gone),
        (bool(lost.newly_skipped), rule.skips_added, "integrity.skips-added", aside),
    )
    reasons = [
        reason(code, text, severity="fail" if severity is Severity.FAIL else "warn")
        for present, severity, code, text in found
        if present and severity is not Severity.OFF
    ]
    return [*reasons, *_protected(rule, facts), *_own_workflow(facts)]


def _protected(rule: IntegrityRule, facts: Facts) -> list[Reason]:
    files = protected(facts.touched or (), rule.protected_paths)
    if not files:
        return []
    text = f"The change touches protected files: {_some(files)}"
    return [reason("integrity.protected-path", text, file=files[0])]


def _own_workflow(facts: Facts) -> list[Reason]:
    """Fails closed: where the change touches more files than are known, it may touch this one."""
    workflow = facts.own_workflow
    if workflow is None or (facts.touched is not None and workflow not in facts.touched):
        return []
    verb = "edits" if facts.touched is not None else "is too large to see whether it edits"
    text = f"The change {verb} {workflow}, which recorded its evidence"
    return [reason("integrity.workflow-changed", text, file=workflow)]


def _listed(tests: Sequence[str], one: str, several: str) -> str:
    return (
        f"{len(tests)} {f'test {one}' if len(tests) == 1 else f'tests {several}'}: {_some(tests)}"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def unjudged(spec: ValidationSpec, facts: Facts) -> tuple[str, ...]:
    """Keys that the policy sets and that nothing was compared with, for want of the facts."""
    base = facts.baseline_population
    populations = base is not None and facts.population is not None
    known = {
        "coverage.no_decrease": base is not None and base.percent is not None,
        "integrity.tests_removed": populations,
        "integrity.skips_added": populations,
        "integrity.protected_paths": facts.touched is not None,
    }
    return tuple(key for key in spec.explicit if not known.get(key, True))
