"""Issues from a YAML file that a person writes.

    issues:
      - id: parser-12
        title: Accept an empty list
        body: |
          ...
        priority: 0              # the most urgent; 2 if it is left out
        epic: parser
        blocked_by: [parser-11]
      - {id: parser, title: The parser, is_epic: true}

The file is read with the policy's own reader, so errors have the same form and it is bounded in
the same way: 1 MiB, and 20,000 values.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from pytest_malagate.coordinate.blocking import epics_above
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.errors import MachineryError
from pytest_malagate.policy.check import INVALID, check
from pytest_malagate.policy.problems import Findings, PolicyError, Problem, quoted
from pytest_malagate.policy.rules import Choice, Flag, ListOf, Number, Table, Text
from pytest_malagate.policy.source import MAX_BYTES, Node, decode
from pytest_malagate.policy.suggest import nearest_key, nearest_word
from pytest_malagate.policy.yaml_source import read_yaml

_ID = Text(
    doc="An issue's name.",
    pattern=r"\S(?:[^\n\r]{0,198}\S)?",
    phrase="1 to 200 characters on one line, without blanks around them",
)
_LATEST = 253_402_300_799  # the end of the year 9999


def _any_text(doc: str, *also: str) -> Text:
    return Text(doc=doc, also=also, pattern=r"[^\u0000]*", phrase="text")


_ISSUE = Table(
    doc="One issue.",
    keys={
        "id": _ID,
        "title": _any_text("One line.", "name", "summary"),
        "body": _any_text("What is to be done.", "description", "text", "prompt"),
        "priority": Number(
            doc="0 is the most urgent.", maximum=1_000_000, whole=True, also=("prio", "rank")
        ),
        "status": Choice(
            doc="How it stands.",
            values=("ready", "in_progress", "blocked", "done"),
            also=("state",),
        ),
        "epic": msgspec.structs.replace(
            _ID, doc="The issue that it is a part of.", also=("parent",)
        ),
        "is_epic": Flag(doc="It has parts and is never started itself."),
        "blocked_by": ListOf(
            doc="Issues that have to be done before.",
            item=_ID,
            unique=True,
            also=("depends_on", "needs", "after", "blockers"),
        ),
        "updated_at": Number(doc="Seconds since the epoch.", maximum=_LATEST),
        "labels": ListOf(doc="Words.", item=Text(doc="A word."), unique=True, also=("tags",)),
        "url": _any_text("Where a person reads it.", "link"),
    },
)
_LIST = ListOf(doc="The issues.", item=Text(doc="An issue."), also=("tasks",))
_FILE = Table(doc="A file of issues.", keys={"issues": _LIST})

_Found = tuple[Issue, Node, int]


class IssuesError(PolicyError):
    """A file of issues is wrong. `str()` is one line per problem, with line, column and key."""


class YamlProvider:
    """The issues of a file, which is read again at each poll, so that it may be edited meanwhile.

    It is never written: whoever runs the coordinator remembers what was done.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    async def issues(self) -> Sequence[Issue]:
        """The issues that are not done, in the file's order.

        Raises IssuesError for a file that is not there or is wrong, and MachineryError for one
        that cannot be read.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Sequence[Issue]:
        name = str(self.path)
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):  # a pipe would wait for its writer
                raise IssuesError([Problem(file=name, message="is not a regular file")])
            with self.path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except FileNotFoundError as error:
            problem = Problem(file=name, message="is not there", hint="name a YAML file of issues")
            raise IssuesError([problem]) from error
        except OSError as error:
            raise MachineryError(f"{name}: cannot be read: {error.strerror or error}") from error
        return [one for one in parse_issues(data, file=name) if one.status != "done"]


def parse_issues(text: str | bytes, *, file: str) -> tuple[Issue, ...]:
    """The issues that a text means, those that are done included, in its order.

    `file` is the name that errors show. Raises IssuesError with every problem of the text: an
    unknown key, two issues of one id, an epic or a blocker that the text does not hold, a circle
    of blockers. Nothing of it is done with half a file.
    """
    findings = Findings(file)
    try:
        root = read_yaml(decode(text, findings), findings)
        found = [] if root is None else list(_issues(root, findings))
        _check_references(found, findings)
        findings.raise_if_any()
    except PolicyError as error:
        raise IssuesError(_reworded(problem) for problem in error.problems) from error
    return tuple(issue for issue, _, _ in found)


def _issues(root: Node, findings: Findings) -> Iterator[_Found]:
    if not isinstance(root.value, dict):
        message = f"must be a mapping with the key issues, not {root.describe()}"
        findings.add(root.at, (), message, "write `issues:` and the list below it")
        return
    for name, entry in root.value.items():
        if name != "issues":
            hint = nearest_key(name, _FILE, at_root=False)
            findings.add(entry.at, (name,), "unknown key", hint)
    listed = root.entries.get("issues")
    if listed is None and not root.value:
        findings.add(root.at, (), "has no key issues", "write `issues:` and the list below it")
    elif listed is None:
        return  # another key stands for it, and that has been told
    elif not isinstance(listed.node.value, tuple):
        message = f"must be a list, not {listed.node.describe()}"
        findings.add(listed.node.at, ("issues",), message, "write `issues: []` for none")
    else:
        for number, node in enumerate(listed.node.value):
            values = check(_ISSUE, node, ("issues", number), findings)
            if values is not INVALID and (issue := _issue(values, node, number, findings)):
                yield issue, node, number


def _issue(values: dict[str, Any], node: Node, number: int, findings: Findings) -> Issue | None:
    if "id" not in node.entries:
        findings.add(node.at, ("issues", number), "has no id", "give each issue an id of its own")
    if "id" not in values:
        return None
    if not values["id"].isprintable():  # as the queue wants it, where the issue becomes a task
        at = node.entries["id"].node.at
        findings.add(at, ("issues", number, "id"), "holds characters that nobody can see")
    return msgspec.convert(values, Issue)


def _check_references(found: Sequence[_Found], findings: Findings) -> None:
    lines: dict[str, int] = {}
    for issue, node, number in found:
        at = node.entries["id"].node.at
        if issue.id in lines:
            message = f"{quoted(issue.id)} is the id of an issue on line {lines[issue.id]}, too"
            findings.add(at, ("issues", number, "id"), message)
        lines.setdefault(issue.id, at.line)
    epics = {issue.id for issue, _, _ in found if issue.is_epic}
    for issue, node, number in found:
        if issue.epic is not None and issue.epic not in epics:
            message, hint = f"{quoted(issue.epic)} is no epic of this file", None
            if issue.epic in lines:
                hint = "say `is_epic: true` there"
            at = node.entries["epic"].node.at
            hint = hint or nearest_word(issue.epic, epics)
            findings.add(at, ("issues", number, "epic"), message, hint)
        for place, blocker in enumerate(_items(node, "blocked_by")):
            key = ("issues", number, "blocked_by", place)
            if isinstance(blocker.value, str) and blocker.value not in lines:
                message = f"{quoted(blocker.value)} is no issue of this file"
                findings.add(blocker.at, key, message, nearest_word(blocker.value, lines))
    _check_circles(found, findings)


def _items(node: Node, name: str) -> tuple[Node, ...]:
    entry = node.entries.get(name)
    return entry.node.value if entry and isinstance(entry.node.value, tuple) else ()


def _check_circles(found: Sequence[_Found], findings: Findings) -> None:
    """Issues that wait for each other would never start, and nobody would be told."""
    todo = {issue.id: issue for issue, _, _ in found if issue.status != "done"}
    waits_for = {one: _blockers(issue, todo) for one, issue in todo.items()}
    blocks: dict[str, list[str]] = {}
    for one, blockers in waits_for.items():
        for blocker in blockers:
            blocks.setdefault(blocker, []).append(one)
    left = {one: len(blockers) for one, blockers in waits_for.items()}
    free = [one for one, number in left.items() if not number]
    while free:
        for one in blocks.get(free.pop(), ()):
            left[one] -= 1
            if not left[one]:
                free.append(one)
    stuck = [entry for entry in found if left.get(entry[0].id)]
    if stuck:
        _, node, number = stuck[0]
        names = ", ".join(quoted(issue.id) for issue, _, _ in stuck[:5])
        more = f" and {len(stuck) - 5} more" if len(stuck) > 5 else ""
        message = f"these would never start, because blockers go round in a circle: {names}{more}"
        findings.add(node.at, ("issues", number), message)


def _blockers(issue: Issue, todo: Mapping[str, Issue]) -> set[str]:
    """What the issue waits for: its own blockers, and those of every epic above it."""
    above = [todo[epic].blocked_by for epic in epics_above(issue, todo) if epic in todo]
    return {*issue.blocked_by, *chain.from_iterable(above)} & todo.keys()


def _reworded(problem: Problem) -> Problem:
    """The reader that this borrows speaks of a policy."""

    def said(text: str) -> str:
        return text.replace("a policy", "a file of issues", 1) if text[:9] == "a policy " else text

    hint = problem.hint and said(problem.hint)
    return msgspec.structs.replace(problem, message=said(problem.message), hint=hint)
