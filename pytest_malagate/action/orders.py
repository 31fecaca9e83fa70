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
_PREFIX = re.compile(r"/gate[^\S\n]+(freeze|unfreeze|rearm)\b(.*)", re.IGNORECASE)
_ARGUMENT = re.compile(r'[^\S\n]+(?:reason:"([^"]*)"|mode:(\S+))')
_LONGEST = 500


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it was written. `wrong` says what is wrong with it, if it is."""

    kind: Kind
    reason: str = ""
    mode: FreezeMode | None = None
    wrong: str = ""


def parse_order(body: str) -> Order | None:
    """The command of a comment's first line; None if it is none of these.

    Whatever begins like one is one, if only a wrong one: somebody who wants to stop something and
    mistypes it has to hear of it.
    """
    first = body.lstrip().partition("\n")[0].strip()
    found = _PREFIX.fullmatch(first)
    kind = next((kind for kind in KINDS if found and found[1].lower() == kind), None)
    if found is None or kind is None:
        return None
    reasons, modes, rest = _arguments(found[2])
    reason = plain(reasons[0], _LONGEST) if len(reasons) == 1 else ""
    mode = next((mode for mode in MODES if modes == [mode]), None)
    known = not rest and (not modes or (kind == "freeze" and mode is not None))
    wrong = ""
    if not reason or not known:
        modes_words = f" [mode:{'|'.join(MODES)}]" if kind == "freeze" else ""
        wrong = f'it is written /gate {kind} reason:"…"{modes_words}'
    return Order(kind=kind, reason=reason, mode=mode, wrong=wrong)


def _arguments(text: str) -> tuple[list[str], list[str], str]:
    """Reasons and modes, in the order in which they stand, and what is behind them."""
    reasons, modes, at = [], [], 0
    while (found := _ARGUMENT.match(text, at)) is not None:
        if found[2] is None:
            reasons.append(found[1])
        else:
            modes.append(found[2])
        at = found.end()
    return reasons, modes, text[at:]
