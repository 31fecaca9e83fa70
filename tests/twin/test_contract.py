"""That the comparison with GitHub's description can fail, and covers what the twin serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin import Repository, Twin, api, contract, render_issues
from tests.twin.conftest import Client
from tests.twin.routing import Incoming

UNDESCRIBED = ("/graphql", "/user")
"""GraphQL has a description of another kind; the excerpt holds what is a repository's."""
DESCRIBED = [one for one in api.ROUTES if one.template not in UNDESCRIBED]


@pytest.mark.parametrize("route", DESCRIBED, ids=lambda route: f"{route.method} {route.template}")
def test_every_route_is_in_githubs_description(route: object) -> None:
    paths = contract.read("openapi.json.gz")["paths"]
    assert route.method.lower() in paths[route.template]  # type: ignore[attr-defined]


def take(twin: Twin) -> str:
    """The violations so far, of which the fixture must not hear."""
    found = "\n".join(twin.violations)
    twin.violations.clear()
    return found


def test_an_answer_without_a_field_is_noticed(
    twin: Twin, repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.open_issue("one")
    whole = render_issues.issue

    def lacking(*args: object) -> dict[str, object]:
        return {key: value for key, value in whole(*args).items() if key != "title"}  # type: ignore[arg-type]

    monkeypatch.setattr(render_issues, "issue", lacking)
    client.get("/issues/1")
    assert '"title" is a required property' in take(twin)


def test_a_wrong_type_deep_in_a_list_is_noticed(
    twin: Twin, repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.open_issue("one")
    monkeypatch.setattr(render_issues, "reactions", lambda *_: {"total_count": "many"})
    client.get("/issues")
    assert "total_count" in take(twin)


def test_a_request_that_is_taken_but_not_described_is_noticed(
    twin: Twin, repo: Repository, client: Client
) -> None:
    client.get("/issues", params={"state": "opn"})
    assert "GET /repos/{owner}/{repo}/issues: request: state: " in take(twin)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"per_page": "many"}, 'per_page: "many" is not of type "integer"'),
        ({"lables": "bug"}, "lables: no such parameter"),
    ],
)
def test_a_parameter_that_github_would_not_read_is_noticed(
    twin: Twin, repo: Repository, client: Client, query: dict[str, str], told: str
) -> None:
    operation = contract.operation("/repos/{owner}/{repo}/issues", "GET")
    route = next(one for one in api.ROUTES if one.template.endswith("{repo}/issues"))
    arguments = {"owner": "acme", "repo": "shop"}
    incoming = Incoming("GET", "/repos/acme/shop/issues", query, b"", {})
    assert contract.asked(operation, route, arguments, incoming) == [told]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", ["a body is missing"]),
        (b'{"state": "success"}', []),
        (b'{"state": "succes", "description": null}', ['state: "succes" is not one of ']),
        (b'{"state": "success", "target_url": 7}', ["target_url: 7 is not of types "]),
    ],
)
def test_a_body_is_compared(body: bytes, told: list[str]) -> None:
    template = "/repos/{owner}/{repo}/statuses/{sha}"
    route = next(one for one in api.ROUTES if one.template == template)
    arguments = {"owner": "acme", "repo": "shop", "sha": "a" * 40}
    incoming = Incoming("POST", "/repos/acme/shop/statuses/a", {}, body, {})
    found = contract.asked(contract.operation(template, "POST"), route, arguments, incoming)
    assert len(found) == len(told)
    assert all(one.startswith(start) for one, start in zip(found, told, strict=True)), found


def test_a_failure_of_the_twin_is_noticed(
    twin: Twin, repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.open_issue("one")
    monkeypatch.setattr(render_issues, "issue", lambda *_: 1 / 0)
    assert client.get("/issues/1").status_code == 500
    assert "ZeroDivisionError" in take(twin)


def test_a_twin_need_not_be_compared(tmp_path: Path) -> None:
    twin = Twin(tmp_path, checked=False)
    repo = twin.repository("acme/shop")
    with twin.serve() as url, twin.serve() as again:
        assert url == again == twin.url
        client = Client(twin, repo, None)
        client.get("/issues", params={"state": "opn"})
        client.session.close()
    assert twin.violations == []
    assert twin.url == url, "a payload made afterwards still names the address that was served"
