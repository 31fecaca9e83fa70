"""The command `malagate`: parse, call, print, exit. One module a command group.

A module of this package offers `configure(parser)` and `run(options) -> int`. It is imported only
when its command is called, so that `malagate run` starts quickly.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from pytest_malagate.errors import ExitCode, MalagateError

# command: (module, help line)
COMMANDS = {
    "run": ("run", "run a validation, pass its output through and record a receipt"),
    "check": ("check", "judge what the evidence log holds now"),
    "ingest": ("ingest", "record the evidence of an agent's session log"),
    "explain": ("explain", "say what a reason code means and how to fix it"),
    "schema": ("schema", "print one of the published JSON Schemas"),
    "queue": ("queue", "one task at a time: add, claim, finish, list and what lies between"),
    "freeze": ("freeze", "let nothing start or land until a person clears it"),
    "unfreeze": ("unfreeze", "clear freezes"),
    "status": ("status", "say why a task does not move"),
    "coordinate": ("coordinate", "run agents on issues, and judge what each of them leaves"),
    "post-deploy": ("post_deploy", "run a smoke check after a deployment and freeze if it fails"),
    "reconcile": ("reconcile", "sweep over the queue: advance what a lost event left behind"),
    "action": ("action", "what action.yml runs in a GitHub Actions job"),
    "demo": ("demo", "play an agent's story in a temporary repository"),
}


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    from pytest_malagate import __version__

    parser = argparse.ArgumentParser(
        prog="malagate",
        description="Decides from evidence, never from a claim, whether a change may land.",
        epilog="exit codes: 0 passed, 1 failed, 2 usage or policy error, 3 inconclusive, "
        "4 not admitted",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"malagate {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    called = next((word for word in argv if not word.startswith("-")), None)
    for name, (module, help_line) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line, allow_abbrev=False)
        if name == called:
            importlib.import_module(f"{__name__}.{module}").configure(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (see `pytest_malagate.errors.ExitCode`)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = _parser(argv).parse_args(argv)
    module, _ = COMMANDS[options.command]
    try:
        code: int = importlib.import_module(f"{__name__}.{module}").run(options)
        sys.stdout.flush()
    except MalagateError as error:
        print(f"malagate: error: {error}", file=sys.stderr)
        return int(error.exit_code)
    except BrokenPipeError:
        # The reader went away (`malagate check | head`). Python would complain once more while
        # it flushes at exit, so stdout is pointed elsewhere first.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.INCONCLUSIVE)
    return code
