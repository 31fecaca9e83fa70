"""`malagate demo`: an agent's story, really played in a temporary git repository.

Exits with 0 if the gate said in every chapter what the story declares, 1 if it did not, 3 if the
story could not be played, 130 after Ctrl-C. The repository is removed in each of these cases.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from pytest_malagate.demo.stage import Audience, Played, Stage, play, temporary_directory
from pytest_malagate.demo.story import STORY
from pytest_malagate.demo.telling import Narrator, as_json
from pytest_malagate.errors import ExitCode
from pytest_malagate.report.terminal import use_color


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "--json", action="store_true", help="print the chapters with their GateResults"
    )
    parser.add_argument("--keep", action="store_true", help="keep the repository, and say where")


def run(options: argparse.Namespace) -> int:
    """Plays the story. Raises MachineryError if it cannot be played."""
    try:
        with temporary_directory(keep=options.keep) as directory:
            try:
                played = _perform(directory, json=options.json)
            finally:
                if options.keep:
                    print(f"malagate: the repository is kept in {directory}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nmalagate: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    met = not any(chapter.deviations for chapter in played)
    return int(ExitCode.PASSED if met else ExitCode.FAILED)


def _perform(directory: Path, *, json: bool) -> list[Played]:
    stage = Stage(directory, os.environ)
    if json:
        played = play(STORY, stage, Audience())
        sys.stdout.write(as_json(played).decode())
        return played
    narrator = Narrator(sys.stdout, color=use_color(sys.stdout, os.environ))
    played = play(STORY, stage, narrator)
    narrator.closes(played)
    return played
