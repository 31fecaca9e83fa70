"""The commits of a task and the files that they touch, over real histories."""

from __future__ import annotations

import pytest

from pytest_malagate.errors import UsageError
from pytest_malagate.gate.commit import judge_commits
from pytest_malagate.gate.resolution import docs_only_offenders
from tests.repository.places import opened


def _found(project, task, base=None):
    return [commit.subject for commit in opened(project.path).commits(task, base=base)]


def _touched(project, task):
    """What all commits of a task touch, as ISSUE_DOCS_ONLY is judged."""
    repository = opened(project.path)
    finding = judge_commits(repository.commits(task, base=None), task, None)
    return {path for commit in finding.matches for path in repository.files_of(commit.hash)}


def test_candidates_are_those_of_the_range_newest_first_or_of_all_history_with_its_root(committed):
    committed.files({"a.py": "1\n"}).commit("x-1: second", when=1_700_000_010)
    committed.files({"a.py": "2\n"}).commit("other", when=1_700_000_020)
    committed.files({"a.py": "3\n"}).commit("x-1: third", when=1_700_000_030)
    assert _found(committed, "x-1") == ["x-1: third", "x-1: second", "x-1: first"]
    assert _found(committed, "x-1", base="HEAD~2") == ["x-1: third"]
    assert _found(committed, "x-1", base="HEAD") == []


def test_a_commit_is_told_in_full(committed):
    message = "fix: the parser\n\nThis reverts commit 123.\n\nTask: x-1\nFixes: #12\n  more"
    committed.files({"a.py": "1\n"})
    name = committed.commit(message, when=1_703_500_000)
    (commit,) = opened(committed.path).commits("x-1", base="HEAD~1")
    assert commit.hash == name
    assert (commit.time, commit.subject, commit.parents) == (1_703_500_000, "fix: the parser", 1)
    assert commit.trailers == (("Task", "x-1"), ("Fixes", "#12 more"))
    assert commit.reverts
    assert commit.files is None


def test_a_root_and_a_merge_are_candidates_too(committed):
    committed.git("checkout", "-q", "-b", "side")
    committed.files({"side.py": "1\n"}).commit("x-1: side")
    committed.git("checkout", "-q", "main")
    committed.files({"main.py": "1\n"}).commit("other")
    committed.git("merge", "-q", "--no-ff", "-m", "x-1: merge", "side")
    found = {c.subject: c.parents for c in opened(committed.path).commits("x-1", base=None)}
    assert found == {"x-1: merge": 2, "x-1: side": 1, "x-1: first": 0}


@pytest.mark.parametrize(
    ("message", "task"),
    [
        ("x-10: other", "x-1"),
        ("xA1: other", "x.1"),
        ("other\n\nthis prepares x-1 a little", "x-1"),
        ('Revert "x-2: fix"\n\nThis reverts commit 123.', "x-2"),
    ],
)
def test_a_commit_of_another_task_prose_and_a_revert_are_none_for_the_task(project, message, task):
    project.files({"a.py": "1\n"}).commit(message)
    candidates = opened(project.path).commits(task, base=None)
    assert judge_commits(candidates, task, None).matches == ()


def test_a_revert_by_git_does_not_count_and_the_commit_that_it_reverts_still_does(committed):
    committed.files({"a.py": "1\n"})
    reverted = committed.commit("x-2: fix")
    committed.git("revert", "--no-edit", "HEAD")
    candidates = opened(committed.path).commits("x-2", base=None)
    finding = judge_commits(candidates, "x-2", None)
    assert len(candidates) == 2
    assert [commit.hash for commit in finding.matches] == [reverted]


@pytest.mark.parametrize(("baseline", "fresh"), [(1_700_000_000, True), (1_700_000_001, False)])
def test_a_commit_is_fresh_from_the_second_of_the_baseline_on(unchanging, baseline, fresh):
    candidates = opened(unchanging.path).commits("x-1", base=None)
    assert (judge_commits(candidates, "x-1", baseline).commit is not None) is fresh


def test_an_unknown_base_is_a_usage_error(unchanging):
    with pytest.raises(UsageError, match="'nowhere'"):
        opened(unchanging.path).commits("x-1", base="nowhere")


@pytest.mark.parametrize("task", ["-x-1", "--all", "x.*", "x[1]", "#12", "ü-1"])
def test_any_id_is_searched_literally(project, task):
    project.files({"a.py": "1\n"}).commit(f"[{task}] fix")
    project.files({"a.py": "2\n"}).commit("xyz1: other")
    assert _found(project, task) == [f"[{task}] fix"]


@pytest.mark.parametrize("task", ["", " ", "x 1", "x\n1", "\0"])
def test_what_can_be_no_id_has_no_candidates(unchanging, task):
    assert _found(unchanging, task) == []


def test_a_message_holds_no_control_character_and_is_bounded(project):
    project.files({"a.py": "1\n"}).commit("x-1: \x1b[31mred\u202e\n\nTask: x-1\x07")
    project.files({"a.py": "2\n"}).commit("x-1: " + "long " * 1000)
    long, red = opened(project.path).commits("x-1", base=None)
    assert red.subject == "x-1: \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"
    assert red.trailers == (("Task", "x-1\N{REPLACEMENT CHARACTER}"),)
    assert len(long.subject) == 501


def test_a_message_in_another_encoding_is_read(project):
    project.files({"a.py": "1\n"})
    project.git("add", "-A")
    (project.path / "message").write_bytes("x-1: schön".encode("latin-1"))
    project.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "-F", "message")
    assert _found(project, "x-1") == ["x-1: schön"]


def test_a_root_commit_touches_all_its_files(unchanging):
    touched = opened(unchanging.path).files_of(unchanging.git("rev-parse", "HEAD"))
    assert touched == ("src/data.json", "src/parser.py", "tests/test_parser.py")


def test_a_rename_a_deletion_and_odd_names_are_touched_by_all_their_names(committed):
    committed.git("mv", "src/parser.py", "src/reader.py")
    (committed.path / "src/data.json").unlink()
    committed.files({"schön.py": "1\n", "a\nb.md": "1\n"}).commit("much")
    touched = opened(committed.path).files_of("HEAD")
    expected = ("a\\x0ab.md", "schön.py", "src/data.json", "src/parser.py", "src/reader.py")
    assert touched == tuple(sorted(expected, key=str.encode))


def test_a_merge_touches_what_differs_from_its_first_parent(committed):
    committed.git("checkout", "-q", "-b", "side")
    committed.files({"side.py": "1\n"}).commit("side")
    committed.git("checkout", "-q", "main")
    committed.files({"main.md": "1\n"}).commit("main")
    committed.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    assert opened(committed.path).files_of("HEAD") == ("side.py",)


def test_an_empty_commit_touches_nothing(committed):
    committed.git("commit", "-q", "--allow-empty", "-m", "empty")
    assert opened(committed.path).files_of("HEAD") == ()


@pytest.mark.parametrize("commit", ["1" * 40, "nowhere", "-x", ""])
def test_where_git_cannot_tell_the_files_there_is_none_and_not_an_empty_list(unchanging, commit):
    assert opened(unchanging.path).files_of(commit) is None


def test_documents_alone_are_documentation(committed):
    committed.files({"README.md": "1\n", "docs/guide.md": "1\n"}).commit("x-2: write")
    assert docs_only_offenders(_touched(committed, "x-2")) == ()


@pytest.mark.parametrize("path", ["src/new.py", "pyproject.toml", "malagate.yaml", "Makefile"])
def test_code_before_a_commit_of_documents_of_one_task_is_found(committed, path):
    committed.files({path: "1\n"}).commit("x-2: change")
    committed.files({"README.md": "1\n"}).commit("x-2: describe")
    assert docs_only_offenders(_touched(committed, "x-2")) == (path,)


def test_code_in_a_root_commit_is_found(project):
    project.files({"README.md": "1\n", "code.py": "1\n"}).commit("x-2: all")
    assert docs_only_offenders(_touched(project, "x-2")) == ("code.py",)


def test_code_that_became_a_document_is_found_by_its_old_name(committed):
    committed.git("mv", "src/parser.py", "parser.md")
    committed.commit("x-2: rename")
    assert docs_only_offenders(_touched(committed, "x-2")) == ("src/parser.py",)
