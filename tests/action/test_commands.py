"""`/gate …` in comments: who may, bound to what, answered how."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.action.commands import parse
from tests.action.stage import FAILING, PASSING, Stage

TAKEN = "tests/test_shop.py::test_gone"


@pytest.fixture
def failed(stage: Stage) -> Any:
    """A pull request of mallory's that was judged as failed once; alice may maintain."""
    for login, role in (("alice", "maintain"), ("bob", "write"), ("tim", "triage")):
        stage.repo.permission(login, role)
    pull = stage.opened()
    stage.gate(stage.tested(pull, tests=FAILING))
    return pull


def reactions(pull: Any) -> list[str]:
    """What was said to the newest command."""
    return [reaction.content for reaction in pull.comments[-1].reactions]


def standing(pull: Any) -> str:
    """Our comment."""
    body: str = pull.comments[0].body
    return body


def test_retry_begins_the_attempts_anew(stage: Stage, failed: Any) -> None:
    failed.push({"shop.py": "# 2\n"})
    assert stage.gate(stage.tested(failed, tests=FAILING)).outputs["attempt"] == "2"
    told = stage.say(failed, "bob", "/gate retry")
    assert (told.outputs["attempt"], reactions(failed)) == ("1", ["+1"])
    assert "`bob` | `/gate retry`" in standing(failed)
    failed.push({"shop.py": "# 3\n"})
    assert stage.gate(stage.tested(failed, tests=FAILING)).outputs["attempt"] == "2"


@pytest.mark.parametrize(
    ("author", "body", "why"),
    [
        ("tim", "/gate retry", "this needs the permission write, and tim has triage"),
        ("mallory", "/gate retry", "this needs the permission write, and mallory has read"),
        ("bob", '/gate accept coverage.total reason:"ok"', "this needs the permission maintain"),
        ("alice", '/gate accept tests.failed reason:"ok"', "tests.failed cannot be accepted"),
        ("alice", '/gate accept coverage.totl reason:"ok"', "there is no such code; did you mean"),
        ("alice", "/gate accept coverage.total", "it needs a reason"),
        ("alice", '/gate accept coverage.total reason:"  "', "it needs a reason"),
        ("alice", '/gate accept coverage.total abcdef1 reason:"x"', "the head is"),
        ("alice", "/gate retry 0123456789ab", "the head is"),
        ("alice", "/gate dance", "there are: /gate retry"),
        ("alice", "/gate stop now please", "/gate stop takes no such argument"),
    ],
)
def test_a_refusal_is_visible(stage: Stage, failed: Any, author: str, body: str, why: str) -> None:
    told = stage.say(failed, author, body)
    assert told.exit_code == 0
    assert reactions(failed) == ["-1"]
    assert f"refused: {why}" in told.log
    assert f"refused: {why[:40]}" in standing(failed)
    assert told.outputs["verdict"] == "fail"


def test_a_bot_cannot_retry_whatever_its_right(stage: Stage, failed: Any) -> None:
    stage.repo.permission("helpful[bot]", "admin")
    told = stage.say(failed, "helpful[bot]", "/gate retry")
    assert "only a person may say this" in told.log
    assert reactions(failed) == ["-1"]


def test_a_stranger_changes_nothing_but_gets_an_answer(stage: Stage, failed: Any) -> None:
    before = standing(failed)
    told = stage.say(failed, "eve", "/gate retry")
    assert reactions(failed) == ["-1"]
    assert standing(failed) == before
    assert told.requests <= 4


@pytest.mark.parametrize(
    "body",
    [
        "nice work",
        "see /gate retry",
        "> /gate retry",
        "/gateretry",
        "/gate-retry",
        "",
        "`/gate retry`",
    ],
)
def test_other_comments_cost_no_request(stage: Stage, failed: Any, body: str) -> None:
    told = stage.say(failed, "alice", body)
    assert (told.exit_code, told.requests) == (0, 0)


def test_a_comment_on_an_issue_is_no_command(stage: Stage) -> None:
    issue = stage.repo.open_issue(title="A wish", author="alice")
    told = stage.say(issue, "alice", "/gate retry")
    assert (told.exit_code, told.requests) == (0, 0)


def test_a_command_does_not_reach_a_head_that_was_pushed_after(stage: Stage, failed: Any) -> None:
    failed.push({"shop.py": "# sneaky\n"})
    stage.tested(failed, tests=FAILING)  # tested, but not judged yet
    told = stage.say(failed, "alice", "/gate retry")
    assert "was pushed after what was judged last" in told.log
    assert reactions(failed) == ["-1"]


def test_a_command_older_than_the_verdict_is_not_about_it(stage: Stage, failed: Any) -> None:
    comment = failed.comment(author="alice", body="/gate retry")
    failed.push({"shop.py": "# newer\n"})
    stage.twin.advance(60)
    stage.gate(stage.tested(failed, tests=FAILING))
    told = stage.act("issue_comment", stage.twin.event("issue_comment", comment=comment))
    assert "it was written before" in told.log


def test_stop_holds_until_somebody_says_retry(stage: Stage, failed: Any) -> None:
    told = stage.say(failed, "tim", "/gate stop")
    assert reactions(failed) == ["+1"]
    assert "retry.stopped" in told.codes
    failed.push({"shop.py": "# fixed\n"})
    told = stage.gate(stage.tested(failed))
    assert (told.outputs["verdict"], told.codes) == ("fail", ["retry.stopped"])
    assert "malagate:needs-human" in failed.labels
    told = stage.say(failed, "bob", "/gate retry")
    assert told.outputs["verdict"] == "pass"
    assert failed.labels == set()


def test_stop_cannot_be_outrun_by_a_push(stage: Stage, failed: Any) -> None:
    failed.push({"shop.py": "# quick\n"})
    stage.tested(failed)
    assert "retry.stopped" in stage.say(failed, "tim", "/gate stop").codes


def test_explain_says_what_the_reasons_mean_and_counts_nothing(stage: Stage, failed: Any) -> None:
    told = stage.say(failed, "mallory", "/gate explain")
    assert reactions(failed) == ["+1"]
    assert "What the reasons mean" in standing(failed)
    assert told.outputs["attempt"] == "1"
    failed.push({"shop.py": "# 2\n"})
    assert stage.gate(stage.tested(failed, tests=FAILING)).outputs["attempt"] == "2"


def test_an_acceptance_holds_for_its_head_alone(stage: Stage) -> None:
    stage.repo.permission("alice", "maintain")
    stage.landed(tests={**PASSING, TAKEN: "passed"})
    pull = stage.opened()
    told = stage.gate(stage.tested(pull))
    assert told.codes == ["integrity.tests-removed"]
    told = stage.say(pull, "alice", '/gate accept integrity.tests-removed reason:"obsolete"')
    assert told.outputs["verdict"] == "pass"
    assert "integrity.accepted" in told.warnings
    pull.push({"shop.py": "# more\n"})
    assert stage.gate(stage.tested(pull)).codes == ["integrity.tests-removed"]


def test_nobody_accepts_a_reason_of_their_own_change(stage: Stage) -> None:
    stage.repo.permission("mallory", "admin")
    stage.landed(tests={**PASSING, TAKEN: "passed"})
    pull = stage.opened()
    stage.gate(stage.tested(pull))
    told = stage.say(pull, "mallory", '/gate accept integrity.tests-removed reason:"me"')
    assert "of their own change" in told.log
    assert told.outputs["verdict"] == "fail"


@pytest.mark.parametrize(
    "body",
    [
        '/gate accept coverage.total reason:"::set-output name=x::y"',
        "/gate <img src=x onerror=alert(1)> `x` | y\n::error::z",
        "/gate retry \x1b[31m$(touch /tmp/x)",
        "/gate " + "a" * 5000,
    ],
)
def test_the_text_of_a_command_stays_text(stage: Stage, failed: Any, body: str) -> None:
    told = stage.say(failed, "alice", body)
    ours = ("::error file=", "::error title=", "::warning title=", "::warning file=")
    assert [line for line in told.commands() if not line.startswith(ours)] == []
    row = next(line for line in standing(failed).splitlines() if line.startswith("| `alice`"))
    assert row.count(" | ") == 3
    assert len(row) < 600


def test_a_command_is_read_from_the_first_line_alone() -> None:
    assert parse("/gate retry\n/gate stop") == parse("/gate retry")
    assert parse("thanks\n/gate retry") is None
