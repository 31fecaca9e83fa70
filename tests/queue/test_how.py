"""What people are told to do next works where they are told it, as it is written."""

from __future__ import annotations

import shlex

import pytest

from pytest_malagate.queue.how import How


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (How(), ["malagate", "queue", "finish", "#2"]),
        (
            How(option=" --store 'my state.db'"),
            ["malagate", "queue", "finish", "--store", "my state.db", "#2"],
        ),
    ],
)
def test_a_command_names_its_store_and_survives_a_shell(how: How, words: list[str]) -> None:
    assert shlex.split(how.finish("#2"), comments=True) == words
    assert shlex.split(how.clear(3), comments=True)[1:2] == ["unfreeze"]
    assert how.clear(3).endswith(" 3 --reason WHY")
    assert how.clear().removesuffix(" --reason WHY").endswith(how.option or "unfreeze")


def test_on_github_people_act_by_its_own_parts() -> None:
    how = How(on_github=True)
    assert "malagate " not in " ".join([how.clear(), how.clear(1), how.finish("#2"), how.claim()])
