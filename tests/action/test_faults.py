"""No fault makes a wrong success, a second comment or a lost attempt, whichever request it meets.

These are a few hundred of the disturbed evaluations; `python -m tests.action.faults` makes all.
"""

from __future__ import annotations

from functools import cache

import pytest

from pytest_malagate.github.client import Client, GitHubError, Manners
from pytest_malagate.github.comments import MARKER, speak
from tests.action.faults import (
    FOREVER,
    KINDS,
    RETRY,
    STORIES,
    Telling,
    examine,
    scene,
    tell,
    troubles,
)
from tests.action.stage import FAILING, Stage
from tests.twin import Twin


@cache
def calm(story: str) -> Telling:
    """A story without trouble."""
    with scene() as made:
        return tell(made, story, None)


@pytest.mark.parametrize("kind", KINDS)
def test_one_fault_at_a_request_spoils_nothing(kind: str) -> None:
    story = "later, failing"
    every = list(troubles(calm(story), kinds=[kind], lasting=[False], lagging=[False]))
    assert len(every) >= 12
    chosen = every[KINDS.index(kind) % 3 :: 3]  # neighbouring kinds take the other requests
    with scene() as made:
        findings = examine(made, story, calm(story), chosen, brief=True)
    assert findings.wrong == []


@pytest.mark.parametrize("story", STORIES)
def test_a_fault_spoils_no_story(story: str) -> None:
    """Of the many troubles each 251st, so that kinds, places and whether it lasts are mixed."""
    chosen = list(troubles(calm(story)))[5::251]
    assert len({trouble.kind for trouble in chosen}) >= 3
    with scene() as made:
        findings = examine(made, story, calm(story), chosen)
    assert findings.wrong == []


def test_the_stories_are_told_as_they_are_meant() -> None:
    told = {story: calm(story).at_once for story in STORIES}
    assert {story for story, heard in told.items() if heard.verdict == "pass"} == {
        "first, passing",
        "later, passing",
    }
    attempts = {story: told[story].attempt for story in ("later, failing", "exhausted", RETRY)}
    assert attempts == {"later, failing": "2", "exhausted": "3", RETRY: "1"}
    assert told["unchanged"].posted == ()
    assert all(heard.requests >= 12 and heard.downloads >= 2 for heard in told.values())


def test_a_page_that_is_no_answer_is_no_written_status(stage: Stage) -> None:
    pull = stage.opened()
    stage.twin.faults.add("html", method="POST", path="/statuses/")
    told = stage.gate(stage.tested(pull, tests=FAILING))
    assert told.exit_code == 0
    assert stage.status(pull.head_sha) is not None


def test_a_status_that_another_run_wrote_over_ours_is_set_right(stage: Stage) -> None:
    pull = stage.opened()
    run = stage.tested(pull)
    stage.gate(run)
    stage.twin.faults.add("unauthorized", path="/pulls")
    assert stage.gate(run).exit_code == 3
    status = stage.status(pull.head_sha)
    assert status is not None and status[0] == "error"
    stage.gate(run)
    status = stage.status(pull.head_sha)
    assert status is not None and status[0] == "success"


@pytest.mark.parametrize("kind", ["not-found", "empty", "html", "malformed"])
def test_a_policy_that_could_not_be_read_is_not_the_default_policy(kind: str) -> None:
    with scene() as made:
        pull = made.opened()
        run = made.tested(pull, lint=False)
        made.twin.faults.add(kind, times=FOREVER, path=r"/contents/malagate\.yaml")
        told = made.stage.gate(run)
        assert told.outputs["verdict"] == "inconclusive"
        assert "machinery.github" in told.codes


def test_a_repository_without_a_policy_is_judged_by_the_default_one(twin: Twin) -> None:
    stage = Stage(twin)
    stage.repo.commit("main", {"malagate.yaml": None}, message="no policy")
    told = stage.gate(stage.tested(stage.opened()))
    assert (told.outputs["verdict"], told.result["policy"]["source"]) == ("pass", "default")


def test_a_policy_in_pyproject_is_found(twin: Twin) -> None:
    text = "[tool.malagate]\nversion = 1\n[tool.malagate.validations]\n"
    text += 'tests = {kind = "test"}\nlint = {command = "ruff check ."}\n'
    stage = Stage(twin)
    stage.repo.commit("main", {"malagate.yaml": None, "pyproject.toml": text}, message="policy")
    told = stage.gate(stage.tested(stage.opened()))
    assert told.codes == ["evidence.missing"]
    assert told.result["policy"]["source"].endswith(":pyproject.toml")


def test_a_second_comment_that_a_lagging_list_led_to_is_deleted_later(stage: Stage) -> None:
    pull = stage.opened()
    twin, body = stage.twin, f"{MARKER}\nhello"
    client = Client(
        stage.token,
        "acme/shop",
        api_url=twin.url,
        manners=Manners(write_spacing=0, sleep=twin_wait),
    )
    twin.lag(FOREVER)
    twin.faults.add("applied-502", method="POST", path="/comments")
    with pytest.raises(GitHubError) as raised:
        speak(client, pull.number, body, None)
    assert raised.value.uncertain
    spoken = speak(client, pull.number, body, None, doubtful=True)  # the list lags all this time
    assert len(pull.comments) == 2
    assert speak(client, pull.number, body, spoken, doubtful=True) == spoken  # and still
    twin.lag(0)
    speak(client, pull.number, body, spoken, doubtful=True)
    assert len(pull.comments) == 1
    client.close()


def twin_wait(seconds: float) -> None:
    """Nothing on the twin needs time."""
