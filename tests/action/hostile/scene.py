"""A stage that watches: what every run of the action printed, and which files it left behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_malagate.action.entry import main
from pytest_malagate.github.client import Manners
from tests.action.stage import ALONE, GATE_YML, TESTS_YML, Stage, Told, read_outputs
from tests.twin import Twin

EVIDENCE = "malagate-evidence"
CANARY = "malagate-canary"
"""The name of the file that archives try to put somewhere else."""

_OWN = ("_runner_file_commands", "_github_workflow", "malagate-out", EVIDENCE)

Twist = Callable[[dict[str, str]], None]


@dataclass(frozen=True)
class Act:
    """One run of the action: what it said, where, and the files that it must not have touched."""

    told: Told
    raw_output: bytes
    commands_of_the_runner: Mapping[str, int]
    """GITHUB_ENV, GITHUB_PATH and GITHUB_STATE with the bytes that were written there."""
    strays: tuple[str, ...]
    """Files and links that appeared where malagate has no business."""


class Scene(Stage):
    """acme/shop, and everything that the action did there since `begin`."""

    def __init__(self, twin: Twin, files: dict[str, str] | None = None) -> None:
        super().__init__(twin, files)
        self.acts: list[Act] = []
        self.base = twin.directory.parent
        self.begin()

    def begin(self) -> None:
        """What was before this was the honest history; what comes now is the case."""
        self._acts_before = len(self.acts)
        self._statuses_before = len(self.repo.all_statuses)

    @property
    def last(self) -> Act:
        """The last run of the action."""
        assert len(self.acts) > self._acts_before, "the case did nothing"
        return self.acts[-1]

    @property
    def states(self) -> list[str]:
        """The states of the gate's statuses since `begin`."""
        new = self.repo.all_statuses[self._statuses_before :]
        return [status.state for status in new if status.context == "malagate/gate"]

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
        twist: Twist | None = None,
        **inputs: str,
    ) -> Told:
        """As the stage's; `twist` changes the environment before the action sees it."""
        if run is None and event_name != "pull_request":
            run = self.repo.run(workflow=workflow, event=_known(event_name), concurrency=ALONE)
        environ = self.twin.environment(
            self.repo, _known(event_name), payload, run=run, workflow_ref=workflow, token=self.token
        )
        environ |= {"GITHUB_EVENT_NAME": event_name, "MALAGATE_JOB": job}
        given = {"token": self.token if token is None else token, **inputs}
        for name, value in given.items():
            environ["MALAGATE_INPUT_" + name.upper().replace("-", "_")] = value
        for name, data in (workspace or {}).items():
            path = Path(environ["GITHUB_WORKSPACE"]) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        told = self._watched(dict(environ), twist)
        if run is not None:
            self._upload(run, told.outputs)
            run.finish("success" if told.exit_code == 0 else "failure")
        return told

    def _watched(self, files: dict[str, str], twist: Twist | None) -> Told:
        environ = dict(files)
        if twist is not None:
            twist(environ)
        requests, log = len(self.twin.requests), io.StringIO()
        manners = Manners(write_spacing=0.0, timeout=2, sleep=self._sleep, now=self.twin.clock)
        before = self._seen()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            code = main(environ, manners=manners, now=self.twin.clock)
        temp = Path(files["RUNNER_TEMP"])
        output, summary = Path(files["GITHUB_OUTPUT"]), Path(files["GITHUB_STEP_SUMMARY"])
        told = Told(
            code,
            log.getvalue(),
            read_outputs(output),
            summary.read_text(encoding="utf-8"),
            len(self.twin.requests) - requests,
        )
        touched = {name: Path(files[name]).stat().st_size for name in _UNTOUCHED}
        strays = sorted(str(path) for path in self._seen() - before if not _ours(path, temp))
        self.acts.append(Act(told, output.read_bytes(), touched, tuple(strays)))
        return told

    def _seen(self) -> set[Path]:
        """All files around the job, and the canary wherever a path out of it may lead."""
        seen: set[Path] = set()
        for directory, folders, names in os.walk(self.base):
            folders[:] = [name for name in folders if not name.endswith(".git")]
            seen.update(Path(directory, name) for name in (*folders, *names))
        outside = (Path.cwd(), *Path.cwd().parents, Path(tempfile.gettempdir()), *self.base.parents)
        seen.update(path for folder in outside if (path := folder / CANARY).exists())
        return seen

    # --- the untrusted half ---

    def ran(self, pull: Any, conclusion: str = "success", workflow: str = TESTS_YML) -> Any:
        """A run of a pull request that has not uploaded anything yet, but has ended."""
        run = self.repo.run(workflow=workflow, event="pull_request", pull=pull)
        run.finish(conclusion)
        return run

    def log_of(self, run: Any, pull: Any, **changes: Any) -> list[dict[str, Any]]:
        """An honest log as JSON objects, to be spoiled."""
        lines = self.recorded(run, pull, **changes).log().splitlines()
        return [json.loads(line) for line in lines]


_UNTOUCHED = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")


def _known(event_name: str) -> str:
    """An event of which the twin knows what a runner sets for it."""
    made = ("workflow_run", "pull_request", "issue_comment", "merge_group", "push", "schedule")
    return event_name if event_name in made else "workflow_run"


def _ours(path: Path, temp: Path) -> bool:
    return path.is_relative_to(temp) and path != temp and path.relative_to(temp).parts[0] in _OWN
