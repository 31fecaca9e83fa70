"""Finding a repository, and its answers about revisions, files and its own name."""

from __future__ import annotations

import os

import pytest

from pytest_malagate.errors import ExitCode, UsageError
from pytest_malagate.repository import GitError, Repository, directory_tree
from pytest_malagate.repository import repository as module
from pytest_malagate.repository.remote import repository_name
from tests.repository.places import opened


def test_outside_a_repository_there_is_none(tmp_path):
    assert Repository.discover(tmp_path) is None


def test_an_empty_directory_called_git_is_no_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    assert Repository.discover(tmp_path) is None


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(GitError, match="nowhere"):
        Repository.discover(tmp_path / "nowhere")


def test_inside_git_s_own_directory_and_in_a_bare_repository_there_is_no_work_tree(
    unchanging, tmp_path
):
    unchanging.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert Repository.discover(unchanging.path / ".git") is None
    assert Repository.discover(tmp_path / "bare.git") is None


def test_a_directory_inside_and_a_link_to_one_belong_to_the_repository(committed, tmp_path):
    (tmp_path / "link").symlink_to(committed.path / "src")
    for place in (committed.path, committed.path / "src", tmp_path / "link"):
        assert opened(place).root == committed.path.resolve()
        assert opened(place).working_tree().head == committed.git("rev-parse", "HEAD")


def test_without_git_nothing_passes_for_no_repository(unchanging, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for question in (Repository.discover, directory_tree):
        with pytest.raises(GitError, match=r"^git is not installed, or not on PATH$") as caught:
            question(unchanging.path)
        assert caught.value.exit_code == ExitCode.INCONCLUSIVE


def _no_head(git):
    (git / "HEAD").unlink()


def _bad_head(git):
    (git / "HEAD").write_text("nonsense\n")


def _bad_config(git):
    (git / "config").write_text("[core\n\x1b[31m")


def _no_objects(git):
    (git / "objects").rename(git / "lost")


def _dangling_file(git):
    git.rename(git.with_name("elsewhere"))
    git.write_text("gitdir: nowhere\n")


@pytest.mark.parametrize(
    "break_it", [_no_head, _bad_head, _bad_config, _no_objects, _dangling_file]
)
@pytest.mark.parametrize("folder", [".", "src"])
def test_a_broken_repository_is_an_error_of_one_line_and_never_none(committed, break_it, folder):
    break_it(committed.path / ".git")
    with pytest.raises(GitError) as caught:
        Repository.discover(committed.path / folder)
    text = str(caught.value)
    assert text.startswith("git rev-parse: ")
    assert text.isprintable()
    assert len(text) < 400


def test_a_repository_of_somebody_else_is_an_error_that_says_what_to_do(committed):
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    os.chown(committed.path, 12345, 12345)
    os.chown(committed.path / ".git", 12345, 12345)
    with pytest.raises(GitError, match=r"dubious ownership.*safe\.directory"):
        Repository.discover(committed.path)


def test_a_branch_that_cannot_be_read_does_not_pass_for_a_first_commit_to_come(committed):
    (committed.path / ".git/refs/heads/main").write_text("nonsense\n")
    with pytest.raises(GitError, match=r"what HEAD names cannot be read"):
        opened(committed.path).head()


def test_before_the_first_commit_there_is_a_branch_and_no_head(project):
    repository = opened(project.path)
    assert (repository.head(), repository.branch()) == (None, "main")
    assert repository.commits("x-1", base=None) == ()


def test_a_detached_head_is_on_no_branch(committed):
    committed.git("checkout", "-q", "--detach")
    assert opened(committed.path).branch() is None
    assert opened(committed.path).head() == committed.git("rev-parse", "HEAD")


def test_a_branch_a_tag_and_a_short_hash_mean_their_commit(committed):
    head = committed.git("rev-parse", "HEAD")
    committed.git("tag", "-a", "-m", "annotated", "v1")
    committed.git("branch", "feature/ü")
    repository = opened(committed.path)
    for rev in ("HEAD", "main", "v1", "feature/ü", head[:10], head, "@{0}"):
        assert repository.resolve(rev) == head
        assert repository.tree_of(rev) == committed.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize(
    "rev",
    [
        "",
        "-x",
        "--all",
        "^HEAD",
        "HEAD..HEAD",
        "nowhere",
        "0" * 40,
        "a\nb",
        "a\0b",
        "HEAD:src",
        "\udcff",
    ],
)
def test_what_is_no_commit_here_is_a_usage_error_that_names_it(unchanging, rev):
    with pytest.raises(UsageError) as caught:
        opened(unchanging.path).resolve(rev)
    assert str(caught.value).isprintable()
    assert repr(rev)[1:-1] in str(caught.value)


def test_a_name_of_a_branch_and_of_a_tag_is_ambiguous(committed):
    committed.git("tag", "both")
    committed.files({"a.py": "1\n"}).commit("another")
    committed.git("branch", "both")
    with pytest.raises(UsageError, match="'both' is ambiguous: give refs/heads/"):
        opened(committed.path).resolve("both")


def test_the_merge_base_of_two_branches_and_of_two_histories(committed):
    first = committed.git("rev-parse", "HEAD")
    committed.git("checkout", "-q", "-b", "side")
    committed.files({"a.py": "1\n"}).commit("side")
    committed.git("checkout", "-q", "--orphan", "alone")
    committed.commit("alone")
    repository = opened(committed.path)
    assert repository.merge_base("main", "side") == first
    assert repository.merge_base("main", "alone") is None


def test_a_file_is_read_as_a_revision_has_it(committed):
    (committed.path / "bytes.bin").write_bytes(b"\r\n\x00\xff")
    (committed.path / "link").symlink_to("src/parser.py")
    committed.files({"schön [1]*.py": "1\n"}).commit("more")
    committed.files({"src/parser.py": "VALUE = 2\n"})
    repository = opened(committed.path / "src")
    assert repository.file_at("HEAD", "src/parser.py") == b"VALUE = 1\n"
    assert repository.file_at("HEAD", "bytes.bin") == b"\r\n\x00\xff"
    assert repository.file_at("HEAD", "link") == b"src/parser.py"
    assert repository.file_at("HEAD", "schön [1]*.py") == b"1\n"
    assert repository.file_at("HEAD~1", "bytes.bin") is None


@pytest.mark.parametrize(
    "path",
    ["", "nowhere", "src", "src/", "/src/parser.py", "../a", "./src/parser.py", "*.py", "a\0"],
)
def test_what_a_revision_has_no_file_of_is_none(unchanging, path):
    assert opened(unchanging.path).file_at("HEAD", path) is None


def test_a_file_too_large_to_be_read_is_an_error(unchanging, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE", 5)
    with pytest.raises(GitError, match="more than 5 bytes"):
        opened(unchanging.path).file_at("HEAD", "src/parser.py")


def test_a_file_of_a_commit_that_is_not_here_is_an_error(unchanging):
    with pytest.raises(GitError, match="git ls-tree failed"):
        opened(unchanging.path).file_at("1" * 40, "src/parser.py")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/owner/repo.git", "owner/repo"),
        ("https://github.com/owner/repo/", "owner/repo"),
        ("https://user:secret@github.com/owner/repo.git", "owner/repo"),
        ("https://secret@github.com:8443/owner/repo", "owner/repo"),
        ("ssh://git@github.com:22/owner/repo.git", "owner/repo"),
        ("git+ssh://git@github.com/owner/repo.git", "owner/repo"),
        ("git@github.com:owner/repo.git", "owner/repo"),
        ("github.com:owner/repo", "owner/repo"),
        ("git@[::1]:owner/repo.git", "owner/repo"),
        ("https://gitlab.com/group/sub/repo.git", "group/sub/repo"),
        ("user:secret@host:owner/repo", None),
        ("https://user:secret@host", None),
        ("https://[bad/owner/repo", None),
        ("https://host/../repo", None),
        ("https://host/owner/re po", None),
        ("file:///srv/owner/repo.git", None),
        ("/srv/owner/repo.git", None),
        ("../owner/repo", None),
        ("", None),
    ],
)
def test_the_name_is_the_remote_s_path_and_holds_no_credential(url, name):
    assert repository_name(url) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://u:secret@host/owner/repo.git", "owner/repo"),
        ("/srv/x.git", "project"),
        (None, "project"),
    ],
)
def test_a_repository_without_a_remote_of_that_kind_is_called_as_its_directory(project, url, name):
    if url is not None:
        project.git("remote", "add", "origin", url)
    assert opened(project.path).name() == name
