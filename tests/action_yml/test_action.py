"""The real action.yml from install.sh to the uploaded artifact, against the twin."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.action_yml import ActionRun, run_action
from tests.action_yml.installation import reuse
from tests.twin.twin import Twin

ROOT = Path(__file__).parents[2]
RECORD = '{"type": "nothing anybody knows"}\n'


class Job:
    """A job of a pull request's workflow run on the twin."""

    def __init__(self, twin: Twin, installation: Path) -> None:
        repository = twin.repository("acme/shop")
        repository.commit("main", {"shop.py": "PRICE = 1\n"})
        repository.commit("topic", {"shop.py": "PRICE = 2\n"})
        pull = repository.open_pull(head="topic", base="main", title="Price", author="alice")
        self.run = repository.run(".github/workflows/tests.yml", "pull_request", pull=pull)
        self.token = twin.token("t-read", repository, permissions={"contents": "read"})
        payload = twin.event("pull_request", pull=pull, action="opened")
        self.environ = twin.environment(
            repository, "pull_request", payload, run=self.run, token=self.token
        )
        self.workspace = Path(self.environ["GITHUB_WORKSPACE"])
        self.installation, self.url = installation, twin.url

    def evidence(self) -> None:
        out = self.workspace / "malagate-out"
        out.mkdir()
        (out / "evidence.jsonl").write_text(RECORD)

    def act(self, **inputs: str) -> ActionRun:
        reuse(self.installation, self.environ)
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return run_action(ROOT, {"python": sys.executable} | given, self.environ, self.workspace)

    def artifacts(self) -> list[dict[str, Any]]:
        url = f"{self.url}/repos/acme/shop/actions/runs/{self.run.id}/artifacts"
        request = Request(url, headers={"Authorization": f"Bearer {self.token}"})
        with urlopen(request) as answer:
            found: list[dict[str, Any]] = json.load(answer)["artifacts"]
            return found


@pytest.fixture
def job(twin: Twin, installation: Path) -> Job:
    return Job(twin, installation)


def test_collected_evidence_becomes_an_artifact_of_the_run(job: Job) -> None:
    job.evidence()
    done = job.act(mode="collect")
    assert done.exit_code == 0, done.log
    (name,) = [artifact["name"] for artifact in job.artifacts()]
    assert name.startswith("malagate-evidence")
    assert done.artifact(name).files == {"evidence.jsonl": RECORD.encode()}
    assert [step.outcome for step in done.steps] == [
        *["success", "success"],  # install, run
        *["skipped", "skipped"],  # there is neither state nor baseline to keep
        "success",
    ]


def test_the_evidence_of_a_failing_command_is_handed_over_all_the_same(job: Job) -> None:
    job.evidence()
    done = job.act(mode="collect", command="echo told; exit 5")
    assert done.exit_code == 5
    assert done.step("run").outcome == "failure"
    assert len(done.artifacts) == len(job.artifacts()) == 1


def test_a_command_sees_neither_the_token_nor_what_others_hand_over(job: Job) -> None:
    job.evidence()
    done = job.act(mode="collect", command="env", token=job.token)
    assert done.exit_code == 0, done.log
    assert job.token not in done.log
    assert not re.findall(r"(?m)^MALAGATE_INPUT_\w+", done.step("run").stdout)


def test_two_jobs_of_a_matrix_hand_over_two_artifacts(job: Job) -> None:
    job.evidence()
    reuse(job.installation, job.environ)
    for index in (0, 1):
        strategy = {"strategy": {"job-index": index, "job-total": 2}}
        inputs = {"mode": "collect", "python": sys.executable}
        done = run_action(ROOT, inputs, job.environ, job.workspace, strategy)
        assert done.exit_code == 0, done.log
    assert len({artifact["name"] for artifact in job.artifacts()}) == 2


def test_a_name_that_the_run_has_already_is_refused_by_the_service(job: Job) -> None:
    job.evidence()
    assert job.act(mode="collect").exit_code == 0
    again = job.act(mode="collect")
    assert again.step("Upload the evidence").error == "Failed to CreateArtifact: HTTP 409"
    assert again.exit_code == 1


def test_without_evidence_the_job_fails_and_nothing_is_uploaded(job: Job) -> None:
    done = job.act(mode="collect")
    assert done.exit_code == 1
    assert [command.name for command in done.commands] == ["error"]
    assert job.artifacts() == []


@pytest.mark.parametrize("mode", ["no-such-mode", "x\n::error::y"])
def test_a_mode_that_is_not_there_is_one_annotation_and_exit_code_2(job: Job, mode: str) -> None:
    done = job.act(mode=mode)
    assert done.exit_code == 2, done.log
    assert [command.name for command in done.commands] == ["error"]
    assert "Traceback" not in done.log
    assert done.artifacts == []


def test_no_step_reaches_the_rest_of_the_job(job: Job) -> None:
    job.evidence()
    done = job.act(mode="collect")
    assert (done.exported, done.paths) == ({}, [])
