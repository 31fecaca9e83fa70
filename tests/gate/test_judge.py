"""What the gate decides, as statements about evidence and facts."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.gate.commit import CommitFinding
from pytest_malagate.gate.evidence import CoverageProblem, Evidence, Resolution, TestRun
from pytest_malagate.gate.judge import judge
from pytest_malagate.gate.result import GateResult, Subject, decode, encode
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import IntegrityRule, Severity, Validation, ValidationSpec
from tests.gate.cases import (
    OTHER,
    all_green,
    command_run,
    commit,
    evidence,
    facts,
    failure,
    measured,
    only_tests,
    spec,
    test_run,
    with_coverage,
)


def decide(
    what: ValidationSpec, seen: Evidence, world=None, state: RetryState | None = None
) -> GateResult:
    return judge(what, seen, world or facts(), state or RetryState())


def codes(result: GateResult) -> list[str]:
    return [why.code for why in result.reasons]


# --- commit ---


def test_a_commit_and_all_evidence_on_its_tree_pass_with_the_commit_s_hash() -> None:
    result = decide(spec(), evidence(*all_green()))
    assert result.passed
    assert result.commit_hash == "c" * 40


def test_a_stale_commit_fails_and_the_reason_names_the_baseline() -> None:
    old = commit(time=1703500000)
    world = facts(commits=CommitFinding(stale=old, matches=(old,)), baseline=1703501000)
    result = decide(spec(), evidence(*all_green()), world)
    assert codes(result) == ["commit.stale"]
    assert "1703501000" in result.failure_reasons[0]


def test_without_a_commit_there_is_one_reason_and_no_evidence_is_judged() -> None:
    result = decide(spec(), evidence(), facts(commits=CommitFinding()))
    assert codes(result) == ["commit.missing"]
    assert result.validation_evidence == ()


def test_without_a_task_no_commit_is_asked_for() -> None:
    assert decide(spec(), evidence(*all_green()), facts(commits=None)).passed


def test_work_that_was_never_committed_is_named() -> None:
    world = facts(working_tree=OTHER, edited=("src/a.py",), untracked=("src/new.py",))
    result = decide(only_tests(), evidence(test_run(tree=OTHER)), world)
    assert codes(result) == ["commit.dirty"]
    assert "src/a.py, src/new.py" in result.failure_reasons[0]


# --- evidence ---


def test_one_reason_names_all_missing_validations_in_the_policy_s_order() -> None:
    result = decide(spec(), evidence(test_run()))
    assert codes(result) == ["evidence.missing"]
    assert result.failure_reasons[0] == "No evidence for: lint, format, types"


def test_a_failed_test_run_is_called_pytest() -> None:
    result = decide(only_tests(), evidence(test_run("t.py::a")))
    assert codes(result) == ["tests.failed"]
    assert result.failure_reasons[0].startswith("pytest: t.py::a failed")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("uv run pytest -x", "pytest"),
        ("python -m pytest", "pytest"),
        ("python3.12 -m mypy src", "mypy"),
        ("poetry run ruff check", "ruff"),
        ("./scripts/check.sh", "check.sh"),
        ("npm test && npm run lint", "npm"),
    ],
)
def test_a_failed_command_is_called_by_its_tool_and_not_by_its_wrapper(
    command: str, shown: str
) -> None:
    from pytest_malagate.gate.spec import command_argv

    one = ValidationSpec(validations=(Validation(name="v", command=command),), required=("v",))
    run = command_run("v", 1, argv=command_argv(command))
    result = decide(one, evidence(run))
    assert result.failure_reasons == (f"v: {shown} failed (exit 1)",)


def test_the_latest_evidence_of_a_name_wins_in_both_directions() -> None:
    assert decide(only_tests(), evidence(test_run("t.py::a"), test_run())).passed
    assert not decide(only_tests(), evidence(test_run(), test_run("t.py::a"))).passed


@pytest.mark.parametrize("runs", [(), (command_run("setup", 1),)], ids=["missing", "failing"])
def test_setup_never_blocks(runs: tuple) -> None:
    setup = Validation(name="setup", command="setup", required=False)
    what = msgspec.structs.replace(
        only_tests(), validations=(*spec().validations, setup), required=("setup", "tests")
    )
    assert decide(what, evidence(test_run(), *runs)).passed


def test_an_undefined_name_fails_closed() -> None:
    result = decide(spec(required=("nothing",)), evidence())
    assert codes(result) == ["evidence.undefined"]


def test_a_validation_that_may_fail_must_still_have_run() -> None:
    lenient = spec(required=("types",), allow_fail=frozenset({"types"}))
    assert decide(lenient, evidence(command_run("types", 1))).passed
    assert codes(decide(lenient, evidence())) == ["evidence.missing"]


def test_tests_that_may_fail_must_still_be_whole() -> None:
    lenient = only_tests()
    lenient = msgspec.structs.replace(
        lenient, validations=spec(allow_fail=frozenset({"tests"})).validations
    )
    assert decide(lenient, evidence(test_run("t.py::a"))).passed
    assert codes(decide(lenient, evidence(test_run("t.py::a", finish={"partial": ("-x",)}))))[
        0
    ] == ("evidence.partial")


@pytest.mark.parametrize(
    "run",
    [test_run(tree=OTHER), test_run(tree=None), command_run("tests", tree=OTHER)],
    ids=["other-tree", "no-tree", "command"],
)
def test_evidence_of_another_tree_is_stale(run) -> None:
    what = only_tests()
    if not hasattr(run, "start"):
        what = ValidationSpec(
            validations=(Validation(name="tests", command="tests"),), required=("tests",)
        )
    assert codes(decide(what, evidence(run))) == ["evidence.stale"]


@pytest.mark.parametrize(
    "run",
    [
        test_run(passed=2, outcomes={"passed": 1, "failed": 1}),
        test_run(passed=2, outcomes={"passed": 1, "error": 1}),
        test_run(collect_failed=1),
        test_run(finish={"executed": 4}),
        test_run(finish={"executed": -1}),
        test_run(finish={"collected": -1, "deselected": -4}),
    ],
    ids=["failed", "error", "collector", "executed-more", "executed-less", "negative"],
)
def test_numbers_that_no_recorder_writes_are_no_pass(run: TestRun) -> None:
    assert "evidence.inconsistent" in codes(decide(only_tests(), evidence(run)))


NOT_A_PASS = {
    "evidence.unfinished": test_run(closed=False),
    "evidence.partial": test_run(finish={"partial": ("stopping after 1 failures",)}),
    "evidence.empty": test_run(
        passed=0, finish={"executed": 0, "exitstatus": 5}, outcomes={}, reported=0
    ),
    "evidence.moved": test_run(finish={"tree_after": OTHER}),
    "evidence.inconsistent": test_run(reported=2),
    "tests.exit-status": test_run(finish={"exitstatus": 7}),
    "tests.internal-error": test_run(finish={"internal_error": "KeyError: x", "exitstatus": 3}),
    "tests.worker-lost": test_run(finish={"lost_workers": ("gw1",)}),
    "tests.errors": test_run(failures=(failure("t.py::a", phase="setup"),)),
    "tests.collection": test_run(failures=(failure("t.py", phase="collect"),)),
}


@pytest.mark.parametrize("code", NOT_A_PASS)
def test_a_green_exit_is_no_pass_when_the_journal_says_otherwise(code: str) -> None:
    result = decide(only_tests(), evidence(NOT_A_PASS[code]))
    assert not result.passed
    assert code in codes(result)


@pytest.mark.parametrize(
    ("start", "finish", "words"),
    [
        ({"selection": ("-k", "one")}, {"collected": 5, "deselected": 2}, "-k one"),
        ({}, {"collected": 5, "deselected": 2}, "2 of 5 tests were deselected"),
        ({"selection": ("t.py::a",)}, {}, "t.py::a"),
        ({}, {"collected": 4}, "1 of 4 tests never ran"),
        ({}, {"interrupted": "interrupted (Ctrl-C)"}, "Ctrl-C"),
    ],
)
def test_a_part_of_the_suite_is_partial_and_says_which(start, finish, words: str) -> None:
    result = decide(only_tests(), evidence(test_run(start=start, finish=finish)))
    assert codes(result) == ["evidence.partial"]
    assert words in result.failure_reasons[0]


def test_the_selection_that_the_policy_names_is_the_whole_suite() -> None:
    chosen = ("-m", "not slow")
    suite = msgspec.structs.replace(spec().validations[0], selection=chosen)
    what = only_tests(validations=(suite,))
    run = test_run(start={"selection": chosen}, finish={"collected": 5, "deselected": 2})
    assert decide(what, evidence(run)).passed
    assert codes(decide(what, evidence(test_run()))) == ["evidence.partial"]


def test_another_command_under_the_right_name_does_not_satisfy() -> None:
    result = decide(spec(required=("lint",)), evidence(command_run("lint", argv=("true",))))
    assert codes(result) == ["evidence.wrong-command"]


def test_another_command_under_the_right_name_takes_nothing_away() -> None:
    runs = (command_run("lint"), command_run("lint", argv=("true",)))
    assert decide(spec(required=("lint",)), evidence(*runs)).passed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"finished": False}, "evidence.unfinished"),
        ({"exit_code": None, "signal": "SIGKILL"}, "evidence.killed"),
        ({"exit_code": 137}, "evidence.killed"),
        ({"exit_code": 143}, "evidence.killed"),
        ({"exit_code": 1}, "evidence.failed"),
        ({"exit_code": None, "signal": "SIGSEGV"}, "evidence.failed"),
        ({"tree_after": OTHER}, "evidence.moved"),
        ({"withdrawn": "files were edited after it"}, "evidence.withdrawn"),
    ],
)
def test_a_command_counts_only_if_it_ended_well_on_these_files(changes, code: str) -> None:
    run = msgspec.structs.replace(command_run("lint"), **changes)
    assert codes(decide(spec(required=("lint",)), evidence(run))) == [code]


@pytest.mark.parametrize(
    ("withdrawn", "code"),
    [(None, "evidence.missing"), ("it ran in the background", "evidence.withdrawn")],
)
def test_a_call_in_a_log_without_a_result_is_missing(withdrawn, code: str) -> None:
    run = command_run("lint", None, source="claude", finished=False, withdrawn=withdrawn)
    result = decide(spec(required=("lint",)), evidence(run))
    assert [found.status for found in result.validation_evidence] == ["missing"]
    assert codes(result) == [code]


def test_requiring_nothing_passes_and_says_so() -> None:
    result = decide(spec(required=()), evidence())
    assert result.passed
    assert [w.code for w in result.warnings] == ["validations.none"]


def test_an_unreadable_log_is_inconclusive() -> None:
    result = decide(spec(), evidence(*all_green(), problem="cannot read the log"))
    assert result.verdict == "inconclusive"
    assert not result.passed


# --- coverage ---


@pytest.mark.parametrize(("bound", "passes"), [(85, True), (90, True), (91, False)])
def test_coverage_is_held_against_its_bound(bound: float, passes: bool) -> None:
    result = decide(with_coverage(bound), evidence(test_run(coverage=measured(90.0))))
    assert result.passed is passes
    if not passes:
        assert "90.0%" in result.failure_reasons[0]
        assert "91.0%" in result.failure_reasons[0]


def test_a_bound_that_is_missed_narrowly_is_told_apart() -> None:
    result = decide(with_coverage(88.8), evidence(test_run(coverage=measured(88.79))))
    assert result.failure_reasons == ("Coverage 88.79% is below the required 88.80%",)


@pytest.mark.parametrize(
    ("coverage", "code"),
    [
        (None, "coverage.missing"),
        (measured(tree=OTHER), "coverage.stale"),
        (measured(None), "coverage.report-rate"),
        (measured(float("nan")), "coverage.report-rate"),
        (measured(float("inf")), "coverage.report-rate"),
        (measured(150.0), "coverage.report-rate"),
        (measured(-1.0), "coverage.report-rate"),
    ],
)
def test_coverage_that_cannot_be_believed_is_never_a_pass(coverage, code: str) -> None:
    for bound in (None, 0, 50):
        result = decide(with_coverage(bound), evidence(test_run(coverage=coverage)))
        assert codes(result) == [code]


def test_a_problem_that_nobody_registered_is_a_failure_all_the_same() -> None:
    forged = CoverageProblem(code="all.fine", message="trust me")
    result = decide(with_coverage(50), evidence(test_run(coverage=measured(problems=(forged,)))))
    assert codes(result) == ["coverage.failed"]


# --- resolution markers ---


def marked(marker: str, **changes) -> Evidence:
    found = Resolution(marker=marker, rationale="because", at=1.0)
    return evidence(resolutions=(msgspec.structs.replace(found, **changes),))


def test_no_change_passes_as_that_resolution() -> None:
    result = decide(spec(), marked("ISSUE_NO_CHANGE"), facts(commits=CommitFinding()))
    assert result.passed
    assert result.resolution == "ISSUE_NO_CHANGE"
    assert result.commit_hash is None


def test_no_change_is_not_believed_of_a_task_that_has_a_commit() -> None:
    result = decide(spec(), marked("ISSUE_NO_CHANGE"))
    assert codes(result) == ["evidence.missing"]
    assert result.resolution is None
    assert [w.code for w in result.warnings] == ["resolution.contradicted"]


def test_a_marker_of_another_task_or_of_other_files_is_not_this_one_s() -> None:
    world = facts(commits=CommitFinding())
    for change in ({"task": "x-2"}, {"tree": OTHER}):
        assert codes(decide(spec(), marked("ISSUE_OBSOLETE", **change), world)) == [
            "commit.missing"
        ]


def test_already_complete_needs_the_commit_that_it_refers_to() -> None:
    done, old = commit("d" * 40), commit("e" * 40, time=1)
    for finding, expected in (
        (CommitFinding(commit=done), done.hash),
        (CommitFinding(stale=old), old.hash),
    ):
        world = facts(commits=CommitFinding(), referenced=finding, referenced_id="x-0")
        result = decide(spec(), marked("ISSUE_ALREADY_COMPLETE"), world)
        assert (result.passed, result.commit_hash) == (True, expected)
    world = facts(commits=CommitFinding(), referenced=CommitFinding(), referenced_id="x-0")
    result = decide(spec(), marked("ISSUE_ALREADY_COMPLETE"), world)
    assert codes(result) == ["resolution.no-commit"]
    assert "x-0" in result.failure_reasons[0]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (("README.md", "docs/guide.md"), None),
        (("README.md", "src/a.py"), "resolution.not-docs"),
        (("pyproject.toml",), "resolution.not-docs"),
        (("malagate.yaml",), "resolution.not-docs"),
        ((), "resolution.not-docs"),
        (None, "resolution.unverifiable"),
    ],
)
def test_docs_only_is_held_against_the_files(files, code: str | None) -> None:
    result = decide(spec(), marked("ISSUE_DOCS_ONLY"), facts(changed_files=files))
    assert codes(result) == ([code] if code else [])
    if files and "src/a.py" in files:
        assert "src/a.py" in result.failure_reasons[0]


# --- integrity, order, shape ---


def test_a_change_to_its_own_policy_is_shown_and_fails_where_so_configured() -> None:
    world = facts(rule_changes=("coverage.min_percent: 85 -> 10",))
    seen = evidence(test_run())
    warned = decide(only_tests(), seen, world)
    assert warned.passed
    assert warned.integrity[0].code == "integrity.policy-changed"
    strict = only_tests(integrity=IntegrityRule(policy_changed=Severity.FAIL))
    assert codes(decide(strict, seen, world)) == ["integrity.policy-changed"]
    off = only_tests(integrity=IntegrityRule(policy_changed=Severity.OFF))
    assert decide(off, seen, world).integrity == ()


def test_keys_that_are_not_judged_yet_are_named() -> None:
    result = decide(only_tests(), evidence(test_run()), facts(unjudged=("coverage.no_decrease",)))
    assert [w.code for w in result.warnings] == ["policy.unjudged"]


def test_reasons_stand_in_their_order() -> None:
    what = spec(
        coverage=with_coverage(99).coverage, integrity=IntegrityRule(policy_changed=Severity.FAIL)
    )
    seen = evidence(test_run("t.py::a", coverage=measured(10.0)), command_run("lint", 1))
    result = decide(what, seen, facts(rule_changes=("x",)))
    assert codes(result) == [
        "integrity.policy-changed",
        "evidence.missing",
        "tests.failed",
        "coverage.total",
        "evidence.failed",
    ]


def test_failure_reasons_are_the_messages_of_reasons() -> None:
    result = decide(spec(), evidence(test_run("t.py::a"), command_run("lint", 1)))
    assert result.failure_reasons == tuple(why.message for why in result.reasons)


def test_a_result_survives_its_own_file() -> None:
    result = decide(spec(), evidence(test_run("t.py::a")))
    assert decode(encode(result)) == result
    assert encode(decide(spec(), evidence(test_run("t.py::a")))) == encode(result)


def test_a_name_that_is_no_text_is_written_all_the_same() -> None:
    world = facts(subject=Subject(task="x-\udcff"))
    assert decode(encode(decide(only_tests(), evidence(test_run()), world))).subject.task == (
        "x-\\udcff"
    )


PIECES = {
    "tests": [None, test_run(), test_run("t.py::a"), test_run(tree=OTHER), test_run(closed=False)],
    "lint": [None, command_run("lint"), command_run("lint", 1), command_run("lint", tree=OTHER)],
}


@given(
    st.sampled_from(list(itertools.product(*PIECES.values()))),
    st.sampled_from([None, 0.0, 50.0, 100.0]),
    st.integers(1, 5),
)
def test_it_passes_only_if_every_required_validation_passed_on_the_judged_tree(
    runs, bound: float | None, attempt: int
) -> None:
    what = spec(required=("tests", "lint"), coverage=with_coverage(bound).coverage)
    tests, lint = runs
    if tests is not None:
        tests = msgspec.structs.replace(tests, coverage=measured(60.0))
    seen = evidence(*(run for run in (tests, lint) if run is not None))
    result = judge(what, seen, facts(), RetryState(gate_attempt=attempt))

    good = runs == (PIECES["tests"][1], PIECES["lint"][1]) and (bound is None or bound <= 60)
    assert result.passed is good
    assert bool(result.reasons) is not good
    assert result.passed == (result.verdict == "pass")


def test_when_the_machinery_broke_the_work_is_not_judged() -> None:
    world = facts(problems=(("machinery.git", "git status failed"),), judged_tree=None)
    result = decide(spec(), evidence(*all_green()), world)
    assert (result.verdict, codes(result)) == ("inconclusive", ["machinery.git"])
