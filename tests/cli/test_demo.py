"""`malagate demo`: the story, played for real, and what its audience sees."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pytest_malagate.cli import demo, main
from pytest_malagate.demo import project, stage
from pytest_malagate.demo.stage import Audience, Played, Stage, environment
from pytest_malagate.demo.story import STORY, Chapter, Edit, Expected
from pytest_malagate.demo.telling import Narrator, Told
from pytest_malagate.errors import MachineryError

HOSTILE = {
    "PYTEST_ADDOPTS": "--no-such-option",
    "PYTEST_PLUGINS": "no_such_plugin",
    "MALAGATE_OUT": "/nonexistent/out",
    "MALAGATE_POLICY": "/nonexistent/policy.yaml",
    "MALAGATE_VALIDATION": "other",
    "GIT_DIR": "/nonexistent/git",
    "GIT_INDEX_FILE": "/nonexistent/index",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "commit.gpgSign",
    "GIT_CONFIG_VALUE_0": "true",
    "PYTHONOPTIMIZE": "1",
    "PYTHONWARNINGS": "error",
    "COVERAGE_RCFILE": "/nonexistent/coveragerc",
    "LC_ALL": "C",
}
GIT_SETTINGS = "[commit]\n  gpgSign = true\n[core]\n  hooksPath = hooks\n  autocrlf = true\n"


def home_with_settings(path: Path) -> Path:
    """A home directory whose settings for git would spoil the story."""
    (path / ".config/git").mkdir(parents=True)
    (path / ".config/git/ignore").write_text("*.yaml\n*.py\n")
    (path / ".gitconfig").write_text(GIT_SETTINGS)
    return path


def start(temporary: Path, *args: str, cwd: Path, **environ: str) -> subprocess.Popen[str]:
    """`malagate demo …` in a process without a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_malagate", "demo", *args],
        cwd=cwd,
        env=os.environ | environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Played]:
    """The whole story, as an environment has it that is against it, read back from the JSON."""
    temporary, cwd = tmp_path_factory.mktemp("tmp"), tmp_path_factory.mktemp("read-only")
    home = home_with_settings(tmp_path_factory.mktemp("home"))
    cwd.chmod(0o555)
    process = start(temporary, "--json", cwd=cwd, HOME=str(home), **HOSTILE)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert list(temporary.iterdir()) == []
    told = msgspec.json.decode(out, type=list[Told])
    assert [one.title for one in told] == [chapter.title for chapter in STORY]
    return [
        Played(
            number=one.chapter,
            chapter=chapter,
            ran=one.commands,
            result=one.result,
            deviations=one.deviations,
        )
        for one, chapter in zip(told, STORY, strict=True)
    ]


def tell(played: list[Played], *, color: bool = False) -> str:
    """What the narrator prints of a story that was played."""
    stream = io.StringIO()
    narrator = Narrator(stream, color=color)
    narrator.opens()
    for one in played:
        narrator.begins(one.number, one.chapter)
        for ran in one.ran:
            narrator.starts(ran.command)
            narrator.ended(ran)
        narrator.judged(one)
    narrator.closes(played)
    return stream.getvalue()


@pytest.mark.parametrize("number", range(1, len(STORY) + 1))
def test_the_gate_says_what_the_story_declares(played: list[Played], number: int) -> None:
    one = played[number - 1]
    expected, result = one.chapter.expected, one.result
    assert one.deviations == ()
    assert result.verdict == expected.verdict
    assert result.progress.state == expected.progress
    assert expected.reason is None or expected.reason in {why.code for why in result.reasons}
    assert result.attempt.number == number


def test_the_story_ends_with_a_pass_of_its_own_commit(played: list[Played]) -> None:
    assert [one.result.passed for one in played] == [False] * (len(STORY) - 1) + [True]
    last = played[-1].result
    assert last.commit_hash == last.subject.commit
    assert last.tests is not None
    assert last.tests.passed == last.tests.collected == project.TESTS.count("def test_")


def test_half_a_fix_names_what_was_fixed_and_what_was_not(played: list[Played]) -> None:
    progress = next(one for one in played if one.chapter.title == "Half a fix").result.progress
    assert len(progress.fixed) == 2
    assert progress.new == ()
    assert progress.persisting == ("tests/test_cart.py::test_shares_add_up",)


def test_a_bought_exit_code_is_0_and_fails(played: list[Played]) -> None:
    one = next(one for one in played if one.chapter.title == "A bought exit code")
    assert [ran.exit_code for ran in one.ran] == [0, 0, 0, 1]
    assert one.result.verdict == "fail"


def test_the_story_fits_a_terminal(played: list[Played]) -> None:
    lines = tell(played).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 120
    assert all(line.isascii() and (line.isprintable()) for line in lines)
    assert not any(line.startswith("UNEXPECTED") for line in lines)


def test_colour_changes_no_word(played: list[Played]) -> None:
    coloured = tell(played, color=True)
    assert "\x1b[1;32m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == tell(played)


def test_a_chapter_says_what_was_run_and_what_the_gate_answered(played: list[Played]) -> None:
    chapter = tell(played[1:2])
    for words in (
        '2. A part of the tests: "Now I ran the tests."',
        "$ pytest -p malagate --malagate-collect -k discount",
        "# exit code 0: 2 passed, 8 deselected",
        "=> FAILED  attempt 2 of 10",
        "evidence.partial: ",
        "next: run pytest -p malagate",
    ):
        assert words in chapter


def altered(story: tuple[Chapter, ...], **expected: str) -> tuple[Chapter, ...]:
    """The story, but its first chapter declares something else."""
    first = msgspec.structs.replace(
        story[0], expected=msgspec.structs.replace(story[0].expected, **expected)
    )
    return (first, *story[1:])


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_told_without_a_terminal_it_has_no_escape_codes(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "STORY", STORY[:1])
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert main(["demo"]) == 0
    shown = capsys.readouterr()
    assert "=> FAILED  attempt 1 of 10\n" in shown.out
    assert "\x1b" not in shown.out
    assert shown.err == ""
    assert list(temporary.iterdir()) == []


def test_another_answer_than_declared_is_told_and_exits_with_1(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "STORY", altered(STORY[:1], verdict="pass"))
    assert main(["demo"]) == 1
    out = capsys.readouterr().out
    assert "   UNEXPECTED: the verdict must be pass, it is fail\n" in out
    assert "1 chapter did not end as the story declares" in out


@pytest.mark.parametrize(
    ("expected", "deviation"),
    [
        ({"progress": "changed"}, "the progress must be changed, it is first"),
        ({"next_action": "fix"}, "the next action must be fix, it is rerun"),
        ({"reason": "tests.failed"}, "a reason must be tests.failed, there is evidence.missing"),
        ({"warning": "progress.nudge"}, "a warning must be progress.nudge, there is none"),
    ],
)
def test_each_part_of_the_answer_is_compared(
    played: list[Played], expected: dict[str, str], deviation: str
) -> None:
    wanted: Expected = altered(STORY, **expected)[0].expected
    assert list(stage.deviations(wanted, played[0].result)) == [deviation]


def test_another_exit_code_than_declared_is_a_deviation(tmp_path: Path) -> None:
    first = STORY[0]
    lint = msgspec.structs.replace(STORY[1].commands[0], exit_code=3)
    chapter = msgspec.structs.replace(first, commands=(*first.commands, lint))
    played = Stage(tmp_path, os.environ).play(1, chapter, Audience())
    assert played.deviations == ("`malagate run lint` must exit with 3, it exited with 0",)


def test_kept_the_repository_is_there_and_is_named(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "STORY", STORY[:1])
    assert main(["demo", "--keep", "--json"]) == 0
    shown = capsys.readouterr()
    (kept,) = temporary.iterdir()
    assert shown.err == f"malagate: the repository is kept in {kept.resolve()}\n"
    assert (kept / "malagate-out/gate-result.json").is_file()
    assert [one["chapter"] for one in json.loads(shown.out)] == [1]


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, cwd=tmp_path)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("1. "):
        assert process.poll() is None
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\nmalagate: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_without_git_it_says_so(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage, "environment", lambda *_: {"PATH": str(temporary)})
    assert main(["demo"]) == 3
    shown = capsys.readouterr()
    text = "malagate: error: malagate demo needs git, which is not installed or not on PATH\n"
    assert (shown.out, shown.err) == ("", text)


def test_without_a_temporary_directory_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    assert main(["demo"]) == 3
    assert "cannot make a temporary directory" in capsys.readouterr().err


def test_a_command_without_a_result_is_no_verdict(tmp_path: Path) -> None:
    ready = Stage(tmp_path, os.environ)
    broken = Edit(path="malagate.yaml", after="version: none\n")
    chapter = msgspec.structs.replace(STORY[0], edits=(broken,))
    with pytest.raises(
        MachineryError, match=r"`malagate check .* gave no result: .*malagate\.yaml"
    ):
        ready.play(1, chapter, Audience())


def test_the_environment_keeps_where_modules_are_found() -> None:
    given = HOSTILE | {"PYTHONPATH": "/modules", "HOME": "/home/me", "PATH": "/bin"}
    kept = environment(given, Path("/venv/bin/python"))
    assert kept["PATH"] == "/venv/bin:/bin"
    assert (kept["PYTHONPATH"], kept["HOME"]) == ("/modules", "/home/me")
    assert not {name for name in HOSTILE if kept.get(name) == HOSTILE[name]} - {"LC_ALL"}


def test_every_edit_changes_the_size_of_its_file() -> None:
    """Else the interpreter could take the compiled module of the version before for this one."""
    text = project.CART
    for edit in (edit for chapter in STORY[1:] for edit in chapter.edits):
        if edit.path == project.CART_PATH:
            assert edit.before is not None
            assert edit.after is not None
            assert len(edit.before) != len(edit.after)
            assert text.count(edit.before) == 1
            text = text.replace(edit.before, edit.after)
    assert text != project.CART
