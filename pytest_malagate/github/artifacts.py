"""Which artifact is meant, and its bytes, fetched from where GitHub keeps them.

The download address is a credential of its own: it is asked without the token, never followed
further, never printed. Bytes whose digest differs from the one that GitHub recorded at the upload
are not looked at.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from pytest_malagate.github.archive import ArtifactError, adopt, unpack
from pytest_malagate.github.client import Client, GitHubError
from pytest_malagate.github.records import Artifact, ArtifactsPage
from pytest_malagate.report.text import plain

MAX_DOWNLOAD = 256 * 1024 * 1024  # bytes
MAX_PARTS = 100
_TRIES = 3
_TRUSTED_PAGES = 3
_CANDIDATES = 5
_CHUNK = 1 << 20
_ZIP_TYPES = frozenset(
    {"application/zip", "application/x-zip-compressed", "application/zip-compressed"}
)


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What an artifact may hold: names with their bounds in bytes, and names to pass over.

    `raw` is the member that a single file uploaded as it is stands for.
    """

    wanted: Mapping[str, int]
    raw: str
    ignored: frozenset[str] = frozenset()


def of_run(client: Client, run_id: int, pattern: str) -> list[Artifact]:
    """A run's artifacts whose names match, the newest of each name, by name.

    Raises ArtifactError if there are more than MAX_PARTS, GitHubError if they cannot be listed.
    """
    newest: dict[str, Artifact] = {}
    path = f"/actions/runs/{run_id}/artifacts"
    for artifact in _listed(client.pages(path, ArtifactsPage)):
        kept = newest.get(artifact.name)
        if fnmatchcase(artifact.name, pattern) and (kept is None or kept.id < artifact.id):
            newest[artifact.name] = artifact
    if len(newest) > MAX_PARTS:
        text = f"{len(newest)} artifacts match {pattern}; {MAX_PARTS} are allowed"
        raise ArtifactError("artifact.too-large", text)
    return [newest[name] for name in sorted(newest)]


def named(client: Client, name: str, *, limit: int) -> Iterator[Artifact]:
    """The repository's artifacts of one name, the newest first; at most `limit` pages of 100."""
    pages = client.pages("/actions/artifacts", ArtifactsPage, limit=limit, name=name)
    for page in pages:
        of_name = [artifact for artifact in page.artifacts if artifact.name == name]
        yield from sorted(of_name, key=lambda artifact: -artifact.id)


def _listed(pages: Iterable[ArtifactsPage]) -> Iterator[Artifact]:
    for page in pages:
        yield from page.artifacts


def fetch(
    client: Client,
    artifact: Artifact,
    into: Path,
    contents: Contents,
    *,
    secure: bool = True,
) -> dict[str, Path]:
    """Downloads, checks and unpacks an artifact into the empty directory `into`.

    `secure` is false only where the API itself is not spoken to by https. Raises ArtifactError
    for an artifact that cannot be used, GitHubError where GitHub does not hand it out.
    """
    name = plain(artifact.name, 80)
    if artifact.expired:
        raise ArtifactError("artifact.expired", f"{name} has expired")
    if artifact.size_in_bytes > MAX_DOWNLOAD:
        text = f"{name} has {artifact.size_in_bytes} bytes, {MAX_DOWNLOAD} are allowed"
        raise ArtifactError("artifact.too-large", text)
    if not artifact.digest:
        raise ArtifactError("artifact.digest", f"GitHub recorded no digest of {name}")
    with tempfile.TemporaryDirectory(dir=into.parent) as directory:
        file = Path(directory) / "download"
        zipped = _download(client, artifact, file, secure=secure)
        try:
            if zipped:
                return unpack(file, into, wanted=contents.wanted, ignored=contents.ignored)
            limit = contents.wanted[contents.raw]
            return {contents.raw: adopt(file, into, contents.raw, limit)}
        except ArtifactError as error:
            raise ArtifactError(error.code, f"{name}: {error}") from error


def fetch_file(
    client: Client, artifact: Artifact, name: str, *, limit: int, temp: Path, secure: bool = True
) -> bytes:
    """The one file that an artifact holds, of at most `limit` bytes. Raises as `fetch` does.

    `temp` is a directory of this job, in which nothing is left behind.
    """
    with tempfile.TemporaryDirectory(dir=temp, prefix="malagate-") as directory:
        into = Path(directory) / "unpacked"
        into.mkdir()
        contents = Contents(wanted={name: limit}, raw=name)
        files = fetch(client, artifact, into, contents, secure=secure)
        if name not in files:
            text = f"{plain(artifact.name, 80)} holds no {name}"
            raise ArtifactError("artifact.missing", text)
        return files[name].read_bytes()


def _download(client: Client, artifact: Artifact, to: Path, *, secure: bool) -> bool:
    """True if GitHub calls the bytes a zip archive. Their digest has been compared."""
    name = plain(artifact.name, 80)
    trouble: Exception = ArtifactError("artifact.damaged", f"{name} could not be downloaded")
    for _ in range(_TRIES):
        try:
            address = client.location(f"/actions/artifacts/{artifact.id}/zip")
        except GitHubError as error:
            if error.status == 410:
                raise ArtifactError("artifact.expired", f"{name} has expired") from error
            raise
        try:
            zipped, digest = _stream(address, to, secure=secure)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            kind = type(error).__name__  # its text may hold the address
            trouble = GitHubError(f"the download of {name} failed ({kind})")
            if client.rest():
                continue
            break
        if digest == artifact.digest:
            return zipped
        text = f"{name}: the bytes are not those that were uploaded (their digest differs)"
        trouble = ArtifactError("artifact.digest", text)
    raise trouble


def _stream(address: str, to: Path, *, secure: bool) -> tuple[bool, str]:
    """Fetches without any credential; returns whether it is a zip, and the digest."""
    url = urlsplit(address)
    if url.scheme != "https" and secure:
        raise ArtifactError(
            "artifact.unsafe", "GitHub named a place that is not spoken to by https"
        )
    digest, size = hashlib.sha256(), 0
    with requests.Session() as session:
        session.auth = _no_credentials  # else a .netrc would be looked at
        with session.get(address, stream=True, timeout=20, allow_redirects=False) as answer:
            if answer.status_code != 200:
                raise requests.HTTPError(str(answer.status_code))
            with to.open("wb") as file:
                for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                    size += len(chunk)
                    if size > MAX_DOWNLOAD:
                        text = f"the download has more than {MAX_DOWNLOAD} bytes"
                        raise ArtifactError("artifact.too-large", text)
                    digest.update(chunk)
                    file.write(chunk)
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    zipped = kind in _ZIP_TYPES or url.path.endswith(".zip")
    return zipped, f"sha256:{digest.hexdigest()}"


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose artifacts count: runs of this repository's own workflow file.

    `sources` are the branches that such runs belong to, each with the events that count there.
    """

    repository_id: int
    workflow: str
    sources: tuple[tuple[str, frozenset[str]], ...]

    def events_on(self, branch: str | None) -> frozenset[str]:
        """The events that count on a branch."""
        return frozenset().union(*(events for name, events in self.sources if name == branch))

    def may_be(self, artifact: Artifact) -> bool:
        """False if the list alone shows that the artifact is not ours."""
        run = artifact.workflow_run
        return (
            run is not None
            and run.repository_id == self.repository_id
            and run.head_repository_id == self.repository_id
            and bool(self.events_on(run.head_branch))
        )


class TrustedArtifacts(msgspec.Struct, frozen=True):
    """Ours, the newest first and each checked as it is reached, and how many others there were."""

    artifacts: Iterator[Artifact]
    refused: int


def newest_trusted(
    client: Client, name: str, trusted: Trusted, vouched: Callable[[int], bool]
) -> TrustedArtifacts:
    """The artifacts of a name that are ours.

    `vouched` answers for a run's id: its event and its workflow file (see `runs.vouch`). It is
    asked only for those that are looked at.
    """
    candidates, refused = [], 0
    for artifact in named(client, name, limit=_TRUSTED_PAGES):
        if trusted.may_be(artifact):
            candidates.append(artifact)
        else:
            refused += 1
        if len(candidates) >= _CANDIDATES:
            break
    return TrustedArtifacts(_vouched(candidates, vouched), refused)


def _vouched(candidates: Iterable[Artifact], vouched: Callable[[int], bool]) -> Iterator[Artifact]:
    for artifact in candidates:
        if artifact.workflow_run is not None and vouched(artifact.workflow_run.id):
            yield artifact
