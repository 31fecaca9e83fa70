"""`/gate …` in a comment: what it asks, whether its author may, and for which head.

    /gate retry [SHA]                   the attempts begin anew    write
    /gate explain                       what each reason means     triage, or the author
    /gate accept CODE [SHA] reason:"…"  a reason does not block    maintain, and not the author
    /gate stop                          no further attempt         triage

The right is what the API says of the person, not an association. A command is bound to the head
that its author saw: the one that was judged last, before the comment was written. `stop` is bound
to none, so that nobody can outrun it by pushing.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import msgspec

from pytest_malagate.action.memory import AcceptedAt, Audited, Memory
from pytest_malagate.action.orders import parse_order
from pytest_malagate.gate.reasons import ACCEPTABLE, REASONS, nearest
from pytest_malagate.gate.retry import RetryState
from pytest_malagate.github.people import Person
from pytest_malagate.report.text import plain

Kind = Literal["retry", "explain", "accept", "stop"]

KINDS: tuple[Kind, ...] = ("retry", "explain", "accept", "stop")
NEEDS: dict[Kind, str] = {
    "retry": "write",
    "explain": "triage",
    "accept": "maintain",
    "stop": "triage",
}
_PREFIX = re.compile(r"/gate(?:[ \t]+|$)")
_SHA = re.compile(r"[0-9a-f]{7,64}")
_REASON = re.compile(r'reason:"([^"]*)"\s*$')
_LONGEST = 500


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it was written. `wrong` says what is wrong with it, if it is."""

    text: str
    kind: Kind | None = None
    code: str = ""
    sha: str = ""
    reason: str = ""
    wrong: str = ""


class Commented(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when it was written, and by whom."""

    id: int
    number: int
    person: Person
    author: bool
    at: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it was carried out, why not, and the memory after it."""

    done: bool
    outcome: str
    memory: Memory


def parse(body: str) -> Asked | None:
    """The command of a comment's first line; None if the comment is none."""
    first = body.lstrip().partition("\n")[0].strip()
    if not _PREFIX.match(first) or parse_order(body) is not None:  # those are other modes'
        return None
    text = plain(first, _LONGEST)
    words = first[len("/gate") :].strip()
    name, _, rest = words.partition(" ")
    kind = next((kind for kind in KINDS if kind == name), None)
    if kind is None:
        return Asked(text=text, wrong=f"there are: {', '.join(f'/gate {k}' for k in KINDS)}")
    if kind == "accept":
        return _parse_accept(text, rest.strip())
    sha = rest.strip()
    if sha and (kind != "retry" or not _SHA.fullmatch(sha)):
        return Asked(text=text, kind=kind, wrong=f"/gate {kind} takes no such argument")
    return Asked(text=text, kind=kind, sha=sha)


def _parse_accept(text: str, rest: str) -> Asked:
    found = _REASON.search(rest)
    words = (rest[: found.start()] if found else rest).split()
    code = words[0] if words else ""
    sha = words[1] if len(words) > 1 else ""
    asked = Asked(text=text, kind="accept", code=code, sha=sha, reason=found[1] if found else "")
    return msgspec.structs.replace(asked, wrong=_wrong_accept(asked, words))


def _wrong_accept(asked: Asked, words: list[str]) -> str:
    if not asked.code or len(words) > 2 or (asked.sha and not _SHA.fullmatch(asked.sha)):
        return 'it is written /gate accept CODE SHA reason:"…"'
    if not plain(asked.reason):
        return 'it needs a reason:"…" at its end'
    if asked.code not in REASONS:
        near = nearest(asked.code)
        return f"there is no such code{f'; did you mean {near}?' if near else ''}"
    if asked.code not in ACCEPTABLE:
        return f"{asked.code} cannot be accepted: it says what is, not what is allowed"
    return ""


def moment(text: str) -> float:
    """GitHub's time in seconds since the epoch; 0.0 for a text that is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def answer(asked: Asked, commented: Commented, memory: Memory, head: str) -> Answer:
    """Carries a command out on the memory, or refuses it; either is on the record.

    `head` is the pull request's head as it is now.
    """
    refused = (
        asked.wrong or _not_allowed(asked, commented) or _unbound(asked, commented, memory, head)
    )
    if refused:
        return Answer(done=False, outcome=f"refused: {refused}", memory=memory)
    changed, outcome = _carry_out(asked, commented, memory, head)
    return Answer(done=True, outcome=outcome, memory=changed)


def record(asked: Asked, commented: Commented, given: Answer, head: str) -> Memory:
    """The memory with the command on its record."""
    return given.memory.audited(
        Audited(
            at=commented.at,
            actor=commented.person.login,
            command=asked.text,
            head=head,
            outcome=given.outcome,
            comment=commented.id,
            done=given.done,
        )
    )


def _not_allowed(asked: Asked, commented: Commented) -> str:
    person, kind = commented.person, asked.kind
    if kind is None:
        return "no such command"
    if kind == "explain" and (commented.author or person.may(NEEDS[kind])):
        return ""
    if not person.human:
        return "only a person may say this"
    if not person.may(NEEDS[kind]):
        return f"this needs the permission {NEEDS[kind]}, and {person.login} has {person.rank}"
    if kind == "accept" and commented.author:
        return "nobody accepts a reason of their own change"
    return ""


def _unbound(asked: Asked, commented: Commented, memory: Memory, head: str) -> str:
    """Why the command cannot be about this head; empty if it can."""
    if asked.kind in ("stop", "explain"):
        return ""
    last = memory.last()
    if asked.sha and not head.startswith(asked.sha):
        return f"the head is {head[:12]} now, not {asked.sha[:12]}"
    if last is None:  # what was judged may be lost, and only a retry needs none of it
        begins_anew = memory.rebuilt and asked.kind == "retry"
        return "" if begins_anew else "nothing has been judged yet"
    if last.head != head:
        return f"{head[:12]} was pushed after what was judged last; wait for its verdict"
    if commented.at < int(last.at) and not asked.sha:
        return f"it was written before {head[:12]} was judged; look at it and say it again"
    return ""


def _carry_out(asked: Asked, commented: Commented, memory: Memory, head: str) -> tuple[Memory, str]:
    actor = commented.person.login
    if asked.kind == "retry":
        used = memory.retry.gate_attempt
        fresh = msgspec.structs.replace(memory, retry=RetryState(), stopped=None, rebuilt=False)
        return fresh, f"the attempts begin anew; the next would have been attempt {used}"
    if asked.kind == "stop":
        return msgspec.structs.replace(memory, stopped=actor), "stopped until somebody says retry"
    if asked.kind == "accept":
        entry = AcceptedAt(
            code=asked.code, head=head, actor=actor, reason=plain(asked.reason, _LONGEST)
        )
        accepted = (*memory.accepted, entry)[-100:]
        return msgspec.structs.replace(memory, accepted=accepted), f"{asked.code} was accepted"
    return memory, "explained"
