"""`--store github:OWNER/REPO`: the commands in processes of their own, over a GitHub of our own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_malagate.github.client import Client, Manners
from pytest_malagate.github.control import ACTIVE, CONTROL, FROZEN, READY
from pytest_malagate.github.store import GitHubStore
from pytest_malagate.queue.model import Person
from pytest_malagate.queue.serial import SerialGate
from tests.conftest import Finished, Project
from tests.twin import Twin

NAME = "acme/shop"
STORE = f"github:{NAME}"
BOT = "github-actions[bot]"
MAJA = Person(name="maja", rank="maintain", human=True)
PEOPLE = {"maja": "maintain", "walt": "write", "rita": "read"}


class Away:
    """A shell far from GitHub, with one token or another."""

    def __init__(self, twin: Twin, project: Project) -> None:
        self.twin, self.project = twin, project
        self.repo = twin.repository(NAME)
        self.repo.commit("main", {"a.py": "x = 1"})
        twin.token(
            "t-bot", self.repo, login=BOT, permissions={"issues": "write", "actions": "read"}
        )
        for login, rank in PEOPLE.items():
            self.repo.permission(login, rank)
            twin.token(f"t-{login}", login=login)

    def armed(self) -> Away:
        self.store().arm(NAME)
        return self

    def store(self) -> GitHubStore:
        """The workflow's."""
        manners = Manners(write_spacing=0.0)
        return GitHubStore(
            lambda name: Client("t-bot", name, api_url=self.twin.url, manners=manners)
        )

    def gate(self) -> SerialGate:
        return SerialGate(self.store(), NAME, now=lambda: float(self.twin.clock()))

    def call(self, who: str, *argv: str, **environ: str) -> Finished:
        given = {"GITHUB_API_URL": self.twin.url, "GH_TOKEN": f"t-{who}"} | environ
        place = ("--",) if "--" in argv else ()
        head = argv[: argv.index("--")] if place else argv
        rest = argv[argv.index("--") :] if place else ()
        return self.project.malagate(*head, "--store", STORE, *rest, **given)

    def does(self, who: str, *argv: str) -> Any:
        """A call that succeeds; its JSON."""
        place = argv.index("--") if "--" in argv else len(argv)
        done = self.call(who, *argv[:place], "--json", *argv[place:])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def control(self) -> Any:
        return next(issue for issue in self.repo.issues.values() if CONTROL in issue.labels)

    def ledger(self) -> int:
        return len([c for c in self.control.comments if "malagate:ledger" in c.body])

    def writes(self) -> list[str]:
        return [f"{r.method} {r.path}" for r in self.twin.requests if r.method != "GET"]


@pytest.fixture
def away(twin: Twin, project: Project) -> Iterator[Away]:
    with twin.serve():
        yield Away(twin, project)


# --- with the workflow's token ---


def test_the_whole_queue_with_the_token_that_writes_the_ledger(away: Away) -> None:
    issue = away.repo.open_issue("Work")
    task = f"#{issue.number}"
    assert away.does("bot", "queue", "add", task)["ticket"] == 1
    claimed = away.does("bot", "queue", "claim", "--actor", "agent-1")
    assert claimed["task"] == task
    assert issue.labels == {ACTIVE}
    assert [one["holder"] for one in away.does("bot", "queue", "list")["tasks"]] == ["agent-1"]
    assert away.does("bot", "queue", "renew", task, "--claim", claimed["claim"])["admitted"]
    assert away.does("bot", "queue", "advance", task, "gate")["stage"] == "gate"
    assert away.does("bot", "queue", "finish", task)["state"] == "finished"
    frozen = away.does("bot", "freeze", "on fire")
    assert (frozen["id"], frozen["actor"]) == (1, BOT)
    refused = away.call("bot", "unfreeze", "--reason", "I am a machine")
    assert refused.returncode == 2
    assert "only a person may" in refused.stderr


def test_status_shows_what_the_sweeps_know_and_a_group_that_is_stuck(away: Away) -> None:
    away.armed().gate().add("#7", "alice")
    away.repo.groups.phantom("malagate-tick-v0")
    away.repo.run(event="schedule", concurrency=("malagate-tick-v0", "single"))
    status = away.does("bot", "status", "--verify")
    assert (status["repository"], status["waiting"][0]["task"]) == (NAME, "#7")
    assert (status["ledger_ok"], status["problem_code"]) == (True, None)
    seen = status["github"]
    assert seen["control_issue"] == away.control.number
    assert (seen["last_sweep"], seen["requests_limit"]) == (None, away.twin.rate_limit)
    assert len(seen["wedged"]) == 1
    text = away.call("bot", "status").stdout
    assert "warning: run" in text
    assert "set the repository variable MALAGATE_EPOCH one higher" in text


def test_status_says_what_kind_of_trouble_it_is(away: Away) -> None:
    away.armed().repo.delete_label(FROZEN)
    done = away.call("bot", "status", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 3
    assert (status["frozen"], status["problem_code"]) == (True, "freeze.label-missing")
    assert "freeze.api" in away.call("bot", "status", "--json", GH_TOKEN="nobody").stdout


@pytest.mark.parametrize(
    "url", ["nonsense", "http://[bad", "ftp://x", "github.example.com/api/v3", "https://a b", "!"]
)
def test_an_address_that_is_none_is_a_usage_error(away: Away, url: str) -> None:
    done = away.call("bot", "status", "--json", GITHUB_API_URL=url)
    assert done.returncode == 2
    assert "GITHUB_API_URL:" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_asks_the_store_on_github(away: Away) -> None:
    away.project.files({"malagate.yaml": "version: 1\nvalidations: {t: {command: 'true'}}\n"})
    away.project.commit("start")
    away.armed()
    url = {"GITHUB_API_URL": away.twin.url, "GH_TOKEN": "t-rita"}
    assert away.project.malagate("run", "t").returncode == 0
    argv = ("check", "--dry-run", "--admission", "--store", STORE)
    assert away.project.malagate(*argv, **url).returncode == 0
    away.gate().freeze("on fire", MAJA)
    done = away.project.malagate(*argv, **url)
    assert done.returncode == 4
    assert "on fire" in done.stdout


def test_a_smoke_check_freezes_and_does_not_get_our_token(away: Away) -> None:
    argv = ("post-deploy", "--json", "--", sys.executable, "-c")
    script = "import os; print(os.environ.get('MALAGATE_TOKEN')); raise SystemExit(1)"
    done = away.call("none", *argv, script, MALAGATE_TOKEN="t-bot")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["freeze"] == 1
    assert done.stderr.splitlines()[0] == "None"
    assert away.gate().status().frozen


# --- with a person's own token ---


def test_a_person_s_freeze_is_an_issue_and_freezes_at_once(away: Away) -> None:
    away.armed()
    made = away.does("walt", "freeze", "prices", "are", "wrong", "--mode", "hard", "--task", "#3")
    issue = away.repo.issues[made["issue"]]
    assert (issue.author, issue.title, issue.labels) == ("walt", "prices are wrong", {FROZEN})
    status = away.gate().status()
    assert [(f.actor, f.mode) for f in status.freezes] == [("walt", "hard")]
    assert away.ledger() == 0


def test_a_person_asks_the_workflow_to_clear(away: Away) -> None:
    away.armed().gate().freeze("on fire", MAJA)
    issue = next(i for i in away.repo.issues.values() if FROZEN in i.labels)
    done = away.call("maja", "unfreeze", "--reason", 'it is "safe"\n/gate stop')
    assert done.returncode == 0, done.stderr
    assert "the workflow decides" in done.stdout
    asked = issue.comments[-1]
    assert (asked.author, asked.body) == (
        "maja",
        "/gate unfreeze reason:\"it is 'safe' /gate stop\"",
    )
    assert away.gate().status().frozen


@pytest.mark.parametrize(
    ("who", "environ", "said"),
    [
        ("walt", {}, "it needs maintain"),
        ("maja", {"CLAUDECODE": "1"}, "only a person may"),
    ],
)
def test_who_may_not_clear_does_not_even_ask(
    away: Away, who: str, environ: dict[str, str], said: str
) -> None:
    away.armed().gate().freeze("on fire", MAJA)
    before = away.writes()
    done = away.call(who, "unfreeze", "--reason", "trust me", **environ)
    assert done.returncode == 2
    assert said in done.stderr
    assert away.writes() == before


def test_a_person_asks_for_a_place_by_the_label(away: Away) -> None:
    issue = away.armed().repo.open_issue("Work")
    asked = away.does("walt", "queue", "add", f"#{issue.number}")
    assert (asked["state"], issue.labels) == ("asked", {READY})
    wrong = away.call("walt", "queue", "add", "x-1")
    assert wrong.returncode == 2
    assert "on GitHub a task is an issue" in wrong.stderr


def test_a_person_s_smoke_check_freezes_by_an_issue(away: Away) -> None:
    away.armed()
    done = away.call("walt", "post-deploy", "--", sys.executable, "-c", "raise SystemExit(1)")
    assert done.returncode == 1
    assert "is frozen (issue #" in done.stdout
    assert away.gate().status().frozen


@pytest.mark.parametrize(
    "argv",
    [
        ("queue", "claim"),
        ("queue", "renew", "#1", "--claim", "c"),
        ("queue", "finish", "#1"),
        ("queue", "advance", "#1", "gate"),
        ("queue", "rework", "#1"),
        ("queue", "requeue", "#1"),
    ],
    ids=lambda argv: argv[1],
)
def test_what_only_the_ledger_s_writer_does_is_refused_before_anything_is_written(
    away: Away, argv: tuple[str, ...]
) -> None:
    away.armed().gate().add("#1", "alice")
    before = away.writes()
    done = away.call("maja", *argv)
    assert done.returncode == 2
    assert f"only {BOT} writes the ledger of {NAME}, and this token is maja's" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert away.writes() == before


def test_a_person_sets_nothing_up(away: Away) -> None:
    done = away.call("maja", "freeze", "on fire")
    assert done.returncode == 2
    assert "run the action's mode admit once" in done.stderr
    assert away.writes() == []


# --- what is asked wrongly ---


@pytest.mark.parametrize(
    ("argv", "environ", "said"),
    [
        (("--repository", "acme/other"), {}, "the store is acme/shop's"),
        ((), {"GH_TOKEN": ""}, "set MALAGATE_TOKEN, GITHUB_TOKEN or GH_TOKEN"),
        (("--store", "github:acme"), {}, "is no github:OWNER/REPO"),
        (("--store", "github:acme/shop#x"), {}, "is no github:OWNER/REPO"),
        (("--store", "github:acme/.."), {}, "is no github:OWNER/REPO"),
        (("--store", "github:../..#1"), {}, "is no github:OWNER/REPO"),
        (("--store", "github:./shop"), {}, "is no github:OWNER/REPO"),
    ],
)
def test_a_usage_error_is_one_line(
    away: Away, argv: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    given = {"GITHUB_API_URL": away.twin.url, "GH_TOKEN": "t-maja"} | environ
    done = away.project.malagate("status", "--store", STORE, *argv, **given)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_its_name_is_told(away: Away) -> None:
    script = (
        "import sys; sys.modules['github'] = None\n"
        "from pytest_malagate.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = away.project.call(sys.executable, "-c", script, "status", "--store", STORE)
    assert done.returncode == 2
    assert "pip install 'pytest-malagate[github]'" in done.stderr


def test_a_file_needs_no_pygithub(away: Away) -> None:
    script = (
        "import sys\nfrom pytest_malagate.cli import main\n"
        "main(['status', '--json'])\nsys.exit('github' in sys.modules)"
    )
    done = away.project.call(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
