"""Runs a composite action step by step, as GitHub's runner would.

Parsing and expressions are GitHub's own (see engine.py), `run` steps are run by the runner's own
command line, and `uses: actions/upload-artifact` is carried out against the twin. What the runner
does after a job (post steps, the masking of job outputs) and nested actions are not here: a `uses`
that is not known raises.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.action_yml.engine import Engine, ExpressionError, Node, need_node
from tests.action_yml.file_commands import FileCommandError, fresh_files, read_files
from tests.action_yml.run import ActionRun, Outcome, StepRun, Uploaded
from tests.action_yml.upload import USES, UploadError, upload
from tests.action_yml.workflow_commands import REFUSED, CommandReader

SHELLS = {
    "bash": ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail"),
    "sh": ("sh", "-e"),
    "python": ("python",),
}
OWN = ("GITHUB_", "RUNNER_", "MALAGATE_", "PYTEST_", "PYTHON", "COV_", "COVERAGE_", "ACTIONS_")
GITHUB_KEYS_TEXT = """
    action_path action_ref action_repository actor actor_id api_url base_ref event_name
    event_path head_ref job ref ref_name ref_type repository repository_id repository_owner
    run_attempt run_id run_number server_url sha triggering_actor workflow workflow_ref
    workflow_sha workspace
"""
GITHUB_KEYS = GITHUB_KEYS_TEXT.split()


def run_action(
    action_dir: Path,
    inputs: Mapping[str, str],
    environ: Mapping[str, str],
    workspace: Path,
    contexts: Mapping[str, Any] | None = None,
) -> ActionRun:
    """Runs the action of a directory.

    `environ` is what the runner would set (GITHUB_*, RUNNER_*) with whatever a test adds; the
    machine's own variables lie under it, its CI variables left out. GITHUB_TOKEN is taken out of
    it and becomes `github.token`, as on a runner. `contexts` replaces parts of the contexts:
    {"job": {"status": "cancelled"}, "matrix": {…}, "strategy": {…}, "github": {…}}.
    """
    need_node()
    with Engine() as engine:
        return _Action(engine, action_dir.resolve(), environ, workspace, contexts or {}).run(inputs)


def _machine() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(OWN)}


@dataclass(frozen=True)
class _Ended:
    """How a step's work ended, before the runner's rules. `error` is the runner's own word."""

    exit_code: int = 0
    stdout: str = ""
    error: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    summary: str = ""


class _Action:
    """One run of an action: the contexts of its expressions, and what the steps left behind."""

    def __init__(
        self,
        engine: Engine,
        directory: Path,
        environ: Mapping[str, str],
        workspace: Path,
        contexts: Mapping[str, Any],
    ) -> None:
        self.engine = engine
        self.directory = directory
        self.workspace = workspace
        self.environ = _machine() | {"CI": "true", "GITHUB_ACTIONS": "true"} | dict(environ)
        self.environ |= {
            "GITHUB_ACTION_PATH": str(directory),
            "GITHUB_WORKSPACE": str(workspace),
        }
        token = self.environ.pop("GITHUB_TOKEN", "")
        temp = self.environ.get("RUNNER_TEMP") or tempfile.mkdtemp(prefix="runner-")
        self.environ["RUNNER_TEMP"] = temp
        # Beside RUNNER_TEMP's other contents, where the runner has them too.
        self.files = Path(tempfile.mkdtemp(prefix="_runner_file_commands-", dir=temp))
        self.runner_variables = {
            k: v for k, v in self.environ.items() if k.startswith(("GITHUB_", "RUNNER_"))
        }
        self.contexts = self._contexts(token, contexts)
        self.steps: list[StepRun] = []
        self.artifacts: list[Uploaded] = []
        self.exported: dict[str, str] = {}
        self.paths: list[str] = []

    def _contexts(self, token: str, given: Mapping[str, Any]) -> dict[str, Any]:
        github: dict[str, Any] = {
            key: self.environ.get(f"GITHUB_{key.upper()}", "") for key in GITHUB_KEYS
        }
        event = self.environ.get("GITHUB_EVENT_PATH", "")
        github |= {"token": token, "action_status": "success"}
        github["event"] = json.loads(Path(event).read_text("utf-8")) if event else {}
        runner = {"os": "Linux", "arch": "X64", "temp": self.environ["RUNNER_TEMP"]}
        strategy = {"fail-fast": True, "job-index": 0, "job-total": 1, "max-parallel": 1}
        contexts: dict[str, Any] = {
            "github": github,
            "runner": runner,
            "strategy": strategy,
            "matrix": {},
            "job": {"status": "success"},
            "env": {},
        }
        for name, values in given.items():
            contexts[name] = contexts.get(name, {}) | dict(values)
        return contexts | {"inputs": {}, "steps": {}}

    def run(self, inputs: Mapping[str, str]) -> ActionRun:
        text = (self.directory / "action.yml").read_text("utf-8")
        root = self.engine.parse(text)["mapping"]
        runs = root["runs"]["mapping"]
        assert runs["using"] == {"text": "composite"}, "only composite actions are run"
        self.contexts["inputs"] = self._inputs(root.get("inputs"), inputs)
        for number, step in enumerate(runs["steps"]["sequence"]):
            self._step(number, step["mapping"])
        outputs = {
            name: self._text(node["mapping"]["value"])
            for name, node in root.get("outputs", {"mapping": {}})["mapping"].items()
        }
        failed = [step for step in self.steps if step.conclusion == "failure"]
        return ActionRun(
            exit_code=(failed[0].exit_code or 1) if failed else 0,
            outputs=outputs,
            steps=self.steps,
            commands=[command for step in self.steps for command in step.commands],
            summary="".join(step.summary for step in self.steps),
            artifacts=self.artifacts,
            exported=self.exported,
            paths=self.paths,
        )

    def _inputs(self, declared: Node | None, given: Mapping[str, str]) -> dict[str, str]:
        known = declared["mapping"] if declared else {}
        unknown = set(given) - set(known)
        assert not unknown, f"the action has no inputs {sorted(unknown)}"
        defaults = {
            name: self._text(node.get("mapping", {}).get("default", {"text": ""}))
            for name, node in known.items()
        }
        return defaults | dict(given)

    def _status(self) -> dict[str, bool]:
        failed = any(step.conclusion == "failure" for step in self.steps)
        cancelled = self.contexts["job"]["status"] == "cancelled"
        return {
            "success": not failed and not cancelled,
            "failure": failed and not cancelled,
            "cancelled": cancelled,
        }

    def _text(self, node: Node) -> str:
        return self.engine.evaluate(node, self.contexts, self._status()).text

    def _mapping(self, step: Mapping[str, Node], key: str) -> dict[str, str]:
        values = step.get(key, {"mapping": {}})["mapping"]
        return {name: self._text(node) for name, node in values.items()}

    def _step(self, number: int, step: Mapping[str, Node]) -> None:
        """Runs one step and notes what became of it."""
        identity = step.get("id", {"text": ""})["text"]
        label = identity or f"__{number}"
        name, outcome = label, "failure"
        ended = _Ended()
        self.contexts["env"] = dict(self.exported)
        continued = False
        try:
            own = self._mapping(step, "env")
            self.contexts["env"] |= own
            if "name" in step:
                name = self._text(step["name"])
            condition = step.get("if", {"expression": "success()"})
            if not self.engine.evaluate(condition, self.contexts, self._status()).truthy:
                self._note(identity, StepRun(identity, name, "skipped", "skipped"))
                return
            if "continue-on-error" in step:
                continued = self._text(step["continue-on-error"]) == "true"
            ended = self._carry_out(label, step, own)
            outcome = "failure" if ended.exit_code else "success"
        except ExpressionError as error:
            ended = _Ended(exit_code=1, error=str(error))
        commands = tuple(CommandReader(label).read(ended.stdout))
        if any(command.name in REFUSED for command in commands):
            outcome = "failure"
        printed = {c.properties.get("name", ""): c.data for c in commands if c.name == "set-output"}
        final: Outcome = "success" if outcome == "success" or continued else "failure"
        self._note(
            identity,
            StepRun(
                id=identity,
                name=name,
                outcome="failure" if outcome == "failure" else "success",
                conclusion=final,
                exit_code=ended.exit_code,
                stdout=ended.stdout,
                error=ended.error,
                outputs=printed | ended.outputs,
                environment=ended.environment,
                commands=commands,
                summary=ended.summary,
            ),
        )

    def _note(self, identity: str, step: StepRun) -> None:
        self.steps.append(step)
        if identity:
            self.contexts["steps"][identity] = {
                "outputs": step.outputs,
                "outcome": step.outcome,
                "conclusion": step.conclusion,
            }

    def _carry_out(self, label: str, step: Mapping[str, Node], own: dict[str, str]) -> _Ended:
        if "run" in step:
            return self._run(label, step, own)
        uses = step["uses"]["text"]
        if not USES.fullmatch(uses):
            raise NotImplementedError(f"uses: {uses}")
        # An input is in lower case, whatever the action's user wrote.
        given = {key.lower(): value for key, value in self._mapping(step, "with").items()}
        try:
            artifact, outputs, log = upload(given, self.environ, self.workspace)
        except UploadError as error:
            return _Ended(exit_code=1, error=str(error))
        if artifact is not None:
            self.artifacts.append(artifact)
        return _Ended(stdout=log, outputs=outputs)

    def _run(self, label: str, step: Mapping[str, Node], own: dict[str, str]) -> _Ended:
        shell = self._text(step["shell"])
        command = SHELLS.get(shell)
        if command is None:
            raise NotImplementedError(f"shell: {shell}")
        files = self.files / label
        environ = self.environ | self.exported | own | self.runner_variables | fresh_files(files)
        environ["PATH"] = os.pathsep.join([*reversed(self.paths), environ["PATH"]])
        script = files / "script"
        script.write_text(self._text(step["run"]) + "\n", "utf-8")
        directory = self.workspace
        if "working-directory" in step:
            directory /= self._text(step["working-directory"])
        ended = subprocess.run(
            [*command, str(script)],
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )
        output = ended.stdout.decode("utf-8", "replace")
        problem = (
            f"Process completed with exit code {ended.returncode}." if ended.returncode else ""
        )
        try:
            written = read_files(files)
        except FileCommandError as error:
            return _Ended(exit_code=1, stdout=output, error=str(error))
        self.exported |= written.environment
        self.paths += written.paths
        return _Ended(
            exit_code=ended.returncode,
            stdout=output,
            error=problem,
            outputs=written.outputs,
            environment=environ,
            summary=written.summary,
        )
