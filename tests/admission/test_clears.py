"""Nobody clears a freeze about a change of their own, however the freeze names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.admission.authors import is_author
from pytest_malagate.admission.sweep import Sweeper, Swept
from pytest_malagate.github.control import FROZEN
from tests.admission.scene import MAJA, Scene, processes_apart
from tests.twin import Issue, Twin


class Changes(Scene):
    """A scene with a task, and pull requests of maja's, who may clear freezes."""

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.task = self.repo.open_issue("work")

    def pull(self, branch: str, *, author: str = "maja", fork: bool = False) -> Any:
        source = self.repo.fork("mallory") if fork else self.repo
        source.commit(branch, {f"{branch.replace('/', '-')}.py": "x = 2"})
        return self.repo.open_pull(head=branch, fork=source if fork else None, author=author)

    def freeze(self, work_item: str) -> Issue:
        """A freeze; the issue that it got."""
        self.gate().freeze("it broke the shop", MAJA, work_item=work_item)
        return next(i for i in reversed(self.repo.issues.values()) if FROZEN in i.labels)

    def sweep(self) -> Swept:
        store = self.store(patience=60)
        return Sweeper(self.gate(store), store, now=self.now, log=lambda _: None).sweep()


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[Changes]:
    twin = Twin(tmp_path)
    with processes_apart():
        yield Changes(twin)
    assert twin.violations == []


@pytest.mark.parametrize("end", ["open", "merged"])
@pytest.mark.parametrize("branch", ["malagate/{}", "malagate/{}-words"])
def test_the_author_of_a_task_s_change_does_not_clear_its_freeze_by_hand(
    changes: Changes, branch: str, end: str
) -> None:
    pull = changes.pull(branch.format(changes.task.number))
    if end == "merged":
        pull.merge(by="walt")
    issue = changes.freeze(f"#{changes.task.number}")
    issue.close("maja")
    assert changes.sweep().put_back == (1,)
    assert changes.gate().status().frozen


def test_nor_where_the_label_was_on_the_task_for_a_moment(changes: Changes) -> None:
    changes.pull(f"malagate/{changes.task.number}")
    changes.task.add_label(FROZEN, changes.twin.user("tina"))
    changes.task.remove_label(FROZEN, changes.twin.user("maja"))
    changes.sweep()
    assert FROZEN in changes.task.labels
    assert changes.gate().status().frozen


@pytest.mark.parametrize(
    ("branch", "options", "end"),
    [
        ("malagate/{}", {"author": "walt"}, "open"),
        ("malagate/{}", {"fork": True}, "open"),
        ("malagate/{}", {}, "closed"),
        ("malagate/{}0", {}, "open"),
        ("topic/{}", {}, "open"),
    ],
    ids=["another's", "a fork's", "given up", "another task's", "no task's"],
)
def test_whoever_made_another_change_clears_it(
    changes: Changes, branch: str, options: dict[str, Any], end: str
) -> None:
    pull = changes.pull(branch.format(changes.task.number), **options)
    if end == "closed":
        pull.close()
    changes.freeze(f"#{changes.task.number}").close("maja")
    assert changes.sweep().cleared == (1,)


def test_while_nobody_can_tell_it_is_neither_cleared_nor_put_back(changes: Changes) -> None:
    issue = changes.freeze(f"#{changes.task.number}")
    issue.close("maja")
    changes.twin.faults.add("502", times=500, path=r"/pulls\?.*(head=|sort=updated)")
    done = changes.sweep()
    assert (done.cleared, done.put_back) == ((), ())
    assert any(note.startswith("freeze 1: ") for note in done.notes)
    assert changes.gate().status().frozen
    changes.twin.faults.clear()
    assert changes.sweep().cleared == (1,)


def test_a_login_is_the_same_however_it_is_written(changes: Changes) -> None:
    pull, client = changes.pull("topic"), changes.client()
    assert is_author(client, "Maja", f"#{pull.number}")
    assert not is_author(client, "walt", f"#{pull.number}")


def test_a_task_that_is_no_issue_has_a_branch_of_its_name(changes: Changes) -> None:
    changes.pull("malagate/x-12")
    client = changes.client()
    assert is_author(client, "maja", "x-12")
    assert not is_author(client, "maja", "x-1")
    assert not is_author(client, "maja", None)


def test_an_old_change_is_found_by_its_branch_behind_all_pages(changes: Changes) -> None:
    """Others that changed since are looked through as far as some pages go, and no further."""
    old = changes.pull(f"malagate/{changes.task.number}")
    words = changes.pull(f"malagate/{changes.task.number}-words", author="walt")
    changes.repo.open_pulls(1000)
    before = len(changes.twin.requests)
    client = changes.client()
    assert is_author(client, "maja", f"#{changes.task.number}")
    assert len(changes.twin.requests) - before == 12
    assert old.state == words.state == "open"


def test_a_task_s_own_time_bounds_the_pages(changes: Changes) -> None:
    changes.repo.open_pulls(300)
    fresh = changes.repo.open_issue("fresh")
    before = len(changes.twin.requests)
    assert not is_author(changes.client(), "maja", f"#{fresh.number}")
    assert len(changes.twin.requests) - before == 3


# --- a pull request that bears the label itself ---


@pytest.mark.parametrize("labelled", ["before", "after"])
def test_a_merged_pull_request_that_froze_is_left_and_not_opened_again(
    changes: Changes, labelled: str
) -> None:
    pull = changes.pull("topic")
    issue, tina = changes.repo.issues[pull.number], changes.twin.user("tina")
    if labelled == "before":
        issue.add_label(FROZEN, tina)
        changes.sweep()
        pull.merge(by="walt")
    else:
        pull.merge(by="walt")
        issue.add_label(FROZEN, tina)
        changes.sweep()
    for _ in range(2):
        changes.twin.advance(3600)
        assert changes.sweep().notes == ()
        assert FROZEN in issue.labels
        assert changes.gate().status().frozen
    assert len(issue.comments) == (1 if labelled == "before" else 0)
    issue.remove_label(FROZEN, changes.twin.user("walt"))
    changes.sweep()
    assert FROZEN in issue.labels
    changes.repo.permission("ada", "maintain")
    issue.remove_label(FROZEN, changes.twin.user("ada"))
    assert changes.sweep().cleared == (1,)
    assert not changes.gate().status().frozen
