"""GitHub's own parser and expression engine, asked over a pipe (see .ci/validators/engine.mjs)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

VALIDATORS = Path(__file__).parents[2] / ".ci" / "validators"

Node = dict[str, Any]
"""A part of a parsed file: {"mapping": …}, {"sequence": …}, {"text": …} or {"expression": …}."""


class ActionFileError(Exception):
    """The file is not an action.yml that the runner would accept."""


class ExpressionError(Exception):
    """An expression could not be parsed or evaluated."""


@cache
def missing_node() -> str | None:
    """Why GitHub's packages cannot be used here, or None. Installs them at the first call."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node.js and npm are not on PATH"
    done = subprocess.run(
        ["sh", str(VALIDATORS / "install.sh")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        return f"npm could not install GitHub's packages:\n{done.stdout}{done.stderr}"
    return None


def need_node() -> None:
    """Skips the test where GitHub's packages cannot be had; in CI it fails instead."""
    reason = missing_node()
    if reason is not None and os.environ.get("CI"):
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@dataclass(frozen=True)
class Value:
    """What an expression came to: as a string, and as a condition."""

    text: str
    truthy: bool


class Engine:
    """One Node process. Used as a context manager."""

    def __enter__(self) -> Engine:
        self._process = subprocess.Popen(
            ["node", "--import", "./json_hook.mjs", "engine.mjs"],
            cwd=VALIDATORS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def parse(self, text: str) -> Node:
        """The tree of an action.yml. Raises ActionFileError with the parser's own words."""
        answer = self._ask({"parse": text})
        problems = answer.get("errors") or [answer["error"]] if not answer.get("root") else []
        if problems:
            raise ActionFileError("; ".join(problems))
        root: Node = answer["root"]
        return root

    def evaluate(
        self, node: Node, contexts: Mapping[str, Any], status: Mapping[str, bool]
    ) -> Value:
        """The value of a scalar node. Raises ExpressionError."""
        if "text" in node:
            return Value(node["text"], bool(node["text"]))
        request = {"evaluate": node["expression"], "contexts": contexts, "status": status}
        answer = self._ask(request)
        if "error" in answer:
            raise ExpressionError(f"{node['expression']}: {answer['error']}")
        return Value(answer["text"], answer["truthy"])

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
