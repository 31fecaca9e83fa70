"""Issues on GitHub as a coordinator sees them: which, in what order, and what blocks them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from pytest_malagate.admission.providing import EPICS, QUESTIONS, GitHubProvider, priority_of
from pytest_malagate.coordinate.config import CoordinatorConfig
from pytest_malagate.coordinate.issues import Issue
from pytest_malagate.coordinate.selection import select
from pytest_malagate.errors import UsageError
from pytest_malagate.github.client import GitHubError
from pytest_malagate.github.control import ACTIVE, READY
from tests.admission.scene import Scene
from tests.twin import Twin


@pytest.fixture
def scene(twin: Twin) -> Iterator[Scene]:
    yield Scene(twin)


def issues(scene: Scene, **given: object) -> dict[str, Issue]:
    provider = GitHubProvider(scene.client(), **given)  # type: ignore[arg-type]
    return {one.id: one for one in asyncio.run(provider.issues())}


def startable(scene: Scene, **given: object) -> list[str]:
    found = issues(scene, **given)
    return [one.id for one in select(list(found.values()), CoordinatorConfig())]


def test_open_issues_with_the_label_are_offered_and_nothing_else(scene: Scene) -> None:
    first = scene.repo.open_issue("one", "the body", labels=(READY, "P0"))
    active = scene.repo.open_issue("two", labels=(ACTIVE,))
    scene.repo.open_issue("three")
    scene.repo.open_issue("four", labels=(READY,)).close()
    scene.repo.commit("work", {"b.py": "1"})
    scene.repo.open_pull("work").add_label(READY)
    found = issues(scene)
    assert set(found) == {f"#{first.number}", f"#{active.number}"}
    one = found[f"#{first.number}"]
    assert (one.title, one.body, one.priority, one.status) == ("one", "the body", 0, "ready")
    assert one.labels == (READY, "P0")
    assert one.url.endswith(f"/issues/{first.number}")
    assert one.updated_at == scene.repo.issues[first.number].updated_at
    assert found[f"#{active.number}"].status == "in_progress"


@pytest.mark.parametrize(
    ("labels", "priority"),
    [
        ((), 2),
        (("P0",), 0),
        (("p4",), 4),
        (("priority:1",), 1),
        (("priority: 3",), 3),
        (("Priority/0",), 0),
        (("P3", "priority:1"), 1),
        (("P5", "P10", "priority:9", "xP0", "P0x"), 2),
        (("P1\n",), 1),
    ],
)
def test_priorities_are_read_off_labels(labels: tuple[str, ...], priority: int) -> None:
    assert priority_of(labels) == priority


def test_the_parts_of_an_epic_are_offered_whatever_their_labels(scene: Scene) -> None:
    epic, part, group, deep, done = (scene.repo.open_issue(name) for name in "abcde")
    for child in (part, group, done):
        epic.add_sub_issue(child)
    group.add_sub_issue(deep)
    done.close()
    elsewhere = scene.twin.repository("acme/other").open_issue("elsewhere")
    epic.add_sub_issue(elsewhere)
    scene.repo.open_issue("not a part", labels=(READY,))
    found = issues(scene, epic_id=f"#{epic.number}")
    assert set(found) == {f"#{one.number}" for one in (part, group, deep)}
    assert found[f"#{group.number}"].is_epic
    assert found[f"#{deep.number}"].epic == f"#{group.number}"
    assert set(startable(scene, epic_id=f"#{epic.number}")) == {
        f"#{one.number}" for one in (part, deep)
    }


def test_a_part_of_an_issue_elsewhere_says_so(scene: Scene) -> None:
    part = scene.repo.open_issue("part", labels=(READY,))
    epic = scene.twin.repository("acme/other").open_issue("epic")
    epic.add_sub_issue(part)
    assert issues(scene)[f"#{part.number}"].epic == f"acme/other#{epic.number}"


def test_an_issue_waits_for_what_blocks_it(scene: Scene) -> None:
    one, two, three, four = (scene.repo.open_issue(name, labels=(READY,)) for name in "abcd")
    unready = scene.repo.open_issue("not ready")
    gone = scene.repo.open_issue("done")
    two.block_by(one)
    three.block_by(unready)
    four.block_by(gone)
    gone.close()
    found = issues(scene)
    assert found[f"#{two.number}"].blocked_by == (f"#{one.number}",)
    assert found[f"#{two.number}"].status == "ready"
    assert found[f"#{three.number}"].status == "blocked", "its blocker is not among the issues"
    assert found[f"#{four.number}"].blocked_by == ()
    assert startable(scene) == [f"#{four.number}", f"#{one.number}"]


def test_only_what_github_calls_blocked_is_asked_for_and_so_much_of_it(scene: Scene) -> None:
    blocker = scene.repo.open_issue("first", labels=(READY,))
    for number in range(QUESTIONS + 5):
        scene.repo.open_issue(f"free {number}", labels=(READY,))
        scene.repo.open_issue(f"blocked {number}", labels=(READY,)).block_by(blocker)
    before = len(scene.twin.requests)
    found = issues(scene)
    asked = scene.twin.requests[before:]
    assert sum("blocked_by" in one.path for one in asked) == QUESTIONS
    assert len(asked) - QUESTIONS == 3, "two pages that are ready, one that is active"
    unasked = [one for one in found.values() if one.status == "blocked"]
    assert len(unasked) == 5, "nobody knows by what, and none of them starts"


def test_a_part_of_a_list_is_no_list(scene: Scene) -> None:
    scene.repo.open_issue("one", labels=(READY,))
    scene.twin.faults.add("forbidden", path=f"labels={ACTIVE.replace(':', '%3A')}")
    with pytest.raises(GitHubError):
        issues(scene)


def test_an_epic_without_end_is_refused(scene: Scene) -> None:
    epic = scene.repo.open_issue("epic")
    for number in range(EPICS + 1):
        child = scene.repo.open_issue(f"group {number}")
        epic.add_sub_issue(child)
        child.add_sub_issue(scene.repo.open_issue(f"part {number}"))
    with pytest.raises(UsageError, match="more than"):
        issues(scene, epic_id=f"#{epic.number}")


@pytest.mark.parametrize("name", ["12", "acme/shop#1", "#0", "#1\n", ""])
def test_an_epic_is_named_by_its_number(scene: Scene, name: str) -> None:
    with pytest.raises(UsageError):
        GitHubProvider(scene.client(), epic_id=name)
