"""What is taken out of an archive, and what is refused."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_malagate.github.archive import ArtifactError, adopt, unpack
from tests.action.evidence import zipped
from tests.action.hostile.zips import Member, archive

WANTED = {"evidence.jsonl": 1000, "coverage.json": 1000}


def taken(data: bytes, wanted: dict[str, int] | None = None) -> dict[str, bytes]:
    """The members that are handed out; nothing else may have been written."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        file, into = home / "a.zip", home / "deep" / "er" / "into"
        into.mkdir(parents=True)
        file.write_bytes(data)
        try:
            found = unpack(file, into, wanted=WANTED if wanted is None else wanted)
        finally:
            every = {path for path in home.rglob("*") if not path.is_dir()}
            assert every - {file} <= {into / name for name in WANTED}
        return {name: path.read_bytes() for name, path in found.items()}


def refused(data: bytes, wanted: dict[str, int] | None = None) -> str:
    with pytest.raises(ArtifactError) as caught:
        taken(data, wanted)
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_wanted_members_are_copied() -> None:
    assert taken(zipped({"evidence.jsonl": b"a"})) == {"evidence.jsonl": b"a"}
    assert taken(zipped({"evidence.jsonl": b"a", "coverage.json": b"b"}))["coverage.json"] == b"b"


def test_all_may_lie_in_one_directory() -> None:
    assert taken(zipped({"out/evidence.jsonl": b"a"})) == {"evidence.jsonl": b"a"}


def test_ignored_members_are_not_unpacked(tmp_path: Path) -> None:
    file, into = tmp_path / "a.zip", tmp_path / "into"
    into.mkdir()
    file.write_bytes(zipped({"evidence.jsonl": b"a", "state.db": b"b"}))
    assert set(unpack(file, into, wanted=WANTED, ignored=frozenset({"state.db"}))) == {
        "evidence.jsonl"
    }
    assert [path.name for path in into.iterdir()] == ["evidence.jsonl"]


def test_an_empty_archive_holds_nothing() -> None:
    assert taken(zipped({})) == {}


@pytest.mark.parametrize("length", [1000, 1001])
def test_the_bound_of_a_member_is_exact(length: int) -> None:
    data = zipped({"evidence.jsonl": b"a" * length})
    if length <= WANTED["evidence.jsonl"]:
        assert len(taken(data)["evidence.jsonl"]) == length
    else:
        assert refused(data) == "artifact.too-large"


def test_a_header_that_lies_about_the_size_does_not_get_past_the_bound() -> None:
    bomb = archive([Member(data=bytes(10_000_000), size=10)])
    assert refused(bomb) == "artifact.damaged"


@pytest.mark.parametrize("count", [64, 65])
def test_the_number_of_members_is_bounded(count: int) -> None:
    members = [Member(name=f"d{number}/") for number in range(count)]
    members = [Member(name=m.name, method=0) for m in members]
    if count <= 64:
        assert taken(archive(members)) == {}
    else:
        assert refused(archive(members)) == "artifact.too-large"


def test_data_with_a_descriptor_behind_it_is_read(tmp_path: Path) -> None:
    """As an upload that streams writes it: the local header does not know the sizes."""
    path = tmp_path / "streamed"

    class Pipe:
        def __init__(self) -> None:
            self.file = path.open("wb")

        def write(self, data: bytes) -> int:
            return self.file.write(data)

        def flush(self) -> None:
            self.file.flush()

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as stream:  # type: ignore[arg-type]  # no seek: it streams
        stream.writestr("evidence.jsonl", b"a" * 500)
    pipe.file.close()
    assert taken(path.read_bytes()) == {"evidence.jsonl": b"a" * 500}


NAMES = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["..", ".", "", "a", "evidence.jsonl", "C:", "\\", "~", "\0", "\u202e"]),
        max_size=5,
    ).map("/".join),
)


@given(name=NAMES)
def test_whatever_a_member_is_called_nothing_is_written_elsewhere(name: str) -> None:
    try:
        found = taken(archive([Member(name=name, data=b"x")]))
    except ArtifactError as error:
        assert error.code.startswith("artifact.")
        assert str(error).isprintable()
    else:
        assert set(found) <= set(WANTED)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_an_archive_or_an_artifact_error(data: bytes) -> None:
    try:
        taken(data)
    except ArtifactError as error:
        assert error.code.startswith("artifact.")


GOOD = zipped({"evidence.jsonl": b"line\n" * 50, "coverage.json": b"{}"})


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_one_changed_byte_changes_no_content(at: int, value: int) -> None:
    spoiled = bytearray(GOOD)
    spoiled[at] = value
    try:
        found = taken(bytes(spoiled))
    except ArtifactError as error:
        assert error.code.startswith("artifact.")
    else:
        assert all(found[name] in (b"line\n" * 50, b"{}") for name in found)


@given(length=st.integers(0, len(GOOD) - 1))
def test_a_cut_archive_is_damaged(length: int) -> None:
    assert refused(GOOD[:length]) == "artifact.damaged"


def test_a_raw_file_is_bounded(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(b"x" * 11)
    with pytest.raises(ArtifactError) as caught:
        adopt(raw, tmp_path, "log", 10)
    assert caught.value.code == "artifact.too-large"
    assert adopt(raw, tmp_path, "log", 11).read_bytes() == b"x" * 11
