"""`malagate run`: the command's own exit code and output, and the receipt it leaves."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pytest_malagate.cli import main
from pytest_malagate.collect.log import EvidenceLog
from pytest_malagate.errors import MachineryError
from pytest_malagate.gate.evidence import AnyRecord, CommandStarted, LogHeader, Receipt
from pytest_malagate.local import Place
from tests.conftest import Project

POLICY = """
version: 1
validations:
  tests: {kind: test}
  suite: {kind: test, command: "echo name=$MALAGATE_VALIDATION", selection: -m slow}
  lint: {command: echo linted}
  name: {command: "echo name=$MALAGATE_VALIDATION; true"}
  shell: {command: "echo out; echo err >&2; exit 3"}
  where: {command: pwd -P}
  write: {command: "echo x >>tracked"}
scopes: {task: [tests, lint]}
"""


def git(directory: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit and a policy; it is the working directory."""
    project.files({"malagate.yaml": POLICY, "tracked": "a\n", "sub/file": "b\n"})
    project.commit("first")
    monkeypatch.chdir(project.path)
    return project.path


def records(here: Path, out: str = "malagate-out") -> list[AnyRecord]:
    path = here / out / "evidence.jsonl"
    if not path.exists():
        return []
    decoder = msgspec.json.Decoder(AnyRecord)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]


def receipt(here: Path, out: str = "malagate-out") -> Receipt:
    last = records(here, out)[-1]
    assert isinstance(last, Receipt)
    return last


def test_the_policys_command_runs_and_leaves_a_receipt(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "lint"]) == 0
    assert capfd.readouterr() == ("linted\n", "")
    header, started, ended = records(here)
    assert isinstance(header, LogHeader)
    assert isinstance(started, CommandStarted)
    assert isinstance(ended, Receipt)
    tree, commit = git(here, "rev-parse", "HEAD^{tree}"), git(here, "rev-parse", "HEAD")
    assert (started.name, started.argv) == ("lint", ("echo", "linted"))
    assert (started.tree, started.commit) == (tree, commit)
    assert (ended.run, ended.name, ended.argv) == (started.run, "lint", ("echo", "linted"))
    assert (ended.exit_code, ended.signal) == (0, None)
    assert (ended.tree, ended.tree_after, ended.commit) == (tree, tree, commit)
    assert ended.output_digest == "sha256:" + hashlib.sha256(b"linted\n").hexdigest()
    assert ended.output_bytes == 7
    assert ended.duration >= 0
    assert ended.at >= started.at


def test_the_exit_code_and_both_streams_are_the_commands(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "shell"]) == 3
    assert capfd.readouterr() == ("out\n", "err\n")
    assert receipt(here).argv == ("sh", "-c", "echo out; echo err >&2; exit 3")


def test_a_command_of_ones_own_is_recorded_as_it_is(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "lint", "--", "echo", "-n", "--", "*"]) == 0
    assert capfd.readouterr().out == "-- *"
    assert receipt(here).argv == ("echo", "-n", "--", "*")


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["lint", "--out", "d", "--", "echo", "--out", "e"], ("echo", "--out", "e")),
        (["--out", "d", "lint", "--", "echo"], ("echo",)),
        (["--out=d", "lint"], ("echo", "linted")),
        (["lint", "--out=d"], ("echo", "linted")),
        (["lint", "--policy", "malagate.yaml", "--out", "d", "--", "echo"], ("echo",)),
    ],
)
def test_options_stand_before_the_two_dashes(
    here: Path, argv: list[str], command: tuple[str, ...]
) -> None:
    assert main(["run", *argv]) == 0
    assert receipt(here, "d").argv == command
    assert not (here / "malagate-out").exists()


def test_what_follows_the_two_dashes_is_never_an_option_of_ours(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "tests", "--", "--weird"]) == 127
    assert "tests: --weird: command not found" in capfd.readouterr().err
    assert receipt(here).argv == ("--weird",)


def test_a_command_that_is_not_there_leaves_a_receipt(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "lint", "--", "no-such-command"]) == 127
    assert capfd.readouterr().err.startswith(
        "malagate: error: lint: no-such-command: command not found"
    )
    assert (receipt(here).exit_code, receipt(here).output_digest) == (127, None)


def test_a_file_that_is_no_program_is_126(here: Path) -> None:
    assert main(["run", "lint", "--", "./tracked"]) == 126
    assert receipt(here).exit_code == 126


def test_death_by_a_signal_is_recorded(here: Path) -> None:
    assert main(["run", "lint", "--", "sh", "-c", "kill -9 $$"]) == 137
    assert (receipt(here).exit_code, receipt(here).signal) == (None, "SIGKILL")


def test_the_tree_after_shows_what_the_command_changed(here: Path) -> None:
    assert main(["run", "write"]) == 0
    ended = receipt(here)
    assert ended.tree == git(here, "rev-parse", "HEAD^{tree}")
    assert ended.tree_after not in (None, ended.tree)


def test_the_command_runs_where_the_policy_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here / "sub")
    assert main(["run", "where"]) == 0
    assert capfd.readouterr().out == f"{here.resolve()}\n"
    assert receipt(here).exit_code == 0


def test_a_test_run_knows_its_name_and_no_other_command_does(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MALAGATE_VALIDATION", "outer")
    assert main(["run", "suite"]) == main(["run", "name"]) == 0
    assert capfd.readouterr().out == "name=suite\nname=\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["lnt"], "malagate.yaml defines no validation 'lnt'; did you mean 'lint'?"),
        (
            ["zzz", "--", "true"],
            "malagate.yaml defines no validation 'zzz'; it defines tests, suite,",
        ),
        (["tests"], "run `pytest -p malagate`, or `malagate run tests -- pytest -p malagate`"),
    ],
)
def test_a_name_without_a_command_is_a_usage_error(
    here: Path, capfd: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert main(["run", *argv]) == 2
    assert said in capfd.readouterr().err
    assert records(here) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "required: NAME"),
        (["--", "true"], "required: NAME"),
        (["lint", "--"], "there is no command after `--`"),
        (["lint", "ruff", "check"], "unexpected 'ruff check'; a command is written after `--`"),
        (["lint", "--verbose"], "unexpected '--verbose'"),
    ],
)
def test_a_call_that_cannot_be_understood_ends_with_2(
    here: Path, capfd: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", *argv])
    assert stopped.value.code == 2
    assert said in capfd.readouterr().err
    assert records(here) == []


@pytest.mark.parametrize("argv", [["--help"], ["lint", "--help"]])
def test_help_shows_the_usage(
    here: Path, capfd: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["run", *argv])
    assert stopped.value.code == 0
    assert "malagate run [--out DIR] [--policy FILE] NAME [-- CMD ...]" in capfd.readouterr().out


def test_a_wrong_policy_runs_nothing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "malagate.yaml").write_text("version: 1\nvalidation: {}\n")
    assert main(["run", "lint"]) == 2
    assert "malagate.yaml:2:1" in capfd.readouterr().err
    assert records(here) == []


def test_without_a_policy_there_is_the_test_run_alone(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "malagate.yaml").unlink()
    assert main(["run", "lint", "--", "true"]) == 2
    assert "the default policy defines no validation 'lint'" in capfd.readouterr().err
    assert main(["run", "tests", "--", "true"]) == 0


# --- trouble with the evidence ---


def test_a_log_that_cannot_be_written_does_not_change_the_exit_code(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "malagate-out").write_text("in the way")
    assert main(["run", "shell"]) == 3
    out, err = capfd.readouterr()
    assert out == "out\n"
    assert err.count("malagate: error: shell: not recorded: ") == 2
    assert "evidence is not being recorded" in err


def test_a_log_that_breaks_during_the_run_leaves_a_run_without_an_end(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = EvidenceLog.append

    def full(self: EvidenceLog, record: AnyRecord, *, sync: bool = False) -> int:
        if isinstance(record, Receipt):
            raise MachineryError("cannot write: No space left on device")
        return append(self, record, sync=sync)

    monkeypatch.setattr(EvidenceLog, "append", full)
    assert main(["run", "lint"]) == 0
    assert "not recorded: cannot write: No space left on device" in capfd.readouterr().err
    assert isinstance(records(here)[-1], CommandStarted)


def test_a_git_that_fails_leaves_evidence_of_no_tree(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Place) -> tuple[str, str]:
        raise MachineryError("git status: it took too long")

    monkeypatch.setattr(Place, "tree_and_commit", fails)
    assert main(["run", "shell"]) == 3
    assert "the files could not be identified: git status: it took too long" in (
        capfd.readouterr().err
    )
    assert (receipt(here).tree, receipt(here).tree_after) == (None, None)


# --- as a process of its own ---

MALAGATE = [sys.executable, "-m", "pytest_malagate", "run"]


def test_a_killed_run_leaves_the_record_that_it_started(here: Path) -> None:
    argv = [*MALAGATE, "lint", "--", "sh", "-c", "echo ready; read line"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    last = records(here)[-1]
    assert isinstance(last, CommandStarted)
    assert last.name == "lint"


def test_ctrl_c_ends_the_command_and_is_recorded(here: Path) -> None:
    argv = [*MALAGATE, "lint", "--", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == (b"", b"")
        assert process.returncode == 130
    assert receipt(here).signal == "SIGINT"


def test_a_reader_that_goes_away_causes_no_traceback(here: Path) -> None:
    pipeline = '"$@" | head -n 1; echo ${PIPESTATUS[0]}'
    argv = ["bash", "-c", pipeline, "bash", *MALAGATE, "lint", "--", "seq", "200000"]
    done = subprocess.run(argv, capture_output=True, check=True, text=True)
    assert done.stdout == "1\n0\n"
    assert done.stderr == ""
    assert receipt(here).exit_code == 0


def test_an_argument_that_is_no_utf_8_is_passed_on_and_recorded(here: Path) -> None:
    argv = [os.fsencode(word) for word in MALAGATE] + [b"lint", b"--", b"printf", b"\xff%s"]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert done.stdout == b"\xff"
    assert receipt(here).argv[0] == "printf"
