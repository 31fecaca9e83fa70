"""Which artifact is meant, and how its bytes are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_malagate.github import artifacts
from pytest_malagate.github.archive import ArtifactError
from pytest_malagate.github.artifacts import Contents, Trusted, fetch, newest_trusted, of_run
from pytest_malagate.github.client import Client, GitHubError
from tests.action.evidence import zipped
from tests.twin import Repository, Twin

LOG = "evidence.jsonl"
CONTENTS = Contents(wanted={LOG: 1000}, raw=LOG)


@pytest.fixture
def run(repo: Repository) -> Any:
    return repo.run(event="push", branch="main")


def fetched(client: Client, run: Any, into: Path) -> dict[str, bytes]:
    into.mkdir()
    (found,) = of_run(client, run.id, "*")
    files = fetch(client, found, into, CONTENTS, secure=False)
    return {name: path.read_bytes() for name, path in files.items()}


def refused(client: Client, run: Any, into: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        fetched(client, run, into)
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_a_zip_is_unpacked_and_a_raw_file_is_taken_as_it_is(
    client: Client, repo: Repository, run: Any, tmp_path: Path
) -> None:
    run.artifact("e", {LOG: b"zipped"})
    assert fetched(client, run, tmp_path / "a") == {LOG: b"zipped"}
    other = repo.run(event="push", branch="main")
    other.artifact("e", raw=("anything.txt", b"raw"))
    assert fetched(client, other, tmp_path / "b") == {LOG: b"raw"}


def test_the_download_carries_no_credential_and_no_second_redirect_is_followed(
    twin: Twin, client: Client, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login x password y\nmachine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(netrc))
    run.artifact("e", {LOG: b"x"})
    fetched(client, run, tmp_path / "a")
    assert [request.token for request in twin.blob_requests] == [None]
    assert all("t-gate" not in str(request.headers) for request in twin.blob_requests)


def test_an_address_that_is_not_https_is_refused_where_the_api_is(
    client: Client, run: Any, tmp_path: Path
) -> None:
    run.artifact("e", {LOG: b"x"})
    (found,) = of_run(client, run.id, "*")
    (tmp_path / "a").mkdir()
    with pytest.raises(ArtifactError, match="https") as caught:
        fetch(client, found, tmp_path / "a", CONTENTS)
    assert caught.value.code == "artifact.unsafe"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"digest": "sha256:" + "0" * 64}, "artifact.digest"),
        ({"digest": None}, "artifact.digest"),
        ({"expired": True}, "artifact.expired"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    client: Client, run: Any, tmp_path: Path, options: dict[str, Any], code: str
) -> None:
    run.artifact("e", {LOG: b"x"}, **options)
    assert refused(client, run, tmp_path / "a") == code


def test_an_artifact_that_expires_between_list_and_download_has_expired(
    client: Client, run: Any, tmp_path: Path
) -> None:
    run.artifact("e", {LOG: b"x"})
    (found,) = of_run(client, run.id, "*")
    run.artifacts[0].gone = True
    (tmp_path / "a").mkdir()
    with pytest.raises(ArtifactError) as caught:
        fetch(client, found, tmp_path / "a", CONTENTS, secure=False)
    assert caught.value.code == "artifact.expired"


def test_what_is_too_large_is_not_asked_for(
    twin: Twin, client: Client, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.artifact("e", {LOG: b"x" * 500})
    monkeypatch.setattr(artifacts, "MAX_DOWNLOAD", 50)
    assert refused(client, run, tmp_path / "a") == "artifact.too-large"
    assert twin.blob_requests == []


@pytest.mark.parametrize("kind", ["500", "503", "reset", "truncated"])
def test_a_download_that_broke_off_is_made_again_at_a_new_address(
    twin: Twin, client: Client, run: Any, tmp_path: Path, kind: str
) -> None:
    run.artifact("e", {LOG: b"x" * 500})
    twin.faults.add(kind, host="blob")
    assert fetched(client, run, tmp_path / "a") == {LOG: b"x" * 500}
    asked = [request for request in twin.requests if request.path.endswith("/zip")]
    assert len(asked) == 2


def test_a_download_that_never_works_is_given_up_without_its_address(
    twin: Twin, client: Client, run: Any, tmp_path: Path
) -> None:
    run.artifact("e", {LOG: b"x"})
    twin.faults.add("503", times=99, host="blob")
    with pytest.raises((ArtifactError, GitHubError)) as caught:
        fetched(client, run, tmp_path / "a")
    assert "sig=" not in str(caught.value)
    assert twin.blob_url not in str(caught.value)


def test_the_newest_of_each_name_counts(client: Client, run: Any) -> None:
    run.artifact("e-1", {LOG: b"old"})
    newer = run.artifact("e-1", {LOG: b"new"})
    other = run.artifact("e-2", {LOG: b"x"})
    run.artifact("unrelated", {LOG: b"x"})
    assert [found.id for found in of_run(client, run.id, "e-*")] == [newer.id, other.id]


@pytest.mark.parametrize("count", [100, 101])
def test_the_number_of_parts_is_bounded(client: Client, run: Any, count: int) -> None:
    data = zipped({LOG: b"x"})
    for number in range(count):
        run.artifact(f"e-{number}", data)
    if count <= artifacts.MAX_PARTS:
        assert len(of_run(client, run.id, "e-*")) == count
    else:
        with pytest.raises(ArtifactError) as caught:
            of_run(client, run.id, "e-*")
        assert caught.value.code == "artifact.too-large"


def test_artifacts_of_other_branches_and_repositories_are_refused_without_a_question(
    client: Client, repo: Repository
) -> None:
    repo.commit("topic", {"x": "y"})
    good = repo.run(workflow="g.yml", event="schedule")
    good.artifact("state", {"state.json": b"{}"})
    repo.run(workflow="g.yml", event="push", branch="topic").artifact("state", {"a": b"b"})
    asked: list[int] = []
    trusted = Trusted(
        repository_id=repo.id, workflow="g.yml", sources=(("main", frozenset({"schedule"})),)
    )

    def vouched(run_id: int) -> bool:
        asked.append(run_id)
        return True

    found = newest_trusted(client, "state", trusted, vouched)
    assert found.refused == 1
    assert [artifact.workflow_run.id for artifact in found.artifacts if artifact.workflow_run] == [
        good.id
    ]
    assert asked == [good.id]
