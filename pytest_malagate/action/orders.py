"""`/gate freeze`, `unfreeze` and `rearm` in a comment: what they ask for, word by word.

/gate freeze reason:"…" [mode:hard]   nothing starts or lands            triage
/gate unfreeze reason:"…"             a person who may says it is safe   freeze.clear_needs
/gate rearm reason:"…"                a ledger that cannot be read       admin
                                      is begun anew, and stays frozen
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from pytest_malagate.queue.model import MODES, FreezeMode
from pytest_malagate.report.text import plain

Kind = Literal["freeze", "unfreeze", "rearm"]

KINDS: tuple[Kind, ...] = ("freeze", "unfreeze", "rearm")
_PREFIX = re.compile(r"/gate[ \t]+(freeze|unfreeze|rearm)(?=[ \t]|$)(.*)")
_REASON = re.compile(r'reason:"([^"]*)"')
_MODE = re.compile(r"mode:(\S+)")
_LONGEST = 500


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it was written. `wrong` says what is wrong with it, if it is."""

    kind: Kind
    reason: str = ""
    mode: FreezeMode | None = None
    wrong: str = ""


def parse_order(body: str) -> Order | None:
    """The command of a comment's first line; None if it is none of these."""
    first = body.lstrip().partition("\n")[0].strip()
    found = _PREFIX.fullmatch(first)
    kind = next((kind for kind in KINDS if found is not None and found[1] == kind), None)
    if found is None or kind is None:
        return None
    said = _REASON.search(found[2])
    reason = plain(said[1], _LONGEST) if said is not None else ""
    rest = _REASON.sub(" ", found[2], count=1).split()
    modes = [match[1] for word in rest if (match := _MODE.fullmatch(word))]
    mode = next((mode for mode in MODES if modes == [mode]), None)
    known = len(rest) == len(modes) and (not modes or (kind == "freeze" and mode is not None))
    wrong = ""
    if not reason or not known:
        modes_words = f" [mode:{'|'.join(MODES)}]" if kind == "freeze" else ""
        wrong = f'it is written /gate {kind} reason:"…"{modes_words}'
    return Order(kind=kind, reason=reason, mode=mode, wrong=wrong)
