"""The two workflows as a runner has them: clones, real pytest runs, action.yml's own steps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.action.stage import ALONE, GATE_YML, PERMISSIONS, TESTS_YML
from tests.action_yml import ActionRun, run_action
from tests.action_yml.installation import reuse
from tests.conftest import clean_environment
from tests.twin import Twin

ROOT = Path(__file__).parents[2]
PYTEST = f'"{sys.executable}" -m pytest -q -p malagate --malagate-collect'
READS = {"contents": "read", "actions": "read"}


class Workflows:
    """A repository's workflows on the twin. Each job has its own clone, token and directory."""

    def __init__(self, twin: Twin, repo: Any, installation: Path) -> None:
        self.twin, self.repo, self.installation = twin, repo, installation
        self.write = twin.token("t-gate", repo, permissions=PERMISSIONS)
        self.read = twin.token("t-read", repo, permissions=READS)

    # --- the untrusted half ---

    def tested(self, pull: Any, command: str = PYTEST) -> Any:
        """`pull_request`: checkout of the merge commit, the suite, `mode: collect`."""
        run = self.repo.run(workflow=TESTS_YML, event="pull_request", pull=pull)
        done = self.collect(run, pull, command)
        run.finish("success" if done.exit_code == 0 else "failure")
        return run

    def collect(
        self,
        run: Any,
        pull: Any,
        command: str = PYTEST,
        contexts: dict[str, Any] | None = None,
    ) -> ActionRun:
        payload = self.twin.event("pull_request", pull=pull, action="synchronize")
        environ = self.environ("pull_request", payload, run, self.read, TESTS_YML)
        self.checkout(Path(environ["GITHUB_WORKSPACE"]), f"refs/pull/{pull.number}/merge")
        return self.act(environ, contexts, mode="collect", command=command)

    # --- the trusted half ---

    def judged(self, tested: Any, **inputs: str) -> ActionRun:
        """`workflow_run`: `mode: gate`, nothing is checked out."""
        return self.react("workflow_run", self.twin.event("workflow_run", run=tested), **inputs)

    def said(self, pull: Any, author: str, body: str) -> ActionRun:
        """`issue_comment`: the same workflow, for a comment."""
        # The jobs' clock is the machine's, and nobody comments on a verdict before it is there.
        self.twin.advance(max(0, int(time.time()) + 1 - self.twin.clock()))
        comment = pull.comment(author=author, body=body)
        return self.react("issue_comment", self.twin.event("issue_comment", comment=comment))

    def landed(self, command: str = PYTEST) -> ActionRun:
        """A push to the default branch, tested and judged: it leaves the baseline."""
        run = self.repo.run(workflow=TESTS_YML, event="push", branch="main")
        payload = self.twin.event("push", repo=self.repo, branch="main")
        environ = self.environ("push", payload, run, self.read, TESTS_YML)
        self.checkout(Path(environ["GITHUB_WORKSPACE"]), "refs/heads/main")
        done = self.act(environ, mode="collect", command=command)
        run.finish("success" if done.exit_code == 0 else "failure")
        return self.judged(run)

    def react(self, event: str, payload: dict[str, Any], **inputs: str) -> ActionRun:
        run = self.repo.run(workflow=GATE_YML, event=event, concurrency=ALONE)
        environ = self.environ(event, payload, run, self.write, GATE_YML)
        done = self.act(environ, **inputs)
        run.finish("success" if done.exit_code == 0 else "failure")
        return done

    # --- a job ---

    def environ(
        self, event: str, payload: dict[str, Any], run: Any, token: str, workflow: str
    ) -> dict[str, str]:
        environ: dict[str, str] = self.twin.environment(
            self.repo, event, payload, run=run, workflow_ref=workflow, token=token
        )
        return environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def checkout(self, workspace: Path, ref: str) -> None:
        """What actions/checkout leaves: a clone of depth 1, its HEAD detached."""
        workspace.mkdir(parents=True, exist_ok=True)
        for args in (
            ("init", "-q", "."),
            ("fetch", "-q", "--depth=1", f"file://{self.repo.git_dir}", ref),
            ("checkout", "-q", "--detach", "FETCH_HEAD"),
        ):
            subprocess.run(["git", *args], cwd=workspace, env=clean_environment(), check=True)

    def act(
        self, environ: dict[str, str], contexts: dict[str, Any] | None = None, **inputs: str
    ) -> ActionRun:
        reuse(self.installation, environ)
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        workspace = Path(environ["GITHUB_WORKSPACE"])
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return run_action(ROOT, {"python": sys.executable, **given}, environ, workspace, contexts)
