"""What is shown of a verdict: written once, kept short, and never anybody else's words as markup."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pytest_malagate.github.comments import MARKER, MAX_BODY
from tests.action.stage import FAILING, TOTAL, Stage


def writes(stage: Stage) -> list[str]:
    return [f"{r.method} {r.path}" for r in stage.twin.requests if r.method != "GET"]


def test_an_unchanged_status_is_not_posted_again(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull, tests=FAILING)
    stage.gate(run)
    before = len(stage.repo.statuses(pull.head_sha))
    stage.gate(run)
    assert len(stage.repo.statuses(pull.head_sha)) == before


def test_the_comment_is_edited_in_place(stage: Stage) -> None:
    pull = stage.opened()
    stage.gate(stage.tested(pull, tests=FAILING))
    first = pull.comments[0].id
    pull.comment(author="bob", body="I see")
    pull.push({"shop.py": "# fixed\n"})
    stage.gate(stage.tested(pull))
    assert [c.id for c in pull.comments if c.body.startswith(MARKER)] == [first]
    assert "## malagate: passed" in pull.comments[0].body


def test_a_comment_that_somebody_deleted_is_written_anew(stage: Stage) -> None:
    pull = stage.opened()
    stage.gate(stage.tested(pull, tests=FAILING))
    pull.comments.clear()
    pull.push({"shop.py": "# 2\n"})
    stage.gate(stage.tested(pull, tests=FAILING))
    assert len(pull.comments) == 1


def test_a_person_s_comment_with_our_marker_is_left_alone(stage: Stage) -> None:
    pull = stage.opened()
    theirs = pull.comment(author="mallory", body=f"{MARKER}\n## malagate: passed")
    stage.gate(stage.tested(pull, tests=FAILING))
    assert theirs.body == f"{MARKER}\n## malagate: passed"
    assert len(pull.comments) == 2


def test_a_lost_state_does_not_make_a_second_comment(stage: Stage) -> None:
    pull = stage.opened()
    stage.gate(stage.tested(pull, tests=FAILING))
    for artifact in stage.repo.artifacts():
        artifact.gone = True
    pull.push({"shop.py": "# 2\n"})
    stage.gate(stage.tested(pull, tests=FAILING))
    assert len(pull.comments) == 1


def test_without_the_right_to_comment_the_verdict_is_still_the_status(stage: Stage) -> None:
    permissions = {"actions": "read", "contents": "read", "statuses": "write"}
    token = stage.twin.token("t-few", stage.repo, permissions=permissions)
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests=FAILING), token=token)
    assert told.exit_code == 0
    assert stage.status(pull.head_sha) is not None
    assert "not written: POST /issues/1/comments: GitHub answered 403" in told.log


def test_without_the_right_to_set_a_status_the_job_fails(stage: Stage) -> None:
    token = stage.twin.token("t-r", stage.repo, permissions={"actions": "read", "contents": "read"})
    pull = stage.opened()
    told = stage.gate(stage.tested(pull), token=token)
    assert told.exit_code == 3
    assert stage.status(pull.head_sha) is None


def test_ten_thousand_failures_fit(stage: Stage) -> None:
    tests = {f"tests/test_{n}.py::test_{'x' * 200}": "failed" for n in range(10_000)}
    messages = dict.fromkeys(tests, "boom " * 200)
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests=tests, messages=messages))
    assert len(pull.comments[0].body.encode()) <= MAX_BODY
    assert len(told.summary.encode()) < 1_000_000
    status = stage.status(pull.head_sha)
    assert status is not None
    assert len(status[1]) <= 140
    assert sum(line.startswith("::error") for line in told.commands()) == 10


def block_for_agents(body: str) -> dict[str, Any]:
    fence = re.search(r"^(`{3,})json\n(.*?)\n\1$", body, re.MULTILINE | re.DOTALL)
    assert fence is not None
    found: dict[str, Any] = json.loads(fence[2])
    return found


@pytest.mark.parametrize(
    "text",
    [
        "```\n</details>\n# owned",
        "`````",
        "</details><script>alert(1)</script>",
        "<!-- hidden --> @everyone fixes #1 ![x](http://evil)",
        "\n\n| a | b |\n|---|---|\n",
        "\x1b[31mred\x07 \u202e reversed \u2028 line",
        "::error::pwned\n::add-mask::x",
        "%0A::set-output name=passed::true",
        "##[error]x ##vso[task.setvariable]",
    ],
)
def test_a_message_stays_a_message(stage: Stage, text: str) -> None:
    pull = stage.opened()
    told = stage.gate(stage.tested(pull, tests=FAILING, messages={TOTAL: text}))
    ours = ("::error file=", "::error title=", "::warning title=")
    assert [line for line in told.commands() if not line.startswith(ours)] == []
    body = pull.comments[0].body
    assert block_for_agents(body)["verdict"] == "fail"
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", body, flags=re.DOTALL)
    for markup in ("<script", "# owned", "@everyone", "http://evil", "\x1b", "\u202e", "\u2028"):
        assert markup not in outside
    assert told.outputs["passed"] == "false"


def test_labels_that_people_put_on_stay(stage: Stage) -> None:
    pull = stage.opened()
    pull.add_label("bug")
    for number in (1, 2, 3):
        pull.push({"shop.py": f"# {number}\n"})
        stage.gate(stage.tested(pull, tests=FAILING))
    assert "bug" in pull.labels
    pull.push({"shop.py": "# fixed\n"})
    stage.gate(stage.tested(pull))
    assert pull.labels == {"bug"}


def test_nothing_is_written_twice_in_one_evaluation(stage: Stage) -> None:
    stage.gate(stage.tested(stage.opened(), tests=FAILING))
    assert len(writes(stage)) == len(set(writes(stage))) == 2
