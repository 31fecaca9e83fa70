"""Finding a repository and asking it for revisions, files and its name, over real git."""

from __future__ import annotations

import os
import shutil

import pytest

from pytest_malagate.errors import UsageError
from pytest_malagate.repository import GitError, Repository, directory_tree
from pytest_malagate.repository.git import git_environment
from pytest_malagate.repository.remote import repository_name


def test_a_directory_in_no_repository_has_none(tmp_path):
    assert Repository.discover(tmp_path) is None


def test_an_empty_directory_called_git_is_no_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    assert Repository.discover(tmp_path) is None


def test_a_bare_repository_and_the_inside_of_a_git_directory_have_no_work_tree(checkout, tmp_path):
    checkout.git("init", "--quiet", "--bare", str(tmp_path / "bare"))
    assert Repository.discover(tmp_path / "bare") is None
    assert Repository.discover(checkout.root / ".git") is None


def test_without_git_no_repository_is_found_and_a_tree_is_a_clear_error(
    checkout, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Repository.discover(checkout.root) is None
    with pytest.raises(GitError, match="git is not installed"):
        directory_tree(tmp_path)


def test_a_directory_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(GitError, match="git rev-parse: .*missing"):
        Repository.discover(tmp_path / "missing")


def remove_head(root):
    (root / ".git" / "HEAD").unlink()


def remove_objects(root):
    shutil.rmtree(root / ".git" / "objects")


def damage_configuration(root):
    (root / ".git" / "config").write_text("[core\n")


def point_nowhere(root):
    shutil.rmtree(root / ".git")
    (root / ".git").write_text("gitdir: /nowhere/at/all\n")


def fill_with_nonsense(root):
    shutil.rmtree(root / ".git")
    (root / ".git").write_text("nonsense")


@pytest.mark.parametrize(
    "damage",
    [remove_head, remove_objects, damage_configuration, point_nowhere, fill_with_nonsense],
)
def test_a_broken_repository_does_not_pass_for_none(checkout, damage):
    (checkout.root / "src").mkdir()
    damage(checkout.root)
    with pytest.raises(GitError, match="git rev-parse"):
        Repository.discover(checkout.root / "src")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_repository_of_somebody_else_is_refused_with_the_way_out(checkout):
    for path in (checkout.root, checkout.root / ".git"):
        os.chown(path, 65534, 65534)
    with pytest.raises(GitError, match=r"dubious ownership.*safe\.directory"):
        Repository.discover(checkout.root)


def test_head_and_branch(empty):
    assert empty.repository.head() is None
    assert empty.repository.branch() == "main"
    empty.git("checkout", "--quiet", "-b", "feature/x-1")
    name = empty.commit("first")
    assert empty.repository.head() == name
    assert empty.repository.branch() == "feature/x-1"
    empty.git("tag", "feature/x-1")
    assert empty.repository.branch() == "feature/x-1"
    empty.git("checkout", "--quiet", "--detach")
    assert empty.repository.branch() is None


def test_a_revision_is_resolved_to_its_commit(checkout):
    name = checkout.git("rev-parse", "HEAD")
    checkout.git("tag", "-a", "-m", "a tag object", "v1")
    for rev in ("HEAD", "main", "refs/heads/main", "v1", name, name[:10]):
        assert checkout.repository.resolve(rev) == name


@pytest.mark.parametrize(
    "rev",
    ["", "no-such", "-h", "--all", "HEAD..main", "^HEAD", "HEAD:app.py", "HEAD^{tree}", "a\0b",
     "a\nb", "0" * 40, "\x1b[31mred"],
)  # fmt: skip
def test_what_is_no_revision_is_a_usage_error_that_shows_it(checkout, rev):
    with pytest.raises(UsageError, match="revision") as caught:
        checkout.repository.resolve(rev)
    assert repr(rev)[:40] in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_name_of_a_branch_and_of_a_tag_is_ambiguous(checkout):
    checkout.commit("second")
    checkout.git("tag", "main", "HEAD~1")
    with pytest.raises(UsageError, match="'main' is ambiguous"):
        checkout.repository.resolve("main")
    assert checkout.repository.resolve("refs/heads/main") == checkout.git("rev-parse", "HEAD")


def test_a_blob_is_no_revision(checkout):
    blob = checkout.git("rev-parse", "HEAD:app.py")
    with pytest.raises(UsageError, match="not known"):
        checkout.repository.resolve(blob)


def test_the_merge_base_of_two_branches_is_found_and_may_not_exist(checkout):
    root = checkout.git("rev-parse", "HEAD")
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.commit("side")
    checkout.git("checkout", "--quiet", "main")
    checkout.commit("main")
    assert checkout.repository.merge_base("main", "side") == root
    checkout.git("checkout", "--quiet", "--orphan", "other")
    checkout.commit("another root")
    assert checkout.repository.merge_base("main", "other") is None
    with pytest.raises(UsageError, match="'nowhere'"):
        checkout.repository.merge_base("main", "nowhere")


def test_the_tree_of_a_revision_is_gits_own(checkout):
    assert checkout.repository.tree_of("main") == checkout.git("rev-parse", "main^{tree}")


def test_a_file_is_read_as_a_revision_has_it(checkout):
    checkout.write("sub/data.bin", "old\0\xff")
    old = checkout.commit("old", "sub/data.bin")
    checkout.write("sub/data.bin", "new")
    checkout.commit("new", "sub/data.bin")
    repository = checkout.repository
    assert repository.file_at(old, "sub/data.bin") == "old\0\xff".encode()
    assert repository.file_at("HEAD", "sub/data.bin") == b"new"
    assert repository.file_at("HEAD~2", "sub/data.bin") is None


@pytest.mark.parametrize(
    "path",
    ["", "missing", "sub", "sub/", "./app.py", "../work/app.py", "/app.py", "*.py", ":app.py",
     "-x", "a\nb", "a\0b", "sub//data.py"],
)  # fmt: skip
def test_a_path_that_a_revision_has_no_file_for_is_none(checkout, path):
    checkout.write("sub/data.py")
    checkout.commit("sub", "sub/data.py")
    assert checkout.repository.file_at("HEAD", path) is None


def test_a_file_with_an_odd_name_is_read(checkout):
    checkout.write("a\nb.py", "odd")
    checkout.commit("odd", "a\nb.py")
    assert checkout.repository.file_at("HEAD", "a\nb.py") == b"odd"


def test_a_file_that_cannot_be_read_is_an_error_and_not_taken_for_absent(checkout):
    blob = checkout.git("rev-parse", "HEAD:app.py")
    (checkout.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError, match="git cat-file failed"):
        checkout.repository.file_at("HEAD", "app.py")


def test_a_file_of_more_bytes_than_the_bound_is_an_error(checkout, monkeypatch):
    monkeypatch.setattr("pytest_malagate.repository.repository.MAX_FILE", 5)
    with pytest.raises(GitError, match="git cat-file printed more than 5 bytes"):
        checkout.repository.file_at("HEAD", "app.py")


def test_a_git_that_hangs_is_an_error_and_leaves_nothing_running(checkout, tmp_path, monkeypatch):
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nsleep 60 & echo $! > pid; wait\n")
    fake.chmod(0o755)
    repository = checkout.repository
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("pytest_malagate.repository.git.TIMEOUT", 0.5)
    with pytest.raises(GitError, match="git rev-parse took longer"):
        repository.head()
    assert not is_running(int((tmp_path / "pid").read_text()))


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/owner/repo", "owner/repo"),
        ("https://github.com/owner/repo.git", "owner/repo"),
        ("https://github.com/owner/repo/", "owner/repo"),
        ("https://user:secret@github.com/owner/repo.git", "owner/repo"),
        ("https://secret@github.com:8443/owner/repo.git?token=secret", "owner/repo"),
        ("ssh://git@github.com:22/owner/repo.git", "owner/repo"),
        ("git@github.com:owner/repo.git", "owner/repo"),
        ("github.com:owner/repo", "owner/repo"),
        ("https://gitlab.example/group/sub/repo.git", "group/sub/repo"),
        ("/srv/git/repo.git", None),
        ("../repo", None),
        ("file:///srv/git/repo.git", None),
        ("https://github.com/repo", None),
        ("https://github.com/owner/../repo", None),
        ("https://github.com/owner/re po", None),
        ("git@github.com:owner/repo@secret", None),
        ("https://[broken/owner/repo", None),
        ("", None),
    ],
)
def test_a_remote_url_gives_owner_and_repository_and_never_a_credential(url, name):
    assert repository_name(url) == name


def test_a_repository_is_called_after_its_remote_or_its_directory(checkout):
    assert checkout.repository.name() == "work"
    checkout.git("remote", "add", "origin", "https://token@github.com/owner/repo.git")
    assert checkout.repository.name() == "owner/repo"
    checkout.git("remote", "set-url", "origin", "/srv/git/other.git")
    assert checkout.repository.name() == "work"


def test_only_variables_that_configure_git_or_reach_a_remote_are_handed_on():
    given = {
        "PATH": "/bin",
        "HOME": "/home/someone",
        "LC_ALL": "de_DE.UTF-8",
        "GIT_DIR": "/elsewhere",
        "GIT_INDEX_FILE": "/elsewhere/index",
        "GIT_EXTERNAL_DIFF": "intruder",
        "GIT_TRACE": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_SSH_COMMAND": "ssh -i key",
    }
    assert git_environment(given) == {
        "PATH": "/bin",
        "HOME": "/home/someone",
        "LC_ALL": "C",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
