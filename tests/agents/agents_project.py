"""A repository in which agents work: scripts of a few lines, judged by a file that must be right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.conftest import Project

# The gate is a command here, which costs less than a run of pytest.
POLICY = """\
    version: 1
    validations:
      right: {command: grep -qx right answer.txt}
    scopes: {task: [right]}
    retry: {max_attempts: 3}
    """
ALL_AT_ONCE = POLICY.replace("retry:", "serial: {enabled: false}\n    retry:")


class Told(msgspec.Struct, frozen=True):
    """What a run of `malagate coordinate --json` came to."""

    exit: int
    events: tuple[dict[str, Any], ...]
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The last line."""
        assert self.events, self.err
        assert self.events[-1]["event"] == "result"
        return self.events[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]

    @property
    def states(self) -> dict[str, str]:
        """How each issue ended."""
        return {one["issue"]: one["state"] for one in self.result["issues"]}

    @property
    def codes(self) -> list[str]:
        """The codes of all verdicts, in order."""
        return [code for event in self.of("judged") for code in event["codes"]]

    def why(self, issue: str) -> str:
        """Why an issue did not end well."""
        return next(str(one["why"]) for one in self.result["issues"] if one["issue"] == issue)


class Workshop:
    """A project, an agent beside it, and `malagate coordinate`."""

    def __init__(self, project: Project, policy: str = POLICY) -> None:
        self.project = project.unmeasured()
        self.root, self.out = project.path, project.path / "malagate-out"
        self.agent = project.path.parent / "agent"
        project.files({"malagate.yaml": policy, "answer.txt": "wrong\n"}).commit("start")
        self.issues("x-1")

    def issues(self, *ids: str, **more: Mapping[str, Any]) -> None:
        """The file of issues, outside of the repository. JSON is YAML."""
        listed = [{"id": one, **more.get(one.replace("-", "_"), {})} for one in ids]
        (self.root.parent / "issues.yaml").write_text(json.dumps({"issues": listed}))

    def does(self, script: str) -> None:
        """What the agent does: a script of the shell, its first argument the issue."""
        self.agent.write_text(f"#!/bin/sh\n{script}\n")
        self.agent.chmod(0o755)

    def argv(self, *options: str, command: str = "{agent} {{issue}}") -> list[str]:
        provider = str(self.root.parent / "issues.yaml")
        agent = command.format(agent=self.agent)
        words = ["coordinate", "--provider", provider, "--command", agent, "--json", *options]
        return [sys.executable, "-m", "pytest_malagate", *words]

    def run(self, *options: str, command: str = "{agent} {{issue}}", **environ: str) -> Told:
        done = self.project.call(*self.argv(*options, command=command), **environ)
        return told(done.returncode, done.stdout, done.stderr)

    def begin(self, *options: str) -> subprocess.Popen[str]:
        """The command, going on."""
        return subprocess.Popen(
            self.argv(*options),
            cwd=self.root,
            env=self.project.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def queue(self) -> dict[str, str]:
        """The tasks that are active or wait."""
        done = self.project.malagate("queue", "list", "--json")
        return {task["task"]: task["state"] for task in json.loads(done.stdout)["tasks"]}

    def file_on(self, branch: str, path: str) -> str:
        return self.project.git("show", f"malagate/{branch}:{path}")

    def log(self, issue: str, attempt: int = 1) -> str:
        return (self.out / "agents" / issue / f"attempt-{attempt}.log").read_text()


def told(code: int, out: str, err: str) -> Told:
    return Told(code, tuple(json.loads(line) for line in out.splitlines()), err)


def lives(pid: int) -> bool:
    """Whether a process runs. One that has ended and that nobody has reaped does not."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
