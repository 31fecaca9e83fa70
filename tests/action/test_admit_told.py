"""Mode admit: who could not be told where they stand, and that nobody takes it for done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.action.office import Office


@pytest.fixture
def burning(armed: Office) -> tuple[Office, list[Any]]:
    """Pull requests that were told that they may land, and a freeze that none was told of."""
    pulls = [armed.pull(f"t{n}") for n in range(3)]
    armed.tick()
    armed.burns()
    return armed, pulls


def states(office: Office, pulls: list[Any]) -> list[str]:
    return [(office.status(pull.head_sha) or ("",))[0] for pull in pulls]


@pytest.mark.parametrize("which", range(3))
def test_a_sweep_that_could_not_tell_one_tells_the_others_and_is_no_success(
    burning: tuple[Office, list[Any]], which: int
) -> None:
    office, pulls = burning
    path = rf"/statuses/{pulls[which].head_sha}"
    office.twin.faults.add("500", method="POST", path=path, times=999)
    told = office.tick()
    assert (told.exit_code, told.outputs["frozen"]) == (3, "true")
    assert states(office, pulls).count("failure") == 2
    words = "1 pull request was not told where it stands"
    assert any(words in line and "500" in line for line in told.commands())
    assert words in told.summary
    office.twin.faults.clear()
    assert office.tick().exit_code == 0
    assert states(office, pulls) == ["failure"] * 3


def test_a_token_that_may_not_write_statuses_is_no_success(
    burning: tuple[Office, list[Any]],
) -> None:
    office, _ = burning
    rights = dict.fromkeys(("contents", "actions", "statuses"), "read")
    rights |= {"issues": "write", "pull-requests": "write"}
    bot = "github-actions[bot]"
    token = office.twin.token("t-read", office.repo, login=bot, permissions=rights)
    told = office.tick(token=token)
    assert told.exit_code == 3
    assert "3 pull requests were not told where they stand" in told.summary
    assert "403" in told.summary


def test_a_sweep_whose_budget_ended_is_a_success(burning: tuple[Office, list[Any]]) -> None:
    office, pulls = burning
    office.twin.advance(3601)  # another hour of the token's
    office.twin.rate_limit = 52  # of which it leaves fifty to others
    told = office.tick()
    assert told.exit_code == 0
    assert "3 left for the next sweep" in told.log
    assert "not told where" not in told.log
    assert "failure" not in states(office, pulls)


def test_whom_the_sweep_could_not_tell_his_own_job_tells(
    burning: tuple[Office, list[Any]],
) -> None:
    """A head that a sweep has told is the sweep's; one that it failed to tell is not."""
    office, pulls = burning
    office.twin.faults.add("500", method="POST", path=rf"/statuses/{pulls[0].head_sha}", times=4)
    office.tick()
    office.twin.faults.clear()
    for pull in pulls[:2]:
        before = len(office.twin.requests)
        assert office.asked(pull).exit_code == 4
        wrote = any("/statuses/" in line for line in office.writes(before))
        assert wrote is (pull is pulls[0])
    assert states(office, pulls) == ["failure"] * 3
