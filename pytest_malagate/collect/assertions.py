"""What a failed `assert` statement compared, said the same way however pytest was asked to say it.

pytest's explanation of an assert is not stable: `-vv` prints whole operands where the default
cuts each to some thirty characters, and `--assert=plain` prints nothing. So the operands are
looked up again in the frame that raised (see `collect.expressions`).

Where an operand cannot be read, pytest's own text stands for it, cut to what is shown at every
verbosity. Without that text as well (`--assert=plain` over a call that is not read) the
statement's source stands for it: there, and only there, the message depends on the assertion
mode.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable
from types import FrameType, TracebackType

from pytest_malagate.collect.expressions import (
    COMPARISONS,
    ExpressionReader,
    UnreadableError,
    source_tree,
)

_SHOWN = 12  # characters of an operand that pytest shows at every verbosity
_WIDTH = 1000  # characters of one operand that are told apart
_ELEMENTS = 1000  # elements of a set that are sorted


def assertion_message(traceback: TracebackType, text: str) -> str:
    """The message of an AssertionError, alike at every verbosity and (see above) assertion mode.

    `traceback` is the entry that raised; `text` is the exception's own text. Returns `text` where
    no `assert` statement without a message of its own raised it.
    """
    statement = _assert_statement(traceback)
    if statement is None:
        return text
    if statement.msg is not None:
        return text.partition("\nassert ")[0]
    if text and not text.startswith("assert "):
        return text
    source = f"assert {ast.unparse(statement.test)}"
    frame = traceback.tb_frame
    try:
        return f"assert {_explain(statement.test, ExpressionReader.of_frame(frame))}"
    except UnreadableError:
        first = text.partition("\n")[0]
        # `assert check(x)` shows nothing but False: its source says more, and in every mode.
        if first in ("", "assert False", "assert not True"):
            return source
        return f"assert {_cut(first.removeprefix('assert '), statement.test, frame)}"


def _explain(node: ast.expr, reader: ExpressionReader) -> str:
    """The expression with its operands' values, as pytest would show it."""
    match node:
        case ast.Compare(left, ops, comparators):
            shown = bounded_repr(reader.value(left))
            for sign, right in zip(ops, comparators, strict=True):
                shown += f" {COMPARISONS[type(sign)][0]} {bounded_repr(reader.value(right))}"
            return shown
        case ast.UnaryOp(ast.Not(), operand):
            return f"not {_explain(operand, reader)}"
        case ast.BoolOp(operator, values):
            is_or = isinstance(operator, ast.Or)
            operands = [_explain(value, reader) for value in _evaluated(values, is_or, reader)]
            return f"({(' or ' if is_or else ' and ').join(operands)})"
    return bounded_repr(reader.value(node))


def _evaluated(values: list[ast.expr], is_or: bool, reader: ExpressionReader) -> Iterable[ast.expr]:
    """The operands of `and` or `or` up to the one that settled it."""
    for node in values:
        yield node
        if reader.truth(node) is is_or:
            return


def bounded_repr(value: object, depth: int = 8) -> str:
    """`repr`, about 1,000 characters of it, the elements of sets sorted; never raises.

    An object of the repository's own is shown by its `__repr__`, as pytest does.
    """
    kind = type(value)
    if kind in (str, bytes):
        return repr(value[:_WIDTH])  # type: ignore[index]  # it is one of the two
    if kind not in (list, tuple, set, frozenset, dict) or not value:
        return _own_repr(value)
    return "..." if depth == 0 else _container_repr(value, depth - 1)


def _container_repr(value: object, depth: int) -> str:
    match value:
        case dict():
            pairs = (
                f"{bounded_repr(key, depth)}: {bounded_repr(item, depth)}"
                for key, item in value.items()
            )
            return f"{{{_bounded(pairs)}}}"
        case set() | frozenset():
            some = itertools.islice(value, _ELEMENTS)
            inside = _bounded(sorted(bounded_repr(item, depth) for item in some))
            return f"{{{inside}}}" if isinstance(value, set) else f"frozenset({{{inside}}})"
        case tuple():
            inside = _bounded(bounded_repr(item, depth) for item in value)
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        case list():
            return f"[{_bounded(bounded_repr(item, depth) for item in value)}]"
    return _own_repr(value)


def _bounded(pieces: Iterable[str]) -> str:
    kept: list[str] = []
    size = 0
    for piece in pieces:
        if size > _WIDTH:
            kept.append("...")
            break
        kept.append(piece)
        size += len(piece) + 2
    return ", ".join(kept)


def _own_repr(value: object) -> str:
    try:
        return repr(value)[:_WIDTH]
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # the repository's own __repr__ may raise anything
        return f"<unprintable {type(value).__qualname__} object>"


def _cut(shown: str, test: ast.expr, frame: FrameType) -> str:
    """pytest's first line, each operand cut to what it shows at every verbosity."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        sign = f" {COMPARISONS[type(test.ops[0])][0]} "
        left, found, right = shown.partition(sign)
        if found:
            return f"{_operand(left, frame)}{sign}{_operand(right, frame)}"
    return _operand(shown, frame)


def _operand(shown: str, frame: FrameType) -> str:
    """A long operand in full, if exactly one value that pytest kept of this assert can be it."""
    if len(shown) <= _SHOWN:
        return shown
    head = shown[:_SHOWN]
    kept = (value for name, value in frame.f_locals.items() if name.startswith("@py_assert"))
    reprs = {bounded_repr(value) for value in itertools.islice(kept, 50)}
    fitting = [text for text in reprs if text.startswith(head)]
    return fitting[0] if len(fitting) == 1 else f"{head}…"


def _assert_statement(traceback: TracebackType) -> ast.Assert | None:
    code = traceback.tb_frame.f_code
    raised = next(itertools.islice(code.co_positions(), traceback.tb_lasti // 2, None), None)
    line = (raised and raised[0]) or traceback.tb_lineno
    tree = source_tree(code)
    if tree is None or line is None:
        return None
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return around[0] if len(around) == 1 else None
