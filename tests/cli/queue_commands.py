"""What the tests of queue, freeze and status share: a repository, its user, and malagate's answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.cli import main
from pytest_malagate.queue.local_person import MACHINE_VARIABLES


@dataclass(frozen=True)
class Said:
    """What a call printed, and its exit code."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Desk:
    """A person's shell in a repository; every call is `malagate …` in this process."""

    def __init__(
        self,
        path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        self.path, self._monkeypatch, self._capfd = path, monkeypatch, capfd
        monkeypatch.chdir(path)
        for variable in (*MACHINE_VARIABLES, "MALAGATE_STORE"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("LOGNAME", "alice")

    def says(self, *argv: str) -> Said:
        self._capfd.readouterr()
        code = main(argv)
        captured = self._capfd.readouterr()
        return Said(code, captured.out, captured.err)

    def does(self, *argv: str) -> Any:
        """A call that has to succeed; its JSON."""
        said = self.says(*argv, "--json")
        assert said.exit == 0, said
        return said.json

    def status(self, *argv: str) -> Any:
        return self.says("status", "--json", *argv).json

    def is_machine(self, variable: str = "CI", value: str = "true") -> None:
        self._monkeypatch.setenv(variable, value)

    def policy(self, text: str) -> None:
        (self.path / "malagate.yaml").write_text(f"version: 1\n{text}\n", encoding="utf-8")

    def breaks_the_store(self) -> None:
        out = self.path / "malagate-out"
        out.mkdir(exist_ok=True)
        for old in out.glob("state.db*"):
            old.unlink()
        (out / "state.db").write_bytes(b"this is no database, whatever its name says" * 50)
