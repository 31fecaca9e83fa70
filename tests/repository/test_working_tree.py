"""The tree rule: which change of which file makes another tree, and which commit has it."""

from __future__ import annotations

import hashlib
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_malagate.repository.code import is_code
from tests.conftest import Project
from tests.repository.places import opened, tree, working

ARTEFACTS = (
    "coverage.xml",
    "junit.xml",
    "run.log",
    "report.json",
    "report.html",
    "results.db",
    "state.sqlite3",
    ".coverage",
    ".coverage.host.1.2",
    "notes.txt",
    "__pycache__/parser.py",
    "src/__pycache__/parser.cpython-311.pyc",
    ".pytest_cache/README.md",
    ".pytest_cache/hook.py",
    "htmlcov/coverage_html.js",
    "malagate-out/evidence.jsonl",
    "malagate-out/generated.py",
    "node_modules/left-pad/index.js",
    "docs/_build/html/_static/searchtools.js",
    "build/lib/parser.py",
    "build/lib.linux-x86_64-cpython-311/parser.py",
    "src/parser.egg-info/SOURCES.txt",
)
SOURCES = (
    "new.py",
    "src/deep/er/new.py",
    "tests/test_new.py",
    "conftest.py",
    "new.pyi",
    "extension.C",
    "migration.sql",
    "run.sh",
    "pytest.ini",
    "pytest.toml",
    "tox.ini",
    "setup.cfg",
    "pyproject.toml",
    ".coveragerc",
    "MANIFEST.in",
    "build/release.py",
    "library/module.py",
    "docs/conf.py",
)


def head_tree(project: Project) -> str:
    return project.git("rev-parse", "HEAD^{tree}")


def test_clean_working_files_have_the_tree_of_their_commit(committed):
    found = working(committed.path)
    assert found.tree == head_tree(committed)
    assert found.head == committed.git("rev-parse", "HEAD")
    assert (found.dirty, found.edited, found.untracked) == (False, (), ())


def test_untracked_artefacts_leave_the_tree_as_it_is(committed):
    committed.files(dict.fromkeys(ARTEFACTS, "something\n"))
    found = working(committed.path)
    assert found.tree == head_tree(committed)
    assert not found.dirty


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_an_artefact_is_known_by_its_path(artefact):
    assert not is_code(artefact)


@pytest.mark.parametrize("source", SOURCES)
def test_code_and_configuration_is_known_by_its_path(source):
    assert is_code(source)


def test_untracked_code_and_configuration_is_part_of_the_tree(committed):
    committed.files(dict.fromkeys(ARTEFACTS + SOURCES, "something\n"))
    found = working(committed.path)
    assert set(found.untracked) == set(SOURCES)
    committed.git("add", *SOURCES)
    assert found.tree == committed.git("write-tree") != head_tree(committed)


def test_ignored_code_is_no_part_of_the_tree(committed):
    committed.files({".gitignore": "generated.py\n"}).commit("ignore")
    committed.files({"generated.py": "something\n"})
    assert tree(committed.path) == head_tree(committed)


@pytest.mark.parametrize("folder", [".venv", "deep/environment"])
def test_a_virtual_environment_is_no_part_of_the_tree(committed, folder):
    committed.files({f"{folder}/pyvenv.cfg": "", f"{folder}/lib/site-packages/a.py": "1\n"})
    assert tree(committed.path) == head_tree(committed)


def test_a_file_called_pyvenv_cfg_hides_no_code_beside_tracked_files(committed):
    committed.files({"src/pyvenv.cfg": "", "src/new.py": "1\n"})
    assert working(committed.path).untracked == ("src/new.py",)


def _edit(project):
    project.files({"src/parser.py": "VALUE = 2\n"})


def _edit_and_stage(project):
    _edit(project)
    project.git("add", "-A")


def _stage_and_edit_again(project):
    _edit_and_stage(project)
    project.files({"src/parser.py": "VALUE = 3\n"})


def _delete(project):
    (project.path / "src/parser.py").unlink()


def _delete_in_the_index(project):
    project.git("rm", "-q", "src/parser.py")


def _edit_tracked_data(project):
    project.files({"src/data.json": "[]\n"})


def _make_executable(project):
    (project.path / "src/parser.py").chmod(0o755)


def _make_a_link(project):
    path = project.path / "src/parser.py"
    path.unlink()
    path.symlink_to("data.json")


def _make_a_folder(project):
    path = project.path / "src/parser.py"
    path.unlink()
    project.files({"src/parser.py/__init__.py": "1\n"})


def _rename(project):
    project.git("mv", "src/parser.py", "src/reader.py")


def _mark_as_intended(project):
    project.files({"notes.md": "text\n"})
    project.git("add", "--intent-to-add", "notes.md")


def _stage_and_remove(project):
    project.files({"gone.py": "1\n"})
    project.git("add", "gone.py")
    (project.path / "gone.py").unlink()
    _edit(project)


def _edit_with_the_old_size_and_time(project):
    path = project.path / "src/parser.py"
    before = path.stat()
    _edit(project)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _edit_with_the_old_time_where_git_trusts_little(project):
    for setting in ("core.trustctime=false", "core.checkStat=minimal", "core.ignoreStat=true"):
        project.git("config", *setting.split("="))
    _edit_with_the_old_size_and_time(project)


def _edit_unseen(project):
    project.git("update-index", "--assume-unchanged", "src/parser.py")
    _edit(project)


def _edit_skipped(project):
    project.git("update-index", "--skip-worktree", "src/parser.py")
    _edit(project)


def _delete_skipped(project):
    project.git("update-index", "--skip-worktree", "src/parser.py")
    _delete(project)


CHANGES = (
    _edit,
    _edit_and_stage,
    _stage_and_edit_again,
    _delete,
    _delete_in_the_index,
    _edit_tracked_data,
    _make_executable,
    _make_a_link,
    _make_a_folder,
    _rename,
    _mark_as_intended,
    _stage_and_remove,
    _edit_with_the_old_size_and_time,
    _edit_with_the_old_time_where_git_trusts_little,
    _edit_unseen,
    _edit_skipped,
    _delete_skipped,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_change_of_tracked_files_makes_the_tree_that_its_commit_will_have(committed, change):
    change(committed)
    found = working(committed.path)
    assert found.dirty
    assert found.edited_total == len(found.edited) > 0
    committed.git("config", "core.ignoreStat", "false")
    for option in ("--no-assume-unchanged", "--no-skip-worktree"):
        if "src/parser.py" in committed.git("ls-files").splitlines():
            committed.git("update-index", option, "src/parser.py")
    committed.commit("the change")
    assert head_tree(committed) == found.tree
    assert tree(committed.path) == found.tree


def test_a_link_is_part_of_the_tree_and_not_what_it_leads_to(committed, tmp_path):
    (tmp_path / "outside.py").write_text("1\n")
    (committed.path / "link.py").symlink_to(tmp_path / "outside.py")
    before = tree(committed.path)
    (tmp_path / "outside.py").write_text("2\n")
    assert tree(committed.path) == before != head_tree(committed)
    committed.commit("the link")
    assert head_tree(committed) == before


def test_an_untracked_executable_keeps_its_mode_bit(committed):
    committed.files({"run.sh": "true\n"})
    plain = tree(committed.path)
    path = committed.path / "run.sh"
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    executable = tree(committed.path)
    committed.commit("the script")
    assert head_tree(committed) == executable != plain


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"line\nbreak.py", "line\\x0abreak.py"),
        (b"\xff\xfe.py", "\\xff\\xfe.py"),
        ("schön.py".encode(), "schön.py"),
        (b' "quoted\\ .py', ' "quoted\\ .py'),
        (b"*[a].py", "*[a].py"),
        (b":(top)x.py", ":(top)x.py"),
        (b"-n.py", "-n.py"),
        ("\u202egnp.py".encode(), "\\xe2\\x80\\xaegnp.py"),
    ],
)
def test_any_name_is_hashed_as_it_is_and_shown_on_one_line(committed, name, shown):
    path = os.path.join(os.fsencode(committed.path), name)  # noqa: PTH118  (bytes)
    with open(path, "w") as file:  # noqa: PTH123  (bytes)
        file.write("1\n")
    untracked = working(committed.path)
    assert untracked.untracked == (shown,)
    committed.commit("odd name")
    assert head_tree(committed) == untracked.tree
    os.unlink(path)  # noqa: PTH108  (bytes)
    assert working(committed.path).edited == (shown,)


def test_before_the_first_commit_the_tree_is_of_what_lies_there(project):
    empty = working(project.path)
    assert (empty.tree, empty.head) == (project.git("write-tree"), None)
    project.files({"a.py": "1\n", "run.log": "x\n"})
    untracked = working(project.path)
    assert (untracked.untracked, untracked.dirty) == (("a.py",), True)
    project.git("add", "a.py")
    staged = working(project.path)
    assert staged.tree == untracked.tree == project.git("write-tree")
    assert (staged.edited, staged.untracked) == (("a.py",), ())


def test_an_unmerged_index_has_the_tree_of_the_working_files(committed):
    committed.git("checkout", "-q", "-b", "side")
    committed.files({"src/parser.py": "VALUE = 'side'\n"}).commit("side")
    committed.git("checkout", "-q", "main")
    committed.files({"src/parser.py": "VALUE = 'main'\n"}).commit("main")
    assert committed.call("git", "merge", "side").returncode == 1
    conflicted = working(committed.path)
    assert conflicted.edited == ("src/parser.py",)
    committed.commit("with its conflict marks")
    assert head_tree(committed) == conflicted.tree


def test_an_unmerged_path_that_was_deleted_is_no_part_of_the_tree(committed):
    committed.git("checkout", "-q", "-b", "side")
    committed.files({"src/parser.py": "VALUE = 'side'\n"}).commit("side")
    committed.git("checkout", "-q", "main")
    committed.git("rm", "-q", "src/parser.py")
    committed.commit("delete")
    assert committed.call("git", "merge", "side").returncode == 1
    (committed.path / "src/parser.py").unlink()
    assert tree(committed.path) == head_tree(committed)


def test_an_empty_an_amended_and_a_rebased_commit_have_the_tree_of_before(committed):
    before = tree(committed.path)
    committed.git("commit", "-q", "--allow-empty", "-m", "nothing")
    empty = working(committed.path)
    committed.git("commit", "-q", "--amend", "--allow-empty", "-m", "another message")
    amended = working(committed.path)
    committed.git("rebase", "-q", "--force-rebase", "--root")
    rebased = working(committed.path)
    assert before == empty.tree == amended.tree == rebased.tree
    assert len({empty.head, amended.head}) == 2


def test_an_edit_that_is_taken_back_has_the_tree_of_before(committed):
    before = tree(committed.path)
    _edit(committed)
    assert tree(committed.path) != before
    committed.files({"src/parser.py": "VALUE = 1\n"})
    assert tree(committed.path) == before


def test_the_tree_does_not_depend_on_the_directory_that_asks(committed):
    committed.files({"new.py": "1\n"})
    assert tree(committed.path / "src") == tree(committed.path)
    assert opened(committed.path / "src").root == committed.path.resolve()


def test_more_edits_than_are_listed_are_counted(committed):
    committed.files({f"many/{number}.py": "1\n" for number in range(60)}).commit("many")
    committed.files({f"many/{number}.py": "2\n" for number in range(60)})
    found = working(committed.path)
    assert (len(found.edited), found.edited_total) == (50, 60)


PATHS = ("a.py", "pkg.py", "pkg-b.py", "pkg/a.py", "pkg/b.json", "run.log", "pkg")
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "add", "unstage", "mode"]), st.sampled_from(PATHS)
    ),
    min_size=1,
    max_size=8,
)


def _apply(project: Project, operation: str, name: str) -> None:
    path = project.path / name
    if operation == "write" and not path.is_dir() and path.parent.is_dir():
        path.write_text(f"{path.stat().st_size if path.exists() else 0}\n" * 3)
    elif operation == "delete" and path.is_file():
        path.unlink()
    elif operation == "mode" and path.is_file():
        path.chmod(0o755)
    elif operation == "add" and (path.exists() or name in project.git("ls-files")):
        project.call("git", "add", "-A", "--", name)
    elif operation == "unstage":
        project.call("git", "rm", "-q", "--cached", "-r", "--", name)


@settings(max_examples=8, deadline=None)
@given(operations=OPERATIONS)
def test_whatever_was_done_a_commit_of_exactly_these_files_has_the_tree(
    tmp_path_factory, operations
):
    project = Project(tmp_path_factory.mktemp("random"))
    project.git("init", "-q", "-b", "main", ".")
    project.files({"a.py": "1\n", "pkg/a.py": "1\n", "pkg/b.json": "1\n"}).commit("first")
    for operation, name in operations:
        _apply(project, operation, name)
    found = working(project.path)
    project.git("add", "-u")
    if found.untracked:
        project.git("add", "--", *found.untracked)
    assert project.git("write-tree") == found.tree


def _contents(folder):
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_nothing_in_the_repository_is_touched(committed):
    _stage_and_edit_again(committed)
    committed.files({"new.py": "1\n", "src/data.json": "[]\n"})
    (committed.path / ".git/index.lock").write_bytes(b"")  # another git is at work
    before = _contents(committed.path)
    assert working(committed.path).dirty
    assert _contents(committed.path) == before


def test_a_repository_that_may_only_be_read_is_read(committed):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    _edit(committed)
    folders = [committed.path / ".git", *(committed.path / ".git").rglob("*")]
    for path in folders:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert working(committed.path).edited == ("src/parser.py",)
    finally:
        for path in folders:
            path.chmod(0o755 if path.is_dir() else 0o644)
