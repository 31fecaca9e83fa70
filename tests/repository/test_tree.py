"""The tree hash of working files, over real git."""

from __future__ import annotations

import os
import shutil

import pytest

from pytest_malagate.repository import GitError, Repository, directory_tree
from pytest_malagate.repository.tree import MAX_EDITED

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def head_tree(checkout):
    return checkout.git("rev-parse", "HEAD^{tree}")


def test_clean_working_files_have_the_tree_of_head(checkout):
    found = checkout.repository.working_tree()
    assert found.tree == head_tree(checkout)
    assert found.head == checkout.git("rev-parse", "HEAD")
    assert (found.edited, found.edited_total, found.untracked) == ((), 0, ())
    assert not found.dirty


def test_an_edit_of_a_tracked_file_is_another_tree_staged_or_not(checkout):
    checkout.write("app.py", "x = 2\n")
    unstaged = checkout.repository.working_tree()
    checkout.git("add", "app.py")
    staged = checkout.repository.working_tree()
    assert unstaged.tree == staged.tree != head_tree(checkout)
    assert unstaged.edited == staged.edited == ("app.py",)
    assert unstaged.dirty


def test_an_edit_that_is_taken_back_is_the_old_tree_again(checkout):
    before = checkout.tree
    checkout.write("app.py", "x = 2\n")
    checkout.git("add", "app.py")
    checkout.write("app.py")
    assert checkout.tree == before


ARTEFACTS = (
    "coverage.xml",
    ".coverage",
    "run.log",
    "report.json",
    "report.html",
    "junit.xml",
    "state.db",
    "notes.txt",
    "pkg/__pycache__/app.cpython-311.pyc",
    "__pycache__/generated.py",
    ".pytest_cache/v/cache/lastfailed",
    ".tox/py311/lib/site.py",
    "node_modules/left-pad/index.js",
    "htmlcov/coverage_html.js",
    "malagate-out/evidence.jsonl",
    "malagate-out/summary.py",
)


@pytest.mark.parametrize("path", ARTEFACTS)
def test_an_untracked_artefact_counts_for_nothing_without_any_gitignore(checkout, path):
    checkout.write(path, "whatever")
    found = checkout.repository.working_tree()
    assert found.tree == head_tree(checkout)
    assert not found.dirty


CODE = (
    "new.py",
    "pkg/deep/er/new.PY",
    "fast.pyx",
    "fast.c",
    "lib.rs",
    "run.sh",
    "site/app.ts",
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    "sub/tox.ini",
    "setup.cfg",
    "pyproject.toml",
    ".coveragerc",
)


@pytest.mark.parametrize("path", CODE)
def test_untracked_code_and_configuration_is_part_of_the_tree_that_its_commit_will_have(
    checkout, path
):
    checkout.write(path, "whatever\n")
    checkout.write("coverage.xml")
    found = checkout.repository.working_tree()
    assert found.untracked == (path,)
    assert found.dirty
    checkout.commit("add it", path)
    assert head_tree(checkout) == found.tree == checkout.tree


def test_code_that_git_ignores_is_no_part_of_the_tree(checkout):
    checkout.write(".gitignore", "generated.py\n")
    checkout.commit("ignore", ".gitignore")
    checkout.write("generated.py")
    assert checkout.tree == head_tree(checkout)


def test_a_tracked_file_counts_whatever_its_name_and_place(checkout):
    checkout.write("node_modules/data.json", "1")
    checkout.commit("vendored", "node_modules/data.json")
    checkout.write("node_modules/data.json", "2")
    found = checkout.repository.working_tree()
    assert found.edited == ("node_modules/data.json",)
    assert found.tree != head_tree(checkout)


def test_a_virtual_environment_counts_for_nothing(checkout):
    checkout.write("env/pyvenv.cfg", "home = /usr/bin\n")
    checkout.write("env/lib/python3.11/site-packages/six.py")
    assert checkout.tree == head_tree(checkout)


def test_a_pyvenv_cfg_beside_tracked_files_hides_nothing(checkout):
    checkout.write("src/app.py")
    checkout.commit("source", "src/app.py")
    checkout.write("src/pyvenv.cfg", "")
    checkout.write("src/hidden.py")
    assert checkout.repository.working_tree().untracked == ("src/hidden.py",)


def test_every_sort_of_change_to_tracked_files_gives_the_tree_of_its_commit(checkout):
    for name in ("edit", "delete", "mode", "link", "file_to_folder", "folder/member", "unstaged"):
        checkout.write(f"{name}.py", name)
    checkout.git("add", ".")
    checkout.commit("many")
    root = checkout.root
    checkout.write("edit.py", "edited")
    (root / "delete.py").unlink()
    (root / "mode.py").chmod(0o755)
    (root / "link.py").unlink()
    (root / "link.py").symlink_to("edit.py")
    (root / "file_to_folder.py").unlink()
    checkout.write("file_to_folder.py/inner.py")
    shutil.rmtree(root / "folder")
    (root / "folder").symlink_to(root.parent)
    checkout.git("rm", "--quiet", "--cached", "unstaged.py")
    checkout.write("added.txt", "a new file that is no code but staged")
    checkout.git("add", "added.txt")
    checkout.write("intended.log", "a new file that is to be added")
    checkout.git("add", "--intent-to-add", "intended.log")

    found = checkout.repository.working_tree()

    assert set(found.edited) == {
        *("edit.py", "delete.py", "mode.py", "link.py", "file_to_folder.py", "folder/member.py"),
        *("unstaged.py", "added.txt", "intended.log"),
    }
    assert found.untracked == ("file_to_folder.py/inner.py", "unstaged.py")
    checkout.git("add", "--update")
    checkout.git("add", *found.untracked)
    checkout.commit("all of it")
    assert head_tree(checkout) == found.tree


def test_an_empty_commit_an_amended_message_and_a_rebase_keep_the_tree(checkout):
    checkout.write("app.py", "x = 2\n")
    checkout.commit("x-1: edit", "app.py")
    before = checkout.tree
    checkout.commit("empty")
    assert checkout.tree == before
    checkout.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "another message")
    assert checkout.tree == before
    checkout.git("rebase", "--quiet", "--force-rebase", "HEAD~2")
    assert checkout.tree == before


def test_before_the_first_commit_the_tree_is_that_of_the_code_and_of_what_is_staged(empty):
    assert empty.tree == EMPTY_TREE
    empty.write("app.py")
    empty.write("notes.txt")
    empty.write("staged.txt")
    empty.git("add", "staged.txt")
    found = empty.repository.working_tree()
    assert found.head is None
    assert (found.edited, found.untracked) == (("staged.txt",), ("app.py",))
    empty.commit("first", "app.py")
    assert head_tree(empty) == found.tree


@pytest.mark.parametrize("name", ["a\nb.py", 'quo"te.py', "-x.py", ":(glob)*.py", " .py", "é.py"])
def test_odd_file_names_are_kept(checkout, name):
    checkout.write(name)
    found = checkout.repository.working_tree()
    assert found.untracked == (name,)
    checkout.git("--literal-pathspecs", "add", "--", name)
    checkout.commit("odd")
    assert head_tree(checkout) == found.tree
    checkout.write(name, "edited")
    assert checkout.repository.working_tree().edited == (name,)


def test_a_file_name_that_is_no_utf8_is_kept_as_surrogates(checkout):
    path = os.fsencode(checkout.root) + b"/caf\xe9.py"
    try:
        with open(path, "wb") as file:  # noqa: PTH123  (a Path cannot be made of every bytes)
            file.write(b"x = 1\n")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = checkout.repository.working_tree()
    assert found.untracked == ("caf\udce9.py",)
    checkout.git("add", ".")
    checkout.commit("latin")
    assert checkout.tree == found.tree == head_tree(checkout)


def test_at_most_so_many_edited_files_are_named_and_all_are_counted(checkout):
    for number in range(MAX_EDITED + 5):
        checkout.write(f"m{number:03}.py")
    checkout.git("add", ".")
    found = checkout.repository.working_tree()
    assert len(found.edited) == MAX_EDITED
    assert found.edited_total == MAX_EDITED + 5


def test_unmerged_files_count_with_their_working_content(checkout):
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.write("app.py", "x = 'side'\n")
    checkout.commit("side", "app.py")
    checkout.git("checkout", "--quiet", "main")
    checkout.write("app.py", "x = 'main'\n")
    checkout.commit("main", "app.py")
    with pytest.raises(AssertionError, match="git"):
        checkout.git("merge", "side")
    checkout.write("app.py", "x = 'both'\n")
    found = checkout.repository.working_tree()
    assert found.edited == ("app.py",)
    checkout.commit("merged", "app.py")
    assert head_tree(checkout) == found.tree


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_an_edit_cannot_be_hidden_by_a_flag_in_the_index(checkout, flag):
    checkout.git("update-index", flag, "app.py")
    assert checkout.tree == head_tree(checkout)
    checkout.write("app.py", "x = 2\n")
    assert checkout.git("status", "--porcelain") == ""
    found = checkout.repository.working_tree()
    assert found.edited == ("app.py",)
    assert found.tree != head_tree(checkout)


def test_an_edit_of_the_same_size_and_time_as_the_index_is_seen(checkout):
    index = checkout.root / ".git" / "index"
    file = checkout.root / "app.py"
    moment = (1_700_000_000_000_000_000, 1_700_000_000_000_000_000)
    os.utime(file, ns=moment)
    checkout.git("update-index", "--refresh")
    file.write_text("x = 2\n")
    os.utime(file, ns=moment)
    os.utime(index, ns=moment)
    assert checkout.tree != head_tree(checkout)


def test_an_edit_with_its_old_time_is_seen_whatever_the_configuration_trusts(checkout):
    file = checkout.root / "app.py"
    moment = (1_700_000_000_000_000_000, 1_700_000_000_000_000_000)
    os.utime(file, ns=moment)
    checkout.git("config", "core.trustctime", "false")
    checkout.git("update-index", "--refresh")
    file.write_text("x = 2\n")
    os.utime(file, ns=moment)
    assert checkout.tree != head_tree(checkout)


def test_a_subdirectory_and_a_linked_work_tree_are_judged_as_what_they_are(checkout, tmp_path):
    checkout.write("src/new.py")
    inner = Repository.discover(checkout.root / "src")
    assert inner is not None
    assert inner.working_tree() == checkout.repository.working_tree()

    checkout.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Repository.discover(tmp_path / "linked")
    assert linked is not None
    assert linked.root == (tmp_path / "linked").resolve()
    assert linked.working_tree().tree == head_tree(checkout)
    (linked.root / "app.py").write_text("linked\n")
    assert linked.working_tree().edited == ("app.py",)
    assert checkout.repository.working_tree().edited == ()


def test_a_work_tree_nested_in_the_working_files_is_no_part_of_them(checkout):
    checkout.git("worktree", "add", "--quiet", "inside")
    assert checkout.tree == head_tree(checkout)


def test_a_sparse_checkout_keeps_what_is_not_on_the_disk(checkout):
    for path in ("in/a.py", "out/b.py"):
        checkout.write(path)
    checkout.git("add", ".")
    checkout.commit("two folders")
    checkout.git("sparse-checkout", "set", "in")
    assert not (checkout.root / "out").exists()
    assert checkout.tree == head_tree(checkout)
    checkout.write("in/a.py", "edited")
    checkout.write("out/new.py")
    found = checkout.repository.working_tree()
    assert (found.edited, found.untracked) == (("in/a.py",), ("out/new.py",))
    checkout.git("add", "--sparse", "--all")
    checkout.commit("both")
    assert head_tree(checkout) == found.tree


def test_a_submodule_counts_with_its_commit_and_its_edits_are_seen(checkout, tmp_path):
    checkout.git("clone", "--quiet", str(checkout.root), str(tmp_path / "other"))
    checkout.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
                 str(tmp_path / "other"), "sub")  # fmt: skip
    checkout.git("config", "-f", ".gitmodules", "submodule.sub.ignore", "all")
    checkout.commit("submodule", ".gitmodules")
    assert checkout.repository.working_tree().tree == head_tree(checkout)
    assert not checkout.repository.working_tree().dirty

    (checkout.root / "sub" / "app.py").write_text("x = 2\n")
    edited = checkout.repository.working_tree()
    assert (edited.tree, edited.edited) == (head_tree(checkout), ("sub",))

    checkout.git("-C", "sub", "commit", "--quiet", "-a", "-m", "inside")
    moved = checkout.repository.working_tree()
    assert moved.tree != head_tree(checkout)
    checkout.commit("moved", "sub")
    assert head_tree(checkout) == moved.tree


def test_filters_and_line_end_rules_apply_as_in_a_commit(checkout):
    checkout.write(".gitattributes", "*.py text eol=lf\n")
    checkout.commit("attributes", ".gitattributes")
    checkout.git("config", "core.safecrlf", "true")
    checkout.write("app.py", "x = 1\r\n")
    checkout.write("new.py", "y = 1\r\n")
    found = checkout.repository.working_tree()
    checkout.git("config", "core.safecrlf", "false")
    checkout.commit("line ends", "app.py", "new.py")
    assert head_tree(checkout) == found.tree


def snapshot(folder):
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_repository_is_only_read_and_may_be_read_only(checkout):
    checkout.write("new.py")
    checkout.write("app.py", "x = 2\n")
    git_dir = checkout.root / ".git"
    repository = checkout.repository
    before = snapshot(git_dir)
    folders = [git_dir, *(path for path in git_dir.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        found = repository.working_tree()
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert found.dirty
    assert snapshot(git_dir) == before


def test_neither_hooks_nor_a_monitor_nor_printing_options_take_part(checkout, tmp_path):
    trace = tmp_path / "trace"
    script = tmp_path / "intruder"
    script.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    script.chmod(0o755)
    for key, value in {
        "core.fsmonitor": str(script),
        "core.hooksPath": str(tmp_path),
        "core.pager": str(script),
        "diff.external": str(script),
        "color.ui": "always",
        "status.showUntrackedFiles": "no",
        "core.splitIndex": "true",
    }.items():
        checkout.git("config", key, value)
    script.rename(tmp_path / "post-index-change")
    (tmp_path / "intruder").symlink_to("post-index-change")
    repository = checkout.repository
    clean = repository.working_tree()
    checkout.write("app.py", "x = 2\n")
    checkout.write("new.py")
    found = repository.working_tree()
    assert clean.tree != found.tree
    assert (found.edited, found.untracked) == (("app.py",), ("new.py",))
    assert not trace.exists()
    assert not list((checkout.root / ".git").glob("sharedindex.*"))


def test_variables_that_a_hook_sets_do_not_redirect_git(checkout, tmp_path, monkeypatch):
    other = tmp_path / "other"
    checkout.git("init", "--quiet", str(other))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "no-objects"))
    monkeypatch.setenv("GIT_PREFIX", "elsewhere/")
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "0")
    monkeypatch.setenv("GIT_TRACE", "1")
    found = Repository.discover(checkout.root)
    assert found is not None
    assert found.root == checkout.root
    assert not found.working_tree().dirty


def test_a_replaced_object_is_not_taken_for_the_commit(checkout):
    real = head_tree(checkout)
    checkout.write("app.py", "x = 2\n")
    fake = checkout.git("commit-tree", "-m", "fake", EMPTY_TREE)
    checkout.git("replace", "HEAD", fake)
    checkout.write("app.py")
    assert checkout.repository.tree_of("HEAD") == real
    assert checkout.tree == real


def test_a_tracked_file_that_became_a_pipe_is_a_clear_error(checkout):
    (checkout.root / "app.py").unlink()
    os.mkfifo(checkout.root / "app.py")
    with pytest.raises(GitError, match="git update-index failed"):
        checkout.repository.working_tree()


def test_an_index_that_is_damaged_is_a_clear_error(checkout):
    (checkout.root / ".git" / "index").write_bytes(b"nonsense")
    with pytest.raises(GitError, match="git ls-files failed"):
        checkout.repository.working_tree()


def test_a_directory_in_no_repository_has_a_tree_by_the_same_rule(checkout, tmp_path):
    plain = tmp_path / "plain"
    (plain / "pkg").mkdir(parents=True)
    assert directory_tree(plain) == EMPTY_TREE
    (plain / "app.py").write_text("x = 1\n")
    (plain / "pkg" / "b.py").write_text("y = 1\n")
    before = directory_tree(plain)
    (plain / "coverage.xml").write_text("<coverage/>")
    (plain / "__pycache__").mkdir()
    (plain / "__pycache__" / "c.py").write_text("")
    assert directory_tree(plain) == before
    (plain / "app.py").write_text("x = 2\n")
    assert directory_tree(plain) != before
    assert not (plain / ".git").exists()

    checkout.write("app.py", "x = 2\n")
    checkout.write("pkg/b.py", "y = 1\n")
    checkout.git("rm", "--quiet", "--cached", "README.md")
    assert checkout.tree == directory_tree(plain)


def test_a_directory_that_does_not_exist_is_a_clear_error(tmp_path):
    with pytest.raises(GitError, match="git ls-files failed.*missing"):
        directory_tree(tmp_path / "missing")
