"""Issues from a file and from a queue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.coordinate.issues import Issue, IssueProvider
from pytest_malagate.coordinate.store_issues import StoreProvider
from pytest_malagate.coordinate.yaml_issues import IssuesError, YamlProvider, parse_issues
from pytest_malagate.errors import MachineryError, UsageError
from pytest_malagate.queue.serial import SerialGate
from pytest_malagate.queue.sqlite import SQLiteStore

TEXT = """
issues:
  - id: "12"
    title: Ein Titel
    body: |
      two
      lines
    priority: 0
    epic: parser
    blocked_by: [first]
    status: in_progress
    updated_at: 12.5
    labels: [bug]
    url: https://example.org/12
  - {id: first}
  - {id: parser, is_epic: true, status: done}
"""


def issues_of(provider: IssueProvider) -> list[Issue]:
    return list(asyncio.run(_issues(provider)))


async def _issues(provider: IssueProvider) -> Any:
    return await provider.issues()


def test_a_file_holds_all_that_an_issue_can_say(tmp_path: Path) -> None:
    (tmp_path / "issues.yaml").write_text(TEXT, "utf-8")
    assert issues_of(YamlProvider(tmp_path / "issues.yaml")) == [
        Issue(
            id="12",
            title="Ein Titel",
            body="two\nlines\n",
            priority=0,
            epic="parser",
            blocked_by=("first",),
            status="in_progress",
            updated_at=12.5,
            labels=("bug",),
            url="https://example.org/12",
        ),
        Issue(id="first"),
    ]


def test_a_file_is_read_again_at_each_poll(tmp_path: Path) -> None:
    path = tmp_path / "issues.yaml"
    provider = YamlProvider(path)
    path.write_text("issues: [{id: a}]", "utf-8")
    assert [one.id for one in issues_of(provider)] == ["a"]
    path.write_text("issues: [{id: a, status: done}, {id: b}]", "utf-8")
    assert [one.id for one in issues_of(provider)] == ["b"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c", "1:5: not valid YAML: mapping values are not allowed here"),
        ("- id: a", "1:1: must be a mapping with the key issues, not a list; write `issues:` and the list below it"),
        ("{}", "1:1: has no key issues; write `issues:` and the list below it"),
        ("tasks: []", "1:1: tasks: unknown key; did you mean issues?"),
        ("isues: []", "1:1: isues: unknown key; did you mean issues?"),
        ("issues: a", '1:9: issues: must be a list, not the text "a"; write `issues: []` for none'),
        ("issues:\n  - a", '2:5: issues[0]: must be a mapping, not the text "a"'),
        ("issues:\n  - title: a", "2:5: issues[0]: has no id; give each issue an id of its own"),
        ("issues:\n  - id: 12", '2:9: issues[0].id: must be 1 to 200 characters on one line, without blanks around them, not 12; put it in quotes: "12"'),
        ('issues: [{id: "a\\nb"}]', r'1:15: issues[0].id: must be 1 to 200 characters on one line, without blanks around them, not the text "a\nb"'),
        ('issues: [{id: "a\\e[31mb"}]', "1:15: issues[0].id: holds characters that nobody can see"),
        ("issues: [{id: a, priority: true}]", "1:28: issues[0].priority: must be a whole number from 0 to 1000000, not true"),
        ("issues: [{id: a, status: open}]", '1:26: issues[0].status: must be ready, in_progress, blocked or done, not the text "open"'),
        ("issues: [{id: a, prio: 1}]", "1:18: issues[0].prio: unknown key; did you mean priority?"),
        ("issues: [{id: a, depends_on: [b]}]", "1:18: issues[0].depends_on: unknown key; did you mean blocked_by?"),
        ("issues: [{id: a}, {id: a}]", '1:24: issues[1].id: "a" is the id of an issue on line 1, too'),
        ("issues: [{id: a, blocked_by: [firts]}, {id: first}]", '1:31: issues[0].blocked_by[0]: "firts" is no issue of this file; did you mean first?'),
        ("issues: [{id: a, epic: b}, {id: b}]", '1:24: issues[0].epic: "b" is no epic of this file; say `is_epic: true` there'),
        ("issues: [{id: a, blocked_by: [b]}, {id: b, blocked_by: [a]}]", '1:10: issues[0]: these would never start, because blockers go round in a circle: "a", "b"'),
        ("issues: [{id: a, blocked_by: [a]}]", '1:10: issues[0]: these would never start, because blockers go round in a circle: "a"'),
        ("issues: [{id: a, epic: E}, {id: E, is_epic: true, blocked_by: [a]}]", '1:10: issues[0]: these would never start, because blockers go round in a circle: "a", "E"'),
        ("issues: [{id: c, epic: F}, {id: F, is_epic: true, epic: E}, {id: E, is_epic: true, blocked_by: [c]}]", '1:10: issues[0]: these would never start, because blockers go round in a circle: "c", "F", "E"'),
        ("issues: !!seq []", "1:9: issues: a file of issues takes no YAML tags; leave the tag out"),
        ("issues: []\n---\n", "2:1: a second document begins here; a file of issues is one document"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_its_key(text: str, problem: str) -> None:
    with pytest.raises(IssuesError) as caught:
        parse_issues(text, file="issues.yaml")
    assert str(caught.value).splitlines()[0] == f"issues.yaml:{problem}"
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize("text", ["", "# nothing yet", "issues: []"])
def test_a_file_without_issues_is_no_error(text: str) -> None:
    assert parse_issues(text, file="issues.yaml") == ()


def test_a_circle_of_what_is_done_is_none() -> None:
    text = "issues: [{id: a, blocked_by: [b]}, {id: b, status: done, blocked_by: [a]}]"
    assert [one.id for one in parse_issues(text, file="issues.yaml")] == ["a", "b"]


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(IssuesError, match="is not there; name a YAML file of issues"):
        issues_of(YamlProvider(tmp_path / "issues.yaml"))
    with pytest.raises(IssuesError, match="is not a regular file"):
        issues_of(YamlProvider(tmp_path))


# --- the queue ---


def test_a_queue_is_offered_by_tickets(tmp_path: Path) -> None:
    time = [1_000.0]
    gate = SerialGate(SQLiteStore(tmp_path / "state.db"), "owner/name", now=lambda: time[0])
    provider = StoreProvider(gate, now=lambda: time[0])
    for task in ("c", "a", "b", "done"):
        time[0] += 1
        gate.add(task, "somebody")
    gate.finish("done", "somebody")
    claimed = gate.claim("agent", lease=60).task
    assert claimed is not None
    assert [(one.id, one.status) for one in issues_of(provider)] == [
        ("c", "in_progress"),
        ("a", "ready"),
        ("b", "ready"),
    ]
    time[0] += 61
    assert issues_of(provider)[0] == Issue(id="c", title="c")


def test_a_queue_that_cannot_be_read_is_trouble_that_may_pass(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    gate = SerialGate(SQLiteStore(tmp_path / "state.db"), "owner/name")
    with pytest.raises(MachineryError):
        issues_of(StoreProvider(gate))
