"""Each kind of fault as a client sees it, and whether a write took effect."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.twin import Issue, Repository, Twin
from tests.twin.conftest import Client
from tests.twin.faults import Faults

ANSWERS = {
    "500": 500, "502": 502, "503": 503, "504": 504, "secondary": 403, "primary": 403, "429": 429,
    "429-after": 429, "html": 200, "malformed": 200, "applied-502": 502, "unauthorized": 401,
    "forbidden": 403, "not-found": 404, "empty": 200,
}  # fmt: skip
BREAKS = {
    "timeout": requests.ReadTimeout,
    "reset": requests.ConnectionError,
    "applied-reset": requests.ConnectionError,
    "truncated": requests.exceptions.ChunkedEncodingError,
}


@pytest.fixture
def issue(repo: Repository) -> Issue:
    return repo.open_issue("one")


def test_every_kind_has_a_test() -> None:
    assert sorted(Faults.KINDS) == sorted({**ANSWERS, **BREAKS})


def patience(kind: str) -> float:
    """Short only where the client has to give up; elsewhere a slow machine is no fault."""
    return 0.3 if kind == "timeout" else 30


def comment(client: Client, kind: str = "") -> requests.Response:
    return client.post("/issues/1/comments", {"body": "hello"}, timeout=patience(kind))


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_fault_that_answers(twin: Twin, issue: Issue, client: Client, kind: str) -> None:
    fault = twin.faults.add(kind)
    answer = comment(client)
    assert answer.status_code == ANSWERS[kind]
    assert bool(issue.comments) == (kind in Faults.APPLIED)
    assert (twin.requests[-1].fault, twin.requests[-1].status) == (kind, ANSWERS[kind])
    assert fault.over and twin.faults.pending == []
    assert comment(client).status_code == 201


@pytest.mark.parametrize("kind", BREAKS)
def test_a_fault_that_breaks_the_connection(
    twin: Twin, issue: Issue, client: Client, kind: str
) -> None:
    twin.faults.add(kind)
    with pytest.raises(BREAKS[kind]):
        comment(client, kind)
    assert bool(issue.comments) == (kind in Faults.APPLIED)
    assert twin.requests[-1].fault == kind
    assert comment(client).status_code == 201


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        (
            "secondary",
            lambda it: it.headers["Retry-After"] == "1" and "secondary" in it.json()["message"],
        ),
        ("primary", lambda it: it.headers["X-RateLimit-Remaining"] == "0"),
        ("primary", lambda it: int(it.headers["X-RateLimit-Reset"]) > 1_700_000_000),
        ("429", lambda it: "Retry-After" not in it.headers),
        ("429-after", lambda it: it.headers["Retry-After"] == "1"),
        ("html", lambda it: it.headers["Content-Type"].startswith("text/html")),
        ("empty", lambda it: it.content == b""),
        ("forbidden", lambda it: "not accessible by integration" in it.json()["message"]),
    ],
)
def test_how_a_fault_shows(
    twin: Twin, issue: Issue, client: Client, kind: str, holds: Callable[[requests.Response], bool]
) -> None:
    twin.faults.add(kind)
    assert holds(client.get("/issues/1"))


def test_a_malformed_answer_is_no_json(twin: Twin, issue: Issue, client: Client) -> None:
    twin.faults.add("malformed")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        client.get("/issues/1").json()


def test_the_server_gives_up_too(twin: Twin, issue: Issue, client: Client) -> None:
    twin.timeout_seconds = 0.05
    twin.faults.add("timeout")
    with pytest.raises(requests.ConnectionError, match="Remote end closed"):
        client.get("/issues/1")


def test_a_fault_waits_for_its_turn(twin: Twin, issue: Issue, client: Client) -> None:
    twin.faults.add("502", nth=2, times=2, method="GET", path=r"/issues/\d+$")
    twin.faults.add("503", path="labels")
    codes = [client.get("/issues/1").status_code for _ in range(2)]
    codes += [client.get("/issues").status_code, comment(client).status_code]
    codes += [client.get("/issues/1").status_code for _ in range(2)]
    assert codes == [200, 502, 200, 201, 502, 200]
    assert [fault.kind for fault in twin.faults.pending] == ["503"]
    twin.faults.clear()
    assert client.get("/labels").status_code == 200


@pytest.mark.parametrize("kind", sorted(Faults.KINDS))
def test_the_other_host_has_faults_of_its_own(
    twin: Twin, repo: Repository, client: Client, kind: str
) -> None:
    artifact = repo.run(event="push").artifact("state", {"x": b"1" * 100})
    twin.faults.add(kind, host="blob")
    location = client.get(f"/actions/artifacts/{artifact.id}/zip").headers["Location"]
    with requests.Session() as session:
        session.trust_env = False
        try:
            first = session.get(location, timeout=patience(kind))
        except requests.RequestException as error:
            assert kind in BREAKS, error
        else:
            assert (first.status_code, first.content != artifact.data) == (ANSWERS[kind], True)
        assert session.get(location, timeout=30).content == artifact.data
