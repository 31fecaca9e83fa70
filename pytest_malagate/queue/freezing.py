"""The freeze's rules: who is frozen, who may set a freeze and who may clear one.

Failure direction: closed. Freezes that cannot be read are a freeze.
"""

from __future__ import annotations

from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.answers import Admission, FreezeReading, SerialRules
from pytest_malagate.queue.model import MODES, SET_NEEDS, FreezeMode, Person, at_least
from pytest_malagate.queue.store import FreezeTrouble, Session

LONGEST = 2000
"""Characters of a reason that are kept: it stands in a comment, a title and a terminal, too."""


def shortened(reason: str) -> str:
    """A reason as it is kept. A log in place of one must not keep a freeze from being set."""
    return reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 2]} …"


def read_freezes(session: Session, rules: SerialRules, branch: str | None = None) -> FreezeReading:
    """The freezes that stand, those of other branches left out if one is named."""
    if not rules.freeze_enabled:
        return FreezeReading()
    try:
        standing = session.freezes()
    except MachineryError as error:
        return FreezeReading(problem=str(error), code=code_of(error))
    return FreezeReading(
        freezes=tuple(
            freeze
            for freeze in standing
            if branch is None or freeze.branch is None or freeze.branch == branch
        )
    )


def code_of(error: MachineryError | None) -> str | None:
    """The kind of trouble, if it has a name."""
    return error.code if isinstance(error, FreezeTrouble) else None


def held_up(reading: FreezeReading, *, stop: bool = False) -> Admission:
    """The answer of a frozen repository."""
    return Admission(
        admitted=False, code="freeze.active", reason=reading.words(), stop=stop, cause=reading.code
    )


def check_set(rules: SerialRules, actor: Person, reason: str, mode: FreezeMode | None) -> None:
    """Raises UsageError for a freeze that may not be set. Setting is easy."""
    if not rules.freeze_enabled:
        raise UsageError("freeze.enabled is false in the policy: nothing would be frozen")
    if not reason.strip():
        raise UsageError("a freeze needs a reason: who waits must know for what")
    if mode is not None and mode not in MODES:
        raise UsageError(f"{mode!r} is no mode: {', '.join(MODES)}")
    if not at_least(actor.rank, SET_NEEDS):
        raise UsageError(f"{actor.name} may not freeze: it needs {SET_NEEDS}")


def check_clear(rules: SerialRules, actor: Person, reason: str) -> None:
    """Raises UsageError for whoever may not clear a freeze. Clearing is hard."""
    needs = rules.clear_needs
    if not actor.human:
        raise UsageError(f"{actor.name} may not clear a freeze: only a person may")
    if not at_least(actor.rank, needs):
        raise UsageError(f"{actor.name} may not clear a freeze: it needs {needs}")
    if not reason.strip():
        raise UsageError("clearing a freeze needs a reason")
