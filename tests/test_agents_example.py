"""examples/workflows/agents: the agent's job asks before it works, and does nothing by itself."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admission.scene import AGENT, NAME, Scene, processes_apart
from tests.test_workflows import EXAMPLES, ROOT, Mapping, jobs, loaded
from tests.twin import Run, Twin

FILE = EXAMPLES / "agents" / AGENT
JOB = jobs(FILE)["work"]
ASKS, PLACEHOLDER = JOB["steps"][0], JOB["steps"][-1]

PYTHON = f"""\
#!/bin/sh
# In place of `python3 -m venv DIR`: malagate as it is here, and a pip that has nothing to do.
mkdir -p "$3/bin" && printf '#!/bin/sh\\n' > "$3/bin/pip"
printf '#!/bin/sh\\nexec "{sys.executable}" -m pytest_malagate "$@"\\n' > "$3/bin/malagate"
chmod +x "$3/bin/pip" "$3/bin/malagate"
"""


@pytest.fixture
def scene(twin: Twin) -> Iterator[Scene]:
    twin.checked = False
    with processes_apart(), twin.serve():
        yield Scene(twin)


def shell(script: str, place: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A step as GitHub runs it, in an empty workspace."""
    for name in ("workspace", "bin", "temp"):
        (place / name).mkdir(exist_ok=True)
    python = place / "bin" / "python3"
    python.write_text(PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=place / "workspace",
        env={
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(place / "temp"),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def asks(scene: Scene, run: Run, place: Path) -> int:
    done = shell(
        ASKS["run"],
        place,
        TASK=str(run.inputs["task"]),
        CLAIM=str(run.inputs["claim"]),
        GITHUB_RUN_ID=str(run.id),
        GITHUB_REPOSITORY=NAME,
        GITHUB_TOKEN="t-agent",
        GITHUB_API_URL=scene.twin.url,
    )
    assert "Traceback" not in done.stderr
    return done.returncode


def test_the_first_step_lets_one_run_of_a_claim_work_with_the_jobs_own_permissions(
    scene: Scene, tmp_path: Path
) -> None:
    (task,) = scene.ready()
    scene.step()
    (run,) = scene.runs
    scene.twin.token("t-agent", scene.repo, permissions=JOB["permissions"])
    second = scene.repo.run(run.path, "workflow_dispatch", title=run.title)
    second.inputs = dict(run.inputs)
    assert asks(scene, run, tmp_path) == 0
    assert asks(scene, second, tmp_path) == 4
    scene.gate().finish(task, "walt")
    assert asks(scene, run, tmp_path) == 4


def test_an_agent_that_nobody_has_put_there_fails_and_says_so(tmp_path: Path) -> None:
    done = shell(PLACEHOLDER["run"], tmp_path, TASK="#12")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("replace me: work on #12, push malagate/12 ")


def test_the_agents_job_may_only_read_and_names_what_a_push_would_need() -> None:
    assert set(JOB["permissions"].values()) == {"read"}
    text = FILE.read_text("utf-8")
    assert "# contents: write" in text
    assert "# pull-requests: write" in text


def test_the_release_that_is_installed_is_this_one() -> None:
    project: Mapping = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"'pytest-malagate[github]=={project['version']}'" in ASKS["run"]


def test_what_lands_starts_the_coordinator() -> None:
    starts = loaded(EXAMPLES / "agents" / "malagate-coordinate.yml")["on"]
    assert starts["push"] == {"branches": ["main"]}
    assert starts["issues"] == {"types": ["closed"]}
    assert starts["workflow_run"]["workflows"] == [loaded(FILE)["name"]]
