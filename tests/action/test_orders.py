"""Commands of queue and freeze in comments: what is one, who takes it up, and that it is answered."""

from __future__ import annotations

import pytest

from pytest_malagate.action.commands import parse
from pytest_malagate.action.orders import parse_order
from tests.action.office import CLEAR, Office
from tests.action.stage import ALONE, GATE_YML, Told
from tests.twin import Issue

COMMANDS_YML = ".github/workflows/malagate-commands.yml"
FREEZE = '/gate freeze reason:"it burns"'
MISTYPED = [
    "/gate freeze",
    "/gate freeze: the db burns",
    '/gate freeze, reason:"x"',
    "/gate freeze the db burns",
    '/gate freeze-all reason:"x"',
    '/gate freeze reason: "it burns"',
    "/gate freeze reason:“it burns”",
    '/gate freeze reason:"x"mode:hard',
    '/gate freeze reason:"x" reason:"y"',
    '/gate freeze reason:"x" mode:hard mode:drain',
    '/gate freeze reason:"x" mode:soft',
    '/gate freeze reason:"x" please',
    "/Gate Freeze now",
]


@pytest.mark.parametrize(
    ("body", "kind", "mode"),
    [
        (FREEZE, "freeze", None),
        ('/Gate Freeze reason:"it burns"', "freeze", None),
        ('/gate  \tfreeze\treason:"it burns"', "freeze", None),
        ('/gate\u00a0freeze\u00a0reason:"it burns"', "freeze", None),
        ('/gate freeze mode:hard reason:"it burns"', "freeze", "hard"),
        ('/gate freeze reason:"it burns" mode:drain  \r\nplease', "freeze", "drain"),
        ('/GATE unfreeze reason:"it burns"', "unfreeze", None),
        ('\n/gate rearm reason:"it burns"', "rearm", None),
    ],
)
def test_a_command_is_told_by_its_words_whatever_their_case_and_blanks(
    body: str, kind: str, mode: str | None
) -> None:
    order = parse_order(body)
    assert order is not None
    assert (order.kind, order.mode, order.reason, order.wrong) == (kind, mode, "it burns", "")


@pytest.mark.parametrize("body", MISTYPED)
def test_whatever_begins_like_a_command_is_one_if_only_a_wrong_one(body: str) -> None:
    order = parse_order(body)
    assert order is not None
    assert order.kind == "freeze"
    assert order.wrong == 'it is written /gate freeze reason:"…" [mode:drain|pause|hard]'
    assert parse(body) is None, "the gate leaves it alone"


@pytest.mark.parametrize(
    "body",
    [
        *("thanks", "> /gate unfreeze", "/gate unfreezes", "/gatefreeze", "/gate retry", ""),
        *("/gate freezer", "/gate freeze_it", "/gate\nfreeze", 'x /gate freeze reason:"x"'),
    ],
)
def test_what_is_no_command_of_these_is_none(body: str) -> None:
    assert parse_order(body) is None


def reactions(issue: Issue) -> list[str]:
    return [one.content for comment in issue.comments for one in comment.reactions]


def verdictless(told: Told) -> bool:
    return "verdict" not in told.outputs


@pytest.mark.parametrize("mode", ["auto", "freeze", "unfreeze"])
@pytest.mark.parametrize("body", ["/gate freeze: the db burns", '/Gate freeze, reason:"x"'])
def test_a_mistyped_freeze_is_answered_and_no_change_is_judged(
    armed: Office, body: str, mode: str
) -> None:
    pull = armed.pull()
    armed.stage.gate(armed.stage.tested(pull))
    before = len(armed.repo.all_statuses)
    told = armed.say(pull, "tina", body, mode=mode, workflow=COMMANDS_YML)
    assert told.exit_code == 0, told.log
    assert pull.comments[-1].body.startswith("Refused: it is written")
    assert reactions(pull)[-1:] == ["-1"]
    assert verdictless(told)
    assert len(armed.repo.all_statuses) == before


@pytest.mark.parametrize("body", ["thanks for the freeze", "/gate freezer", "/gate retry"])
@pytest.mark.parametrize("mode", ["freeze", "unfreeze"])
def test_the_commands_job_neither_answers_nor_judges_what_is_none_of_its(
    armed: Office, mode: str, body: str
) -> None:
    pull = armed.pull()
    armed.stage.gate(armed.stage.tested(pull))
    since, said = len(armed.twin.requests), len(pull.comments)
    told = armed.say(pull, "maja", body, mode=mode, workflow=COMMANDS_YML)
    assert (told.exit_code, verdictless(told)) == (0, True), told.log
    assert "holds no command of queue and freeze" in told.log
    assert (armed.writes(since), len(pull.comments)) == ([], said + 1)


@pytest.mark.parametrize("body", [FREEZE, '/Gate  Freeze reason:"it burns"'])
def test_of_two_workflows_that_a_comment_starts_one_obeys(armed: Office, body: str) -> None:
    """The gate's starts for every `/gate` on a pull request, too; it names its mode."""
    pull = armed.pull()
    comment = pull.comment(author="tina", body=body)
    payload = armed.twin.event("issue_comment", comment=comment)
    told = armed.act("issue_comment", payload, mode="freeze", workflow=COMMANDS_YML, alone=None)
    assert told.outputs["frozen"] == "true", told.log
    said = len(pull.comments)
    judged = armed.act("issue_comment", payload, mode="gate", workflow=GATE_YML, alone=ALONE)
    assert judged.exit_code == 0
    assert "the comment holds no command" in judged.log
    assert len(pull.comments) == said
    assert [one.content for one in comment.reactions] == ["+1"]


# --- what fails is answered, too ---


@pytest.mark.parametrize("body", [FREEZE, CLEAR, '/gate rearm reason:"looked at it"'])
def test_a_command_that_failed_is_answered_and_the_job_is_red(armed: Office, body: str) -> None:
    armed.freeze()
    before = len(armed.repo.issues)
    armed.twin.faults.add("502", times=60, path="/collaborators/")
    told = armed.say(armed.control, "ada", body)
    assert told.exit_code == 3, told.log
    asked, answered = armed.control.comments[-2:]
    assert [one.content for one in asked.reactions] == ["-1"]
    assert answered.body.startswith("Could not be done: ")
    assert "nothing was changed as far as known; say it again" in answered.body
    assert (told.outputs["frozen"], told.outputs["admitted"]) == ("true", "false")
    assert len(armed.repo.issues) == before


def test_a_clear_that_could_not_read_the_freezes_failed_and_was_not_refused(armed: Office) -> None:
    issue = armed.freeze()
    armed.twin.faults.add("502", times=60, method="GET", path="/labels/")
    told = armed.say(issue, "maja", CLEAR)
    assert told.exit_code == 3, told.log
    assert issue.comments[-1].body.startswith("Could not be done: ")


def test_a_clear_of_which_nobody_can_tell_whose_change_it_is_about_failed(armed: Office) -> None:
    task = armed.repo.open_issue("Prices")
    armed.say(task, "tina", FREEZE)
    armed.twin.faults.add("502", times=60, path="/pulls")
    told = armed.say(armed.control, "maja", CLEAR)
    assert (told.exit_code, told.outputs["frozen"]) == (3, "true"), told.log
    assert armed.control.comments[-1].body.startswith("Could not be done: ")


@pytest.mark.parametrize("trouble", ["outage", "policy"])
def test_a_command_that_could_not_even_begin_is_answered(armed: Office, trouble: str) -> None:
    issue = armed.freeze()
    if trouble == "outage":
        armed.twin.faults.add("502", times=60, path="/contents/")
    else:
        armed.repo.commit("main", {"malagate.yaml": "version: [\n"})
    told = armed.say(issue, "maja", CLEAR)
    assert told.exit_code == (3 if trouble == "outage" else 2), told.log
    assert issue.comments[-1].body.startswith("Could not be done: ")
    assert told.outputs["frozen"] == "true"


def test_that_it_cannot_be_answered_either_changes_nothing_else(armed: Office) -> None:
    armed.freeze()
    for path in ("/collaborators/", "/reactions"):
        armed.twin.faults.add("502", times=60, path=path)
    told = armed.say(armed.control, "maja", CLEAR)
    assert told.exit_code == 3
    assert "not written" in told.log
    assert "Traceback" not in told.log
