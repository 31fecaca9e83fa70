"""Commits of a range and their files, over real git, judged by the pure rules."""

from __future__ import annotations

import pytest

from pytest_malagate.errors import UsageError
from pytest_malagate.gate.commit import judge_commits
from pytest_malagate.gate.resolution import docs_only_offenders

BASELINE = 1703501000


def found(checkout, task="x-1", baseline=None, base=None):
    return judge_commits(checkout.repository.commits(task, base=base), task, baseline)


def test_a_commit_is_told_with_its_full_hash_time_subject_trailers_and_parents(checkout):
    message = (
        "x-1: fix\nthe rest of the paragraph\n\nWhy.\n\nTask: x-1\nSigned-off-by: A\n  Tester\n"
    )
    name = checkout.commit(message, at=BASELINE)
    (commit,) = checkout.repository.commits("x-1", base=None)
    assert commit.hash == name
    assert commit.time == BASELINE
    assert commit.subject == "x-1: fix"
    assert commit.trailers == (("Task", "x-1"), ("Signed-off-by", "A Tester"))
    assert (commit.parents, commit.reverts, commit.files) == (1, False, None)


@pytest.mark.parametrize(
    "message",
    [
        "x-1: fix\n",
        "other\n\nTask: x-1\n",
        "other\n\nprose\n\nFixes: #x-1\nSigned-off-by: A Tester\n",
    ],
)
def test_a_commit_that_names_the_task_is_found(checkout, message):
    name = checkout.commit(message)
    assert found(checkout).commit.hash == name


@pytest.mark.parametrize(
    ("message", "task"),
    [
        ("x-10: other\n", "x-1"),
        ("xA1: other\n", "x.1"),
        ("other\n\nrelates to x-1 somehow\n", "x-1"),
        ("other\n\nx-1: not a subject\n\nthe end\n", "x-1"),
        ("other\nTask: x-1\n", "x-1"),
        ('Revert "x-1: fix"\n', "x-1"),
        ("other\n\nThis reverts commit abc.\n\nTask: x-1\n", "x-1"),
        ("x-1: take it back\n\nThis reverts commit abc.\n", "x-1"),
        ("Merge branch 'x-1'\n", "x-1"),
    ],
)
def test_a_commit_that_only_mentions_the_task_is_not_found(checkout, message, task):
    checkout.commit(message)
    assert found(checkout, task).matches == ()


def test_gits_own_revert_does_not_count_and_the_reverted_commit_still_does(checkout):
    checkout.write("app.py", "x = 2\n")
    name = checkout.commit("x-1: fix\n", "app.py")
    checkout.git("revert", "--no-edit", "HEAD")
    assert [commit.hash for commit in found(checkout).matches] == [name]


@pytest.mark.parametrize(
    ("time", "fresh"), [(1703500000, False), (BASELINE, True), (BASELINE + 1, True)]
)
def test_a_commit_is_fresh_from_the_second_of_the_baseline_on(checkout, time, fresh):
    name = checkout.commit("x-1: fix\n", at=time)
    finding = found(checkout, baseline=BASELINE)
    assert (finding.commit or finding.stale).hash == name
    assert (finding.commit is not None) is fresh


def test_every_commit_of_the_range_is_looked_at_newest_first(checkout):
    base = checkout.git("rev-parse", "HEAD")
    names = [checkout.commit(f"x-1: step {step}\n", at=BASELINE + step) for step in range(3)]
    checkout.commit("y-1: another task\n", at=BASELINE + 9)
    assert [commit.hash for commit in found(checkout, base=base).matches] == names[::-1]
    assert [commit.hash for commit in found(checkout, base=names[1]).matches] == names[2:]
    assert found(checkout, base="HEAD").matches == ()


def test_commits_that_a_merge_brings_in_are_part_of_the_range(checkout):
    checkout.git("checkout", "--quiet", "-b", "side")
    name = checkout.commit("x-1: on the side\n", at=BASELINE)
    checkout.git("checkout", "--quiet", "main")
    checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge side", "side")
    assert found(checkout, base="main~1").commit.hash == name


def test_a_root_commit_is_found(empty):
    empty.write("app.py")
    name = empty.commit("x-1: start\n", "app.py")
    finding = found(empty)
    assert finding.commit.hash == name
    assert finding.commit.parents == 0


def test_before_the_first_commit_there_is_none(empty):
    assert empty.repository.commits("x-1", base=None) == ()


def test_an_unknown_base_is_a_usage_error(checkout):
    with pytest.raises(UsageError, match="'origin/nowhere'"):
        checkout.repository.commits("x-1", base="origin/nowhere")


@pytest.mark.parametrize("task", ["", "a\nb", "a\0b", "--all", "x 1"])
def test_what_can_be_no_id_finds_nothing_and_breaks_nothing(checkout, task):
    checkout.commit("x-1: fix\n")
    assert checkout.repository.commits(task, base=None) == ()


def test_an_id_is_no_pattern(checkout):
    checkout.commit("x-1: fix\n")
    assert checkout.repository.commits("x.1", base=None) == ()
    assert checkout.repository.commits("x-[1]", base=None) == ()


def test_configuration_does_not_change_what_is_read(checkout):
    name = checkout.commit("other\n\nTask: x-1\n")
    for key, value in {
        "trailer.separators": "=",
        "log.showSignature": "true",
        "log.showRoot": "false",
        "format.pretty": "oneline",
        "grep.patternType": "perl",
        "i18n.logOutputEncoding": "UTF-16",
    }.items():
        checkout.git("config", key, value)
    assert found(checkout).commit.hash == name


def test_hostile_messages_are_bounded_and_lose_their_control_characters(checkout):
    trailers = "".join(f"Key-{number}: value\n" for number in range(300))
    message = f"x-1: \x1b[31mred\x07 {'long ' * 1000}\n\n{trailers}"
    checkout.commit(message)
    (commit,) = checkout.repository.commits("x-1", base=None)
    assert commit.subject.startswith("x-1: �[31mred� long")
    assert commit.subject.endswith("…")
    assert len(commit.subject) <= 501
    assert len(commit.trailers) == 100


def test_a_subject_that_is_cut_does_not_match_where_it_is_cut(checkout):
    filler = "a" * (500 - len(" (x-1)"))
    checkout.commit(f"{filler} (x-1) and more\n")
    assert found(checkout).matches == ()


def test_a_message_in_another_encoding_is_read(checkout):
    checkout.git("config", "i18n.commitEncoding", "ISO-8859-1")
    checkout.write("message", "")
    (checkout.root / "message").write_bytes(b"x-1: caf\xe9\n")
    checkout.git("commit", "--quiet", "--allow-empty", "-F", "message")
    (commit,) = checkout.repository.commits("x-1", base=None)
    assert commit.subject == "x-1: café"


def test_the_files_of_a_commit_are_what_it_adds_edits_deletes_and_renames(checkout):
    checkout.write("new\nline.py")
    checkout.write("app.py", "x = 2\n")
    checkout.git("mv", "README.md", "docs.md")
    checkout.git("config", "diff.renames", "copies")
    name = checkout.commit("x-1: many\n", "app.py", "new\nline.py")
    files = checkout.repository.files_of(name)
    assert files == ("README.md", "app.py", "docs.md", "new\nline.py")


def test_a_root_commit_touches_all_its_files(checkout):
    assert checkout.repository.files_of("HEAD") == ("README.md", "app.py")


def test_a_merge_touches_what_differs_from_its_first_parent(checkout):
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.write("side.py")
    checkout.commit("side\n", "side.py")
    checkout.git("checkout", "--quiet", "main")
    checkout.write("main.py")
    checkout.commit("main\n", "main.py")
    checkout.git("merge", "--quiet", "-m", "x-1: merge", "side")
    assert checkout.repository.files_of("HEAD") == ("side.py",)


def test_an_empty_commit_touches_no_file(checkout):
    assert checkout.repository.files_of(checkout.commit("x-1: nothing\n")) == ()


@pytest.mark.parametrize("commit", ["0" * 40, "no-such", "-x", ""])
def test_where_git_fails_the_files_are_unknown_rather_than_none(checkout, commit):
    assert checkout.repository.files_of(commit) is None


def offenders_of_the_task(checkout, task="x-1"):
    files = [checkout.repository.files_of(commit.hash) for commit in found(checkout, task).matches]
    return docs_only_offenders(path for touched in files for path in touched)


def test_documents_alone_offend_nobody(checkout):
    for path in ("README.md", "docs/guide.md"):
        checkout.write(path, "text")
    checkout.commit("x-1: documents\n", "README.md", "docs/guide.md")
    assert offenders_of_the_task(checkout) == ()


def test_a_root_commit_with_code_is_no_documentation(empty):
    empty.write("README.md", "text")
    empty.write("app.py")
    empty.commit("x-1: documents, honestly\n", "README.md", "app.py")
    assert offenders_of_the_task(empty) == ("app.py",)


def test_code_followed_by_documents_of_the_same_task_is_no_documentation(checkout):
    checkout.write("app.py", "x = 2\n")
    checkout.commit("x-1: code\n", "app.py")
    checkout.write("README.md", "text")
    checkout.commit("x-1: documents\n", "README.md")
    assert offenders_of_the_task(checkout) == ("app.py",)
