"""`malagate schema [NAME]`: prints one of the published JSON Schemas."""

from __future__ import annotations

import argparse
import difflib

from pytest_malagate.errors import ExitCode, UsageError
from pytest_malagate.report.text import plain
from pytest_malagate.schemas import TITLES, published


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help=f"one of {', '.join(TITLES)}; none lists them"
    )


def run(options: argparse.Namespace) -> int:
    """Prints the schema, or the names of all. Raises UsageError for an unknown name."""
    if options.name is None:
        width = max(map(len, TITLES))
        print("\n".join(f"{name:{width}}  {title}" for name, title in TITLES.items()))
    elif options.name in TITLES:
        print(published(options.name), end="")
    else:
        near = difflib.get_close_matches(options.name, TITLES, n=1)
        rest = f"did you mean {near[0]}?" if near else f"there are {', '.join(TITLES)}"
        raise UsageError(f"there is no schema {plain(options.name, 80)!r}; {rest}")
    return ExitCode.PASSED
