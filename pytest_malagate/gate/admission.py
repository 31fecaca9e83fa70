"""May this change go now? What the queue and the freeze say, as a fact, and what it does here.

Not being admitted is said beside what the evidence says: it hides nothing, is no part of a failure
set, and costs no attempt.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.gate.fingerprint import clean_line
from pytest_malagate.gate.reasons import ReasonPhase, phase, reason
from pytest_malagate.gate.result import GateResult, Reason

UNCOUNTED = "nothing was found against the work; it is not admitted yet"


class AdmissionFact(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one task. Where it is not admitted, `code` and `message` say why.

    `warnings` are what went wrong while the queue was asked and held nobody up.
    """

    admitted: bool = True
    code: str | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()


def hold(fact: AdmissionFact | None) -> Reason | None:
    """Why the subject has to wait; None if it has not, or if nobody asked."""
    if fact is None or fact.admitted:
        return None
    return reason(fact.code or "queue.waiting", clean_line(fact.message))


def warned(fact: AdmissionFact | None) -> list[Reason]:
    """What went wrong while the queue was asked."""
    return [] if fact is None else [reason("queue.trouble", clean_line(w)) for w in fact.warnings]


def not_admitted(result: GateResult) -> bool:
    """True if the change only has to wait: nothing else speaks against it."""
    codes = [why.code for why in result.reasons]
    return bool(codes) and all(phase(code) is ReasonPhase.ADMISSION for code in codes)
