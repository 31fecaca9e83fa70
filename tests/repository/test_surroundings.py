"""The tree rule in linked work trees, submodules, sparse checkouts, and amid hostile settings.

Of all that a configuration can start, only clean filters run: they decide which bytes git records,
so without them no tree could equal a commit's. They are named in the user's own configuration, never
in a file of the change, and `git add` runs them too.
"""

from __future__ import annotations

import os

import pytest

from pytest_malagate.repository import GitError, directory_tree
from tests.conftest import Project
from tests.repository.places import opened, tree, working


def head_tree(project: Project) -> str:
    return project.git("rev-parse", "HEAD^{tree}")


def test_a_linked_work_tree_has_its_own_head_index_and_tree(committed, tmp_path):
    linked = tmp_path / "linked"
    committed.git("worktree", "add", "-q", "-b", "side", str(linked))
    (linked / "src/parser.py").write_text("VALUE = 2\n")
    assert opened(linked).branch() == "side"
    assert tree(committed.path) == head_tree(committed)
    edited = working(linked)
    assert edited.edited == ("src/parser.py",)
    side = Project(linked)
    side.commit("x-1: side")
    assert head_tree(side) == edited.tree


@pytest.fixture
def with_submodule(committed, tmp_path):
    library = Project(tmp_path / "library")
    library.path.mkdir()
    library.git("init", "-q", "-b", "main", ".")
    library.files({"library.py": "1\n"}).commit("library")
    allowed = ("-c", "protocol.file.allow=always")
    committed.git(*allowed, "submodule", "--quiet", "add", str(library.path), "library")
    committed.commit("x-1: add the library")
    return committed, Project(committed.path / "library")


def test_a_submodule_is_part_of_the_tree_as_the_commit_it_has_checked_out(with_submodule):
    outer, inner = with_submodule
    assert tree(outer.path) == head_tree(outer)
    inner.files({"library.py": "2\n"}).commit("another")
    moved = working(outer.path)
    assert moved.edited == ("library",)
    outer.commit("x-1: move the library")
    assert head_tree(outer) == moved.tree


@pytest.mark.parametrize("name", ["library.py", "new.py"])
def test_code_in_a_submodule_that_no_commit_holds_makes_a_tree_that_no_commit_has(
    with_submodule, name
):
    outer, inner = with_submodule
    inner.files({name: "2\n"})
    edited = working(outer.path)
    assert edited.edited == ("library",)
    outer.git("commit", "-q", "--allow-empty", "-m", "nothing of it")
    assert edited.tree != head_tree(outer)
    assert tree(outer.path) == edited.tree
    inner.files({name: "3\n"})
    assert tree(outer.path) != edited.tree


def test_an_artefact_in_a_submodule_leaves_the_tree_as_it_is(with_submodule):
    outer, inner = with_submodule
    inner.files({"coverage.xml": "<coverage/>"})
    assert not working(outer.path).dirty


def test_a_repository_nested_but_not_tracked_is_no_part_of_the_tree(committed):
    nested = Project(committed.path / "nested")
    nested.path.mkdir()
    nested.git("init", "-q", ".")
    nested.files({"nested.py": "1\n"})
    assert tree(committed.path) == head_tree(committed)


@pytest.mark.parametrize("index", ["--no-sparse-index", "--sparse-index"])
def test_a_sparse_checkout_keeps_what_it_leaves_out(committed, index):
    committed.git("status")  # a copied file is only left out once git knows that it is unchanged
    committed.git("sparse-checkout", "set", "--cone", index, "tests")
    assert not (committed.path / "src/parser.py").exists()
    assert tree(committed.path) == head_tree(committed)
    committed.files({"tests/test_parser.py": "assert 1\n"})
    edited = working(committed.path)
    committed.git("commit", "-q", "-a", "-m", "x-1: edit")
    assert head_tree(committed) == edited.tree


def test_a_file_put_where_a_sparse_checkout_left_it_out_is_seen(committed):
    committed.git("sparse-checkout", "set", "--cone", "tests")
    committed.files({"src/parser.py": "VALUE = 2\n"})
    assert working(committed.path).edited == ("src/parser.py",)


HOSTILE = {
    "core.fsmonitor": "{program}",
    "diff.external": "{program}",
    "core.pager": "{program}",
    "pager.status": "true",
    "pager.log": "true",
    "core.editor": "{program}",
    "diff.odd.textconv": "{program}",
    "diff.odd.command": "{program}",
    "gpg.program": "{program}",
    "log.showSignature": "true",
    "color.ui": "always",
    "color.status": "always",
    "diff.noprefix": "true",
    "diff.renames": "copies",
    "diff.relative": "true",
    "diff.orderFile": "nowhere",
    "diff.ignoreSubmodules": "all",
    "status.showUntrackedFiles": "no",
    "status.renames": "copies",
    "status.short": "true",
    "log.date": "relative",
    "log.mailmap": "true",
    "format.pretty": "oneline",
    "trailer.separators": "=",
    "core.quotePath": "true",
    "core.splitIndex": "true",
    "core.untrackedCache": "true",
}


def test_no_setting_starts_a_program_or_alters_an_answer(committed, tmp_path):
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> '{ran}'\n")
    program.chmod(0o755)
    committed.files({".gitattributes": "*.py diff=odd\n"})
    expected_commit = committed.commit("x-1: odd\n\nTask: x-1")
    committed.files({"src/parser.py": "VALUE = 2\n", "schön.py": "1\n"})
    expected = working(committed.path)
    for key, value in HOSTILE.items():
        committed.git("config", key, value.format(program=program))
    hooks = committed.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "pre-commit", "reference-transaction", "post-checkout"):
        (hooks / hook).write_text(program.read_text())
        (hooks / hook).chmod(0o755)
    repository = opened(committed.path)
    assert repository.working_tree() == expected
    assert repository.files_of(expected_commit) == (".gitattributes",)
    assert repository.commits("x-1", base=None)[0].trailers == (("Task", "x-1"),)
    assert not ran.exists()


def test_a_clean_filter_of_the_user_decides_what_is_hashed_as_it_does_for_a_commit(
    committed, monkeypatch
):
    committed.git("config", "filter.odd.clean", 'cat; echo "$LC_ALL"')
    committed.files({".gitattributes": "*.py filter=odd\n"}).commit("filtered")
    committed.files({"src/parser.py": "VALUE = 2\n"})
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    committed.environ["LC_ALL"] = "C.UTF-8"
    edited = tree(committed.path)
    committed.commit("edit")
    assert head_tree(committed) == edited
    assert committed.git("show", "HEAD:src/parser.py") == "VALUE = 2\nC.UTF-8"


def test_a_clean_filter_that_must_not_fail_and_does_is_an_error(committed):
    committed.git("config", "filter.odd.clean", "false")
    committed.git("config", "filter.odd.required", "true")
    committed.files({".gitattributes": "*.py filter=odd\n", "src/parser.py": "VALUE = 2\n"})
    with pytest.raises(GitError, match=r"^git (status|update-index) failed"):
        tree(committed.path)


def test_line_ends_are_hashed_as_a_commit_records_them(committed):
    committed.git("config", "core.autocrlf", "true")
    (committed.path / "src/parser.py").write_bytes(b"VALUE = 1\r\n")
    assert tree(committed.path) == head_tree(committed)


def test_the_variables_that_git_sets_for_a_hook_redirect_nothing(committed, tmp_path, monkeypatch):
    committed.files({"src/parser.py": "VALUE = 2\n"})
    expected = working(committed.path)
    other = Project(tmp_path / "other")
    other.path.mkdir()
    other.git("init", "-q", ".")
    for name, value in {
        "GIT_DIR": str(other.path / ".git"),
        "GIT_WORK_TREE": str(other.path),
        "GIT_INDEX_FILE": str(other.path / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other.path / ".git/objects"),
        "GIT_COMMON_DIR": str(other.path / ".git"),
        "GIT_PREFIX": "src/",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_PAGER": "false",
        "GIT_NAMESPACE": "other",
        "GIT_GLOB_PATHSPECS": "1",
        "GIT_TRACE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert opened(committed.path).root == committed.path.resolve()
    assert working(committed.path) == expected


def test_a_clone_that_borrows_objects_of_a_clone_is_read(committed, tmp_path):
    committed.git("clone", "-q", "--shared", str(committed.path), str(tmp_path / "one"))
    committed.git("clone", "-q", "--shared", str(tmp_path / "one"), str(tmp_path / "two : three"))
    assert tree(tmp_path / "two : three") == head_tree(committed)
    (tmp_path / "two : three/src/parser.py").unlink()
    assert working(tmp_path / "two : three").edited == ("src/parser.py",)


def test_a_replacement_object_is_not_taken_for_what_it_replaces(committed):
    expected = head_tree(committed)
    committed.files({"a.py": "1\n"}).commit("another")
    committed.git("replace", "HEAD~1", "HEAD")
    assert opened(committed.path).tree_of("HEAD~1") == expected


def test_a_tracked_file_that_became_a_pipe_is_an_error(committed):
    (committed.path / "src/parser.py").unlink()
    os.mkfifo(committed.path / "src/parser.py")
    with pytest.raises(GitError, match="unsupported file type"):
        tree(committed.path)


def test_a_damaged_index_is_an_error(committed):
    (committed.path / ".git/index").write_bytes(b"nonsense")
    with pytest.raises(GitError, match=r"^git ls-files failed"):
        tree(committed.path)


def test_a_repository_with_sha256_has_trees_of_that_kind(tmp_path):
    project = Project(tmp_path / "new")
    project.path.mkdir()
    project.git("init", "-q", "--object-format=sha256", ".")
    empty = tree(project.path)
    assert empty == project.git("write-tree")
    assert len(empty) == 64
    project.files({"a.py": "1\n", "a/b.py": "1\n", "a-b/c.py": "1\n", "a0/c.py": "1\n"})
    untracked = tree(project.path)
    project.commit("all")
    assert head_tree(project) == untracked


def test_a_directory_has_the_tree_that_git_gives_the_same_files(project, tmp_path):
    plain = Project(tmp_path / "plain")
    code = {"a.py": "1\n", "pkg/b.py": "2\n", "pyproject.toml": "", "run.sh": "true\n"}
    plain.files(code)
    (plain.path / "run.sh").chmod(0o755)
    (plain.path / "link.py").symlink_to("a.py")
    expected = directory_tree(plain.path)
    artefacts = {"coverage.xml": "", "x.log": "", "venv/pyvenv.cfg": "", "venv/x.py": ""}
    plain.files(artefacts | {"gen/.gitignore": "*\n", "gen/x.py": ""})
    assert directory_tree(plain.path) == expected
    assert sorted(path.name for path in plain.path.iterdir() if path.name == ".git") == []
    project.files(code)
    (project.path / "run.sh").chmod(0o755)
    (project.path / "link.py").symlink_to("a.py")
    project.commit("the same")
    assert head_tree(project) == expected


def test_an_empty_directory_has_the_empty_tree(tmp_path):
    assert directory_tree(tmp_path) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(GitError, match="No such file or directory"):
        directory_tree(tmp_path / "nowhere")
