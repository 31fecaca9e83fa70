"""Starts malagate from this checkout of the action, with the packages that install.sh installed.

`python -I -S launch.py COMMAND…`, MALAGATE_SITE naming the directory of the packages. Of the two
switches, -I leaves out PYTHON* variables, the user's packages and the current directory, and -S
the interpreter's own packages with their `.pth` files and `sitecustomize`. What can be imported
is then the standard library, the locked packages and malagate at the ref that the workflow pins:
nothing of the workspace, in which a pull request's files may lie.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()


def main() -> int:
    """Runs the command that the arguments name and returns its exit code."""
    if not (sys.flags.isolated and sys.flags.no_site):
        print("::error::malagate: launch.py must be started with python -I -S", flush=True)
        return 3
    site = os.environ.get("MALAGATE_SITE", "")
    if not os.path.isabs(site):  # noqa: PTH117 - os is there already, and this one line is all
        print("::error::malagate: MALAGATE_SITE does not name the packages", flush=True)
        return 3
    # malagate first: whatever the packages hold, `pytest_malagate` is this checkout's.
    sys.path[:0] = [str(HERE.parents[1]), site]
    code: int = importlib.import_module("pytest_malagate.cli").main(sys.argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
