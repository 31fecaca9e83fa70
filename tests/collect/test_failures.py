from __future__ import annotations

import doctest
import enum
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from pytest_malagate.collect.failures import attach, failure_from_exception, failure_of
from pytest_malagate.gate.evidence import Failure

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).relative_to(ROOT).as_posix()


def failure(fails: Callable[[], object], *, root: Path = ROOT) -> Failure:
    """What is recorded when a test fails like that."""
    with pytest.raises(BaseException) as caught:  # any failure is described
        fails()
    return failure_from_exception(caught, nodeid="t.py::test", phase="call", root=root)


def raising(error: BaseException) -> Callable[[], object]:
    def fails() -> None:
        raise error

    return fails


def same(one: Callable[[], object], other: Callable[[], object]) -> bool:
    return failure(one).fingerprint == failure(other).fingerprint


def report(text: object, *, when: str = "call", **extra: object) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="t.py::test",
        location=("t.py", 0, "test"),
        keywords={},
        outcome="failed",
        longrepr=text,  # type: ignore[arg-type]
        when=when,  # type: ignore[arg-type]
        **extra,
    )


# What is recorded


def test_a_failure_names_type_message_and_place() -> None:
    found = failure(raising(ValueError("no \x1b[31mbalance\x1b[0m\nmore")))
    assert (found.exception, found.message, found.phase) == ("ValueError", "no balance", "call")
    assert (found.path, found.function) == (HERE, "raising.<locals>.fails")
    assert found.line is not None


def test_the_place_is_the_innermost_frame_of_the_repository_s_own_code() -> None:
    found = failure(lambda: doctest.DocTestParser().parse(None))  # type: ignore[arg-type]
    assert found.path == HERE
    assert found.function is not None
    assert found.function.endswith("<lambda>")


def test_installed_packages_below_the_root_are_not_its_own_code() -> None:
    found = failure(lambda: pytest.fail("no"), root=Path("/"))
    assert found.path == str(Path(__file__))[1:]


def test_a_failure_without_own_code_has_no_place() -> None:
    found = failure(raising(ValueError("x")), root=Path("/nowhere"))
    assert (found.path, found.line, found.function) == (None, None, None)


def test_a_root_that_is_a_link_is_the_directory_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(ROOT)
    assert failure(raising(ValueError("x")), root=link).path == HERE


def test_a_test_that_changed_the_directory_is_still_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert failure(raising(ValueError("x"))).path == HERE


@pytest.mark.parametrize(
    ("phase", "recorded"),
    [("setup", "setup"), ("teardown", "teardown"), ("collect", "collect"), ("???", "crash")],
)
def test_the_phase_is_recorded(phase: str, recorded: str) -> None:
    with pytest.raises(ValueError, match="x") as caught:
        raise ValueError("x")
    found = failure_from_exception(caught, nodeid="t", phase=phase, root=ROOT)
    assert found.phase == recorded


# What makes two failures the same


def test_two_values_of_one_assertion_are_two_failures() -> None:
    def expects(value: int) -> Callable[[], object]:
        def fails() -> None:
            assert value == 4

        return fails

    assert not same(expects(3), expects(5))
    assert same(expects(3), expects(3))


def test_a_difference_that_pytest_would_not_show_by_default_counts() -> None:
    def expects(value: list[str]) -> Callable[[], object]:
        def fails() -> None:
            assert value == []

        return fails

    middle = ["a" * 20, "b" * 20]
    assert not same(expects([*middle, "x", *middle]), expects([*middle, "y", *middle]))


def test_the_order_of_a_set_does_not_count() -> None:
    assert same(
        raising(ValueError("unknown {'a', 'b'}")), raising(ValueError("unknown {'b', 'a'}"))
    )


def test_the_exception_that_ended_the_test_counts_not_what_it_came_from() -> None:
    def chained(cause: Exception) -> Callable[[], object]:
        def fails() -> None:
            raise KeyError("last") from cause

        return fails

    assert same(chained(ValueError("a")), chained(OSError("b")))
    assert failure(chained(ValueError("a"))).exception == "KeyError"


def test_a_group_is_its_leaves_in_any_order() -> None:
    one, other = ValueError("a"), OSError("b")
    nested = ExceptionGroup("g", [other, ExceptionGroup("inner", [one])])
    assert same(raising(ExceptionGroup("g", [one, other])), raising(nested.derive([other, one])))
    assert not same(raising(ExceptionGroup("g", [one])), raising(nested))
    assert "OSError: b; ValueError: a" in failure(raising(nested)).message


def test_a_group_of_a_thousand_is_described_briefly() -> None:
    found = failure(raising(ExceptionGroup("g", [ValueError(str(n)) for n in range(1000)])))
    assert found.exception == "ExceptionGroup"
    assert len(found.message) <= 300


def test_endless_recursion_is_one_failure_however_deep_the_stack_was() -> None:
    def even(number: int) -> object:
        return odd(number + 1)

    def odd(number: int) -> object:
        return even(number + 1)

    def deeper() -> object:
        return even(0)

    assert same(lambda: even(0), deeper)
    assert str(failure(deeper).function).endswith("even")


def test_a_syntax_error_does_not_depend_on_its_line() -> None:
    def compiles(source: str) -> Callable[[], object]:
        return lambda: compile(source, "a.py", "exec")

    assert same(compiles("1 +"), compiles("\n\n1 +"))
    found = failure(compiles("1 +"))
    assert (found.exception, found.message) == ("SyntaxError", "invalid syntax")


# Exceptions that misbehave


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Wrong(Exception):
    def __str__(self) -> str:
        return 1  # type: ignore[return-value]  # noqa: PLE0307  # that is the point


class Leaving(Exception):
    def __str__(self) -> str:
        raise SystemExit


class Falsifying(AssertionError):
    def __init__(self) -> None:
        super().__init__(Leaving())

    def __repr__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize("error", [Silent(), Wrong(), Leaving()], ids=repr)
def test_an_exception_without_a_text_is_recorded_by_its_type(error: Exception) -> None:
    found = failure(raising(error))
    assert found.exception == type(error).__qualname__
    assert found.message == f"<unprintable {type(error).__qualname__} object>"


HOSTILE = {
    "huge": ValueError("x 1" * 1_000_000),
    "lone surrogate": ValueError("\ud800"),
    "control characters": ValueError("\x00\x1b]0;title\x07\x9b31m"),
    "no text": ValueError(),
    "odd arguments": AssertionError(Silent(), 1),
    "odd repr": Falsifying(),
    "exit": SystemExit(3),
    "pytest's own": pytest.fail.Exception("no", pytrace=False),
    "empty message list": SyntaxError(),
}


@pytest.mark.parametrize("error", HOSTILE.values(), ids=HOSTILE)
def test_any_exception_is_recorded_in_one_short_printable_line(error: BaseException) -> None:
    found = failure(raising(error))
    assert found.fingerprint.startswith("v1:")
    assert len(found.message) <= 300
    assert found.message.isprintable()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Failure) == found


def test_a_type_whose_name_lies_is_recorded() -> None:
    liar = type("Error\n\x1b[31m", (Exception,), {})
    assert failure(raising(liar("x"))).exception == "Error"


# Assertions, alike at every verbosity and without pytest's rewriting


class Colour(enum.Enum):
    RED = 1


class Basket:
    limit = 3

    def __init__(self) -> None:
        self.items = [1, 2]

    @property
    def full(self) -> bool:
        return len(self.items) >= self.limit

    def price(self, each: int) -> int:
        """Read, not run."""
        items = self.items
        if not items:
            return 0
        return sum(items) + each

    def add(self, item: int) -> bool:
        self.items.append(item)
        return False


STATEMENTS = {
    "assert basket.full": "assert False",
    "assert not basket.items": "assert not [1, 2]",
    "assert basket.price(2) == 6": "assert 5 == 6",
    "assert basket.items[-1] == 3 and basket.full": "assert (2 == 3)",
    "assert 1 > 2 or basket.items == [*range(3)]": "assert (1 > 2 or [1, 2] == [0, 1, 2])",
    "assert basket.colour is None": "assert <Colour.RED: 1> is None",
    "assert Colour.RED in {}": "assert <Colour.RED: 1> in {}",
    "assert basket.items * 2 == [2]": None,  # repeating a sequence is not read
    "assert 3 * len(basket.items) == 2": "assert 6 == 2",
    "assert sorted(x + 2 for x in {3, 1}) == [2]": "assert [3, 5] == [2]",
    "assert {'b', 'a'} == {'c'}": "assert {'a', 'b'} == {'c'}",
    "assert 'x'.upper() in 'abc'.split()": "assert 'X' in ['abc']",
    "assert len(basket.items) == 3, 'three'": "three",
    "assert basket.add(3)": "assert basket.add(3)",
    "assert basket.add(3) == 1": "assert basket.add(3) == 1",
    "assert next(iter(basket.items)) == 2": None,
}


def fails_plainly(statement: str, folder: Path) -> Failure:
    """The failure of a statement in a file that pytest has not rewritten."""
    file = folder / "plain.py"
    file.write_text(f"def run(basket, Colour):\n    {statement}\n")
    names: dict[str, Callable[..., object]] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    basket = Basket()
    basket.colour = Colour.RED  # type: ignore[attr-defined]
    found = failure(lambda: names["run"](basket, Colour), root=folder)
    assert basket.items in ([1, 2], [1, 2, 3])  # a call with an effect ran at most once
    return found


@pytest.mark.parametrize(
    ("statement", "message"), [item for item in STATEMENTS.items() if item[1] is not None]
)
def test_a_plain_assertion_shows_its_operands(statement: str, message: str, tmp_path: Path) -> None:
    assert fails_plainly(statement, tmp_path).message == message


@pytest.mark.parametrize("statement", [key for key, text in STATEMENTS.items() if text is None])
def test_a_plain_assertion_that_cannot_be_read_shows_its_source(
    statement: str, tmp_path: Path
) -> None:
    assert fails_plainly(statement, tmp_path).message == statement


# Over reports


def failed_report(fails: Callable[[], object]) -> pytest.TestReport:
    with pytest.raises(BaseException) as caught:  # any failure is described
        fails()
    made = report("as the terminal shows it")
    attach(made, caught, "t.py::test", ROOT)
    return made


def test_a_failure_survives_the_way_of_a_report_between_processes() -> None:
    made = failed_report(raising(ValueError("x")))
    arrived = pytest.TestReport._from_json(made._to_json())
    assert failure_of(arrived, root=ROOT) == failure(raising(ValueError("x")))


def test_a_passed_report_gets_nothing_attached() -> None:
    made = report(None)
    made.outcome = "passed"
    attach(made, None, "t.py::test", ROOT)
    assert not hasattr(made, "malagate_failure")


@pytest.mark.parametrize(
    "forged", [None, 1, {}, {"fingerprint": 1}, {"fingerprint": "v1:0", "phase": "x"}]
)
def test_an_invalid_attachment_is_not_believed(forged: object) -> None:
    made = report("[XPASS(strict)] fixed", malagate_failure=forged)
    assert failure_of(made, root=ROOT).message == "[XPASS(strict)] fixed"


def test_a_strict_xpass_is_a_failure_without_an_exception() -> None:
    made = report("[XPASS(strict)] fixed")
    attach(made, None, "t.py::test", ROOT)
    found = failure_of(made, root=ROOT)
    assert (found.exception, found.phase) == ("", "call")
    assert found.fingerprint.startswith("v1:")


def test_a_crashed_worker_s_name_does_not_count() -> None:
    one = failure_of(report("worker 'gw0' crashed while running 'a'", when="???"), root=ROOT)
    other = failure_of(report("worker 'gw3' crashed while running 'a'", when="???"), root=ROOT)
    assert one.phase == other.phase == "crash"
    assert one.fingerprint == other.fingerprint


def test_a_collection_error_is_read_from_the_lines_that_pytest_marks() -> None:
    text = "ImportError while importing test module 't.py'.\nTraceback:\nt.py:1: in <module>\n"
    text += "    import nope\nE   pkg.ModuleNotFoundError: No module named 'nope'\n"
    made = pytest.CollectReport("t.py", "failed", text, [])  # type: ignore[arg-type]
    found = failure_of(made, root=ROOT)
    assert (found.exception, found.message) == ("ModuleNotFoundError", "No module named 'nope'")
    assert found.phase == "collect"


@pytest.mark.parametrize(
    ("text", "exception", "message"),
    [
        ("assert 3 == 4", "AssertionError", "assert 3 == 4"),
        ("json.decoder.JSONDecodeError: no: value", "JSONDecodeError", "no: value"),
        ("Failed: see", "Failed", "see"),
        ("KeyError", "KeyError", ""),
        ("worker 'gw0' crashed: no", "", "worker 'gw0' crashed: no"),
        ("", "", ""),
    ],
)
def test_a_report_s_crash_line_is_split_into_type_and_message(
    text: str, exception: str, message: str
) -> None:
    crash = SimpleNamespace(message=text, path=os.fspath(ROOT / "a.py"), lineno=3)
    found = failure_of(report(SimpleNamespace(reprcrash=crash)), root=ROOT)
    assert (found.exception, found.message) == (exception, message)
    assert (found.path, found.line, found.function) == ("a.py", 3, None)


def test_a_collection_error_is_its_cause() -> None:
    def fails() -> None:
        try:
            raise ModuleNotFoundError("No module named 'nope'")
        except ImportError as error:
            raise pytest.Collector.CollectError("formatted") from error

    found = failure(fails)
    assert (found.exception, found.message) == ("ModuleNotFoundError", "No module named 'nope'")


def test_a_doctest_failure_is_what_was_expected_and_got() -> None:
    example = doctest.Example("f()", "1\n", lineno=2)
    case = doctest.DocTest([example], {}, "pkg.f", str(ROOT / "pkg.py"), 10, None)
    found = failure(raising(doctest.DocTestFailure(case, example, "2\n")))
    assert (found.exception, found.message) == ("DocTestFailure", "expected '1', got '2'")
    assert (found.path, found.function, found.line) == ("pkg.py", "pkg.f", 13)
