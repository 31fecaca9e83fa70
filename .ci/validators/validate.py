"""Checks action.yml and every workflow file with the official and the usual validators.

    python .ci/validators/validate.py [FILE…]

Without files: action.yml, .github/workflows and examples/workflows of this repository. Runs
GitHub's own language service (Node.js; see install.sh), check-jsonschema with the published
schemas, and zizmor, offline and pedantic. Prints each finding as `file:line: validator: what` and
exits with 1 if there is any, with 2 if a validator could not run: what was not checked has not
passed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLACES = ("action.yml", ".github/workflows/*.yml", "examples/workflows/*/*.yml")


class ValidatorError(Exception):
    """A validator could not do its work."""


@dataclass(frozen=True, order=True)
class Finding:
    """What a validator has against a file."""

    file: str
    line: int
    validator: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.validator}: {self.message}"


def our_files() -> list[Path]:
    """The files of this repository that GitHub reads, and the examples of such files."""
    return [path for place in PLACES for path in sorted(ROOT.glob(place))]


def findings(files: Sequence[Path]) -> list[Finding]:
    """All findings, sorted. Raises ValidatorError."""
    found = [*language_service(files), *schemas(files), *zizmor(files)]
    return sorted(set(found))


def language_service(files: Sequence[Path]) -> Iterator[Finding]:
    """GitHub's own words: syntax, contexts, and the rules of concurrency."""
    _run(["sh", str(HERE / "install.sh")], expected=(0,))
    command = ["node", "--import", "./json_hook.mjs", "language_service.mjs"]
    done = _run([*command, *map(str, files)], expected=(0,), cwd=HERE)
    for item in json.loads(done):
        text = f"{item['severity']}: {' '.join(item['message'].split())}"
        yield Finding(_name(item["file"]), item["line"], "languageservice", text)


def schemas(files: Sequence[Path]) -> Iterator[Finding]:
    """The JSON Schemas of SchemaStore, which are part of check-jsonschema."""
    actions = [path for path in files if path.name in ("action.yml", "action.yaml")]
    workflows = [path for path in files if path not in actions]
    for kind, chosen in (("github-actions", actions), ("github-workflows", workflows)):
        if not chosen:
            continue
        command = [sys.executable, "-m", "check_jsonschema", "--output-format", "json"]
        command += ["--builtin-schema", f"vendor.{kind}", *map(str, chosen)]
        report = json.loads(_run(command, expected=(0, 1)))
        for error in (*report.get("errors", ()), *report.get("parse_errors", ())):
            text = f"{error.get('path', '')} {error.get('message', 'not valid YAML')}".strip()
            yield Finding(_name(error["filename"]), 1, "check-jsonschema", text)


def zizmor(files: Sequence[Path]) -> Iterator[Finding]:
    """Security: injection, pins, permissions, triggers. Every finding counts, the slightest too."""
    command = ["zizmor", "--offline", "--pedantic", "--no-progress", "--no-exit-codes"]
    command += ["--no-config", "--strict-collection", "--format", "json-v1", *map(str, files)]
    beside = Path(sys.executable).parent / "zizmor"
    command[0] = str(beside) if beside.exists() else command[0]
    try:
        report = _run(command, expected=(0,))
    except ValidatorError as error:
        # It audits nothing at all if one file is no workflow, which the others have words for.
        unread = re.findall(r"failed to load file://(\S+)", str(error))
        if not unread:
            raise
        yield from (Finding(_name(file), 1, "zizmor", "error: not audited") for file in unread)
        return
    for item in json.loads(report):
        if item["ignored"]:
            continue
        place = next(p for p in item["locations"] if p["symbolic"]["kind"] == "Primary")
        file = place["symbolic"]["key"]["Local"]["verbatim_path"]
        line = place["concrete"]["location"]["start_point"]["row"] + 1
        level = item["determinations"]["severity"].lower()
        yield Finding(_name(file), line, "zizmor", f"{level}: {item['ident']}: {item['desc']}")


def _name(file: str) -> str:
    path = Path(file).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _run(command: list[str], *, expected: tuple[int, ...], cwd: Path = ROOT) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ValidatorError(f"{command[0]} could not be started: {error}") from error
    if done.returncode not in expected:
        said = f"{done.stdout}{done.stderr}".strip()
        raise ValidatorError(f"{Path(command[0]).name} exited with {done.returncode}:\n{said}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    files = [Path(argument).resolve() for argument in arguments] or our_files()
    try:
        found = findings(files)
    except ValidatorError as error:
        print(f"validate: {error}", file=sys.stderr)
        return 2
    for finding in found:
        print(finding)
    print(f"{len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
