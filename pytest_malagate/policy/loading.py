"""Finds and reads a repository's policy: `malagate.yaml`, or `[tool.malagate]`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_malagate.policy.build import build_policy
from pytest_malagate.policy.model import Policy
from pytest_malagate.policy.problems import Findings, PolicyError, Problem
from pytest_malagate.policy.source import MAX_BYTES, Node, decode

POLICY_FILE = "malagate.yaml"
PYPROJECT = "pyproject.toml"
_MISNAMED = ("malagate.yml", ".malagate.yaml", ".malagate.yml", "malagate.toml")


def parse_policy(text: str | bytes, *, file: str) -> Policy:
    """The policy that a text means.

    `file` is the name that errors show. If it ends in `.toml`, the policy is the text's
    `[tool.malagate]` table; else the text is YAML. An empty text, or TOML without that table,
    is the default policy. Raises PolicyError with every problem of the text (a syntax error
    stands alone).
    """
    findings = Findings(file)
    return build_policy(_read_tree(decode(text, findings), file, findings), file, findings)


def find_policy_file(directory: Path) -> Path | None:
    """The directory's policy file, or None if it has none.

    Raises PolicyError if there are two, if one has a name that would never be read, or if a
    `pyproject.toml` that speaks of malagate is not valid TOML.
    """
    for name in _MISNAMED:
        if os.path.lexists(directory / name):
            advice = f"rename it to {POLICY_FILE}"
            if name.endswith(".toml"):
                advice = f"write {POLICY_FILE}, or [tool.malagate] in {PYPROJECT}"
            raise _error(name, "a policy under this name would never be read", advice)
    pyproject = directory / PYPROJECT
    has_yaml = os.path.lexists(directory / POLICY_FILE)
    has_table = pyproject.is_file() and _has_table(pyproject)
    if has_yaml and has_table:
        message = f"{PYPROJECT} holds a policy too ([tool.malagate])"
        raise _error(POLICY_FILE, message, "keep one of the two")
    if has_yaml:
        return directory / POLICY_FILE
    return pyproject if has_table else None


def load_policy(directory: Path, *, explicit: Path | None = None) -> Policy:
    """The policy of a directory, or of the file named explicitly.

    Without a file it is the default policy, which requires `tests` alone. Raises PolicyError if
    a file is wrong or cannot be read; a file named explicitly must exist and hold a policy.
    """
    if explicit is not None:
        if explicit.suffix == ".toml" and not _has_table(explicit):
            raise _error(str(explicit), "has no table [tool.malagate]")
        return parse_policy(_read(explicit, str(explicit)), file=str(explicit))
    path = find_policy_file(directory)
    return Policy() if path is None else parse_policy(_read(path, path.name), file=path.name)


def _read_tree(text: str, file: str, findings: Findings) -> Node | None:
    # Both readers are imported here: most calls need one of them, and many neither.
    if file.endswith(".toml"):
        from pytest_malagate.policy.toml_source import read_toml

        return read_toml(text, findings)
    from pytest_malagate.policy.yaml_source import read_yaml

    return read_yaml(text, findings)


def _has_table(path: Path) -> bool:
    data = _read(path, path.name)
    # This spares nearly every other project's file the parsing. A file that is too large to be
    # read whole may hold the table further on: `decode` refuses it.
    if b"malagate" not in data and len(data) <= MAX_BYTES:
        return False
    findings = Findings(path.name)
    return _read_tree(decode(data, findings), path.name, findings) is not None


def _read(path: Path, name: str) -> bytes:
    """The file's bytes, one more than allowed at most (`decode` refuses those)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise _error(name, f"is {kind}", "a policy is a text file")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _error(name, f"cannot be read: {error.strerror or error}") from error


def _error(file: str, message: str, hint: str | None = None) -> PolicyError:
    return PolicyError([Problem(file=file, message=message, hint=hint)])
