"""A failure's identity, so that the same failure is recognised in another run on another machine.

A fingerprint is `v1:` and 16 hexadecimal digits of SHA-256 over the check, the test id, the
exception's type, the normalised message, and the innermost frame of the repository's own code
(relative file and qualified name, no line number).

`normalise_message` erases what differs between two runs of unchanged code, by shape:

    addresses, UUIDs, hexadecimal digests (8 digits or more, with a digit and a letter), integers
    of 5 digits or more, floats with 3 decimals or more or an exponent, dates, times of day,
    durations and memory sizes (a number with its unit), line numbers, ports of a numeric host,
    numbers named as pid, tid, port, fd, process or thread, xdist workers, numbered threads,
    processes and tasks, temporary paths, the directories given as `roots` and installed
    packages' directories, the order of a printed set, ANSI sequences and control characters.

It keeps words, integers of up to 4 digits and short decimals, since `assert 3 == 4` and
`assert 3 == 5` are two failures. It cannot see a random word, nor a set's order in text that
does not look like a set.

A change to any rule here makes other fingerprints, so it needs another `VERSION`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

VERSION = "v1"
MESSAGE_LIMIT = 300
"""How many characters of a normalised message are kept."""

_SCANNED = 4000  # characters of a message that are looked at: bounds the cost on hostile text

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# C0 and C1 controls, zero-width and bidirectional marks, and halves of surrogate pairs, which
# UTF-8 cannot carry.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_SPACE = re.compile(r"\s+")

# Only a text that one of these occurs in can hold anything volatile.
_SUSPECT = re.compile(r"[0-9/{]|tmp|-[0-9a-fA-F]{4}-")

_NUMBER = "<#>"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_WEEKDAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*"
_IN_NAME = r"[^\s'\"<>(),;:=\[\]{}|/]"
_IN_PATH = r"[^\s'\"<>(),;:=\[\]{}|]"
# The whole path up to here. The look-behind starts it at the path's first character only, so a
# long line without a match costs one pass and not one for each character.
_UP_TO = rf"(?<!{_IN_PATH}){_IN_PATH}*"
_UNIT = (
    r"(?:[nuµμm]?s|secs?|seconds?|milliseconds?|microseconds?|nanoseconds?|mins?|minutes?|m"
    r"|hrs?|hours?|h|days?|[kKMGTP]i?B)"
)

# Applied in this order. Every replacement takes digits away or makes the text shorter, which is
# why repeating them comes to an end.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Temporary paths. pytest's own keep what lies below the test's directory.
        (
            rf"{_UP_TO}(?:/pytest-of-{_IN_NAME}+/pytest-(?:\d+|current)|(?<!\w)runpytest-\d+)"
            rf"(?:/popen-gw\d+)?(?:/{_IN_NAME}+)?",
            "<tmp>",
        ),
        (
            r"(?<![\w>.])(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm|run/user/\d+)/"
            rf"{_IN_PATH}+",
            "<tmp>",
        ),
        (r"(?<![0-9A-Za-z])tmp[a-z0-9_]{8}(?![0-9A-Za-z_])", "<tmp>"),
        (rf"{_UP_TO}/(?:(?:site|dist)-packages|lib/python\d\.\d+)/", ""),
        # Dates and times.
        (r"\bdatetime\.(?:datetime|date|time|timedelta)\([^()]*(?:\([^()]*\)[^()]*)*\)", _NUMBER),
        (
            r"(?<![0-9])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?"
            r"(?: ?Z| ?[+-]\d\d:?\d\d)?)?(?![0-9])",
            _NUMBER,
        ),
        (r"(?<![0-9/])(?:\d{4}/\d\d?/\d\d?|\d\d?/\d\d?/\d{4})(?![0-9/])", _NUMBER),
        (r"(?<![0-9:.])\d{1,3}:\d\d:\d\d(?:[.,]\d+)?(?![0-9:])", _NUMBER),
        (
            rf"(?:\b{_WEEKDAY},? )?(?:\b\d\d?[ -]{_MONTH}|\b{_MONTH} +\d\d?)"
            rf"(?:,?[ -](?:{_NUMBER} )?\d{{4}})?(?![0-9])",
            _NUMBER,
        ),
        # Identities.
        (r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?!\w)", _NUMBER),
        # Before digests: the mantissa of 3.01959998e-05 looks like one.
        (rf"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE]-?\d+)? ?{_UNIT}(?![\w%])", _NUMBER),
        (r"(?<![\w.])-?\d+(?:\.\d+)?[eE][+-]?\d+(?!\w|\.\d)", _NUMBER),
        (r"(?<![0-9A-Za-z])0[xX][0-9a-fA-F]{5,}(?!\w)", _NUMBER),
        (
            r"(?<![0-9A-Za-z])(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{8,}(?![0-9A-Za-z])",
            _NUMBER,
        ),
        (r"(?<![0-9A-Za-z])(?:popen-)?gw\d+(?![0-9A-Za-z])", "<worker>"),
        (
            r"\b([A-Za-z]*(?:Thread|Process|Task|Worker|Executor))-\d+(?:_\d+)?(?![0-9])",
            rf"\1-{_NUMBER}",
        ),
        # Places in source files.
        (r"(\.py[cix]?)(?::\d+){1,2}(?![0-9])", r"\1"),
        (r"\b(line|lines|lineno)([ =:]{1,3})\d+(?![0-9])", rf"\1\2{_NUMBER}"),
        # Numbers that are named, or follow a host.
        (
            r"\b(p?pid|PID|tid|TID|port|Port|fd|[Pp]rocess|[Tt]hread)"
            r"((?: id| number)?'?\"?[ =:#]{1,3})\d+(?!\w|\.\d)",
            rf"\1\2{_NUMBER}",
        ),
        (
            r"((?:\blocalhost|\b\d{1,3}(?:\.\d{1,3}){3}|::1?\]|::1?|://[\w.-]+)['\"]?(?::|, ))"
            r"\d{2,5}(?![0-9A-Za-z])",
            rf"\1{_NUMBER}",
        ),
        # Numbers.
        (r"(?<![\w.])-?\d+\.\d{3,}(?!\w|\.\d)", _NUMBER),
        (r"(?<![0-9A-Za-z.])-?\d{5,}(?:\.\d+)?(?![0-9A-Za-z]|\.\d)", _NUMBER),
    )
)


def clean_line(text: str, *, limit: int = MESSAGE_LIMIT) -> str:
    """The first line of a text that shows anything, at most `limit` characters of it.

    Free of ANSI sequences, control characters and lone surrogates, so that it can be written as
    UTF-8 and shown on a terminal; runs of white space are one space.
    """
    for line in text[:_SCANNED].splitlines():
        visible = _SPACE.sub(" ", _INVISIBLE.sub("", _ANSI.sub("", line))).strip()
        if visible:
            return visible[:limit].rstrip()
    return ""


def normalise_message(
    text: str,
    *,
    roots: Sequence[str] = (),
    temporary: Sequence[str] = (),
    process_ids: Sequence[int] = (),
    limit: int = MESSAGE_LIMIT,
) -> str:
    """The first line of an exception's text without what differs from run to run.

    `roots` are absolute directories (the checkout): paths below them become relative.
    `temporary` are absolute directories whose subdirectories belong to one test each (pytest's
    base temporary directory): a path keeps what lies below the test's own directory.
    `process_ids` are the ids of the processes that ran the test; ids of fewer than 3 digits are
    not erased, for they are too likely to be something else. The result is at most `limit`
    characters long; the function is total and idempotent.
    """
    line = clean_line(text, limit=min(4 * limit, _SCANNED))
    if _SUSPECT.search(line):
        own = _own_patterns(tuple(roots), tuple(temporary), tuple(process_ids))
        while (erased := _erase(line, own)) != line:
            line = erased
    if len(line) > limit:
        # A cut may end in the middle of a number and leave one of another shape.
        return normalise_message(
            line[:limit], roots=roots, temporary=temporary, process_ids=process_ids, limit=limit
        )
    return line


def fingerprint(*, check: str, nodeid: str, exception: str, message: str, frame: str | None) -> str:
    """The identity of one failure: `v1:` and 16 hexadecimal digits.

    `message` has been normalised by `normalise_message`. `frame` is `FILE:QUALIFIED_NAME` with a
    relative POSIX path, or None where no frame is the repository's own.
    """
    return _digest((check, nodeid, exception, message, frame or ""))


def set_digest(fingerprints: Iterable[str]) -> str:
    """The identity of a whole failure set, whatever its order or repeats; "" for the empty set."""
    members = sorted(set(fingerprints))
    return _digest(members) if members else ""


def _digest(parts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"{VERSION}:{digest.hexdigest()[:16]}"


@lru_cache(maxsize=64)
def _own_patterns(
    roots: tuple[str, ...], temporary: tuple[str, ...], process_ids: tuple[int, ...]
) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The rules that depend on where and by whom the test was run."""
    rules: list[tuple[re.Pattern[str], str]] = []
    for directory in _longest_first(temporary):
        pattern = rf"(?<![\w.]){re.escape(directory)}(?:/popen-gw\d+)?(?:/{_IN_NAME}+)?(?![\w.-])"
        rules.append((re.compile(pattern), "<tmp>"))
    for directory in _longest_first(roots):
        start = rf"(?<![\w.]){re.escape(directory)}"
        rules.append((re.compile(f"{start}/"), ""))
        rules.append((re.compile(rf"{start}(?![\w.-])"), "<root>"))
    for number in process_ids:
        if number >= 100:
            pattern = rf"(?<![0-9A-Za-z.]){number}(?![0-9A-Za-z]|\.\d)"
            rules.append((re.compile(pattern), _NUMBER))
    return tuple(rules)


def _longest_first(directories: Iterable[str]) -> list[str]:
    """The absolute ones, the innermost before those that hold it; never the root of all."""
    trimmed = {name.rstrip("/") for name in directories if name.startswith("/")} - {""}
    return sorted(trimmed, key=lambda name: (-len(name), name))


def _erase(line: str, own: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in own:
        line = pattern.sub(replacement, line)
    for pattern, replacement in _RULES:
        line = pattern.sub(replacement, line)
    return _SPACE.sub(" ", _sort_sets(line)).strip()


_PIECE = re.compile(
    r"""(?<![^\W_])[bBuUrR]{0,2}(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|[][{}(),:]|[^][{}(),:'"]+|."""
)


def _sort_sets(line: str) -> str:
    """Sorts the elements of every printed set, innermost first.

    What is no set display stays as it is: a dict, an unbalanced brace, an empty element.
    """
    if "{" not in line:
        return line
    out: list[str] = []
    opened: list[int] = []
    for piece in _PIECE.findall(line):
        if piece in "{[(":
            opened.append(len(out))
        elif piece in "}])" and opened:
            start = opened.pop()
            inside = out[start + 1 :]
            # One piece now stands for the whole display, so that an outer one sees no comma of it.
            del out[start + 1 :]
            is_set = out[start] == "{" and piece == "}"
            out[start] += "".join(_sorted_elements(inside) if is_set else inside) + piece
            continue
        out.append(piece)
    return "".join(out)


def _sorted_elements(inside: list[str]) -> list[str]:
    elements = [""]
    for piece in inside:
        if piece == ":":
            return inside
        if piece == ",":
            elements.append("")
        else:
            elements[-1] += piece
    stripped = sorted(element.strip() for element in elements)
    return [", ".join(stripped)] if all(stripped) else inside
