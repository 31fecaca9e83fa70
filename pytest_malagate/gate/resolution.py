"""Resolution markers: an agent's claim that a task needs no new code, and what the claim names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache


class Marker(StrEnum):
    """The markers, as they are written."""

    NO_CHANGE = "ISSUE_NO_CHANGE"
    OBSOLETE = "ISSUE_OBSOLETE"
    ALREADY_COMPLETE = "ISSUE_ALREADY_COMPLETE"
    DOCS_ONLY = "ISSUE_DOCS_ONLY"


# Four spaces make an indented code block in Markdown, so a marker may stand behind three at most.
_MARKER = re.compile(rf" {{0,3}}({'|'.join(Marker)}):[ \t]*(.*)")
_PLACEHOLDER = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}")
_FENCE = re.compile(r"((?:\s|[-*+]\s|\d{1,9}[.)]\s)*)(`{3,}(?=[^`]*$)|~{3,})")
_FENCE_END = re.compile(r"(\s*)(`{3,}|~{3,})\s*")


def find_markers(text: str) -> tuple[tuple[Marker, str], ...]:
    """All markers of a text with their rationales, in the order they stand.

    A marker counts as a whole line `MARKER: rationale`, in this case, without list sign or
    emphasis; behind it and before it there may be white space, but not as much as makes an
    indented code block. The rationale is on that line and says something: it holds a letter or a
    digit and is more than a bracketed placeholder. Lines in a fenced code block (an open fence
    reaches to the end) and in a `>` quotation (which reaches to the next blank line, as Markdown
    has it) do not count. A line ends wherever Unicode ends one.
    """
    found = []
    for line in _own_lines(text):
        match = _MARKER.fullmatch(line)
        if match is None:
            continue
        rationale = match[2].strip()
        if any(map(str.isalnum, rationale)) and not _PLACEHOLDER.fullmatch(rationale):
            found.append((Marker(match[1]), rationale))
    return tuple(found)


def _own_lines(text: str) -> Iterator[str]:
    """The lines that are neither code nor quotation."""
    fence: tuple[int, str] | None = None  # indentation and sign of the fence that is open
    quoted = False
    for line in text.splitlines():
        if fence is not None:
            if _closes(line, *fence):
                fence = None
        elif opened := _FENCE.match(line):
            fence = (len(opened[1]), opened[2])
            quoted = False
        else:
            quoted = line.lstrip().startswith(">") or (quoted and not line.isspace() and line != "")
            if not quoted:
                yield line


def _closes(line: str, indentation: int, sign: str) -> bool:
    end = _FENCE_END.fullmatch(line)
    return end is not None and end[2].startswith(sign) and len(end[1]) <= indentation + 3


# Names of standards and versions that are built like a task's id.
_STANDARDS = "ascii cp cve cwe iso latin md mp pep py python rfc sha tls utf windows"
_NOT_IDS = frozenset(_STANDARDS.split())
_IN_BACKTICKS = re.compile(r"(?<!`)`([^`\s]+)`(?!`)")
_ANY_ID = re.compile(
    r"(?<![\w.#/-])([A-Za-z][A-Za-z0-9_]*)-(?=[A-Za-z_.-]*[0-9])[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
    r"(?![\w/])"
)
_NUMBER = re.compile(r"(?<![\w#/])#([0-9]+)(?!\w)")


def referenced_id(rationale: str, own: str) -> str:
    """The task that the rationale of an ISSUE_ALREADY_COMPLETE names; `own` if it names none.

    Of the first kind of id that occurs, the first that is not `own` is taken ("x-1 was done in x-2"
    names x-2), or `own` if there is no other:

    1. ids that begin as `own` does up to its first separator (`x-2`, `x-3.1` for `x-1`), with a
       digit in the rest if `own` has one there;
    2. a word in backticks of one of the next two kinds;
    3. `#` and digits; the id is without the `#` if `own` is digits only;
    4. letters, a dash and a part with digits (`PROJ-7`), names of standards such as UTF-8 left out.

    Punctuation that ends the sentence is no part of an id; dots and dashes inside one are.
    """
    return (
        _first_but(own, (match[0] for match in _alike(own).finditer(rationale)))
        or _first_but(own, _in_backticks(rationale, own))
        or _first_but(own, (_styled(own, match[1]) for match in _NUMBER.finditer(rationale)))
        or _first_but(own, (match[0] for match in _ANY_ID.finditer(rationale) if _is_id(match)))
        or own
    )


def _first_but(own: str, ids: Iterable[str]) -> str | None:
    """The first id that is not `own`; `own` if it is the only one; None if there is none."""
    found = list(ids)
    return next((name for name in found if name != own), found[0] if found else None)


def _in_backticks(rationale: str, own: str) -> Iterator[str]:
    for match in _IN_BACKTICKS.finditer(rationale):
        if number := _NUMBER.fullmatch(match[1]):
            yield _styled(own, number[1])
        elif _is_id(_ANY_ID.fullmatch(match[1])):
            yield match[1]


def _is_id(match: re.Match[str] | None) -> bool:
    return match is not None and match[1].lower() not in _NOT_IDS


def _styled(own: str, number: str) -> str:
    return number if own.isdigit() else f"#{number}"


@lru_cache(maxsize=64)
def _alike(own: str) -> re.Pattern[str]:
    """What begins as `own` does. Matches nothing where `own` has no beginning of letters."""
    start = re.match(r"[A-Za-z][A-Za-z0-9]*[-._/:#]|[A-Za-z]+(?=[0-9])", own)
    if start is None:
        return re.compile(r"(?!)")
    digit = r"(?=[A-Za-z_.-]*[0-9])" if re.search(r"[0-9]", own[start.end() :]) else ""
    tail = r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
    return re.compile(rf"(?<![\w.#/-]){re.escape(start[0])}{digit}{tail}(?!\w)")


_DOCUMENT_SUFFIXES = frozenset({"md", "rst", "txt", "adoc"})
_IMAGE_SUFFIXES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp"})
_DOCUMENT_FOLDERS = frozenset({"docs", "doc", "documentation"})
_TEST_FOLDERS = frozenset({"test", "tests", "testing", "testdata", "fixtures"})
_BUILD_FOLDERS = frozenset({"requirements", "constraints"})
# Text files that a build, an installer or pytest itself (`test*.txt` are doctests) reads.
_BUILD_TEXT = re.compile(
    r"cmakelists\.txt|cmakecache\.txt|meson_options\.txt|conanfile\.txt|runtime\.txt"
    r"|.*(requirements|constraints).*\.txt|test.*\.txt"
)


def docs_only_offenders(files: Iterable[str]) -> tuple[str, ...]:
    """The files that are not documentation, in the order given, none left out.

    Documentation is `.md`, `.rst`, `.txt` and `.adoc`, and pictures in a folder `docs`, `doc` or
    `documentation`. What a build, a test run, CI or an agent reads is not, whatever its suffix:
    requirement and constraint lists, CMakeLists.txt and its like, doctest files (`test*.txt`),
    text among the tests (but for their README) and all in a folder whose name begins with a dot.
    A file of any other sort is an offender: what is unknown is judged as code.

    Paths are relative to the repository's root, with `/` between their parts.
    """
    return tuple(path for path in files if not _is_documentation(path))


def _is_documentation(path: str) -> bool:
    *folders, name = path.lower().split("/")
    stem, _, suffix = name.rpartition(".")
    if not stem or any(folder.startswith(".") for folder in folders):
        return False
    if suffix in _IMAGE_SUFFIXES:
        return not _DOCUMENT_FOLDERS.isdisjoint(folders)
    if suffix not in _DOCUMENT_SUFFIXES or _BUILD_TEXT.fullmatch(name):
        return False
    if not _BUILD_FOLDERS.isdisjoint(folders) and suffix == "txt":
        return False
    return _TEST_FOLDERS.isdisjoint(folders) or stem == "readme"
