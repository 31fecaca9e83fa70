"""A clear lifts what stood when it was asked for, however late its job runs and who runs it again."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_malagate.action import clearing
from pytest_malagate.action.entry import main
from pytest_malagate.github.control import FROZEN
from tests.action import stage as stage_module
from tests.action.office import CLEAR, COMMANDS, QUEUE_YML, Office
from tests.action.stage import Told
from tests.twin import Comment, Run
from tests.twin.clock import iso

DAY = 86_400
FREEZE = '/gate freeze reason:"it burns"'
LATER = "set after this was said: freeze "


class Asked:
    """An event, and the run that it began, which anybody who may write can run again."""

    def __init__(self, office: Office, event: str, payload: dict[str, Any], **inputs: str) -> None:
        self.office, self.event, self.payload, self.inputs = office, event, payload, inputs
        self.run: Run = office.repo.run(workflow=QUEUE_YML, event=event, concurrency=COMMANDS)

    def obeyed(self) -> Told:
        if self.run.status == "completed":
            self.run.rerun(actor="walt")
        return self.office.act(self.event, self.payload, run=self.run, **self.inputs)


def commented(office: Office, comment: Comment, **inputs: str) -> Asked:
    payload = office.twin.event("issue_comment", comment=comment)
    return Asked(office, "issue_comment", payload, **inputs)


def dispatched(office: Office) -> Asked:
    payload = office.twin.event("workflow_dispatch", repo=office.repo, actor="maja")
    return Asked(office, "workflow_dispatch", payload, mode="unfreeze", reason="rolled back")


def test_a_clear_that_is_run_again_leaves_a_newer_freeze(armed: Office) -> None:
    armed.freeze("first")
    comment = armed.control.comment(author="maja", body=CLEAR)
    asked = commented(armed, comment)
    assert asked.obeyed().outputs["frozen"] == "false"
    armed.twin.advance(DAY)
    armed.freeze("second, a day later")
    told = asked.obeyed()
    assert (told.exit_code, told.outputs["frozen"]) == (0, "true"), told.log
    assert f"Refused: {LATER}2; look at it and say it again" in told.log
    assert [one.content for one in comment.reactions] == ["+1", "-1"]
    assert armed.frozen


def test_a_run_of_the_mode_that_is_run_again_leaves_a_newer_freeze(armed: Office) -> None:
    armed.freeze("first")
    asked = dispatched(armed)
    assert asked.obeyed().outputs["frozen"] == "false"
    armed.twin.advance(DAY)
    armed.freeze("second, a day later")
    told = asked.obeyed()
    assert (told.exit_code, told.outputs["frozen"]) == (2, "true"), told.log
    assert f"{LATER}2" in told.log
    assert armed.frozen


def test_a_clear_that_waited_leaves_what_was_set_in_between(armed: Office) -> None:
    armed.freeze("first")
    asked = commented(armed, armed.control.comment(author="maja", body=CLEAR))
    armed.burns()
    armed.freeze("third")
    told = asked.obeyed()
    assert told.outputs["frozen"] == "true", told.log
    said = armed.control.comments[-1].body.replace("\\", "")
    assert said.startswith("Cleared by maja: freeze 1. ")
    assert f"Not cleared: {LATER}2, 3; look at it and say it again. " in said
    assert "Still standing: 2, 3." in said
    assert armed.say(armed.control, "maja", CLEAR).outputs["frozen"] == "false"


def test_a_clear_that_failed_may_be_run_again(armed: Office) -> None:
    armed.freeze()
    asked = commented(armed, armed.control.comment(author="maja", body=CLEAR))
    armed.twin.faults.add("502", times=60, path="/collaborators/")
    assert asked.obeyed().exit_code == 3
    armed.twin.faults.clear()
    assert asked.obeyed().outputs["frozen"] == "false"


@pytest.mark.parametrize(("seconds", "clears"), [(0, False), (1, True)])
def test_what_was_set_in_the_same_second_counts_as_later(
    armed: Office, seconds: int, clears: bool
) -> None:
    issue = armed.burns()
    at = armed.twin.clock()
    asked = commented(armed, issue.comment(author="maja", body=CLEAR))
    asked.payload["comment"]["created_at"] = iso(at + seconds)
    assert asked.obeyed().outputs["frozen"] == str(not clears).lower()


def test_a_label_that_was_put_on_again_is_a_later_freeze(armed: Office) -> None:
    issue = armed.burns()
    armed.tick()
    asked = commented(armed, issue.comment(author="maja", body=CLEAR))
    issue.remove_label(FROZEN, armed.twin.user("tina"))
    issue.add_label(FROZEN, armed.twin.user("tina"))
    assert LATER in asked.obeyed().log
    assert armed.frozen


def test_a_freeze_that_was_put_back_is_no_later_one(armed: Office) -> None:
    issue = armed.freeze()
    asked = commented(armed, issue.comment(author="maja", body=CLEAR))
    issue.close(by="walt")
    armed.told_of(issue, "closed", actor="walt")
    assert FROZEN in issue.labels
    assert asked.obeyed().outputs["frozen"] == "false"


def test_a_clock_that_is_slow_makes_no_freeze_an_older_one(
    armed: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = commented(armed, armed.control.comment(author="maja", body=CLEAR))

    def slow(environ: Any, **given: Any) -> int:
        return main(environ, **{**given, "now": lambda: armed.twin.clock() - DAY})

    with monkeypatch.context() as patch:
        patch.setattr(stage_module, "main", slow)
        armed.freeze()
    assert LATER in asked.obeyed().log
    assert armed.frozen


def test_a_label_that_no_event_explains_as_yet_counts_as_later(
    armed: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = armed.burns()
    armed.tick()
    with monkeypatch.context() as patch:
        patch.setattr(clearing, "label_events", lambda *_: [])
        assert LATER in armed.say(issue, "maja", CLEAR).log
    assert armed.frozen


@pytest.mark.parametrize("by", ["comment", "run"])
def test_where_it_cannot_be_told_when_it_was_said_nothing_is_cleared(
    armed: Office, by: str
) -> None:
    armed.freeze()
    if by == "comment":
        asked = commented(armed, armed.control.comment(author="maja", body=CLEAR))
        asked.payload["comment"]["created_at"] = ""
    else:
        asked = dispatched(armed)
        armed.twin.faults.add("502", times=60, path=r"/actions/runs/\d+$")
    told = asked.obeyed()
    assert (told.exit_code, told.outputs["frozen"]) == (3, "true"), told.log
    armed.twin.faults.clear()
    assert armed.frozen


def test_a_rearm_is_not_run_again_and_a_freeze_may_be(armed: Office) -> None:
    asked = commented(armed, armed.control.comment(author="tina", body=FREEZE))
    asked.obeyed()
    armed.say(armed.control, "maja", CLEAR)
    assert not armed.frozen
    assert asked.obeyed().outputs["frozen"] == "true"

    rearm = commented(armed, armed.control.comment(author="ada", body='/gate rearm reason:"x"'))
    rearm.obeyed()
    page = next(c for c in armed.control.comments if c.body.startswith("<!-- malagate:ledger"))
    page.delete()
    assert armed.tick().exit_code == 3
    told = rearm.obeyed()
    assert "Refused: a job that is run again begins no ledger anew: say it again" in told.log
    assert armed.tick().exit_code == 3
    assert armed.say(armed.control, "ada", '/gate rearm reason:"x"').exit_code == 0
    assert armed.tick().exit_code == 0
