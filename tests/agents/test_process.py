"""One process and all that it starts: its output is kept, its time is limited, nobody survives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.agents.process import Ending, NotStartedError, Watcher, run_process
from tests.agents.agents_project import lives

FAMILY = "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 0.05; done' & "
"""A child that does not listen when it is told to end; its process id is written to a file."""


def sh(where: Path, script: str, **more: Any) -> Ending:
    return asyncio.run(running(where, script, **more))


async def running(where: Path, script: str, **more: Any) -> Ending:
    options = {"timeout": 60.0, "grace": 0.2} | more
    return await run_process(
        ["sh", "-c", script], cwd=where, env=dict(os.environ), log=where / "log", **options
    )


def child(where: Path) -> int:
    return int((where / "child").read_text())


async def appears(path: Path) -> None:
    while not (path.exists() and path.read_text()):
        await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    for _ in range(500):
        if not lives(pid):
            return True
        time.sleep(0.01)
    return False


def test_both_streams_are_kept_in_their_order(tmp_path: Path) -> None:
    ending = sh(tmp_path, "echo one; echo two >&2; echo three; exit 7")
    assert (ending.status, ending.why, ending.words) == (7, "ended", "exit code 7")
    assert (tmp_path / "log").read_text() == "one\ntwo\nthree\n"


def test_output_is_cut_where_there_is_too_much_of_it_and_says_so(tmp_path: Path) -> None:
    ending = sh(tmp_path, "yes | head -c 300000; echo the end", limit=1000)
    assert ending.status == 0
    kept = (tmp_path / "log").read_text()
    assert kept == "y\n" * 500 + "\n[malagate: cut here, after 1000 bytes]\n"


def test_another_run_is_added_to_the_log(tmp_path: Path) -> None:
    for word in ("one", "two"):
        sh(tmp_path, f"echo {word}")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_a_log_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "log").symlink_to(tmp_path / "precious")
    ending = sh(tmp_path, "echo forged; exit 3")
    assert (ending.status, (tmp_path / "precious").read_text()) == (3, "mine")
    assert ending.log_trouble is not None


def test_the_last_words_are_told_without_what_a_terminal_would_obey(tmp_path: Path) -> None:
    words: list[str] = []
    sh(tmp_path, r"printf 'first\n\033[2Jlast\n\n'", said=words.append)
    assert words[-1] == "last"


def test_standard_input_is_empty(tmp_path: Path) -> None:
    assert sh(tmp_path, "cat; echo done").status == 0
    assert (tmp_path / "log").read_text() == "done\n"


def test_the_time_limit_ends_the_whole_family(tmp_path: Path) -> None:
    ending = sh(tmp_path, f"{FAMILY} while [ ! -s child ]; do :; done; sleep 1000", timeout=1.0)
    assert (ending.why, ending.status) == ("timed_out", -15)
    assert gone(child(tmp_path))


def test_a_helper_that_is_left_behind_ends_with_its_agent(tmp_path: Path) -> None:
    assert sh(tmp_path, f"{FAMILY} while [ ! -s child ]; do :; done").why == "ended"
    assert gone(child(tmp_path))


def test_a_process_that_left_the_group_does_not_hold_the_loop_up(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open('child', 'w').write(str(os.getpid()))\n"
        "    time.sleep(1000)\n"
        "while not os.path.exists('child'): time.sleep(0.01)\n"
    )
    (tmp_path / "leave.py").write_text(script)
    assert sh(tmp_path, "exec python3 leave.py").why == "ended"
    os.kill(child(tmp_path), 9)


def test_the_word_to_stop_ends_the_whole_family(tmp_path: Path) -> None:
    async def scene() -> Ending:
        stop = asyncio.Event()
        work = asyncio.ensure_future(running(tmp_path, f"{FAMILY} sleep 1000", stop=stop))
        await appears(tmp_path / "child")
        stop.set()
        return await work

    assert asyncio.run(scene()).why == "stopped"
    assert gone(child(tmp_path))


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_caller_leaves_nobody_behind(tmp_path: Path, times: int) -> None:
    async def scene() -> None:
        work = asyncio.ensure_future(running(tmp_path, f"{FAMILY} sleep 1000", grace=0.3))
        await appears(tmp_path / "child")
        for _ in range(times):
            work.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await work
        assert gone(child(tmp_path))

    asyncio.run(scene())


@pytest.mark.parametrize("argv", [["./nobody"], ["x\0y"]])
def test_what_cannot_be_started_is_an_error_in_one_line(tmp_path: Path, argv: list[str]) -> None:
    with pytest.raises(NotStartedError, match="cannot be started"):
        asyncio.run(run_process(argv, cwd=tmp_path, env={}, log=tmp_path / "log", timeout=60.0))


LOOP = """\
import asyncio, os
from pathlib import Path
from pytest_malagate.agents.process import run_process
asyncio.run(
    run_process(["sh", "-c", {script!r}], cwd=Path("."), env=dict(os.environ), log=Path("log"),
                timeout=60.0)
)
"""


def test_whoever_kills_us_outright_leaves_nobody_behind(tmp_path: Path) -> None:
    script = f"{FAMILY} echo $$ > leader; trap '' TERM HUP; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP.format(script=script)], cwd=tmp_path, start_new_session=True
    )
    asyncio.run(asyncio.wait_for(appears(tmp_path / "child"), 60))
    asyncio.run(asyncio.wait_for(appears(tmp_path / "leader"), 60))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert gone(int((tmp_path / "leader").read_text()))
    assert gone(child(tmp_path))


def test_a_watcher_that_was_dismissed_kills_nobody(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    watcher = Watcher()
    watcher.watch(bystander.pid)
    watcher.dismiss()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
