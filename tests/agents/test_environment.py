"""What agents and validations have from the environment of the loop."""

from __future__ import annotations

import pytest

from pytest_malagate.agents.environment import inherited
from pytest_malagate.queue.local_person import machine_mark


@pytest.mark.parametrize(
    ("own", "given"),
    [({}, "1"), ({"AI_AGENT": "0"}, "1"), ({"CI": "1"}, "1"), ({"AI_AGENT": "a-name"}, "a-name")],
)
def test_what_an_agent_starts_is_known_to_be_no_person(own: dict[str, str], given: str) -> None:
    environ = inherited(own)
    assert environ["AI_AGENT"] == given
    assert machine_mark({"AI_AGENT": given}, ()) is not None
