"""A sweep: freezes by hand, tickets, and what each open pull request is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.admission.statuses import CONTEXT
from pytest_malagate.admission.sweep import Sweeper, SweepOptions, Swept
from pytest_malagate.github.control import ACTIVE, CONTROL, FROZEN, READY
from tests.admission.scene import BOT, MAJA, NAME, PERMISSIONS, Scene, processes_apart
from tests.twin import Twin


class Floor(Scene):
    """A scene with pull requests, swept."""

    def sweep(self, *, dry_run: bool = False, **given: Any) -> Swept:
        options = SweepOptions(**given.pop("options", {}))
        store = self.store(**given)
        sweeper = Sweeper(self.gate(store), store, options, now=self.now, log=lambda _: None)
        return sweeper.sweep(dry_run=dry_run)

    def pull(self, branch: str = "topic", **given: Any) -> Any:
        self.repo.commit(branch, {f"{branch}.py": "x = 2"})
        return self.repo.open_pull(head=branch, **given)

    def told(self, pull: Any) -> tuple[str, str] | None:
        found = [s for s in self.repo.statuses(pull.head_sha) if s.context == CONTEXT]
        return (found[0].state, str(found[0].description)) if found else None

    def frozen_issues(self) -> list[Any]:
        return [i for i in self.repo.issues.values() if FROZEN in i.labels and i.state == "open"]


@pytest.fixture(params=[0, 2], ids=["", "lists lag"])
def lag(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def floor(tmp_path: Path, lag: int) -> Iterator[Floor]:
    twin = Twin(tmp_path, checked=not lag)  # once is enough: it takes most of the time
    with processes_apart():
        scene = Floor(twin)
        twin.lagging(lag)
        yield scene
    assert twin.violations == []


# --- tickets ---


def test_labelled_issues_get_tickets_in_the_order_of_labelling(floor: Floor) -> None:
    one, two = floor.repo.open_issue("one"), floor.repo.open_issue("two")
    for issue in (two, one):
        issue.add_label(READY, floor.twin.user("tina"))
    done = floor.sweep()
    assert done.added == (f"#{two.number}", f"#{one.number}")
    assert [task.task for task in floor.gate().tasks()] == list(done.added)
    assert floor.sweep().added == ()


def test_a_label_that_is_put_on_again_goes_to_the_end(floor: Floor) -> None:
    issues = [floor.repo.open_issue(name) for name in ("one", "two")]
    for issue in issues:
        issue.add_label(READY)
    floor.sweep()
    issues[0].remove_label(READY)
    issues[0].add_label(READY)
    floor.twin.lagging(0)
    floor.sweep()
    assert [task.task for task in floor.gate().tasks()] == ["#3", "#2"]


def test_a_label_taken_off_withdraws_and_a_closed_issue_ends(floor: Floor) -> None:
    first, second = floor.ready(2)
    for task in (first, second):
        floor.issue(task).add_label(READY)
    floor.gate().claim("agent")
    floor.issue(second).remove_label(READY)
    floor.issue(first).close()
    floor.twin.lagging(0)
    done = floor.sweep()
    assert (done.withdrawn, done.finished) == ((second,), (first,))
    assert floor.issue(first).labels == set()
    assert floor.gate().tasks() == ()


def test_the_label_of_a_task_that_ended_asks_for_nothing(floor: Floor) -> None:
    issue = floor.repo.open_issue("work")
    issue.add_label(READY)
    floor.sweep()
    floor.twin.faults.add("forbidden", method="DELETE", times=5)
    floor.gate().finish(f"#{issue.number}", "agent")
    floor.twin.faults.clear()
    issue.label_names[:] = [READY]  # the view was not mended: no event says so
    floor.twin.lagging(0)
    assert floor.sweep().added == ()
    assert issue.labels == set()


# --- what pull requests are told ---


def test_open_pull_requests_are_told_whether_they_may_land(floor: Floor) -> None:
    pull = floor.pull()
    floor.sweep()
    assert floor.told(pull) == ("success", "may land")
    (task,) = floor.ready(1)
    floor.gate().claim("agent")
    floor.sweep()
    assert floor.told(pull) == ("pending", f"place 1: {task} is before it, 1 in all")
    floor.frozen_by_hand("tina")
    floor.twin.lagging(0)
    floor.sweep()
    state, text = floor.told(pull) or ("", "")
    assert (state, text.startswith("frozen by tina: It burns")) == ("failure", True)
    floor.gate().unfreeze(MAJA, "out")
    floor.gate().finish(task, "agent")
    floor.twin.lagging(0)
    floor.sweep()
    assert floor.told(pull) == ("success", "may land")


def test_only_what_changed_is_written(floor: Floor) -> None:
    for number in range(3):
        floor.pull(f"t{number}")
    assert floor.sweep().statuses_written == 3
    floor.twin.lagging(0)
    assert floor.sweep().statuses_written == 0
    moved = floor.repo.pulls[1]
    floor.repo.commit("t1", {"more.py": "y = 1"})
    assert floor.sweep().statuses_written == 1
    assert floor.told(moved) == ("success", "may land")


def test_an_active_task_s_branch_lands_and_a_fork_s_of_that_name_does_not(floor: Floor) -> None:
    (task,) = floor.ready(1)
    floor.gate().claim("agent")
    ours = floor.pull(f"malagate/{task[1:]}-fix")
    fork = floor.repo.fork("mallory")
    fork.commit(f"malagate/{task[1:]}", {"evil.py": "x = 1"})
    theirs = floor.repo.open_pull(f"malagate/{task[1:]}", fork=fork, author="mallory")
    floor.sweep()
    assert (floor.told(ours) or ("",))[0] == "success"
    assert (floor.told(theirs) or ("",))[0] == "pending"


def test_a_freeze_of_a_branch_is_told_to_that_branch_s_changes(floor: Floor) -> None:
    floor.repo.commit("release", {"r.py": "1"}, parent="main")
    floor.gate().freeze("cut", MAJA, branch="release")
    here, there = floor.pull("a"), floor.pull("b", base="release")
    floor.twin.lagging(0)
    floor.sweep()
    assert (floor.told(here) or ("",))[0] == "success"
    assert (floor.told(there) or ("",))[0] == "failure"


def test_a_store_that_cannot_be_read_is_told_to_everybody_once(floor: Floor) -> None:
    pull = floor.pull()
    floor.sweep()
    floor.repo.delete_label(FROZEN)
    floor.twin.lagging(0)
    done = floor.sweep()
    assert (done.frozen, bool(done.problem)) == (True, True)
    assert (floor.told(pull) or ("", ""))[0] == "error"
    assert "freeze.label-missing" in (floor.told(pull) or ("", ""))[1]
    floor.control.remove_label(CONTROL)
    floor.twin.lagging(0)
    floor.sweep()
    assert "freeze.control-missing" in (floor.told(pull) or ("", ""))[1]
    count = len(floor.repo.all_statuses)
    floor.sweep()
    assert len(floor.repo.all_statuses) == count, "a commit takes a thousand statuses, no more"


def test_those_closest_to_landing_hear_of_a_freeze_first(floor: Floor) -> None:
    pulls = [floor.pull(f"t{n}", draft=n == 2) for n in range(4)]
    floor.sweep()
    pulls[1].enable_auto_merge("maja")
    floor.gate().freeze("on fire", MAJA)
    floor.twin.lagging(0)
    before = len(floor.repo.all_statuses)
    floor.sweep()
    order = [status.sha for status in floor.repo.all_statuses[before:]]
    assert order[0] == pulls[1].head_sha
    assert order[-1] == pulls[2].head_sha


def test_a_sweep_goes_on_where_the_budget_ended(floor: Floor) -> None:
    pulls = [floor.pull(f"t{n}") for n in range(5)]
    spacing = {"seconds": 3.0}  # every write takes a second of the twin's time
    left = []
    for _ in range(12):
        left.append(floor.sweep(options=spacing).unfinished)
        floor.twin.lagging(0)
        if not left[-1]:
            break
    assert left[-1] == 0 < left[0]
    assert {floor.told(pull) for pull in pulls} == {("success", "may land")}
    assert len(floor.repo.all_statuses) == 5


def test_the_token_s_last_requests_are_left_to_others(floor: Floor) -> None:
    floor.pull()
    floor.twin.rate_limit = 60
    done = floor.sweep(options={"reserve": 58})
    assert (done.statuses_written, done.unfinished) == (0, 1)
    assert "budget" in done.notes[0]


def test_who_may_write_no_status_is_said_so(floor: Floor) -> None:
    floor.pull()
    poor = {key: value for key, value in PERMISSIONS.items() if key != "statuses"}
    floor.twin.token("t-poor", floor.repo, login=BOT, permissions=poor)
    done = floor.sweep(token="t-poor")
    assert (done.statuses_written, done.unfinished) == (0, 1)
    assert "403" in done.notes[0]


def test_the_smallest_permissions_are_enough(floor: Floor) -> None:
    floor.pull()
    issue = floor.repo.open_issue("work")
    issue.add_label(READY)
    small = {"issues": "write", "statuses": "write", "pull-requests": "read", "contents": "read"}
    floor.twin.token("t-small", floor.repo, login=BOT, permissions=small)
    done = floor.sweep(token="t-small")
    assert (done.added, done.statuses_written, done.notes) == ((f"#{issue.number}",), 1, ())


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(floor: Floor) -> None:
    pull = floor.pull()
    issue = floor.repo.open_issue("work")
    issue.add_label(READY)
    frozen = floor.frozen_by_hand()
    before = len([r for r in floor.twin.requests if r.method != "GET"])
    done = floor.sweep(dry_run=True)
    assert f"give #{issue.number} a ticket, as acme asked" in done.would
    assert "take over freeze 1" in done.would
    assert any(line.startswith(f"tell #{pull.number}: failure") for line in done.would)
    assert len([r for r in floor.twin.requests if r.method != "GET"]) == before
    assert frozen.comments == []


# --- freezes by hand ---


def closes(floor: Floor, issue: Any, login: str) -> None:
    issue.close(login)


def unlabels(floor: Floor, issue: Any, login: str) -> None:
    issue.remove_label(FROZEN, floor.twin.user(login))


HANDS: list[Callable[..., None]] = [closes, unlabels]


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("own", [True, False], ids=["our issue", "a person's issue"])
def test_who_may_clear_does_so_by_hand(floor: Floor, hand: Callable[..., None], own: bool) -> None:
    if own:
        floor.gate().freeze("on fire", MAJA)
    else:
        floor.frozen_by_hand()
    floor.twin.lagging(0)
    floor.sweep()
    (issue,) = floor.frozen_issues()
    hand(floor, issue, "maja")
    assert floor.gate().status().frozen, "until the ledger says otherwise"
    done = floor.sweep()
    assert len(done.cleared) == 1
    assert not floor.gate().status().frozen
    entry = next(e for e in floor.store().ledger(NAME) if e.kind == "cleared")
    assert (entry.actor, "maja" in entry.detail) == ("maja", True)


@pytest.mark.parametrize("login", ["walt", "tina", "rita", "robot[bot]", BOT])
@pytest.mark.parametrize("hand", HANDS)
def test_who_may_not_clear_gets_it_back_with_a_comment(
    floor: Floor, hand: Callable[..., None], login: str
) -> None:
    floor.repo.permission("robot[bot]", "admin")
    floor.gate().freeze("on fire", MAJA)
    floor.twin.lagging(0)
    (issue,) = floor.frozen_issues()
    hand(floor, issue, login)
    done = floor.sweep()
    assert (done.cleared, len(done.put_back)) == ((), 1)
    assert (issue.state, FROZEN in issue.labels) == ("open", True)
    assert "may not clear this freeze" in issue.comments[-1].body
    floor.twin.lagging(0)
    assert floor.gate().status().frozen
    assert floor.sweep().put_back == ()
    assert len(issue.comments) == 1


def test_the_author_of_the_change_does_not_clear_its_freeze(floor: Floor) -> None:
    pull = floor.pull(author="maja")
    floor.gate().freeze("it broke the shop", MAJA, work_item=f"#{pull.number}")
    floor.twin.lagging(0)
    (issue,) = floor.frozen_issues()
    issue.close("maja")
    assert floor.sweep().put_back == (1,)
    assert floor.gate().status().frozen


def test_a_freeze_whose_issue_was_deleted_or_moved_gets_another(floor: Floor) -> None:
    gate = floor.gate()
    gate.freeze("one", MAJA)
    gate.freeze("two", MAJA)
    floor.twin.lagging(0)
    floor.sweep()
    first, second = floor.frozen_issues()
    floor.repo.delete_issue(first)
    floor.repo.transfer(second, floor.twin.repository("mallory/elsewhere"))
    floor.sweep()
    assert sorted(issue.title for issue in floor.frozen_issues()) == ["Frozen: one", "Frozen: two"]
    floor.twin.lagging(0)
    assert len(floor.gate().status().freezes) == 2
    assert floor.sweep().put_back == ()


@pytest.mark.parametrize(("login", "frozen"), [("tina", True), ("maja", False)])
def test_a_label_that_was_on_for_a_moment_freezes_unless_who_took_it_off_may(
    floor: Floor, login: str, frozen: bool
) -> None:
    issue = floor.frozen_by_hand("tina")
    issue.remove_label(FROZEN, floor.twin.user(login))
    floor.twin.lagging(0)
    floor.sweep()
    assert floor.gate().status().frozen is frozen
    floor.twin.lagging(0)
    floor.sweep()
    assert len(floor.gate().status().freezes) == int(frozen)


def test_hostile_texts_stay_texts(floor: Floor) -> None:
    nasty = "--> `x` @everybody ::error::\n<img src=x onerror=alert(1)> | a | b |"
    issue = floor.repo.open_issue(nasty, author="mallory")
    issue.add_label(FROZEN, floor.twin.user("tina"))
    pull = floor.pull()
    floor.twin.lagging(0)
    done = floor.sweep()
    state, text = floor.told(pull) or ("", "")
    assert state == "failure"
    assert "\n" not in text
    assert " ::" not in text
    body = str(floor.control.body)
    table = next(line for line in body.splitlines() if "everybody" in line)
    assert "<img" not in table.replace("&lt;img", "")
    assert table.count("|") - table.count("\\|") == 7
    assert done.notes == ()


@pytest.mark.parametrize("kind", ["502", "html", "malformed", "reset", "primary"])
def test_a_github_that_fails_at_any_request_opens_nothing(floor: Floor, kind: str) -> None:
    """Whatever request fails for good: no success is written, and the next sweep is well."""
    floor.twin.retry_after = floor.twin.reset_after = 1
    pull = floor.pull()
    floor.frozen_by_hand()
    floor.twin.lagging(0)
    for nth in range(1, 9):
        floor.twin.faults.add(kind, nth=nth, times=50)
        floor.sweep(patience=3.0)
        floor.twin.faults.clear()
        assert (floor.told(pull) or ("",))[0] != "success"
    floor.sweep()
    assert (floor.told(pull) or ("",))[0] == "failure"


def test_the_dashboard_tells_whose_turn_it_is_and_what_is_frozen(floor: Floor) -> None:
    issues = [floor.repo.open_issue(f"work {n}") for n in range(3)]
    for issue in issues:
        issue.add_label(READY)
    floor.sweep()
    floor.gate().claim("agent-7")
    floor.frozen_by_hand("tina")
    floor.twin.lagging(0)
    floor.sweep()
    body = str(floor.control.body)
    assert f"| #{issues[0].number} | work | `agent-7` |" in body
    assert f"| 1 | #{issues[1].number} | 2 |" in body
    assert "It burns" in body
    assert "requests left in this hour" in body
    assert issues[0].labels == {ACTIVE}


def test_a_task_that_was_given_back_keeps_the_ticket_that_it_got_then(floor: Floor) -> None:
    for name in ("one", "two"):
        floor.repo.open_issue(name).add_label(READY)
    floor.sweep()
    gate = floor.gate()
    task = gate.claim("agent").task
    assert task is not None
    back = floor.gate().requeue(task.task, "agent")
    floor.twin.lagging(0)
    assert not floor.sweep().moved
    assert floor.gate().task(task.task) == back


def test_after_a_new_look_nobody_is_admitted_by_the_old_one(floor: Floor) -> None:
    """A sweep that had to wait sees a freeze that was set meanwhile, for all whom it still tells."""
    pulls = [floor.pull(f"t{n}") for n in range(3)]
    waited: list[float] = []

    def waits(incoming: Any) -> None:
        if incoming.method == "GET" and incoming.path.endswith("/pulls") and not waited:
            waited.append(1.0)
            floor.gate().freeze("on fire", MAJA)
            floor.twin.advance(60)

    floor.sweep(before=waits)
    assert {(floor.told(pull) or ("",))[0] for pull in pulls} == {"failure"}


def test_the_issue_of_a_cleared_freeze_does_not_go_on_to_show_one(floor: Floor) -> None:
    floor.gate().freeze("on fire", MAJA)
    floor.twin.lagging(0)
    (issue,) = floor.frozen_issues()
    floor.twin.faults.add("forbidden", method="DELETE", times=9)
    floor.twin.faults.add("forbidden", method="PATCH", path=rf"/issues/{issue.number}$", times=9)
    floor.gate().unfreeze(MAJA, "out")
    floor.twin.faults.clear()
    assert floor.frozen_issues() == [issue]
    floor.sweep()
    assert floor.frozen_issues() == []
    assert not floor.gate().status().frozen


def test_a_freeze_that_is_on_the_ledger_is_set_whatever_becomes_of_its_issue(floor: Floor) -> None:
    def edits(incoming: Any) -> None:
        if (incoming.method, incoming.path) == ("POST", f"/repos/{NAME}/issues"):
            pages = [c for c in floor.control.comments if "malagate:ledger" in c.body]
            pages[-1].edit("nothing happened")

    store = floor.store(before=edits)
    assert floor.gate(store).freeze("on fire", MAJA).id == 1
    assert any("page 1 of the ledger is missing" in one for one in store.warnings)
    floor.twin.lagging(0)
    assert floor.gate().status().frozen


def test_a_freeze_without_a_word_for_long_is_asked_about_once_and_stands(floor: Floor) -> None:
    floor.gate().freeze("on fire", MAJA)
    (issue,) = floor.frozen_issues()
    floor.sweep()
    said = len(issue.comments)
    floor.twin.advance(25 * 3600)
    floor.twin.lagging(0)
    assert "asked about" in " ".join(floor.sweep().notes)
    floor.twin.lagging(0)
    floor.sweep()
    assert len(issue.comments) == said + 1
    assert "has stood for 1 d. Is it still needed?" in issue.comments[-1].body
    floor.twin.advance(20 * 3600)
    issue.comment(author="maja", body="yes, the rollback is not done")
    floor.twin.advance(20 * 3600)
    floor.twin.lagging(0)
    assert floor.sweep().notes == (), "somebody has answered"
    assert floor.gate().status().frozen


def test_a_freeze_that_cannot_be_asked_about_holds_nothing_up(floor: Floor) -> None:
    floor.gate().freeze("on fire", MAJA)
    floor.twin.advance(25 * 3600)
    floor.twin.lagging(0)
    (issue,) = floor.frozen_issues()
    floor.twin.faults.add("forbidden", method="POST", path=f"/issues/{issue.number}/comments")
    done = floor.sweep()
    assert (done.frozen, done.problem) == (True, None)
    assert "could not be asked about" in " ".join(done.notes)
