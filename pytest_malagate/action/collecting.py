"""Mode `collect`, the untrusted half: run a command if one is given, and hand the evidence over.

It judges nothing and needs no token. The command is the workflow author's own, in the job where
the change's code runs anyway.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from pytest_malagate.action.gathering import DETAIL, LOG
from pytest_malagate.action.inputs import EVIDENCE, Inputs
from pytest_malagate.action.telling import command, write_outputs
from pytest_malagate.collect.reading import read_evidence
from pytest_malagate.errors import ExitCode, MachineryError
from pytest_malagate.gate.evidence import Evidence
from pytest_malagate.github.environment import RunnerEnvironment
from pytest_malagate.local import OUT

_OURS = ("MALAGATE_INPUT_", "MALAGATE_SHARD", "MALAGATE_JOB", "MALAGATE_PYTHON")


def run_command(runner: RunnerEnvironment, inputs: Inputs, environ: Mapping[str, str]) -> int:
    """Runs the input `command` in the workspace, as a `run:` step would; 0 if there is none.

    It does not get the inputs, and so not the token.
    """
    if not inputs.command:
        return 0
    argv, clean = shell(inputs.command), without_ours(environ)
    try:
        return subprocess.run(argv, cwd=runner.workspace, env=clean, check=False).returncode
    except OSError as error:
        raise MachineryError(f"input command: bash could not be started: {error}") from error


def shell(script: str) -> list[str]:
    """The words that run the input `command`: as GitHub runs a script with `shell: bash`."""
    return ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]


def without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the inputs, and so without the token."""
    return {name: value for name, value in environ.items() if not name.startswith(_OURS)}


def collect(runner: RunnerEnvironment, inputs: Inputs, environ: Mapping[str, str]) -> int:
    """Runs, and puts evidence into a directory that the next step uploads. Returns an exit code.

    The command's own exit code comes first: a failing suite makes a red job, and its evidence is
    handed over all the same.
    """
    code = run_command(runner, inputs, environ)
    source, target = runner.workspace / OUT, runner.temp / EVIDENCE
    if not (source / LOG).is_file():
        why = f"nothing was recorded: {OUT}/{LOG} is not there; run `pytest -p malagate`"
        print(command("error", why))
        return code or int(ExitCode.FAILED)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (LOG, DETAIL):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name, follow_symlinks=True)
    _describe(read_evidence(target / LOG))
    write_outputs(
        runner.output,
        {"evidence-name": evidence_name(inputs), "evidence-path": os.fspath(target)},
    )
    return code


def evidence_name(inputs: Inputs) -> str:
    """A name of its own for each job of a run, which the default pattern finds."""
    stem = inputs.evidence.rstrip("*").rstrip("-") or EVIDENCE
    parts = [stem, inputs.job, inputs.shard] if "*" in inputs.evidence else [stem]
    return "-".join(filter(None, parts))


def _describe(evidence: Evidence) -> None:
    for name, run in sorted(evidence.tests.items()):
        ended = f"{run.reported} tests" if run.finish else "its end is missing"
        print(f"malagate: recorded {name}: {ended}")
    for name in sorted(evidence.commands):
        print(f"malagate: recorded {name}")
