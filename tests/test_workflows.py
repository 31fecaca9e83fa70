"""action.yml, the project's workflows and the examples: valid, pinned, with least permissions.

The second half breaks files on purpose, to show that the validators notice.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from pytest_malagate.action.inputs import Mode
from tests.action_yml.engine import Engine, Value, need_node

ROOT = Path(__file__).parents[1]
VALIDATE = ROOT / ".ci" / "validators" / "validate.py"
EXAMPLES = ROOT / "examples" / "workflows"
WORKFLOWS = sorted([*EXAMPLES.glob("*/*.yml"), *(ROOT / ".github" / "workflows").glob("*.yml")])
TRUSTED = [path for path in WORKFLOWS if path.name in ("malagate.yml", "verified.yml")]
COMMANDED = [path for path in WORKFLOWS if path.name == "malagate-commands.yml"]
QUEUED = ("queue", "workflows", "post-deploy", "agents")
QUEUE = [path for path in WORKFLOWS if path.parent.name in QUEUED]
OURS = ("malagate/malagate@", "$/")
TICK = "malagate-tick-v${{ vars.MALAGATE_EPOCH || '0' }}"
COMMANDS = "malagate-commands-v${{ vars.MALAGATE_EPOCH || '0' }}"
STARTS = "malagate-coordinate-v${{ vars.MALAGATE_EPOCH || '0' }}"
LOCKS = {"admit": TICK, "reconcile": TICK, "auto": COMMANDS, "coordinate": STARTS}

Mapping = dict[str, Any]


def loaded(path: Path) -> Mapping:
    """A YAML file; `on` stays a word."""
    text = re.sub(r"^on:", '"on":', path.read_text("utf-8"), flags=re.M)
    content: Mapping = yaml.safe_load(text)
    return content


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def jobs(path: Path) -> dict[str, Mapping]:
    found: dict[str, Mapping] = loaded(path)["jobs"]
    return found


def steps(path: Path) -> Iterator[tuple[str, Mapping]]:
    for job, content in jobs(path).items():
        for step in content["steps"]:
            yield job, step


def validate(*files: Path) -> subprocess.CompletedProcess[str]:
    need_node()
    command = [sys.executable, str(VALIDATE), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


# --- what is shipped ----------------------------------------------------------------------------


def test_every_file_passes_every_validator() -> None:
    done = validate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(WORKFLOWS) + 1} files, 0 findings" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_workflow_has_no_permissions_but_those_its_jobs_name(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    writing = {
        job
        for job, content in workflow["jobs"].items()
        if "write" in content.get("permissions", {}).values()
    }
    runs = {job for job, step in steps(path) if "run" in step}
    if path.parent.name != "one-job":  # which says so itself
        assert not writing & runs, "what can write runs no script"


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_a_job_has_a_time_limit_and_no_secret(path: Path) -> None:
    assert all(content["timeout-minutes"] <= 60 for content in jobs(path).values())
    text = path.read_text("utf-8")
    assert "secrets." not in text
    assert "pull_request_target:" not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_no_step_uses_a_cache(path: Path) -> None:
    for _, step in steps(path):
        assert "cache" not in step.get("uses", "")
        assert not [key for key in step.get("with", {}) if "cache" in key]


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=name)
def test_every_action_is_pinned_by_a_whole_commit(path: Path) -> None:
    pins = re.findall(r"(?m)^[ -]*uses: (\S+)(.*)$", path.read_text("utf-8"))
    assert pins or path.name == "trigger.yml"
    for uses, comment in pins:
        assert uses == "$/" or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", uses), uses
        assert uses == "$/" or comment.startswith(" # ")


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=name)
def test_no_script_holds_an_expression(path: Path) -> None:
    content = loaded(path)
    parts = [content["runs"]] if "runs" in content else list(content["jobs"].values())
    scripts = [step["run"] for part in parts for step in part["steps"] if "run" in step]
    assert not [script for script in scripts if "${{" in script]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name)
def test_malagate_is_asked_for_what_it_has(path: Path) -> None:
    inputs = loaded(ROOT / "action.yml")["inputs"]
    for _, step in steps(path):
        if step.get("uses", "").startswith(OURS):
            assert set(step["with"]) <= set(inputs)
            mode = step["with"]["mode"]
            assert mode in get_args(Mode) or path in COMMANDED
            assert mode != "collect" or step["if"] == "always()"


@pytest.mark.parametrize("path", TRUSTED, ids=name)
def test_the_half_that_writes_neither_checks_out_nor_runs(path: Path) -> None:
    gate = jobs(path)["gate"]
    assert [set(step) - {"with"} for step in gate["steps"]] == [{"uses"}]
    assert gate["steps"][0]["uses"].startswith(OURS)
    assert gate["concurrency"]["queue"] == "max"
    assert gate["name"] != "malagate/gate"


def test_the_half_that_writes_listens_to_the_half_that_tests() -> None:
    for path in TRUSTED:
        watched = loaded(path)["on"]["workflow_run"]["workflows"]
        names = {loaded(other)["name"] for other in path.parent.glob("*.yml") if other != path}
        assert set(watched) <= names, name(path)


def test_the_verified_jobs_tests_can_do_nothing() -> None:
    test = jobs(EXAMPLES / "verified" / "verified.yml")["test"]
    assert test["permissions"] == {}
    assert test["steps"][0]["with"]["persist-credentials"] is False


@pytest.mark.parametrize("example", sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir()))
def test_an_example_says_what_it_stops_and_what_it_does_not(example: str) -> None:
    text = (EXAMPLES / example / "README.md").read_text("utf-8")
    for heading in ("## Install", "## It stops", "## It does not stop"):
        assert heading in text
    assert f"]({example})" in (EXAMPLES / "README.md").read_text("utf-8")


# --- the expressions of the half that writes, by GitHub's own engine ------------------------------

RUN = {
    "event_name": "workflow_run",
    "event": {
        "workflow_run": {
            "pull_requests": [],
            "head_repository": {"id": 7},
            "head_branch": "fix/it",
        }
    },
}


def comment(body: str, *, on_pull: bool = True) -> Mapping:
    issue = {"number": 5} | ({"pull_request": {"url": "x"}} if on_pull else {})
    return {"event_name": "issue_comment", "event": {"issue": issue, "comment": {"body": body}}}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    need_node()
    with Engine() as engine:
        yield engine


def evaluated(engine: Engine, text: str, github: Mapping, *, failed: bool = False) -> Value:
    status = {"success": not failed, "failure": failed, "cancelled": False}
    return engine.evaluate({"expression": text}, {"github": github}, status)


@pytest.mark.parametrize("path", TRUSTED, ids=name)
@pytest.mark.parametrize(
    ("github", "starts"),
    [
        (RUN, True),
        (comment("/gate retry"), True),
        (comment("thanks"), False),
        (comment("> /gate retry"), False),
        (comment("/gate retry", on_pull=False), False),
    ],
    ids=["run", "command", "chat", "quoted", "issue"],
)
def test_the_gate_starts_for_runs_and_for_commands(
    engine: Engine, path: Path, github: Mapping, starts: bool
) -> None:
    condition = jobs(path)["gate"]["if"]
    assert evaluated(engine, condition, github).truthy is starts
    assert evaluated(engine, condition, github, failed=True).truthy is starts


@pytest.mark.parametrize("path", TRUSTED, ids=name)
def test_evaluations_wait_for_each_other_and_none_is_lost(path: Path) -> None:
    assert jobs(path)["gate"]["concurrency"] == {"group": "malagate-gate", "queue": "max"}


# --- the queue's locks ----------------------------------------------------------------------------


def locks(path: Path) -> Iterator[tuple[str, Mapping, Mapping]]:
    """Where malagate's locks stand: the place, the key, and the jobs under it."""
    workflow = loaded(path)
    if "concurrency" in workflow:
        yield "workflow", workflow["concurrency"], workflow["jobs"]
    for job, content in workflow["jobs"].items():
        if "concurrency" in content:
            yield job, content["concurrency"], {job: content}


@pytest.mark.parametrize("path", QUEUE, ids=name)
def test_a_sweep_holds_the_lock_of_the_sweeps_and_a_command_is_never_lost(path: Path) -> None:
    held = {job: lock["group"] for _, lock, under in locks(path) for job in under}
    for job, step in steps(path):
        if step.get("uses", "").startswith(OURS) and path.name != "malagate.yml":
            mode = step["with"]["mode"]
            wanted = LOCKS.get(mode)
            assert wanted is None or held[job] == wanted
    for _, lock, _ in locks(path):
        if lock["group"] == COMMANDS:
            assert lock["queue"] == "max"
        if lock["group"] == TICK:
            assert "queue" not in lock, "of those that wait one is enough"
            assert lock["cancel-in-progress"] is False
    groups = [lock["group"] for _, lock, _ in locks(path)]
    assert len(groups) == len(set(groups)), "a group at two levels waits for itself"


@pytest.mark.parametrize("path", COMMANDED, ids=name)
@pytest.mark.parametrize("on_pull", [True, False])
@pytest.mark.parametrize(
    ("body", "starts"),
    [
        ('/gate freeze reason:"x"', True),
        ('/gate unfreeze reason:"x"', True),
        ('/gate rearm reason:"x"', True),
        ("/gate retry", False),
        ("> /gate unfreeze", False),
        ("thanks", False),
    ],
)
def test_the_commands_of_the_queue_start_on_any_issue(
    engine: Engine, path: Path, on_pull: bool, body: str, starts: bool
) -> None:
    condition = jobs(path)["command"]["if"]
    assert evaluated(engine, condition, comment(body, on_pull=on_pull)).truthy is starts


@pytest.mark.parametrize(
    ("state", "where", "starts"),
    [("success", "production", True), ("failure", "production", False), ("success", "qa", False)],
)
def test_what_was_deployed_to_production_is_checked(
    engine: Engine, state: str, where: str, starts: bool
) -> None:
    path = EXAMPLES / "post-deploy" / "malagate-post-deploy.yml"
    event = {"deployment_status": {"state": state}, "deployment": {"environment": where}}
    github = {"event_name": "deployment_status", "event": event}
    assert evaluated(engine, jobs(path)["smoke"]["if"], github).truthy is starts


# --- action.yml and the program agree -------------------------------------------------------------

INPUTS_TEXT = """
    mode token policy pull-request evidence evidence-run reason command timeout store
    gate-workflow epic ask assign dry-run
"""
INPUTS = INPUTS_TEXT.split()
OUTPUTS_TEXT = """
    verdict passed attempt retries-left no-progress next-action admitted position frozen result reasons
"""
OUTPUTS = OUTPUTS_TEXT.split()


def test_every_input_reaches_the_program_in_its_environment() -> None:
    action = loaded(ROOT / "action.yml")
    assert list(action["inputs"]) == [*INPUTS, "python"]
    run = next(step for step in action["runs"]["steps"] if step.get("id") == "run")
    for given in INPUTS:
        variable = "MALAGATE_INPUT_" + given.upper().replace("-", "_")
        assert run["env"][variable] == f"${{{{ inputs.{given} }}}}"


def test_every_output_is_the_programs() -> None:
    outputs = loaded(ROOT / "action.yml")["outputs"]
    assert list(outputs) == OUTPUTS
    assert all(v["value"] == f"${{{{ steps.run.outputs.{k} }}}}" for k, v in outputs.items())


def test_every_mode_is_described() -> None:
    described = loaded(ROOT / "action.yml")["inputs"]["mode"]["description"]
    assert set(get_args(Mode)) <= set(re.findall(r"[a-z-]+", described))


def test_what_is_kept_is_kept_after_a_failure_and_only_if_there_is_something() -> None:
    uploads = [s for s in loaded(ROOT / "action.yml")["runs"]["steps"] if "uses" in s]
    assert [step["with"]["if-no-files-found"] for step in uploads] == ["error"] * 3
    for step in uploads:
        assert re.fullmatch(r"always\(\) && steps\.run\.outputs\.[\w-]+ != ''", step["if"])


# --- the validators are able to fail --------------------------------------------------------------

GOOD = """\
name: Broken on purpose

on:
  pull_request:

permissions: {}

concurrency:
  group: whole
  cancel-in-progress: true

jobs:
  only:
    name: Only
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: echo "hello"
"""
GOOD_ACTION = """\
name: Broken on purpose
description: An action of a test
runs:
  using: composite
  steps:
    - run: echo "hello"
      shell: bash
"""


def test_a_good_workflow_and_a_good_action_pass(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "action.yml").write_text(GOOD_ACTION)
    done = validate(tmp_path / "good.yml", tmp_path / "action.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "validator", "words"),
    [
        ("true", "true\n  queue: max", "languageservice", "cancel-in-progress"),
        (
            "    timeout-minutes: 5\n",
            "    timeout-minutes: 5\n    concurrency: whole\n",
            "languageservice",
            "deadlock",
        ),
        ("true", "true\n  queue: most", "check-jsonschema", "queue"),
        ("permissions", "permisions", "check-jsonschema", "permisions"),
        ('run: echo "hello"', "uses: actions/checkout@v7", "zizmor", "unpinned-uses"),
        ("hello", "${{ github.event.pull_request.title }}", "zizmor", "template-injection"),
        ("permissions: {}\n", "", "zizmor", "excessive-permissions"),
        ("pull_request:", "pull_request_target:", "zizmor", "dangerous-triggers"),
    ],
)
def test_a_broken_workflow_is_found(
    tmp_path: Path, old: str, new: str, validator: str, words: str
) -> None:
    broken = GOOD.replace(old, new, 1)
    assert broken != GOOD
    (tmp_path / "broken.yml").write_text(broken)
    done = validate(tmp_path / "broken.yml")
    assert done.returncode == 1, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if f": {validator}: " in line]
    assert [line for line in found if words in line], done.stdout


@pytest.mark.parametrize(
    ("old", "new", "validator", "words"),
    [
        ("      shell: bash\n", "", "languageservice", "shell"),
        ("      shell: bash\n", "", "check-jsonschema", "$.runs"),
        ('run: echo "hello"', 'run: echo "${{ inputs.text }}"', "zizmor", "template-injection"),
        ("runs:", "branding: {icon: nothing}\nruns:", "languageservice", "'nothing'"),
        ('"hello"', '"hello"\n      env: {T: "${{ secrets.T }}"}', "languageservice", "secrets"),
    ],
)
def test_a_broken_action_is_found(
    tmp_path: Path, old: str, new: str, validator: str, words: str
) -> None:
    (tmp_path / "action.yml").write_text(GOOD_ACTION.replace(old, new, 1))
    done = validate(tmp_path / "action.yml")
    assert done.returncode == 1, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if f": {validator}: " in line]
    assert [line for line in found if words in line], done.stdout


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    assert validate(tmp_path / "absent.yml").returncode != 0
    (tmp_path / "garbage.yml").write_text("a: [\n")
    assert validate(tmp_path / "garbage.yml").returncode != 0
