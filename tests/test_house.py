"""The house's own rules: who may import whom, what a room may touch, what must be current."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_malagate import plugin
from pytest_malagate.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_malagate"
NAME = PACKAGE.name

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "gate"),
    ("repository",),
    ("collect", "queue", "policy"),
    ("report", "base_policy", "subject", "schemas", "coordinate", "reconcile"),
    ("github", "post_deploy"),
    ("serial_gate", "admission"),
    ("local",),
    ("journal", "plugin_coverage", "rerun", "reconciling"),
    ("session", "demo", "action", "agents"),
    ("plugin", "cli"),
    ("__init__", "__main__"),
)
"""The rooms from the ground up. A room is a folder or a module of the package's top level. A
module imports from floors below its room's own, and from its room."""

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Imports against the floors: (module, imported module) and why it has to be."""

LONG = {"gate/reasons.py": "the registry of reasons: one table, which would only be torn apart"}
"""Modules of more than MAX_LINES lines, and why."""

MAX_LINES = 500
FORBIDDEN_NAMES = ("utils", "util", "helpers", "helper", "common", "manager", "misc")


class Import(NamedTuple):
    """One imported name. `module` is dotted, without the package's own name."""

    importer: str
    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line}: {self.module}.{self.name}"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def own_imports() -> Iterator[Import]:
    """Every import of something in the package, those inside functions included."""
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: a relative import"
                package, _, module = (node.module or "").partition(".")
                if package == NAME:
                    for alias in node.names:
                        yield Import(relative(path), module, alias.name, node.lineno)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    package, _, module = alias.name.partition(".")
                    if package == NAME:
                        yield Import(relative(path), module, "", node.lineno)


def room_of(importer: str) -> str:
    return importer.partition("/")[0].removesuffix(".py")


def target_of(found: Import) -> str:
    """The imported room. `from pytest_malagate import x` names a room, or the front door."""
    if found.module:
        return found.module.partition(".")[0]
    return found.name if (PACKAGE / found.name).is_dir() or is_module(found.name) else "__init__"


def is_module(name: str) -> bool:
    return (PACKAGE / f"{name}.py").is_file()


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def against_the_floors(found: Import) -> bool:
    room, target = room_of(found.importer), target_of(found)
    if room == target or (target, found.name) == ("__init__", "__version__"):
        return False
    if (found.importer, found.module) in EXCEPTIONS:
        return False
    return floor_of(target) >= floor_of(room)


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(relative(path)) for path in modules()}
    assert sorted(rooms) == sorted(room for rooms in FLOORS for room in rooms)


def test_imports_go_down() -> None:
    assert [str(found) for found in own_imports() if against_the_floors(found)] == []


def test_no_exception_to_the_floors_is_out_of_date() -> None:
    used = {(found.importer, found.module) for found in own_imports()}
    assert [pair for pair in EXCEPTIONS if pair not in used] == []


def test_nobody_uses_a_neighbours_private_names() -> None:
    private = [
        str(found)
        for found in own_imports()
        if found.name.startswith("_") and not found.name.startswith("__")
    ]
    assert private == []


# Python's own modules that the judgement needs. None of them reads a clock, a file, the
# environment or the network by itself; asyncio and threading stand in the runner.
PURE = {
    *("__future__", "asyncio", "collections", "dataclasses", "difflib", "enum", "functools"),
    *("hashlib", "itertools", "json", "math", "pathlib", "re", "shlex", "threading", "types"),
    *("typing", "unicodedata", "msgspec"),
}
IMPURE_CALLS = {
    *("open", "print", "input", "exec", "eval", "read_text", "read_bytes", "write_text"),
    *("write_bytes", "exists", "is_file", "is_dir", "stat", "iterdir", "glob", "rglob", "mkdir"),
    *("unlink", "cwd", "home", "expanduser", "now", "utcnow", "today"),
}


def gate_modules() -> list[Path]:
    return sorted((PACKAGE / "gate").glob("*.py"))


@pytest.mark.parametrize("path", gate_modules(), ids=relative)
def test_the_gate_imports_nothing_that_reads_the_world(path: Path) -> None:
    imported = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported - PURE - {NAME} == set()


@pytest.mark.parametrize("path", gate_modules(), ids=relative)
def test_the_gate_calls_nothing_that_reads_the_world(path: Path) -> None:
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    names |= {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert names & IMPURE_CALLS == set()


HEAVY = {"coverage", "yaml", "ruamel", "github", "msgspec", "sqlite3"}
_IDLE = (
    "import sys, pytest; before = set(sys.modules); import {}; print(*sys.modules.keys() - before)"
)


def run_python(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        # A measurement around this test would start coverage in the child by itself.
        env={key: value for key, value in os.environ.items() if "COVERAGE" not in key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_idle_plugin_imports_nothing_heavy() -> None:
    done = run_python("-c", _IDLE.format(plugin.__name__))
    assert done.returncode == 0, done.stderr
    assert plugin.__name__ in done.stdout.split()
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()


def test_names_say_what_a_module_is() -> None:
    vague = [
        relative(path)
        for path in modules()
        if {part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts}
        & set(FORBIDDEN_NAMES)
    ]
    assert vague == []


def test_modules_stay_small() -> None:
    lengths = {relative(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    long = {name for name, length in lengths.items() if length > MAX_LINES}
    assert long == set(LONG)


def test_the_generated_reference_is_current() -> None:
    done = run_python("docs/generate.py", "--check")
    assert done.returncode == 0, done.stderr


# --- what the documents tell people to type ---

DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "docs/tutorial.md", "docs/how-to.md", "docs/github.md"),
)
_FENCED = re.compile(r"^ *```(?:console|sh)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def typed(document: str) -> list[list[str]]:
    """The words of every command in the document's console blocks, its comments left out."""
    text = (ROOT / document).read_text("utf-8")
    blocks = "".join(_FENCED.findall(text)).splitlines()
    lines = (line.strip()[2:] for line in blocks if line.strip().startswith("$ "))
    commands = (part for line in lines for part in line.partition(" #")[0].split("&&"))
    return [command.split() for command in commands if command.strip()]


def options_of(command: str) -> set[str]:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"{NAME}.cli.{COMMANDS[command][0]}").configure(parser)
    return set(option_strings(parser))


def option_strings(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a command and of all its sub-commands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from option_strings(sub)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_malagate_command_in_a_document_exists(document: str) -> None:
    calls = [words[1:] for words in typed(document) if words[0] == "malagate"]
    for command, *arguments in calls:
        if command == "--version":
            continue
        assert command in COMMANDS, f"malagate {command}"
        ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
        options = {word.partition("=")[0] for word in ours if word.startswith("--")}
        assert options <= options_of(command), f"malagate {command} {' '.join(arguments)}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_in_a_document_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (ROOT / document).read_text("utf-8")
    named = {words[1] for words in typed(document) if words[0] == "make"}
    named |= set(re.findall(r"`make ([a-z]+)", text))
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_plugin_option_in_a_document_exists(
    document: str, pytestconfig: pytest.Config
) -> None:
    named = set(re.findall(r"--malagate[-a-z]*", (ROOT / document).read_text("utf-8")))
    known = set(re.findall(r'"(--malagate[-a-z]*)"', Path(plugin.__file__).read_text("utf-8")))
    assert named <= known


def test_the_documents_link_to_files_that_are_there() -> None:
    for document in (*DOCUMENTS, "docs/explanation.md", "docs/reference.md", "CHANGELOG.md"):
        path = ROOT / document
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{document}: {link}"


def test_every_make_target_is_described_by_help() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    described = re.findall(r"^([a-z]+):[^#\n]*## \S", text, re.MULTILINE)
    assert sorted(phony[1].split()) == sorted(described)
