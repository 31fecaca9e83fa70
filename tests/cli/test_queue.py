"""`malagate queue`: what people read and what scripts parse."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.queue_commands import Desk


def test_ten_tasks_made_ready_at_once_are_claimed_one_after_another_in_order(desk: Desk) -> None:
    names = [f"x-{number}" for number in range(10)]
    for ticket, name in enumerate(names, 1):
        added = desk.does("queue", "add", name)
        assert (added["task"], added["ticket"], added["state"]) == (name, ticket, "waiting")
    for name in names:
        claimed = desk.does("queue", "claim")
        assert claimed["task"] == name
        assert desk.says("queue", "claim").exit == 4
        desk.does("queue", "finish", name, "--claim", claimed["claim"])
    assert desk.does("queue", "list")["tasks"] == []


def test_a_claim_says_what_its_holder_needs(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    before = time.time()
    claimed = desk.does("queue", "claim", "--lease", "60")
    assert claimed.keys() == {"task", "ticket", "claim", "lease_until", "fence", "warnings"}
    assert (claimed["task"], claimed["ticket"], claimed["fence"]) == ("x-1", 1, 1)
    assert before + 60 <= claimed["lease_until"] <= time.time() + 60


def test_nothing_to_claim_is_not_admitted_and_says_why(desk: Desk) -> None:
    said = desk.says("queue", "claim", "--json")
    nothing = dict.fromkeys(("task", "ticket", "claim", "lease_until", "fence"))
    assert said.exit == 4
    assert said.json == {
        **nothing,
        "code": "queue.waiting",
        "reason": "nothing waits",
        "warnings": [],
    }
    assert desk.says("queue", "claim").out == "nothing to claim: nothing waits (queue.waiting)\n"


def test_nothing_is_claimed_while_frozen(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    desk.does("freeze", "checkout", "is", "down")
    said = desk.says("queue", "claim", "--json")
    assert (said.exit, said.json["task"], said.json["code"]) == (4, None, "freeze.active")
    assert said.json["reason"] == "frozen by alice: checkout is down"


def test_a_claim_s_id_is_shown_to_its_holder_alone(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    claim = desk.does("queue", "claim")["claim"]
    for argv in (["queue", "list"], ["queue", "list", "--json"], ["status"], ["status", "--json"]):
        assert claim not in desk.says(*argv).out


def test_a_claim_that_is_not_the_one_that_counts_is_refused(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    for verb in ("finish", "rework", "requeue", "renew"):
        said = desk.says("queue", verb, "x-1", "--claim", "another")
        assert (said.exit, said.out) == (2, "")
        assert "not yours any more" in said.err


def test_a_task_goes_through_its_stages_and_back_to_its_work(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    assert desk.does("queue", "advance", "x-1", "review")["stage"] == "review"
    assert desk.does("queue", "rework", "x-1")["stage"] == "work"
    again = desk.does("queue", "requeue", "x-1")
    assert (again["state"], again["ticket"], again["holder"]) == ("waiting", 2, None)


def test_no_agent_ends_a_review(desk: Desk) -> None:
    desk.does("queue", "add", "x-1")
    desk.does("queue", "claim")
    desk.does("queue", "advance", "x-1", "review")
    desk.is_machine()
    said = desk.says("queue", "advance", "x-1", "landing")
    assert said.exit == 2
    assert "which a person ends" in said.err


def test_a_renewal_prolongs_the_claim_and_a_hard_freeze_tells_its_holder_to_stop(
    desk: Desk,
) -> None:
    desk.does("queue", "add", "x-1")
    claim = desk.does("queue", "claim", "--lease", "60")["claim"]
    assert desk.does("queue", "renew", "x-1", "--claim", claim)["admitted"] is True
    assert desk.does("queue", "list")["tasks"][0]["lease_until"] > time.time() + 3600
    desk.does("freeze", "stop it all", "--mode", "hard")
    said = desk.says("queue", "renew", "x-1", "--claim", claim, "--json")
    assert (said.exit, said.json["stop"], said.json["code"]) == (4, True, "freeze.active")
    plain = desk.says("queue", "renew", "x-1", "--claim", claim)
    assert plain.out == "stop the work: frozen by alice: stop it all (freeze.active)\n"


def test_a_list_is_aligned(desk: Desk) -> None:
    for name in ("x-1", "a-longer-name", "x-3"):
        desk.does("queue", "add", name)
    desk.does("queue", "claim", "--actor", "an agent")
    assert desk.says("queue", "list").out.splitlines() == [
        "ticket  task           stage    holder",
        "1       x-1            work     an agent  lease ends in 3 h",
        "2       a-longer-name  waiting            added just now",
        "3       x-3            waiting            added just now",
    ]


def test_an_empty_list_says_so(desk: Desk) -> None:
    assert desk.says("queue", "list").out == "no task is ready or active\n"
    assert not (desk.path / "malagate-out").exists()  # a question leaves nothing behind


def test_work_trees_share_a_queue_through_a_named_store(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = str(tmp_path / "shared.db")
    desk.does("queue", "add", "x-1", "--store", shared)
    assert desk.does("queue", "list")["tasks"] == []
    monkeypatch.setenv("MALAGATE_STORE", shared)
    assert [task["task"] for task in desk.does("queue", "list")["tasks"]] == ["x-1"]


def test_repositories_do_not_see_each_other(desk: Desk) -> None:
    desk.does("queue", "add", "x-1", "--repository", "o/one")
    desk.does("queue", "claim", "--repository", "o/one")
    desk.does("queue", "add", "x-1", "--repository", "o/two")
    assert desk.does("queue", "claim", "--repository", "o/two")["task"] == "x-1"


def test_the_repository_is_named_as_its_origin_is(desk: Desk) -> None:
    assert desk.status()["repository"] == "project"
    desk.policy("serial: {repos: [owner/repo]}")
    assert desk.status()["enabled"] is False
    with (desk.path / ".git" / "config").open("a") as config:
        config.write('[remote "origin"]\n\turl = git@example.invalid:owner/repo.git\n')
    status = desk.status()
    assert (status["repository"], status["enabled"]) == ("owner/repo", True)


def test_without_the_serial_rule_several_tasks_are_active(desk: Desk) -> None:
    desk.policy("serial: {enabled: false}")
    for name in ("x-1", "x-2"):
        desk.does("queue", "add", name)
        desk.does("queue", "claim")
    status = desk.status()
    assert status["enabled"] is False
    assert [task["task"] for task in status["active_tasks"]] == ["x-1", "x-2"]
    assert "the queue is off" in desk.says("status").out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["add", " "], "1 to 200 printable characters"),
        (["add", "x", "--repository", "a b"], "is no OWNER/REPO"),
        (["add", "x", "--store", "github:o"], "is no github:OWNER/REPO"),
        (["add", "x", "--actor", "\x1b[31m"], "--actor needs a name"),
        (["claim", "--task", "x-9"], "add it first"),
        (["claim", "--lease", "nan"], "a lease lasts up to 30 days"),
        (["finish", "x-9"], "not in the queue"),
    ],
)
def test_what_is_asked_wrongly_is_a_usage_error(desk: Desk, argv: list[str], said: str) -> None:
    answer = desk.says("queue", *argv)
    assert (answer.exit, answer.out) == (2, "")
    assert said in answer.err
    assert "\x1b" not in answer.err


def test_a_broken_store_is_trouble_in_one_line(desk: Desk) -> None:
    desk.breaks_the_store()
    for argv in (["add", "x-1"], ["claim"], ["list"], ["finish", "x-1"]):
        said = desk.says("queue", *argv)
        assert (said.exit, said.out) == (3, "")
        assert said.err.count("\n") == 1
        assert "damaged, or no SQLite file" in said.err


def test_an_output_directory_that_cannot_be_made_is_trouble_in_one_line(desk: Desk) -> None:
    (desk.path / "malagate-out").write_text("a file")
    said = desk.says("queue", "add", "x-1")
    assert said.exit == 3
    assert "the store cannot be written" in said.err


def test_a_store_that_was_named_and_is_not_there_is_no_empty_one(desk: Desk) -> None:
    said = desk.says("queue", "list", "--store", "misspelt.db")
    assert said.exit == 3
    assert "there is no such file" in said.err
    status = desk.says("status", "--json", "--store", "misspelt.db")
    assert (status.exit, status.json["frozen"]) == (3, True)
    assert not (desk.path / "misspelt.db").exists()


def test_hostile_names_reach_no_terminal(desk: Desk) -> None:
    desk.does("queue", "add", "x-1 ::error::gotcha <!-- hidden -->")
    for argv in (["queue", "list"], ["status"], ["queue", "claim"]):
        out = desk.says(*argv).out
        assert "x-1" in out
        assert "::error" not in out
        assert "<!--" not in out
