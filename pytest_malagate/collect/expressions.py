"""The value of an expression, read from a frame without running any of the repository's code.

* Names, constants, attributes, items and operators over built-in values are read.
* A function, method or property of the repository is read only if its body is assignments to
  local names, `if` and `return` of such expressions.

Any other call is left alone: repeating it could block, or change what the next test sees.
"""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
import itertools
import linecache
import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FrameType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

_ELEMENTS = 1000  # elements of a container that are looked at
_STEPS = 2000  # expressions read for one assertion

_MISSING = object()
_SCALARS = frozenset({int, float, complex, bool, str, bytes, type(None), range, slice})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
_CONSTRUCTORS = (bool, int, float, str, list, tuple, set, frozenset, dict, range)
_PURE = (*_CONSTRUCTORS, len, sorted, abs, min, max, sum, round, any, all, ord, chr, divmod, repr)
_MUTATORS = frozenset(
    (
        *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove"),
        *("reverse", "setdefault", "sort", "update"),
        *("difference_update", "intersection_update", "symmetric_difference_update"),
    )
)


def _product(left: Any, right: Any) -> Any:
    # Only of numbers: a repeated sequence may be as long as memory.
    if {type(left), type(right)} <= {int, float, complex, bool}:
        return left * right
    raise TypeError


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _product,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
COMPARISONS: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Is: ("is", operator.is_),
    ast.IsNot: ("is not", operator.is_not),
    ast.In: ("in", lambda item, container: item in container),
    ast.NotIn: ("not in", lambda item, container: item not in container),
}
"""Each comparison of the language: its sign and what computes it."""


class UnreadableError(Exception):
    """The value cannot be had without running the repository's code."""


def source_tree(code: CodeType) -> ast.Module | None:
    """The syntax tree of a function, or of the whole file for a module's own code."""
    if code.co_name == "<module>":
        return _parse(code.co_filename, 1, None)
    last = max((place[1] or 0 for place in code.co_positions()), default=0)
    return _parse(code.co_filename, code.co_firstlineno, last)


@lru_cache(maxsize=256)
def _parse(filename: str, first: int, last: int | None) -> ast.Module | None:
    lines = linecache.getlines(filename)[first - 1 : last]
    indented = bool(lines) and lines[0][:1].isspace()
    try:
        tree = ast.parse(("if 1:\n" if indented else "") + "".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    ast.increment_lineno(tree, first - 2 if indented else first - 1)
    return tree


class ExpressionReader:
    """Reads expressions in one scope. `steps` runs out when too many have been read."""

    def __init__(
        self, local: Mapping[str, object], outer: Mapping[str, object], steps: Iterable[int]
    ) -> None:
        self._local = local
        self._outer = outer
        self._steps = iter(steps)

    @classmethod
    def of_frame(cls, frame: FrameType) -> ExpressionReader:
        return cls(frame.f_locals, frame.f_globals, range(_STEPS))

    def value(self, node: ast.expr) -> Any:
        """The expression's value. Raises UnreadableError."""
        if next(self._steps, None) is None:
            raise UnreadableError
        read = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read is None:
            raise UnreadableError
        try:
            return read(node)
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise UnreadableError from error

    def truth(self, node: ast.expr) -> bool:
        """Whether the value is true. Raises UnreadableError."""
        return bool(_plain(self.value(node)))

    def _constant(self, node: ast.Constant) -> object:
        return node.value

    def _name(self, node: ast.Name) -> object:
        for names in (self._local, self._outer, vars(builtins)):
            if node.id in names:
                return names[node.id]
        raise UnreadableError

    def _elements(self, nodes: list[ast.expr]) -> list[Any]:
        values: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                values.extend(_plain(self.value(node.value)))
            else:
                values.append(self.value(node))
        return values

    def _list(self, node: ast.List) -> list[Any]:
        return self._elements(node.elts)

    def _tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self._elements(node.elts))

    def _set(self, node: ast.Set) -> set[Any]:
        return {_plain(item) for item in self._elements(node.elts)}

    def _listcomp(self, node: ast.ListComp) -> list[Any]:
        return self._comprehended(node.elt, node.generators)

    def _setcomp(self, node: ast.SetComp) -> set[Any]:
        return {_plain(item) for item in self._comprehended(node.elt, node.generators)}

    # Only `all`, `any`, `sum`, `list` and their like are given one here, and they read it whole.
    def _generatorexp(self, node: ast.GeneratorExp) -> list[Any]:
        return self._comprehended(node.elt, node.generators)

    def _comprehended(self, element: ast.expr, loops: list[ast.comprehension]) -> list[Any]:
        loop = loops[0]
        if len(loops) > 1 or loop.is_async or not isinstance(loop.target, ast.Name):
            raise UnreadableError
        values: list[Any] = []
        for item in _plain(self.value(loop.iter)):
            local = {**self._local, loop.target.id: item}
            inner = ExpressionReader(local, self._outer, self._steps)
            if all(inner.truth(condition) for condition in loop.ifs):
                values.append(inner.value(element))
        return values

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        keys = [self.value(key) for key in node.keys if key is not None]
        values = self._elements(node.values)
        return {_plain(key): value for key, value in zip(keys, values, strict=True)}

    def _slice(self, node: ast.Slice) -> slice:
        ends = (node.lower, node.upper, node.step)
        return slice(*(None if end is None else _plain(self.value(end)) for end in ends))

    def _subscript(self, node: ast.Subscript) -> object:
        container = self.value(node.value)
        if type(container) not in _CONTAINERS | {str, bytes, range}:
            raise UnreadableError
        return container[_plain(self.value(node.slice))]

    def _unaryop(self, node: ast.UnaryOp) -> object:
        return _UNARY[type(node.op)](_plain(self.value(node.operand)))

    def _binop(self, node: ast.BinOp) -> object:
        left, right = _plain(self.value(node.left)), _plain(self.value(node.right))
        return _BINARY[type(node.op)](left, right)

    def _boolop(self, node: ast.BoolOp) -> object:
        value: object = None
        for operand in node.values:
            value = _plain(self.value(operand))
            if bool(value) == isinstance(node.op, ast.Or):
                break
        return value

    def _ifexp(self, node: ast.IfExp) -> object:
        return self.value(node.body if _plain(self.value(node.test)) else node.orelse)

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for sign, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            if not isinstance(sign, ast.Is | ast.IsNot):
                _plain(left), _plain(right)
            if not COMPARISONS[type(sign)][1](left, right):
                return False
            left = right
        return True

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        found = _static_attribute(owner, node.attr)
        if isinstance(found, property) and isinstance(found.fget, FunctionType):
            return self._read_function(found.fget, [owner])
        if isinstance(found, MemberDescriptorType):
            return found.__get__(owner)
        if hasattr(type(found), "__get__") and found is not _instance_dict(owner).get(node.attr):
            raise UnreadableError
        return found

    def _call(self, node: ast.Call) -> object:
        if node.keywords:
            raise UnreadableError
        arguments = self._elements(node.args)
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            return self._call_method(owner, node.func.attr, arguments)
        function = self.value(node.func)
        if isinstance(function, FunctionType):
            return self._read_function(function, arguments)
        if any(function is pure for pure in _PURE):
            return function(*map(_plain, arguments))
        raise UnreadableError

    def _call_method(self, owner: Any, name: str, arguments: list[Any]) -> object:
        if type(owner) in _SCALARS | _CONTAINERS:
            if name in _MUTATORS or name.startswith("_"):
                raise UnreadableError
            return getattr(_plain(owner), name)(*map(_plain, arguments))
        found = _static_attribute(owner, name)
        if not isinstance(found, FunctionType):
            raise UnreadableError
        bound = [] if found is _instance_dict(owner).get(name) else [owner]
        return self._read_function(found, [*bound, *arguments])

    def _read_function(self, function: FunctionType, arguments: list[Any]) -> object:
        code = function.__code__
        tree = source_tree(code)
        names = code.co_varnames[: code.co_argcount]
        variadic = code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
        if tree is None or len(names) != len(arguments) or variadic:
            raise UnreadableError
        body = next(
            (
                node.body
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef) and node.name == code.co_name
            ),
            [],
        )
        local = dict(zip(names, arguments, strict=True))
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        outer = function.__globals__ | {name: cell.cell_contents for name, cell in cells}
        result = ExpressionReader(local, outer, self._steps)._run(body, local)
        return None if result is _MISSING else result

    def _run(self, body: list[ast.stmt], local: dict[str, object]) -> object:
        for statement in body:
            match statement:
                case ast.Return(value):
                    return None if value is None else self.value(value)
                case ast.Expr(ast.Constant(str())):
                    pass
                case ast.Assign([ast.Name(name)], value):
                    local[name] = self.value(value)
                case ast.If(test, then, otherwise):
                    branch = then if _plain(self.value(test)) else otherwise
                    result = self._run(branch, local) if branch else _MISSING
                    if result is not _MISSING:
                        return result
                case _:
                    raise UnreadableError
        return _MISSING


def _plain(value: Any) -> Any:
    """The value, if it consists of built-in types alone: their methods are known to be pure."""
    pending, seen = [value], 0
    while pending:
        item = pending.pop()
        seen += 1
        if type(item) in _CONTAINERS:
            pending.extend(itertools.islice(item, _ELEMENTS))
            if isinstance(item, dict):
                pending.extend(itertools.islice(item.values(), _ELEMENTS))
        elif type(item) not in _SCALARS:
            raise UnreadableError
        long = isinstance(item, Collection) and len(item) > _ELEMENTS
        if (long and not isinstance(item, str | bytes)) or seen > _ELEMENTS:
            raise UnreadableError
    return value


def _instance_dict(owner: object) -> Mapping[str, object]:
    try:
        found: Mapping[str, object] = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return {}
    return found


def _static_attribute(owner: Any, name: str) -> Any:
    """An attribute, looked up without calling `__getattr__` or a descriptor."""
    if isinstance(owner, enum.EnumMeta):
        return owner.__members__[name]
    looked_up = type(owner).__getattribute__
    usual: tuple[object, ...] = (
        object.__getattribute__,
        ModuleType.__getattribute__,
        type.__getattribute__,
    )
    if looked_up not in usual:
        raise UnreadableError
    found = inspect.getattr_static(owner, name, _MISSING)
    if found is _MISSING:
        raise UnreadableError
    return found
