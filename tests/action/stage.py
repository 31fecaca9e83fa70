"""A repository on the twin, its workflows, and `malagate action` run for their events."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_malagate.action.entry import main
from pytest_malagate.github.client import Manners
from tests.action.evidence import PASSING, Recorded
from tests.conftest import clean_environment
from tests.twin import Twin

TESTS_YML = ".github/workflows/tests.yml"
GATE_YML = ".github/workflows/malagate.yml"
ALONE = ("malagate-gate", "max")
"""The concurrency group of the trusted workflow, as the examples have it."""
POLICY = "version: 1\nvalidations:\n  tests: {kind: test}\n"
PERMISSIONS = {
    "actions": "read",
    "contents": "read",
    "statuses": "write",
    "pull-requests": "write",
    "issues": "write",
}
FILES = {
    "malagate.yaml": POLICY,
    TESTS_YML: "name: tests\n",
    GATE_YML: "name: malagate\n",
    "shop.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_shop.py": "def test_total(): ...\ndef test_empty(): ...\n",
}
TOTAL = "tests/test_shop.py::test_total"
FAILING = {**PASSING, TOTAL: "failed"}
_WORKFLOW_COMMAND = re.compile(r"^\s*(::|##\[)", re.MULTILINE)


@dataclass(frozen=True)
class Told:
    """What one run of the action printed and left behind."""

    exit_code: int
    log: str
    outputs: dict[str, str]
    summary: str
    requests: int

    @property
    def result(self) -> dict[str, Any]:
        """The GateResult that the output `result` names."""
        found: dict[str, Any] = json.loads(Path(self.outputs["result"]).read_text())
        return found

    @property
    def codes(self) -> list[str]:
        return [why["code"] for why in self.result["reasons"]]

    @property
    def warnings(self) -> list[str]:
        return [why["code"] for why in self.result["warnings"]]

    def handed(self, output: str) -> dict[str, bytes]:
        """The files in the directory that an output names."""
        directory = Path(self.outputs[output])
        return {path.name: path.read_bytes() for path in directory.iterdir()}

    def commands(self) -> list[str]:
        """The lines that a runner would carry out as workflow commands."""
        return [line for line in self.log.splitlines() if _WORKFLOW_COMMAND.match(line)]


class Stage:
    """acme/shop with a policy and two workflows, and a token as the trusted one has it."""

    def __init__(self, twin: Twin, files: dict[str, str] | None = None) -> None:
        self.twin = twin
        self.repo = twin.repository("acme/shop")
        self.repo.commit("main", {**FILES, **(files or {})}, message="begin")
        self.token = twin.token(
            "t-gate", self.repo, login="github-actions[bot]", permissions=PERMISSIONS
        )
        self.slept: list[float] = []

    # --- the untrusted half ---

    def opened(self, files: dict[str, str] | None = None, fork: bool = True) -> Any:
        """A pull request of mallory's, from a fork unless it is said otherwise."""
        source = self.repo.fork("mallory") if fork else self.repo
        source.commit(
            "topic", files or {"shop.py": "def total(p):\n    return 0\n"}, message="work"
        )
        fork_of = source if fork else None
        return self.repo.open_pull(head="topic", fork=fork_of, title="Work", author="mallory")

    def recorded(self, run: Any, pull: Any = None, **changes: Any) -> Recorded:
        """What an honest job of a run records: of the merge commit, as `pull_request` checks out."""
        commit = pull.merge_sha if pull is not None else run.head_sha
        facts = {"commit": commit, "tree": self.tree_of(commit), "ci": f"{run.id}.{run.attempt}"}
        return Recorded(**{**facts, **changes})

    def tree_of(self, commit: str) -> str:
        return self.git("rev-parse", f"{commit}^{{tree}}")

    def git(self, *args: str) -> str:
        """git in the bare repository behind the twin's."""
        argv = ["git", "--git-dir", str(self.repo.git_dir), *args]
        who = self.twin.somebody("mallory")
        environ = clean_environment()
        for role in ("AUTHOR", "COMMITTER"):
            environ |= {f"GIT_{role}_NAME": who.name, f"GIT_{role}_EMAIL": who.email}
        done = subprocess.run(argv, check=True, capture_output=True, text=True, env=environ)
        return done.stdout.strip()

    def tested(self, pull: Any, *, conclusion: str | None = None, **changes: Any) -> Any:
        """A finished `tests` run of a pull request that uploaded its evidence."""
        run = self.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
        recorded = self.recorded(run, pull, **changes)
        run.artifact("malagate-evidence", recorded.files())
        bad = any(outcome in ("failed", "error") for outcome in recorded.tests.values())
        run.finish(conclusion or ("failure" if bad else "success"))
        return run

    def landed(self, **changes: Any) -> Told:
        """The default branch's tip, tested and judged: it leaves a baseline."""
        run = self.repo.run(workflow=TESTS_YML, event="push", branch="main")
        recorded = self.recorded(run, **changes)
        run.artifact("malagate-evidence", recorded.files())
        run.finish("success")
        return self.gate(run)

    # --- the trusted half ---

    def act(
        self,
        event_name: str,
        payload: dict[str, Any],
        *,
        run: Any = None,
        workflow: str = GATE_YML,
        workspace: dict[str, bytes] | None = None,
        links: dict[str, Path] | None = None,
        job: str = "",
        token: str | None = None,
        alone: tuple[str, str] | None = ALONE,
        **inputs: str,
    ) -> Told:
        """Runs `malagate action` for an event, and uploads what it hands over."""
        twin = self.twin
        if run is None and event_name != "pull_request":
            run = self.repo.run(workflow=workflow, event=event_name, concurrency=alone)
        environ = twin.environment(
            self.repo, event_name, payload, run=run, workflow_ref=workflow, token=self.token
        )
        environ["GITHUB_EVENT_NAME"] = event_name
        given = {"token": self.token if token is None else token, **inputs}
        for name, value in given.items():
            environ["MALAGATE_INPUT_" + name.upper().replace("-", "_")] = value
        for name, data in (workspace or {}).items():
            path = Path(environ["GITHUB_WORKSPACE"]) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name, target in (links or {}).items():
            path = Path(environ["GITHUB_WORKSPACE"]) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        environ["MALAGATE_JOB"] = job
        before, log = len(twin.requests), io.StringIO()
        manners = Manners(write_spacing=0.0, timeout=2, sleep=self._sleep, now=twin.clock)
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            code = main(environ, manners=manners, now=twin.clock)
        outputs = read_outputs(Path(environ["GITHUB_OUTPUT"]))
        summary = Path(environ["GITHUB_STEP_SUMMARY"])
        requests = len(twin.requests) - before
        if run is not None:
            self._upload(run, outputs)
            run.finish("success" if code == 0 else "failure")
        text = summary.read_text() if summary.exists() else ""
        return Told(code, log.getvalue(), outputs, text, requests)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.twin.advance(int(seconds) + 1)

    def _upload(self, run: Any, outputs: dict[str, str]) -> None:
        pairs = ((outputs.get("state-name"), "state-path"), ("malagate-baseline", "baseline-path"))
        for name, key in pairs:
            if outputs.get(key):
                path = Path(outputs[key])
                run.artifact(name, {path.name: path.read_bytes()})

    def gate(self, tested: Any, **options: Any) -> Told:
        """The trusted workflow, for a finished run."""
        return self.act("workflow_run", self.twin.event("workflow_run", run=tested), **options)

    def say(self, pull: Any, author: str, body: str, **options: Any) -> Told:
        """The trusted workflow, for a comment."""
        comment = pull.comment(author=author, body=body)
        return self.act(
            "issue_comment", self.twin.event("issue_comment", comment=comment), **options
        )

    def status(self, sha: str) -> tuple[str, str] | None:
        """The newest `malagate/gate` status of a commit."""
        found = [s for s in self.repo.statuses(sha) if s.context == "malagate/gate"]
        return (found[0].state, found[0].description) if found else None


def read_outputs(path: Path) -> dict[str, str]:
    """GITHUB_OUTPUT as the runner reads it: the heredoc form, which is all that malagate writes."""
    outputs: dict[str, str] = {}
    lines = iter(path.read_text().splitlines()) if path.exists() else iter(())
    for line in lines:
        name, sign, delimiter = line.partition("<<")
        assert sign, f"no output: {line!r}"
        value: list[str] = []
        for part in lines:
            if part == delimiter:
                break
            value.append(part)
        outputs[name] = "\n".join(value)
    return outputs
