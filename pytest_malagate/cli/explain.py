"""`malagate explain [CODE] [--json]`: what a reason means, why it exists and how to fix it."""

from __future__ import annotations

import argparse
import json
import textwrap
from itertools import groupby

import msgspec

from pytest_malagate.errors import ExitCode, UsageError
from pytest_malagate.gate.reasons import REASONS, ReasonInfo, nearest
from pytest_malagate.report.text import plain

_WIDTH = 88
_SEVERITIES = {
    "fail": "blocks, and is charged to the author",
    "inconclusive": "blocks, and is not charged to the author",
    "error": "blocks, and is a fault of malagate",
    "warn": "does not block",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument(
        "code", nargs="?", metavar="CODE", help="a reason code; none lists them all"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Prints one reason, or all of them by phase. Raises UsageError for an unknown code."""
    infos = list(REASONS.values()) if options.code is None else [_find(options.code)]
    if options.json:
        values = [_value(info) for info in infos]
        print(json.dumps(values if options.code is None else values[0], indent=2))
    else:
        print(_list(infos) if options.code is None else _explain(infos[0]))
    return ExitCode.PASSED


def _find(code: str) -> ReasonInfo:
    info = REASONS.get(code)
    if info is not None:
        return info
    near = nearest(code)
    rest = f"did you mean {near}?" if near else "`malagate explain` lists all codes"
    raise UsageError(f"there is no reason {plain(code, 80)!r}; {rest}")


def _value(info: ReasonInfo) -> dict[str, str]:
    return msgspec.structs.asdict(info) | {"phase": info.phase.title}


def _explain(info: ReasonInfo) -> str:
    return "\n".join(
        [
            f"{info.code}: {info.title}",
            "",
            _paragraph("why", info.why),
            _paragraph("fix", info.fix),
            _paragraph("effect", f"{_SEVERITIES[info.severity]}, unless the policy says otherwise"),
            _paragraph("phase", info.phase.title),
        ]
    )


def _paragraph(name: str, text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=f"{name:8}", subsequent_indent=" " * 8, break_on_hyphens=False
    )


def _list(infos: list[ReasonInfo]) -> str:
    width = max(len(info.code) for info in infos)
    lines: list[str] = []
    for phase, group in groupby(infos, key=lambda info: info.phase):
        lines += ["", phase.title] if lines else [phase.title]
        lines += [f"  {info.code:{width}}  {info.title}" for info in group]
    return "\n".join(lines)
