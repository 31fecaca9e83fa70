"""One loop works on an issue on a machine, and whoever comes later knows whether it lives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_malagate.agents.holding import Hold, Holding, held, left_in
from pytest_malagate.agents.process import Watcher
from pytest_malagate.errors import MachineryError

WORK = Holding(claim="abc", own=True)

HOLDER = """\
import asyncio, sys, time
from pathlib import Path
from pytest_malagate.agents.holding import Holding, held
hold = asyncio.run(held(Path(sys.argv[1])))
hold.write(Holding(claim="abc", own=True))
print("held", flush=True)
time.sleep(1000)
"""


def locked(path: Path) -> Hold | None:
    return asyncio.run(held(path, patience=0))


def mine(path: Path) -> Hold:
    hold = locked(path)
    assert hold is not None
    return hold


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "claims" / "x-1"


def test_a_lock_is_held_once_and_leaves_nothing_behind(path: Path) -> None:
    hold = mine(path)
    hold.write(WORK)
    assert locked(path) is None
    assert left_in(path) is None  # whoever holds it lives
    hold.release()
    hold.release()
    assert not path.exists()
    mine(path).release()


def test_whoever_has_patience_gets_a_lock_that_is_let_go(path: Path) -> None:
    async def play() -> None:
        first = await held(path)
        assert first is not None
        asyncio.get_running_loop().call_later(0.1, first.release)
        second = await held(path, patience=60)
        assert second is not None
        second.release()

    asyncio.run(play())


def test_a_killed_holder_leaves_its_claim_to_be_found(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert locked(path) is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert left_in(path) == WORK
    hold = mine(path)
    assert hold.left == WORK
    hold.release(forget=False)
    assert left_in(path) == WORK


def test_a_lock_lasts_as_long_as_the_watcher_of_what_was_started(path: Path) -> None:
    hold = mine(path)
    watcher = Watcher()
    # As if we were killed: our end goes without a word.
    descriptor = hold._descriptor
    os.close(descriptor)
    assert locked(path) is None
    watcher.dismiss()
    mine(path).release()


def test_a_lock_that_is_let_go_is_free_though_a_watcher_has_it_still(path: Path) -> None:
    hold = mine(path)
    watcher = Watcher()
    hold.release()
    mine(path).release()
    watcher.dismiss()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"claim": 1, "own": true}', '{"claim": "a"}'])
def test_what_was_not_written_whole_says_nothing(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert left_in(path) is None
    hold = mine(path)
    assert hold.left is None
    hold.write(WORK)
    hold.release(forget=False)
    assert left_in(path) == WORK


def test_a_file_that_is_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(MachineryError, match="cannot lock"):
        locked(path)
    assert left_in(path) is None
    assert not (tmp_path / "precious").exists()
