"""The judge: what is required, what is known, one verdict. Values in, values out.

The order is: resolution marker, commit, evidence, coverage, integrity; then, for a failure, whether
another attempt is worth it; last, whether the change may go now. An earlier step that fails ends
the judgement where a later one would only repeat it (no commit: the evidence is not looked at).
"""

from __future__ import annotations

import msgspec

from pytest_malagate.gate import progress as progress_rules
from pytest_malagate.gate.admission import UNCOUNTED
from pytest_malagate.gate.case import Case
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.fingerprint import clean_line, set_digest
from pytest_malagate.gate.integrity import MAX_LISTED
from pytest_malagate.gate.next_action import next_action
from pytest_malagate.gate.progress import Finding
from pytest_malagate.gate.reasons import phase as reason_phase
from pytest_malagate.gate.reasons import reason
from pytest_malagate.gate.result import (
    Attempt,
    GateResult,
    Progress,
    TestCounts,
    Verdict,
)
from pytest_malagate.gate.retry import PastAttempt, RetryState
from pytest_malagate.gate.spec import ValidationKind, ValidationSpec

MAX_REASONS = 200


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A result, and what the next attempt needs to know of this one.

    `past` is None unless the evaluation was a counted failure; `spoiled` is true if the machinery,
    not the work, was at fault. `resumed` is true if `past` takes the place of the last attempt.
    """

    result: GateResult
    past: PastAttempt | None = None
    spoiled: bool = False
    resumed: bool = False


def judge(
    spec: ValidationSpec, evidence: Evidence, facts: Facts, retry_state: RetryState
) -> GateResult:
    """The verdict on one subject. Pure: identical arguments give an identical result."""
    return evaluate(spec, evidence, facts, retry_state).result


def evaluate(
    spec: ValidationSpec,
    evidence: Evidence,
    facts: Facts,
    state: RetryState,
    *,
    claim: bool = True,
    rerun: bool = False,
) -> Judgement:
    """As `judge`, with what has to be remembered.

    `claim` is false for an evaluation that nobody asked for (the end of a test session): it is
    counted as an attempt only if the whole suite ran and something that it measured failed.

    `rerun`: the subject's commit was judged before and counted as the last attempt of `state`,
    and now there is new evidence of it. It is judged as the attempt that it was, and is not
    counted again.
    """
    if rerun and state.gate_attempt > 1:
        return _judge_again(spec, evidence, facts, state)
    resumed = claim and _repeats_last(state, evidence, facts)
    if resumed:
        state = state.before_last()
        evidence = msgspec.structs.replace(evidence, fresh=True)
    case = Case(spec, evidence, facts)
    case.run()
    judgement = _conclude(case, state, claim=claim)
    return msgspec.structs.replace(judgement, resumed=resumed)


def _repeats_last(state: RetryState, evidence: Evidence, facts: Facts) -> bool:
    """True for a claim about what the end of a test session was judged by just before.

    It is the same attempt: `pytest -p malagate` and then `malagate check` must not cost two.
    """
    if not state.history or evidence.fresh:
        return False
    last = state.history[-1]
    tree = facts.working_tree or facts.judged_tree
    return not last.claimed and (last.tree, last.commit) == (tree, facts.subject.commit)


def _judge_again(
    spec: ValidationSpec, evidence: Evidence, facts: Facts, state: RetryState
) -> Judgement:
    """The verdict on a commit whose attempt was counted already."""
    before = state.before_commit(facts.subject.commit)
    known = len(before.history) < len(state.history)
    last = state.history[-1] if known else None
    case = Case(spec, evidence, facts)
    case.run()
    verdict = case.verdict()
    current = case.attempt(before.gate_attempt)
    spoiled = verdict in ("inconclusive", "error")
    finding = Finding("infra") if spoiled else _found_again(current, last, before, verdict)
    uncounted = _why_not_counted(case, verdict, claim=True) or RERUN
    exhausted = verdict == "fail" and before.gate_attempt >= spec.retry.max_attempts
    _add_progress_reasons(case, finding, before, counted=exhausted, spoiled=spoiled)
    result = _result(case, verdict, finding, current, before, uncounted, charged=True)
    return Judgement(result=result, spoiled=spoiled)


def _found_again(
    current: PastAttempt, last: PastAttempt | None, before: RetryState, verdict: Verdict
) -> Finding:
    """What the rerun shows: flaky tests, or what the attempt was found to be the first time."""
    if last is not None and progress_rules.differs(current, last):
        return Finding("flaky", "the tests came out otherwise on the very same files")
    if verdict == "pass":
        return Finding("progress" if before.gate_attempt > 1 else "first")
    if last is None:
        return Finding("first" if before.gate_attempt <= 1 else "changed")
    again = progress_rules.assess(current, before, fresh=True, dirty=False)
    state = progress_rules.state_of(last)
    return again if again.state == state else Finding(state, f"as attempt {last.number} was")


def _conclude(case: Case, state: RetryState, *, claim: bool) -> Judgement:
    verdict = case.verdict()
    spoiled = verdict in ("inconclusive", "error")
    uncounted = _why_not_counted(case, verdict, claim=claim)
    current = case.attempt(state.gate_attempt)
    finding = Finding("first")
    if verdict == "fail" and uncounted is None:
        fresh = case.evidence.fresh
        finding = progress_rules.assess(current, state, fresh=fresh, dirty=bool(case.facts.edited))
        if finding.state == "flaky":
            uncounted = finding.message
    elif spoiled:
        finding = Finding("infra")
    elif uncounted == FLAKY:
        finding = Finding("flaky", FLAKY)
    elif state.gate_attempt > 1:
        finding = Finding("progress" if verdict == "pass" else "changed")
    counted = verdict == "fail" and uncounted is None
    _add_progress_reasons(case, finding, state, counted=counted, spoiled=spoiled)
    result = _result(case, verdict, finding, current, state, uncounted)
    past = None
    if counted:
        past = msgspec.structs.replace(
            current, state=finding.state, claimed=claim, since=state.log_offset
        )
    return Judgement(result=result, past=past, spoiled=spoiled)


_PENDING = frozenset(
    {
        "commit.dirty",
        "commit.missing",
        "coverage.report-missing",
        "coverage.stale",
        "evidence.missing",
        "evidence.stale",
    }
)
"""What may still come after a test session, so that its end is no attempt yet."""

FLAKY = "every test that failed passed when it was run again"
RERUN = "a rerun of the same commit"


def _why_not_counted(case: Case, verdict: Verdict, *, claim: bool) -> str | None:
    """Why a failure is not charged to the author; None if it is, or if nothing failed."""
    if verdict == "pass":
        return UNCOUNTED if case.hold is not None else None
    if verdict != "fail":
        return "the machinery broke, not the work"
    if case.facts.stopped is not None:
        return f"stopped by @{clean_line(case.facts.stopped)}"
    if any(found.cancelled for found in case.examined):
        return "the run was cancelled"
    blocking = [found for found in case.examined if found.blocks]
    if blocking and all(found.flaky for found in blocking):
        return FLAKY
    if not claim and not case.whole_tests():
        return "not a whole test run"
    pending = not claim and all(why.code in _PENDING for why in case.reasons)
    return "other evidence is still to come" if pending else None


def _add_progress_reasons(
    case: Case, finding: Finding, state: RetryState, *, counted: bool, spoiled: bool
) -> None:
    """Progress and budget come last: they explain nothing about the work itself."""
    case.reasons.sort(key=lambda why: reason_phase(why.code))
    if finding.nudge and finding.message:
        case.warnings.append(
            reason("progress.nudge", f"{finding.message[:1].upper()}{finding.message[1:]}")
        )
    budget = case.spec.retry
    if counted and state.gate_attempt >= budget.max_attempts:
        text = f"Attempt {state.gate_attempt} of {budget.max_attempts} failed; there is no other"
        case.reasons.append(reason("retry.exhausted", text))
    if spoiled and state.infra_attempts + 1 >= budget.max_infra_attempts:
        text = f"The machinery broke {state.infra_attempts + 1} times"
        case.reasons.append(reason("retry.infra-exhausted", text))
    if finding.stuck:
        code = "progress.oscillating" if finding.state == "oscillating" else "progress.none"
        case.reasons.append(reason(code, f"No progress: {finding.message}"))
    if case.facts.stopped is not None:
        text = f"@{clean_line(case.facts.stopped)} said stop"
        case.reasons.append(reason("retry.stopped", text))


def _result(
    case: Case,
    verdict: Verdict,
    finding: Finding,
    current: PastAttempt,
    state: RetryState,
    uncounted: str | None,
    *,
    charged: bool = False,
) -> GateResult:
    """`verdict` is the one on the work: what passed and may not go yet is inconclusive.

    `charged`: the attempt was counted before, so that its place in the budget is taken.
    """
    held = () if case.hold is None else (case.hold,)
    final: Verdict = "inconclusive" if held and verdict == "pass" else verdict
    reasons = (*case.reasons[: MAX_REASONS - len(held)], *held)
    budget = case.spec.retry.max_attempts
    attempt = Attempt(
        number=state.gate_attempt,
        max=budget,
        remaining=max(0, budget - state.gate_attempt + (uncounted is not None and not charged)),
        counted=uncounted is None,
        reason=uncounted,
    )
    last = state.history[-1] if state.history else None
    return GateResult(
        verdict=final,
        passed=final == "pass",
        subject=case.facts.subject,
        policy=case.facts.policy,
        trust=case.facts.trust,
        attempt=attempt,
        progress=_progress(finding, current, last, verdict),
        no_progress=finding.stuck,
        resolution=case.resolution.marker if case.resolution and case.resolution.decided else None,
        failure_reasons=tuple(why.message for why in reasons),
        reasons=reasons,
        reasons_omitted=len(case.reasons) + len(held) - len(reasons),
        warnings=tuple(case.warnings),
        validation_evidence=tuple(found.evidence for found in case.examined),
        coverage=case.coverage,
        tests=_counts(case),
        integrity=tuple(case.integrity),
        next_action=next_action(case, final, finding, attempt),
        commit_hash=_commit_hash(case),
    )


def _progress(
    finding: Finding, current: PastAttempt, last: PastAttempt | None, verdict: Verdict
) -> Progress:
    keys = current.keys if verdict != "pass" else ()
    fingerprint = set_digest(keys) if keys else None
    current = msgspec.structs.replace(current, keys=keys)
    return progress_rules.describe(finding, current, last, fingerprint)


def _commit_hash(case: Case) -> str | None:
    if case.resolution is not None and case.resolution.decided:
        return case.resolution.commit
    if case.facts.commits is not None:
        return case.facts.commits.commit.hash if case.facts.commits.commit else None
    return None if case.facts.subject.dirty else case.facts.subject.commit


def _counts(case: Case) -> TestCounts | None:
    """pytest's own numbers of the judged test run, closed or not."""
    examined = case.examined
    found = next((f for f in examined if f.evidence.kind == ValidationKind.TEST and f.run), None)
    if found is None or found.run is None or found.run.finish is None:
        return None
    finish, counts = found.run.finish, found.run.finish.counts
    return TestCounts(
        collected=finish.collected,
        passed=counts.get("passed", 0),
        failed=counts.get("failed", 0),
        errors=counts.get("error", 0),
        skipped=counts.get("skipped", 0),
        xfailed=counts.get("xfailed", 0),
        xpassed=counts.get("xpassed", 0),
        deselected=finish.deselected,
        reruns=counts.get("rerun", 0),
        subtests_passed=counts.get("subtests passed", 0),
        removed=case.lost.removed[:MAX_LISTED],
        newly_skipped=case.lost.newly_skipped[:MAX_LISTED],
        flaky=found.run.flaky,
    )
