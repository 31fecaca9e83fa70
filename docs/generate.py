"""Writes docs/reference.md from the code, so that the two cannot disagree.

python docs/generate.py           writes it
python docs/generate.py --check   exit 1 if what is written is not current
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

import pytest_malagate
from pytest_malagate import plugin
from pytest_malagate.cli import COMMANDS
from pytest_malagate.errors import ExitCode
from pytest_malagate.gate import evidence, result
from pytest_malagate.gate.reasons import REASONS
from pytest_malagate.policy import parse_policy
from pytest_malagate.policy.rules import ListOf, Named, Rule, Table
from pytest_malagate.policy.table import POLICY
from pytest_malagate.schemas import TITLES

REFERENCE = Path(__file__).with_name("reference.md")

HEAD = """\
# Reference

Generated from the code by `docs/generate.py` (`make docs`); edits here are lost.
"""

EXIT_CODES = {
    ExitCode.PASSED: "passed",
    ExitCode.FAILED: "the gate failed",
    ExitCode.USAGE: "a usage or policy error; nothing was judged",
    ExitCode.INCONCLUSIVE: "inconclusive: the machinery broke, not the work",
    ExitCode.NOT_ADMITTED: "not admitted: waiting or frozen",
}

EXIT_NOTES = """\
`malagate run` exits with its command's own code (128 and the signal's number for a signal, 126 or
127 if the command could not be started). `pytest -p malagate` keeps pytest's codes; a failed gate
on green tests makes it 1, and a wrong policy is pytest's usage error, 4. Therefore green tests that
are not admitted (`--malagate-admission`) end with 1 as well, and `malagate check --admission` with
4: a script that has to tell waiting from failing asks the command, or reads `next_action.kind`.
"""

LATER = " *Not judged by this version.*"
UNJUDGED = parse_policy(
    "coverage: {min_changed_percent: 1, no_decrease: true}\n"
    "integrity: {tests_removed: fail, skips_added: fail, checks_weakened: fail,"
    " pragmas_added: fail, policy_changed: fail, protected_paths: [x]}\n",
    file="every key that a version may leave out",
).unjudged

OUT = (
    ("evidence.jsonl", "the evidence log: one JSON record a line, appended, never rewritten"),
    ("gate-result.json", f"the last GateResult, schema `{result.SCHEMA}`"),
    ("summary.md", "the same for a person"),
    ("coverage.json", "lines and branches of each measured file, with the file's digest"),
    ("state.db", "attempts of each task; queue, freezes and their ledger (SQLite)"),
    (".gitignore", "keeps all of this out of git"),
)


def rows(head: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for cells in body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def code(text: str) -> str:
    """A code span; nothing for nothing."""
    return f"`{text}`" if text else ""


# --- commands and options ---


def commands() -> Iterator[str]:
    """Each command with its arguments."""
    yield "## Commands\n"
    for name, (module, help_line) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"malagate {name}", add_help=False)
        importlib.import_module(f"pytest_malagate.cli.{module}").configure(parser)
        yield f"### `malagate {name}`\n"
        yield f"{help_line[:1].upper()}{help_line[1:]}.\n"
        if parser.usage:
            yield f"    {parser.usage}\n"
        if parser.epilog:
            yield f"{parser.epilog}\n"
        if arguments := _arguments(parser):
            yield from rows(("argument", "meaning"), arguments)
        yield from _verbs(name, parser)


def _arguments(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    hidden = (argparse._SubParsersAction, argparse._HelpAction)
    return [
        _argument(action)
        for action in parser._actions
        if action.nargs != argparse.REMAINDER and not isinstance(action, hidden)
    ]


def _verbs(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """The sub-commands, then once what all of them take."""
    verbs: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            verbs |= action.choices
    if not verbs:
        return
    taken = {verb: _arguments(sub) for verb, sub in verbs.items()}
    shared = [row for row in next(iter(taken.values())) if all(row in t for t in taken.values())]
    body = []
    for verb, sub in verbs.items():
        body.append((code(f"{name} {verb}"), sub.description or ""))
        body += [(f"… {shown}", what) for shown, what in taken[verb] if _is_own(shown, shared)]
    yield from rows(("call", "meaning"), body)
    yield "Each of them takes:\n"
    yield from rows(("argument", "meaning"), shared)


def _is_own(shown: str, shared: list[tuple[str, str]]) -> bool:
    """True for an argument that not every sub-command takes."""
    return all(shown != other for other, _ in shared)


def _argument(action: argparse.Action) -> tuple[str, str]:
    value = str(action.metavar or action.dest.upper())
    if action.choices is not None:
        value = "|".join(map(str, action.choices))
    names = action.option_strings
    if not names:
        optional = action.nargs in ("?", "*")
        return code(f"[{value}]" if optional else value), action.help or ""
    shown = names[-1] if action.nargs == 0 else f"{names[-1]} {value}"
    default = action.default
    stated = action.nargs == 0 or default in (None, argparse.SUPPRESS)
    stated = stated or "default" in (action.help or "")
    return code(shown), (action.help or "") + ("" if stated else f" (default: {default})")


class _Recorded:
    """Stands in for pytest's parser and remembers what a plugin adds."""

    def __init__(self) -> None:
        self.options: list[tuple[str, dict[str, Any]]] = []

    def getgroup(self, *_: str) -> _Recorded:
        return self

    def addoption(self, name: str, **settings: Any) -> None:
        self.options.append((name, settings))


def plugin_options() -> Iterator[str]:
    """The options that the plugin adds to pytest."""
    yield "## pytest options\n"
    yield "The plugin is asked for by `-p malagate` or `--malagate`, and by nothing else. Write the"
    yield "options with `=`: of an option that it does not know yet, pytest takes a separate value"
    yield "for a path. `malagate` records nothing for `--collect-only`, `--help` and the like.\n"
    recorded = _Recorded()
    plugin.pytest_addoption(recorded)  # type: ignore[arg-type]  # all it needs of a parser
    yield from rows(("option", "meaning"), map(_plugin_option, recorded.options))


def _plugin_option(option: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    name, settings = option
    if settings.get("action") == "store_true":
        return code(name), settings["help"]
    value = "|".join(settings.get("choices", ())) or settings["metavar"]
    default = settings.get("default")
    return code(f"{name}={value}"), settings["help"] + (f" (default: {default})" if default else "")


# --- the policy ---


def policy() -> Iterator[str]:
    """Every key of the policy."""
    yield "## Policy\n"
    yield "`malagate.yaml`, or `[tool.malagate]` in `pyproject.toml`; both at once is an error."
    yield "Every key has a default and the file may be absent. An unknown key, a wrong type and a"
    yield "number out of range are errors (exit 2) that name file, line, column and key.\n"
    yield from rows(("key", "takes", "default", "meaning"), _keys("", POLICY))


def _keys(prefix: str, table: Table) -> Iterator[tuple[str, str, str, str]]:
    defaults = msgspec.to_builtins(table.defaults) if table.defaults else {}
    for key, rule in table.keys.items():
        path = f"{prefix}{key}"
        if isinstance(rule, Table):
            yield code(path), rule.wanted, "", rule.doc
            yield from _keys(f"{path}.", rule)
        else:
            default = _default(defaults[key]) if key in defaults else ""
            yield code(path), _wanted(rule), default, rule.doc + (LATER if path in UNJUDGED else "")
            if isinstance(rule, Named) and isinstance(rule.item, Table):
                yield from _keys(f"{path}.NAME.", rule.item)


def _wanted(rule: Rule) -> str:
    if isinstance(rule, ListOf):
        return f"a list; each {rule.item.wanted}"
    if isinstance(rule, Named) and not isinstance(rule.item, Table):
        return f"a mapping from names to: {rule.item.wanted}"
    return rule.wanted


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, (list, tuple, dict)) and not value:
        return "empty"
    return code(str(value).lower() if isinstance(value, bool) else str(value))


# --- reasons ---


def reasons() -> Iterator[str]:
    """Every reason code, in the order in which reasons are told."""
    yield "## Reason codes\n"
    yield "In the order in which they are told. `fail` blocks and is charged to the author;"
    yield "`inconclusive` and `error` block and are not the work's fault; `warn` does not block."
    yield "A policy may say otherwise for `integrity.*`. `malagate explain CODE` prints one.\n"
    for phase, group in groupby(REASONS.values(), key=lambda info: info.phase):
        yield f"### {phase.title.capitalize()}\n"
        for info in group:
            yield f"**`{info.code}`** ({info.severity}): {info.title}."
            yield f"{info.why} *Fix:* {info.fix}\n"


# --- values ---


def records() -> Iterator[str]:
    """The records of the evidence log."""
    yield f"## Evidence records (`{evidence.SCHEMA}`)\n"
    yield "One JSON object a line; `type` names the kind. Fields that have their default are left"
    yield "out. Times are seconds since the epoch, durations seconds, offsets bytes.\n"
    for kind in get_args(evidence.AnyRecord):
        yield f"### `{kind.__struct_config__.tag}`\n"
        yield from _struct(kind)
    for part in (evidence.Failure, evidence.CoverageProblem):
        yield f"### `{part.__name__}`, a part of a record\n"
        yield from _struct(part)


def gate_result() -> Iterator[str]:
    """The GateResult and its parts."""
    yield f"## GateResult (`{result.SCHEMA}`)\n"
    yield from _struct(result.GateResult)
    parts = [
        part
        for part in vars(result).values()
        if inspect.isclass(part) and issubclass(part, result.Value)
    ]
    for part in parts:
        if part not in (result.Value, result.GateResult):
            yield f"### `{part.__name__}`\n"
            yield from _struct(part)


def _struct(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield f"{inspect.getdoc(kind)}\n"
    fields = msgspec.structs.fields(kind)
    yield from rows(
        ("field", "type", "default"), ((code(f.name), *_field(kind, f)) for f in fields)
    )


def _field(kind: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    home = next(c for c in kind.__mro__ if field.name in inspect.get_annotations(c))
    written = str(inspect.get_annotations(home)[field.name])
    type_ = code(" ".join(_words(kind, written).split()))
    if field.default_factory is not msgspec.NODEFAULT:
        return type_, "empty"
    if field.default is msgspec.NODEFAULT:
        return type_, "(always given)"
    if isinstance(field.default, msgspec.Struct):
        return type_, "its defaults"
    return type_, code(msgspec.json.encode(field.default).decode())


def _words(kind: type, written: str) -> str:
    """An annotation; one that names or is a choice among words shows them."""
    choice = getattr(sys.modules[kind.__module__], written, None)
    if get_origin(choice) is Literal:
        return " | ".join(f'"{word}"' for word in get_args(choice))
    listed = re.fullmatch(r"Literal\[(.*)\](.*)", written, re.DOTALL)
    if listed is None:
        return written
    return listed[1].replace("'", '"').replace(", ", " | ") + listed[2]


# --- the rest ---


def exit_codes() -> Iterator[str]:
    """What the command's exit codes mean."""
    yield "## Exit codes\n"
    yield from rows(("code", "meaning"), ((str(int(c)), EXIT_CODES[c]) for c in ExitCode))
    yield EXIT_NOTES


def files() -> Iterator[str]:
    """What is written, and the schemas of it."""
    yield "## Files in `malagate-out/`\n"
    yield from rows(("file", "what"), ((code(name), what) for name, what in OUT))
    yield "`malagate schema NAME` prints a JSON Schema (draft 2020-12):\n"
    yield from rows(("schema", "of"), ((code(name), what) for name, what in TITLES.items()))


def python_names() -> Iterator[str]:
    """What `from pytest_malagate import …` offers."""
    yield "## Python\n"
    names = [name for name in pytest_malagate.__all__ if not name.startswith("_")]
    described = ((code(name), _summary(getattr(pytest_malagate, name))) for name in names)
    yield from rows(("name", "what"), described)


def _summary(thing: object) -> str:
    """The first sentence of a docstring."""
    paragraph = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "."


SECTIONS = (
    commands,
    plugin_options,
    exit_codes,
    policy,
    files,
    reasons,
    gate_result,
    records,
    python_names,
)


def reference() -> str:
    """The whole document."""
    lines = [HEAD, *(line for section in SECTIONS for line in section())]
    return "\n".join(lines).rstrip("\n") + "\n"


def main(arguments: list[str]) -> int:
    """Writes the document, or compares it with what is written."""
    if arguments == ["--check"]:
        current = REFERENCE.is_file() and REFERENCE.read_text("utf-8") == reference()
        if not current:
            print("docs/reference.md is not current: run `make docs`", file=sys.stderr)
        return 0 if current else 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    REFERENCE.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
