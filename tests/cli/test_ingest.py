"""`malagate ingest`: what it prints, what it records, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from pytest_malagate.cli import main
from pytest_malagate.gate.evidence import AnyRecord, Ingested, Resolution
from tests.collect.agentlogs import AGENTS, Story

POLICY = """\
version: 1
validations:
  tests: {kind: test}
  lint: {command: ruff check .}
  types: {command: mypy src}
scopes:
  task: [tests, lint, types]
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a policy, in which the command runs; session logs lie beside it."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "malagate.yaml").write_text(POLICY)
    (root / "a.py").write_text("x = 1\n")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


def recorded(root: Path) -> list[AnyRecord]:
    lines = (root / "malagate-out" / "evidence.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=AnyRecord) for line in lines[1:]]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_run_is_recorded_for_the_tree_at_ingestion(
    agent: str, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story(agent)
    offset = story.size
    call = story.calls("ruff check .")
    path = story.answers(call, 0).write(tmp_path)
    assert main(["ingest", "lint", str(path)]) == 0
    (record,) = recorded(repository)
    assert isinstance(record, Ingested)
    assert (record.name, record.source, record.exit_code) == ("lint", agent, 0)
    assert (record.call, record.offset, record.withdrawn) == (call, offset, None)
    assert record.tree is not None
    assert record.log.startswith("sha256:")
    assert f"lint: passed (exit 0), call {call} at byte {offset}" in capsys.readouterr().out


def test_all_looks_for_every_command_of_the_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story("claude").ran("ruff check .", 1).raw(b"[1,2]")
    story.calls("mypy src")
    assert main(["ingest", "all", str(story.write(tmp_path))]) == 0
    printed = capsys.readouterr().out
    assert "lint: failed (exit 1)" in printed
    assert "types: no credit: its call has no result" in printed
    assert "1 unreadable lines were skipped" in printed
    assert "tests:" not in printed


def test_a_withdrawn_pass_is_recorded_as_withdrawn(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Story("claude").ran("ruff check .").edits().write(tmp_path)
    assert main(["ingest", "lint", str(path)]) == 0
    (record,) = recorded(repository)
    assert isinstance(record, Ingested)
    assert record.withdrawn is not None
    assert "lint: no credit: `Edit` followed it" in capsys.readouterr().out


def test_what_is_not_found_says_what_would_count(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Story("claude").ran("ruff check . || true").write(tmp_path)
    assert main(["ingest", "lint", str(path)]) == 0
    assert "a call counts if its command is exactly ruff check ." in capsys.readouterr().out
    assert recorded(repository) == []


def test_a_marker_is_recorded_for_the_task(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Story("claude").says("ISSUE_OBSOLETE: gone\x1b[31m since 1.2").write(tmp_path)
    assert main(["ingest", "lint", str(path), "--task", "x-1"]) == 0
    (record,) = recorded(repository)
    assert isinstance(record, Resolution)
    assert (record.marker, record.task) == ("ISSUE_OBSOLETE", "x-1")
    printed = capsys.readouterr().out
    assert "ISSUE_OBSOLETE: gone" in printed
    assert "\x1b" not in printed


def test_a_run_that_was_recorded_once_is_not_lifted_onto_a_new_tree(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Story("claude").ran("ruff check .").write(tmp_path)
    main(["ingest", "lint", str(path)])
    (repository / "a.py").write_text("x = 2\n")
    assert main(["ingest", "lint", str(path)]) == 0
    assert len(recorded(repository)) == 1
    assert "recorded before, not recorded again" in capsys.readouterr().out


def test_a_call_that_has_its_result_now_is_recorded_anew(repository: Path, tmp_path: Path) -> None:
    story = Story("claude")
    call = story.calls("ruff check .")
    main(["ingest", "lint", str(story.write(tmp_path))])
    main(["ingest", "lint", str(story.answers(call, 0).write(tmp_path))])
    found = [record.exit_code for record in recorded(repository) if isinstance(record, Ingested)]
    assert found == [None, 0]


def test_json_gives_what_the_next_reading_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = Story("claude").ran("ruff check .")
    path = story.write(tmp_path)
    main(["ingest", "lint", str(path), "--json"])
    (first,) = json.loads(capsys.readouterr().out)
    assert (first["end"], first["recorded"]) == (story.size, 1)
    arguments = ["--offset", str(first["end"]), "--identity", first["identity"], "--json"]
    main(["ingest", "lint", str(path), *arguments])
    assert json.loads(capsys.readouterr().out)[0]["runs"] == []
    main(["ingest", "lint", str(path), *arguments[:3], "sha256:other", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["start"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lnit", "log.jsonl"], "did you mean lint?"),
        (["qqqqqq", "log.jsonl"], "known here: tests, lint, types, all"),
        (["tests", "log.jsonl"], "comes from `pytest -p malagate`"),
        (["lint", "none.jsonl"], "none.jsonl was not found"),
        (["lint", "."], ". is no regular file"),
        (["lint", "junit.xml"], "ingests session logs of Claude Code, Amp and Codex only"),
        (["lint", "report"], "XML"),
        (["lint", "report.json"], "SARIF"),
    ],
)
def test_what_cannot_be_done_exits_2_and_says_why(
    arguments: list[str], message: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "log.jsonl").write_text("{}\n")
    (repository / "junit.xml").write_text("<testsuites/>")
    (repository / "report").write_text("\n<testsuites/>")
    (repository / "report.json").write_text('{"$schema": "https://x/sarif-2.1.0.json"}')
    assert main(["ingest", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("offset", ["-1", "x", "1.5", "9" * 30])
def test_an_offset_is_a_whole_number_from_0(
    offset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ingest", "lint", "log.jsonl", f"--offset={offset}"])
    assert caught.value.code == 2
    assert "is no byte offset" in capsys.readouterr().err
