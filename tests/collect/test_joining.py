"""Parts of one run joined: never better than the worst of them, and whole only if nothing lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.collect.joining import Part, join, read_part
from pytest_malagate.collect.sharding import population_of
from pytest_malagate.gate.evidence import (
    CommandRun,
    Evidence,
    SessionFinished,
    SessionStarted,
    TestRun,
)
from pytest_malagate.gate.judge import judge
from pytest_malagate.gate.result import GateResult
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.gate.spec import Validation, ValidationKind, ValidationSpec
from tests.gate.cases import TREE, command_run, facts, failure

SUITE = tuple(f"test_{file}.py::test_{number}" for file in "ab" for number in range(4))
COMMIT = "c" * 40


def part(
    name: str,
    outcomes: dict[str, str] | None = None,
    *,
    start: dict[str, Any] | None = None,
    finish: dict[str, Any] | None = None,
    commands: tuple[CommandRun, ...] = (),
    suite: tuple[str, ...] = SUITE,
    collected: int | None = None,
) -> Part:
    """What a job left that found `suite` and ran the tests in `outcomes`."""
    tests = {} if outcomes is None else {"tests": run(outcomes, start, finish, suite, collected)}
    by_name = {command.name: (command,) for command in commands}
    return Part(
        name=name,
        evidence=Evidence(tests=tests, commands=by_name, log=f"sha256:{name}", fresh=True),
        outcomes={} if outcomes is None else {"tests": outcomes},
    )


def run(
    outcomes: dict[str, str],
    start: dict[str, Any] | None,
    finish: dict[str, Any] | None,
    suite: tuple[str, ...],
    collected: int | None,
) -> TestRun:
    failed = [test for test, outcome in outcomes.items() if outcome == "failed"]
    counts = {word: [*outcomes.values()].count(word) for word in {*outcomes.values()}}
    size = len(suite) if collected is None else collected
    began = SessionStarted(
        session="s", name="tests", at=1.0, tree=TREE, commit=COMMIT, python="3.11.9"
    )
    ended = SessionFinished(
        session="s",
        at=2.0,
        duration=1.0,
        exitstatus=1 if failed else 0,
        collected=size,
        reported=len(outcomes),
        deselected=size - len(outcomes),
        executed=len(outcomes),
        counts=counts | ({"deselected": size - len(outcomes)} if size > len(outcomes) else {}),
        tree_after=TREE,
        population=population_of(suite),
        found=len(suite),
    )
    return TestRun(
        start=msgspec.structs.replace(began, **(start or {})),
        finish=msgspec.structs.replace(ended, **finish) if finish else ended,
        reported=len(outcomes),
        outcomes=counts,
        failures=tuple(failure(test) for test in failed),
        failures_total=len(failed),
        failure_keys=tuple(f"v1:{test} {test}" for test in failed),
    )


def green(*tests: str) -> dict[str, str]:
    return dict.fromkeys(tests, "passed")


def verdict(*parts: Part, selection: tuple[str, ...] = ()) -> GateResult:
    tests = Validation(name="tests", kind=ValidationKind.TEST, selection=selection)
    spec = ValidationSpec(validations=(tests,), required=("tests",))
    return judge(spec, join(parts).evidence, facts(commits=None), RetryState())


def codes(result: GateResult) -> list[str]:
    return [why.code for why in result.reasons]


def unfinished(whole: Part) -> Part:
    runs = whole.evidence.tests
    cut = {name: msgspec.structs.replace(run, finish=None) for name, run in runs.items()}
    evidence = msgspec.structs.replace(whole.evidence, tests=cut)
    return msgspec.structs.replace(whole, evidence=evidence)


# --- shards by deselection ---


@pytest.mark.parametrize(
    "selections",
    [
        ((), ()),
        (("-k", "a"), ("-k", "not a")),
        (("-m", "slow"), ("-m", "not slow")),
        (("--splits", "2", "--group", "1"), ("--splits", "2", "--group", "2")),
    ],
)
def test_shards_that_cover_the_suite_pass_and_count_as_the_unsharded_run(selections) -> None:
    halves = [
        part(f"shard-{n}", green(*SUITE[n * 4 : n * 4 + 4]), start={"selection": chosen})
        for n, chosen in enumerate(selections)
    ]
    result, whole = verdict(*halves), verdict(part("all", green(*SUITE)))
    assert result.passed
    assert result.tests == whole.tests


@pytest.mark.parametrize("halves", [(0, 3), (0, 4), (5, 7)])
def test_shards_that_leave_tests_out_are_no_pass(halves: tuple[int, int]) -> None:
    first, last = halves
    parts = part("a", green(*SUITE[:first])), part("b", green(*SUITE[first:last]))
    result = verdict(*parts)
    assert codes(result) == ["evidence.partial"]
    covered = {*SUITE[:first], *SUITE[first:last]}
    lacking = len(SUITE) - len(covered)
    assert f"{lacking} of 8 tests are in none of the 2 parts" in result.failure_reasons[0]


def test_one_shard_alone_is_no_pass() -> None:
    assert codes(verdict(part("shard", green(*SUITE[:4])))) == ["evidence.partial"]


def test_one_shard_twice_is_no_pass() -> None:
    again = [part(name, green(*SUITE[:4])) for name in "ab"]
    assert codes(verdict(*again)) == ["evidence.partial"]


def test_a_failure_of_any_shard_fails() -> None:
    second = green(*SUITE[4:]) | {SUITE[6]: "failed"}
    result = verdict(part("a", green(*SUITE[:4])), part("b", second))
    assert codes(result) == ["tests.failed"]
    assert result.reasons[0].nodeid == SUITE[6]
    assert result.tests is not None
    assert (result.tests.passed, result.tests.failed, result.tests.collected) == (7, 1, 8)


def test_overlapping_shards_pass_and_the_worst_outcome_of_a_test_counts() -> None:
    first, second = green(*SUITE[:5]), green(*SUITE[4:])
    assert verdict(part("a", first), part("b", second)).passed
    worse = part("b", second | {SUITE[4]: "failed"})
    assert codes(verdict(part("a", first), worse)) == ["tests.failed"]
    assert SUITE[4] in join([part("a", first), worse]).populations["tests"].ran


def test_a_shard_that_never_ended_makes_the_whole_unfinished() -> None:
    parts = part("a", green(*SUITE[:4])), unfinished(part("b", green(*SUITE[4:])))
    assert codes(verdict(*parts)) == ["evidence.unfinished"]


@pytest.mark.parametrize(
    ("finish", "code"),
    [
        ({"interrupted": "interrupted (Ctrl-C)"}, "evidence.partial"),
        ({"partial": ("stopping after 1 failures",)}, "evidence.partial"),
        ({"internal_error": "boom"}, "tests.internal-error"),
        ({"lost_workers": ("gw0",)}, "tests.worker-lost"),
        ({"tree_after": "f" * 40}, "evidence.moved"),
        ({"exitstatus": 7}, "tests.exit-status"),
        ({"reported": 3}, "evidence.inconsistent"),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_what_spoils_one_shard_spoils_the_whole(finish, code: str, which: int) -> None:
    spoiled = [
        part(name, green(*SUITE[n * 4 : n * 4 + 4]), finish=finish if n == which else None)
        for n, name in enumerate("ab")
    ]
    assert code in codes(verdict(*spoiled))


def test_numbers_that_do_not_add_up_in_one_shard_are_not_made_up_for_by_another() -> None:
    first = part("a", green(*SUITE[:4]), finish={"deselected": 3})
    second = part("b", green(*SUITE[4:]), finish={"deselected": 5})
    assert "evidence.partial" in codes(verdict(first, second))
    assert "journal of b does not add up" in verdict(first, second).failure_reasons[0]


def test_shards_of_other_suites_are_no_pass() -> None:
    other = tuple(f"{test}x" for test in SUITE)
    parts = part("a", green(*SUITE[:4])), part("b", green(*other[4:]), suite=other)
    result = verdict(*parts)
    assert codes(result) == ["evidence.partial"]
    assert "no shards of one suite" in result.failure_reasons[0]


def test_the_policy_s_own_selection_stays_one_where_all_shards_of_a_plugin_are_there() -> None:
    slow = ("-m", "not slow")
    shards = [
        part(
            f"shard-{group}",
            green(*tests),
            start={"selection": (*slow, "--splits", "2", "--group", group)},
        )
        for group, tests in (("1", SUITE[:3]), ("2", SUITE[3:6]))
    ]
    result = verdict(*shards, selection=slow)
    assert result.passed
    assert result.tests is not None
    assert (result.tests.collected, result.tests.deselected) == (8, 2)
    assert codes(verdict(*shards)) == ["evidence.partial"]
    assert codes(verdict(shards[0], selection=slow)) == ["evidence.partial"]
    assert codes(verdict(shards[0], shards[0], selection=slow)) == ["evidence.partial"]


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 1), (1, 2), (0, 0, 1)])
def test_shards_of_a_plugin_that_tells_nobody_are_counted_by_what_was_found(present) -> None:
    """As pytest-shard does it: the tests of the others are gone, and nothing says so."""
    thirds = SUITE[:3], SUITE[3:6], SUITE[6:]
    shards = [
        part(
            f"shard-{n}",
            green(*thirds[n]),
            collected=len(thirds[n]),
            start={"selection": ("--num-shards", "3", "--shard-id", str(n))},
        )
        for n in present
    ]
    assert verdict(*shards).passed is (set(present) == {0, 1, 2})


# --- shards by path ---


def by_path(name: str, tests: tuple[str, ...], *left_out: str, **start: Any) -> Part:
    finish = {
        "left_out": left_out,
        "partial": (f"test files were left out: {', '.join(left_out)}",),
    }
    return part(name, green(*tests), suite=tests, finish=finish, start=start or None)


A, B = SUITE[:4], SUITE[4:]


def test_shards_by_path_pass_if_each_file_is_in_one_of_them() -> None:
    result = verdict(by_path("a", A, "test_b.py"), by_path("b", B, "test_a.py"))
    assert result.passed
    assert result.tests == verdict(part("all", green(*SUITE))).tests


def test_a_file_that_no_shard_has_is_named() -> None:
    parts = by_path("a", A, "test_b.py", "test_c.py"), by_path("b", B, "test_a.py", "test_c.py")
    result = verdict(*parts)
    assert codes(result) == ["evidence.partial"]
    assert "left out of all 2 parts: test_c.py" in result.failure_reasons[0]
    assert "test_a.py" not in result.failure_reasons[0].partition("of all")[2]


def test_shards_by_path_that_select_tests_are_no_pass() -> None:
    chosen = {"selection": ("-k", "x")}
    parts = by_path("a", A, "test_b.py", **chosen), by_path("b", B, "test_a.py", **chosen)
    assert codes(verdict(*parts)) == ["evidence.partial"]
    assert verdict(*parts, selection=("-k", "x")).passed


def test_shards_by_test_id_are_no_pass() -> None:
    parts = (
        by_path("a", A, "test_b.py", selection=("test_a.py::test_0",)),
        by_path("b", B, "test_a.py", selection=("test_b.py::test_0",)),
    )
    assert codes(verdict(*parts)) == ["evidence.partial"]


def test_too_many_files_to_compare_are_no_pass() -> None:
    first = by_path("a", A, "test_b.py")
    finish = {"left_out": ("test_a.py",), "left_out_cut": True}
    second = part("b", green(*B), suite=B, finish=finish)
    assert codes(verdict(first, second)) == ["evidence.partial"]


# --- legs ---


def leg(name: str, python: str, outcomes: dict[str, str], **more: Any) -> Part:
    return part(name, outcomes, start={"python": python} | more)


def test_legs_that_are_whole_pass_and_their_counts_are_added_up() -> None:
    result = verdict(leg("a", "3.11.9", green(*SUITE)), leg("b", "3.12.1", green(*SUITE)))
    assert result.passed
    assert result.tests is not None
    assert (result.tests.collected, result.tests.passed) == (16, 16)


def test_two_whole_runs_of_one_python_are_legs_too() -> None:
    assert verdict(part("a", green(*SUITE)), part("b", green(*SUITE))).passed


def test_a_failure_of_one_leg_is_not_hidden_by_another() -> None:
    red = green(*SUITE) | {SUITE[0]: "failed"}
    for parts in (("3.11.9", "3.12.1"), ("3.12.1", "3.11.9")):
        result = verdict(leg("a", parts[0], green(*SUITE)), leg("b", parts[1], red))
        assert codes(result) == ["tests.failed"]


def test_a_test_that_is_flaky_on_one_leg_and_broken_on_another_is_not_flaky() -> None:
    red = green(*SUITE) | {SUITE[0]: "failed"}
    legs = [leg("a", "3.11.9", red), leg("b", "3.12.1", red)]

    def flaky(of: Part) -> Part:
        runs = {"tests": msgspec.structs.replace(of.evidence.tests["tests"], flaky=(SUITE[0],))}
        return msgspec.structs.replace(
            of, evidence=msgspec.structs.replace(of.evidence, tests=runs)
        )

    assert verdict(flaky(legs[0]), legs[1]).attempt.counted
    assert not verdict(*map(flaky, legs)).attempt.counted


@pytest.mark.parametrize("missing", [None, 0, 1, 2, 3])
def test_of_a_matrix_of_shards_each_leg_must_be_whole(missing: int | None) -> None:
    parts = [
        leg(f"{python}-{n}", python, green(*SUITE[n * 4 : n * 4 + 4]))
        for python in ("3.11.9", "3.12.1")
        for n in (0, 1)
    ]
    if missing is not None:
        del parts[missing]
    result = verdict(*parts)
    assert result.passed is (missing is None)
    if missing is not None:
        assert codes(result) == ["evidence.partial"]


def test_a_leg_is_a_python_on_an_operating_system() -> None:
    parts = [
        leg(f"{system}-{n}", "3.11.9", green(*SUITE[n * 4 : n * 4 + 4]), platform=system)
        for system in ("linux", "darwin")
        for n in (0, 1)
    ]
    assert verdict(*parts).passed
    assert codes(verdict(*parts[:3])) == ["evidence.partial"]
    assert "Python 3.11 on darwin" in verdict(*parts[:3]).failure_reasons[0]


def test_legs_with_different_selections_are_no_pass() -> None:
    parts = (
        leg("a", "3.11.9", green(*SUITE)),
        leg("b", "3.12.1", green(*SUITE[:4]), selection=("-k", "a")),
    )
    assert codes(verdict(*parts)) == ["evidence.partial"]


# --- what does not belong together ---


@pytest.mark.parametrize("change", [{"tree": "b" * 40}, {"commit": "d" * 40}, {"tree": None}])
def test_parts_of_other_files_or_commits_are_not_joined(change: dict[str, Any]) -> None:
    parts = part("a", green(*SUITE[:4])), part("b", green(*SUITE[4:]), start=change)
    joined = join(parts)
    assert [code for code, _ in joined.evidence.problems] == ["evidence.unjoined"]
    assert joined.evidence.tests == {}
    assert codes(verdict(*parts)) == ["evidence.unjoined"]
    assert all(f"in {name}" in verdict(*parts).failure_reasons[0] for name in "ab")


def test_a_part_that_cannot_be_read_spoils_the_whole() -> None:
    broken = Part(name="b", evidence=Evidence(problem="cannot read it"))
    result = verdict(part("a", green(*SUITE)), broken)
    assert (codes(result), result.verdict) == (["evidence.unreadable"], "inconclusive")
    assert "b: cannot read it" in result.failure_reasons[0]


def test_no_part_at_all_is_no_evidence() -> None:
    assert codes(verdict()) == ["evidence.missing"]


# --- commands ---

ENDS = {
    "passed": {},
    "moved": {"tree_after": "f" * 40},
    "failed": {"exit_code": 1},
    "killed": {"exit_code": 137},
    "by signal": {"exit_code": None, "signal": "SIGKILL"},
    "unfinished": {"exit_code": None, "finished": False},
}
ORDER = ("passed", "moved", "failed", "killed", "by signal", "unfinished")


@pytest.mark.parametrize("bad", ORDER[1:])
@pytest.mark.parametrize("good", ORDER[:3])
def test_the_worst_run_of_a_command_counts_whichever_part_it_is_in(good: str, bad: str) -> None:
    if ORDER.index(good) >= ORDER.index(bad):
        good = "passed"
    runs = [command_run("lint", **{"exit_code": 0} | ENDS[how]) for how in (good, bad)]
    for first, second in (runs, runs[::-1]):
        joined = join([part("a", commands=(first,)), part("b", commands=(second,))])
        assert joined.evidence.commands == {"lint": (runs[1],)}


def test_commands_and_tests_of_different_jobs_stand_side_by_side() -> None:
    lint = msgspec.structs.replace(command_run("lint"), commit=COMMIT)
    joined = join([part("a", green(*SUITE)), part("b", commands=(lint,))])
    assert set(joined.evidence.tests) == {"tests"}
    assert set(joined.evidence.commands) == {"lint"}
    assert joined.evidence.fresh


# --- one part, and any order ---

words = st.sampled_from(["passed", "failed", "skipped", "xfailed", "error"])
shard_outcomes = st.dictionaries(st.sampled_from(SUITE), words, max_size=8)


@given(outcomes=shard_outcomes, python=st.sampled_from(["3.11.9", "3.12.1"]), lint=st.booleans())
def test_one_part_alone_is_what_it_was(outcomes, python: str, lint: bool) -> None:
    commands = (command_run("lint", commit=COMMIT),) if lint else ()
    alone = part("a", outcomes, start={"python": python}, commands=commands)
    joined = join([alone])
    assert joined.evidence == alone.evidence
    found = joined.populations["tests"]
    assert found.ran | found.skipped == set(outcomes)
    assert found.skipped == {t for t, word in outcomes.items() if word in ("skipped", "xfailed")}


@given(parts=st.lists(shard_outcomes, min_size=2, max_size=4), data=st.data())
def test_the_order_of_the_parts_changes_nothing_and_no_failure_is_lost(parts, data) -> None:
    made = [part(f"p{n}", outcomes) for n, outcomes in enumerate(parts)]
    joined = join(made)
    assert join(data.draw(st.permutations(made))) == joined
    failed = {test for outcomes in parts for test, word in outcomes.items() if word == "failed"}
    assert {f.nodeid for f in joined.evidence.tests["tests"].failures} == failed
    if failed:
        assert not verdict(*made).passed


@given(parts=st.lists(shard_outcomes, min_size=1, max_size=4))
def test_a_pass_has_every_test_of_the_suite(parts) -> None:
    made = [part(f"p{n}", outcomes) for n, outcomes in enumerate(parts)]
    if verdict(*made).passed:
        assert {test for outcomes in parts for test in outcomes} == set(SUITE)


# --- hostile bytes ---


@given(log=st.binary(max_size=300), detail=st.none() | st.binary(max_size=100))
def test_reading_a_part_never_raises(tmp_path_factory, log: bytes, detail: bytes | None) -> None:
    path = tmp_path_factory.mktemp("part") / "evidence.jsonl"
    path.write_bytes(log)
    read = read_part("p", path, detail)
    assert read.detail is None
    join([read, read])


@pytest.mark.parametrize(
    "lines",
    [
        b'{"type":"session","session":"\\ud800","name":"tests","at":1}\n',
        b'{"type":"session","session":"s","name":"tests","at":1e999}\n',
        b'{"type":"test","session":"s","nodeid":"a","outcome":"passed"}\n' * 3,
        b"[" * 100_000 + b"\n",
        b'{"type":"started","run":"r","name":"n","argv":[],"at":1}\n',
        b'{"type":"ingested","name":"n","source":"claude","command":"\'","at":1}\n',
    ],
)
def test_odd_records_do_not_break_the_joining(tmp_path: Path, lines: bytes) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(lines)
    read = read_part("p", path, b"{}")
    join([read, part("q", green(*SUITE))])


def test_a_log_that_is_a_directory_is_a_problem(tmp_path: Path) -> None:
    assert read_part("p", tmp_path, None).evidence.problem


def test_reading_and_joining_imports_neither_pytest_nor_coverage() -> None:
    code = "import sys, pytest_malagate.collect.joining; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.split()
    assert "pytest_malagate.collect.joining" in loaded
    assert {"pytest", "_pytest", "coverage", "yaml", "sqlite3"} & set(loaded) == set()
