"""One subject's case: every step from the evidence to the reasons, and what was seen on the way."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_malagate.gate.admission import hold, warned
from pytest_malagate.gate.coverage import (
    judge_measured,
    judge_report,
    known_baseline,
    reason_of,
)
from pytest_malagate.gate.evidence import Evidence, TestRun
from pytest_malagate.gate.facts import Facts
from pytest_malagate.gate.fingerprint import clean_line
from pytest_malagate.gate.integrity import TestsLost, findings, tests_lost, unjudged
from pytest_malagate.gate.progress import Phase
from pytest_malagate.gate.reasons import ACCEPTABLE, reason
from pytest_malagate.gate.resolve import Resolved, resolve
from pytest_malagate.gate.result import CoverageVerdict, Reason, Verdict
from pytest_malagate.gate.retry import PastAttempt
from pytest_malagate.gate.spec import ValidationSpec
from pytest_malagate.gate.validations import Examined, examine


class Case:
    """The judgement of one subject while it is being made.

    After `run`, `reasons` say what blocks, `keys` are the failure set, and `examined` holds each
    required validation in the policy's order. `hold` is why the subject has to wait, whatever the
    evidence says; it is none of the reasons.
    """

    def __init__(self, spec: ValidationSpec, evidence: Evidence, facts: Facts) -> None:
        self.spec, self.evidence, self.facts = spec, evidence, facts
        self.reasons: list[Reason] = []
        self.warnings: list[Reason] = []
        self.integrity: list[Reason] = []
        self.examined: list[Examined] = []
        self.keys: list[str] = []
        self.lost = TestsLost()
        self.coverage: CoverageVerdict | None = None
        self.resolution: Resolved | None = None
        self.hold = hold(facts.admission)

    def run(self) -> None:
        """Goes through the steps in order, up to the first that leaves nothing more to judge."""
        self._steps()
        self._accept()
        self.warnings.extend(warned(self.facts.admission))

    def _steps(self) -> None:
        self._machinery()
        if self.reasons:
            return
        self.resolution = resolve(self.evidence.resolutions, self.facts)
        if self.resolution is not None:
            self._take(self.resolution.reasons)
            self.warnings.extend(self.resolution.warnings)
            if self.resolution.decided:
                if self.facts.touched:  # a protected file stays one in a change that needs no tests
                    self._integrity()
                return
        if self._commit():
            self._evidence()
            self._coverage()
            self._integrity()

    def _take(self, reasons: Sequence[Reason]) -> None:
        """Adds reasons whose code alone is their part of the failure set."""
        self.reasons.extend(reasons)
        self.keys.extend(why.code for why in reasons)

    def _machinery(self) -> None:
        self._take([_obstacle(code, text) for code, text in self.facts.problems])
        self.warnings.extend(
            reason(code, text, severity="warn") for code, text in self.facts.warnings
        )
        if self.evidence.unreadable:
            text = f"{self.evidence.unreadable} lines of the evidence log are no records"
            self.warnings.append(reason("evidence.skipped-lines", f"{text}; they were skipped"))
        if self.evidence.problem:
            self._take([reason("evidence.unreadable", self.evidence.problem)])
        self._take([_obstacle(code, text) for code, text in self.evidence.problems])

    def _commit(self) -> bool:
        """False if there is nothing to judge, because the task has no commit."""
        commits = self.facts.commits
        if commits is None or commits.commit is not None:
            return True
        task, baseline = self.facts.subject.task, self.facts.baseline
        if commits.stale is None:
            text = f"No commit for {task}"
            since = "" if baseline is None else f" at or after the baseline {baseline}"
            self._take([reason("commit.missing", text + since)])
        else:
            text = (
                f"The commit for {task} ({commits.stale.hash[:12]}, {commits.stale.time}) "
                f"is older than the baseline {baseline}"
            )
            self._take([reason("commit.stale", text)])
        return False

    def _evidence(self) -> None:
        tree = self.facts.judged_tree
        for name in self.spec.required:
            validation = self.spec.validation(name)
            found = examine(name, validation, self.evidence, tree)
            self.examined.append(found)
            if validation is not None and not validation.required:
                continue
            self.reasons.extend(map(self._uncommitted, found.reasons))
            self.keys.extend(found.keys)
        missing = [
            found.evidence.name
            for found in self.examined
            if found.evidence.status == "missing" and not found.reasons and self._required(found)
        ]
        if missing:
            text = f"No evidence for: {', '.join(missing)}"
            self.reasons.append(reason("evidence.missing", text))
        if not any(self._required(found) for found in self.examined):
            self.warnings.append(reason("validations.none", "The policy requires nothing"))

    def _required(self, found: Examined) -> bool:
        validation = self.spec.validation(found.evidence.name)
        return validation is None or validation.required

    def _uncommitted(self, why: Reason) -> Reason:
        """Says it better where evidence is stale because the work was never committed."""
        facts = self.facts
        files = [*facts.edited, *facts.untracked]
        if why.code != "evidence.stale" or facts.judged_tree == facts.working_tree or not files:
            return why
        some = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        return reason("commit.dirty", f"{why.message}; not committed: {some}")

    def _coverage(self) -> None:
        rule, facts = self.spec.coverage, self.facts
        if rule is None:
            return
        if facts.coverage_report is not None:
            starts = [*self._starts()]
            earliest = min(starts) if starts else None
            report = facts.coverage_report
            self.coverage, reasons = judge_report(rule, report, earliest, known_baseline(facts))
            self._take(reasons)
            return
        run = self._measured_run()
        if run is None:
            return
        self.coverage, reasons = judge_measured(
            rule, run.coverage, facts.judged_tree, known_baseline(facts)
        )
        self._take(reasons)
        if run.coverage is not None:
            self.warnings.extend(reason_of(warning, "warn") for warning in run.coverage.warnings)

    def _starts(self) -> Sequence[float]:
        tree = self.facts.judged_tree
        tests = [run.start.at for run in self.evidence.tests.values() if run.start.tree == tree]
        commands = [
            run.at for runs in self.evidence.commands.values() for run in runs if run.tree == tree
        ]
        return [*tests, *commands]

    def _measured_run(self) -> TestRun | None:
        """The whole test run that coverage is judged by; of a part, nothing can be said."""
        runs = [found.run for found in self.examined if found.run is not None and found.whole]
        measured = [run for run in runs if run.coverage is not None]
        return next(iter(measured or runs), None)

    def _integrity(self) -> None:
        facts = self.facts
        if self.whole_tests():
            self.lost = tests_lost(facts)
        for found in findings(self.spec.integrity, facts, self.lost):
            self.integrity.append(found)
            if found.severity == "fail":
                self._take([found])
            else:
                self.warnings.append(found)
        if facts.unjudged:
            text = f"This version does not judge yet: {', '.join(facts.unjudged)}"
            self.warnings.append(reason("policy.unjudged", text))
        if unknown := unjudged(self.spec, facts):
            text = f"Not judged, for want of a recorded base to compare with: {', '.join(unknown)}"
            self.warnings.append(reason("policy.unjudged", text, hint=_JUDGED_ELSEWHERE))

    def _accept(self) -> None:
        """Takes out what a person accepted; it stays visible as a warning."""
        accepted = {word.code: word for word in self.facts.accepted if word.code in ACCEPTABLE}
        for code in [why.code for why in self.reasons if why.code in accepted]:
            word = accepted[code]
            text = f"{code} was accepted by @{clean_line(word.actor)}: {clean_line(word.reason)}"
            self.warnings.append(reason("integrity.accepted", text))
        self.reasons = [why for why in self.reasons if why.code not in accepted]
        self.keys = [key for key in self.keys if key not in accepted]

    def verdict(self) -> Verdict:
        """The verdict on the work, as the reasons add up: work that is known to be bad fails.

        What a person stopped fails whatever the evidence says, or does not say.
        """
        if self.facts.stopped is not None:
            return "fail"
        severities = {why.severity for why in self.reasons}
        verdicts: tuple[Verdict, ...] = ("error", "fail", "inconclusive")
        return next((verdict for verdict in verdicts if verdict in severities), "pass")

    def whole_tests(self) -> bool:
        """True if a test run ended and left nothing out."""
        return any(found.whole for found in self.examined)

    def attempt(self, number: int) -> PastAttempt:
        """The case as an attempt to compare with others."""
        phases = [_phase(why.code) for why in self.reasons]
        return PastAttempt(
            number=number,
            keys=tuple(sorted(set(self.keys))),
            tree=self.facts.working_tree or self.facts.judged_tree,
            commit=self.facts.subject.commit,
            phase=min(phases, default=Phase.RULES),
            tests_complete=self.whole_tests(),
        )


def _obstacle(code: str, text: str) -> Reason:
    """A reason that ends the judgement: nothing more is judged, so it must not be a warning."""
    found = reason(code, text)
    return reason(code, text, severity="inconclusive") if found.severity == "warn" else found


_JUDGED_ELSEWHERE = (
    "It is judged where the change's pull request is; until then a person has to look at it."
)

_PHASES = {
    "commit": Phase.COMMIT,
    "resolution": Phase.COMMIT,
    "machinery": Phase.COMMIT,
    "artifact": Phase.COMMIT,
    "run": Phase.COMMIT,
    "subject": Phase.COMMIT,
    "evidence": Phase.EVIDENCE,
    "tests": Phase.TESTS,
    "coverage": Phase.COVERAGE,
}


def _phase(code: str) -> Phase:
    if code == "tests.collection":
        return Phase.COLLECTION
    if code == "evidence.failed":
        return Phase.COMMANDS
    return _PHASES.get(code.partition(".")[0], Phase.RULES)
