"""`coverage.json` (schema `malagate/coverage@1`): the lines behind a total, file by file.

Line numbers are those of coverage.py: a statement is named by its first line. Branches are pairs
of line numbers, from and to; a negative target leaves the function that begins there. Each file
carries the digest of the text that the numbers belong to; data of another text must not be joined
to it or believed.
"""

from __future__ import annotations

import msgspec

DETAIL_SCHEMA = "malagate/coverage@1"

Branch = tuple[int, int]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of `CoverageMeasured`, with the same meaning."""

    percent: float
    display: str
    statements: int
    missing: int
    excluded: int
    branches: int = 0
    partial_branches: int = 0
    covered_branches: int = 0
    files: int = 0


class FileDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured file. Empty lists are left out of the JSON.

    `sha256` is `sha256:` and the digest of the file's bytes when the run had ended, None if the
    file could not be read. `statements` includes the missing ones, not the excluded ones.
    """

    sha256: str | None
    statements: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()
    executed_branches: tuple[Branch, ...] = ()
    missing_branches: tuple[Branch, ...] = ()


class CoverageDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document. Paths are relative to the root, with `/`; outside it, absolute."""

    schema: str
    session: str
    tree: str | None
    branch: bool
    totals: Totals
    files: dict[str, FileDetail]


def encode_detail(detail: CoverageDetail) -> bytes:
    """The document as JSON; equal values give equal bytes."""
    return msgspec.json.encode(detail, order="sorted") + b"\n"


def decode_detail(content: bytes) -> CoverageDetail:
    """Reads a document; raises ValueError if it is not one."""
    detail = msgspec.json.decode(content, type=CoverageDetail)
    if detail.schema != DETAIL_SCHEMA:
        raise ValueError(f"schema {detail.schema!r} is not {DETAIL_SCHEMA!r}")
    return detail
