"""A wired client sees what one over HTTP sees, and processes take turns as they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pytest_malagate.github.client import Client, GitHubError, Manners
from pytest_malagate.github.records import Issue, Label
from tests.twin import Repository, Twin
from tests.twin.faults import Faults
from tests.twin.scheduler import Died, Once, Turns, WiredClient

MANNERS = Manners(write_spacing=0.0, timeout=1, patience=0.0, sleep=lambda _: None)


@pytest.fixture
def repo(twin: Twin) -> Repository:
    made = twin.repository("acme/shop")
    made.commit("main", {"a.py": ""})
    twin.token("t", made, permissions={"issues": "write"})
    return made


@pytest.fixture(params=["http", "wire"])
def client(request: pytest.FixtureRequest, twin: Twin, repo: Repository) -> Iterator[Client]:
    made = (
        Client("t", "acme/shop", api_url=twin.url, manners=MANNERS, remember=True)
        if request.param == "http"
        else WiredClient(twin, "t", "acme/shop", manners=MANNERS, remember=True)
    )
    yield made
    made.close()


def test_it_reads_and_writes_and_remembers(repo: Repository, client: Client) -> None:
    issue = repo.open_issue("Grüße", labels=("a b",))
    for _ in range(2):
        assert client.get("/issues/1", Issue).title == "Grüße"
    assert (client.unchanged, client.remaining is not None) == (1, True)
    client.write("DELETE", "/issues/1/labels/a%20b", kind=list[Label])
    assert issue.labels == set()
    for number in range(101):
        repo.open_issue(f"issue {number}")
    assert sum(len(page) for page in client.pages("/issues", list[Issue])) == 102


def test_it_follows_what_has_moved(twin: Twin, repo: Repository, client: Client) -> None:
    other = twin.repository("acme/other")
    other.open_issue("first")
    repo.transfer(repo.open_issue("moved"), other)
    assert client.get("/issues/1", Issue).number == 2


@pytest.mark.parametrize("kind", [kind for kind in Faults.KINDS if kind != "timeout"])
def test_every_fault_is_the_same(twin: Twin, repo: Repository, client: Client, kind: str) -> None:
    twin.faults.add(kind)
    issue = repo.open_issue("one")
    with pytest.raises(GitHubError) as caught:
        client.create("/issues/1/comments", {"body": "hello"}, Issue)
    assert len(issue.comments) == (kind in Faults.APPLIED)
    refused = kind in ("unauthorized", "forbidden", "not-found", "secondary", "primary")
    assert caught.value.uncertain is not (refused or kind.startswith("429"))
    assert twin.requests[-1].fault == kind


def test_no_answer_in_time_is_uncertain(twin: Twin, repo: Repository) -> None:
    twin.faults.add("timeout")
    with pytest.raises(GitHubError, match="did not answer in time") as caught:
        WiredClient(twin, "t", "acme/shop", manners=MANNERS).create("/issues", {}, Issue)
    assert caught.value.uncertain


def test_something_happens_before_a_request_and_once(twin: Twin, repo: Repository) -> None:
    issue = repo.open_issue("one")
    once = Once(issue.close, method="GET", path=r"/issues/1$", nth=2)
    client = WiredClient(twin, "t", "acme/shop", before=once, manners=MANNERS)
    client.get("/issues", list[Issue])
    states = []
    for _ in range(3):
        states.append(client.get("/issues/1", Issue).state)
        issue.reopen() if once.done else None
    assert states == ["open", "closed", "open"]


def test_processes_take_turns_and_one_s_death_is_its_own() -> None:
    said: list[str] = []
    turns = Turns(lambda living: living[len(said) % len(living)])

    def process(name: str, dies: bool) -> Callable[[], None]:
        def live() -> None:
            for number in range(3):
                turns.pause(name)
                said.append(f"{name}{number}")
                if dies:
                    raise Died

        return live

    turns.run({"a": process("a", False), "b": process("b", True)})
    assert sorted(said) == ["a0", "a1", "a2", "b0"]
    assert said.index("b0") < 3, "it came in between"


def test_what_breaks_a_process_is_told() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Turns(lambda living: living[0]).run({"a": broken})
