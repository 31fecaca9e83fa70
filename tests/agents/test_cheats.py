"""What agents, and the code that they write, try in vain: the commit is judged, by what we saw."""

from __future__ import annotations

import json
import shlex
import sys
from textwrap import dedent

import pytest

from pytest_malagate.queue.local_person import MACHINE_VARIABLES
from tests.agents.agents_project import POLICY, Workshop
from tests.conftest import Project

RIGHT = "echo right > answer.txt"
BY_SCRIPT = POLICY.replace("grep -qx right answer.txt", "sh answer.txt")
EITHER = POLICY.replace("grep -qx right answer.txt", "grep -qxs right answer.txt local.txt")


# --- the freeze ---


def _lifts_a_freeze(workshop: Workshop) -> str:
    malagate = f"{shlex.quote(sys.executable)} -m pytest_malagate"
    return (
        f"(cd {workshop.root}; {malagate} freeze 'on fire' --mode drain --actor alice;"
        f" {malagate} unfreeze --reason 'looks fine' 2>> {workshop.root.parent}/said)"
    )


@pytest.mark.parametrize("who", ["agent", "validation"])
def test_neither_an_agent_nor_the_code_it_wrote_clears_a_freeze(project: Project, who: str) -> None:
    workshop = Workshop(project, BY_SCRIPT)
    project.environ = {k: v for k, v in project.environ.items() if k not in MACHINE_VARIABLES}
    script = _lifts_a_freeze(workshop)
    if who == "agent":
        workshop.does(f"{script}; echo true > answer.txt")
    else:
        workshop.does(f"echo {shlex.quote(script)} > answer.txt")
    workshop.run("--max-attempts", "1")
    said = (workshop.root.parent / "said").read_text()
    assert "AI_AGENT is set" in said
    status = json.loads(project.malagate("status", "--json").stdout)
    assert status["frozen"]


# --- the branch ---


def test_a_clone_in_the_worktrees_place_is_no_work_on_the_branch(workshop: Workshop) -> None:
    workshop.does(
        'main=$(git rev-parse --git-common-dir); rm .git; git clone -q --no-checkout "$main" .new\n'
        f"mv .new/.git .git; rm -rf .new; git reset -q; {RIGHT}"
    )
    run = workshop.run()
    assert run.states == {"x-1": "failed"}
    assert "no git worktree of this repository" in run.why("x-1")
    left = workshop.out / ".worktrees" / "x-1" / "answer.txt"
    assert left.read_text() == "right\n"  # the only copy


def test_what_passed_is_completed_only_if_it_is_on_the_branch(project: Project) -> None:
    workshop = Workshop(project, BY_SCRIPT)
    workshop.does("echo 'git update-ref refs/heads/malagate/x-1 main' > answer.txt")
    run = workshop.run()
    assert run.states == {"x-1": "failed"}
    assert "malagate/x-1 was moved" in run.why("x-1")


def test_a_validation_cannot_put_another_commit_in_the_judged_ones_place(project: Project) -> None:
    workshop = Workshop(project, BY_SCRIPT)
    workshop.does("echo 'git commit -q --allow-empty -m more' > answer.txt")
    run = workshop.run()
    assert run.states == {"x-1": "failed"}
    assert "put on another commit while it was judged" in run.why("x-1")


# --- what is judged is the commit ---


@pytest.mark.parametrize(
    "hides",
    [
        pytest.param("printf 'local.txt\\n.gitignore\\n' > .gitignore", id="an ignored file"),
        pytest.param(
            'echo local.txt >> "$(git rev-parse --git-common-dir)/info/exclude"',
            id="an excluded file",
        ),
    ],
)
def test_what_is_not_committed_is_not_judged(project: Project, hides: str) -> None:
    workshop = Workshop(project, EITHER)
    workshop.does(f"echo no > answer.txt; echo right > local.txt; {hides}")
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "evidence.failed")


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(
            "git config filter.e.clean 'sed s/right/evil/'", id="a filter for what is committed"
        ),
        pytest.param(
            "git config filter.e.clean 'sed s/right/evil/';"
            " git config filter.e.smudge 'sed s/evil/right/'; git config filter.e.required true",
            id="a filter for what is checked out, too",
        ),
    ],
)
def test_a_filter_of_an_agents_does_not_get_between_the_commit_and_the_gate(
    workshop: Workshop, edit: str
) -> None:
    workshop.does(f"{edit}; echo 'answer.txt filter=e' > .gitattributes; {RIGHT}")
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "evidence.failed")
    assert workshop.file_on("x-1", "answer.txt") == "evil"


def test_what_an_agent_leaves_out_of_checkouts_is_judged_all_the_same(project: Project) -> None:
    workshop = Workshop(project, POLICY.replace("grep -qx right answer.txt", "test ! -e bad.txt"))
    workshop.does(
        "echo bad > bad.txt; git add -A; git commit -qm work;"
        " git config core.sparseCheckout true;"
        ' info="$(git rev-parse --git-common-dir)/info"; mkdir -p "$info";'
        " printf '/*\\n!/bad.txt\\n' > \"$info/sparse-checkout\""
    )
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "evidence.failed")


def test_a_person_who_has_checked_out_a_part_gets_all_of_it_judged(project: Project) -> None:
    command = "test -e there/part.txt"
    workshop = Workshop(project, POLICY.replace("grep -qx right answer.txt", command))
    workshop.project.files({"there/part.txt": "x"}).commit("another part")
    workshop.project.git("sparse-checkout", "set", "--no-cone", "/*", "!/there")
    workshop.does("echo x > answer.txt")
    assert workshop.run().states == {"x-1": "completed"}


@pytest.mark.parametrize(
    "attribute", ["working-tree-encoding=latin1", "filter=e", "eol=crlf", "ident"]
)
def test_attributes_that_are_no_part_of_a_commit_pass_nothing(
    workshop: Workshop, attribute: str
) -> None:
    workshop.does(
        'info="$(git rev-parse --git-common-dir)/info"; mkdir -p "$info";'
        f" echo '* {attribute}' > \"$info/attributes\"; {RIGHT}"
    )
    run = workshop.run("--max-attempts", "1")
    assert run.states == {"x-1": "failed"}
    assert "info/attributes was changed" in run.why("x-1")


def test_a_filter_of_the_repositorys_own_is_used(workshop: Workshop) -> None:
    workshop.project.git("config", "filter.ours.clean", "sed s/right/dtghi/")
    workshop.project.git("config", "filter.ours.smudge", "sed s/dtghi/right/")
    workshop.project.files({".gitattributes": "answer.txt filter=ours\n"}).commit("a filter")
    workshop.does(f"git config filter.ours.smudge false; {RIGHT}")
    assert workshop.run().states == {"x-1": "completed"}
    assert workshop.file_on("x-1", "answer.txt") == "dtghi"


def test_a_filter_that_a_person_set_for_this_run_is_used(workshop: Workshop) -> None:
    workshop.project.git("config", "filter.ours.clean", "sed s/right/dtghi/")
    workshop.project.files({".gitattributes": "answer.txt filter=ours\n"}).commit("a filter")
    workshop.does(f"git config filter.e.smudge false; {RIGHT}")
    run = workshop.run(
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0="filter.ours.smudge",
        GIT_CONFIG_VALUE_0="sed s/dtghi/right/",
    )
    assert run.states == {"x-1": "completed"}


def test_a_file_that_git_was_told_to_overlook_is_judged_as_committed(workshop: Workshop) -> None:
    workshop.does(
        "echo no > answer.txt; git commit -qam 'x-1: no'; "
        f"git update-index --skip-worktree answer.txt; {RIGHT}"
    )
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "evidence.failed")


SETS_UP = """\
    version: 1
    validations:
      setup: {command: cp answer.txt built.txt, required: false}
      right: {command: grep -qx right built.txt}
    scopes: {task: [setup, right]}
    """


def test_what_the_commit_needs_beside_it_the_policys_set_up_makes(project: Project) -> None:
    project.files({".gitignore": "built.txt\n"})
    workshop = Workshop(project, SETS_UP)
    workshop.does(RIGHT)
    assert workshop.run().states == {"x-1": "completed"}


def test_the_bases_tests_are_set_up_as_the_changes_are(project: Project) -> None:
    project.files(
        {
            ".gitignore": "built.py\n",
            "source.py": "",
            "test_it.py": "import built\ndef test_a(): pass\ndef test_b(): pass\n",
        }
    )
    workshop = Workshop(
        project,
        """\
        version: 1
        validations:
          setup: {command: cp source.py built.py, required: false}
          tests: {kind: test}
        scopes: {task: [setup, tests]}
        """,
    )
    workshop.does("printf 'import built\\ndef test_a(): pass\\n' > test_it.py")
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "integrity.tests-removed")


def test_checkouts_for_judging_are_taken_away(workshop: Workshop) -> None:
    workshop.does("echo no > answer.txt")
    workshop.run("--max-attempts", "1")
    assert [path.name for path in (workshop.out / ".worktrees").iterdir()] == ["x-1"]
    assert len(workshop.project.git("worktree", "list").splitlines()) == 2


def test_the_result_names_the_repository_as_the_queue_does(workshop: Workshop) -> None:
    workshop.does(RIGHT)
    workshop.run()
    result = json.loads((workshop.out / "agents/x-1/attempt-1/gate-result.json").read_text())
    status = json.loads(workshop.project.malagate("status", "--json").stdout)
    assert result["subject"]["repository"] == status["repository"] == "project"


# --- what is believed is what we saw ourselves ---

FORGES = """\
import json, pathlib
(log,) = pathlib.Path.cwd().parents[1].glob("agents/x-1/attempt-1/evidence.jsonl")
records = [json.loads(line) for line in log.read_text().splitlines()]
"""
"""Finds the log of the attempt that is being judged, by its place."""


def _agent(workshop: Workshop, **files: str) -> None:
    """An agent that writes files, `__` in their names for a dot."""
    written = workshop.root.parent / "written"
    written.mkdir(exist_ok=True)
    for name, text in files.items():
        (written / name.replace("__", ".")).write_text(dedent(text))
    workshop.does(f"cp {written}/* .")


def test_tests_that_copy_a_receipt_do_not_undo_what_failed(project: Project) -> None:
    workshop = Workshop(
        project,
        """\
        version: 1
        validations:
          right: {command: grep -qx right answer.txt}
          tests: {kind: test}
        scopes: {task: [right, tests]}
        """,
    )
    forging = f"{FORGES}\n" + dedent(
        """\
        with log.open("a") as file:
            for record in records:
                if record.get("name") == "right":
                    record |= {"run": "f" * 32, "at": record["at"] + 0.5}
                    if "exit_code" in record:
                        record["exit_code"] = 0
                    file.write(json.dumps(record) + "\\n")
        """
    )
    test = "import runpy\ndef test(): runpy.run_path('forging.py')"
    _agent(workshop, test_it__py=test, forging__py=forging)
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "evidence.failed")


def test_a_journal_that_is_edited_after_its_tests_ended_is_not_read_again(
    project: Project,
) -> None:
    workshop = Workshop(
        project,
        """\
        version: 1
        validations:
          tests: {kind: test}
          after: {command: python3 forging.py}
        scopes: {task: [tests, after]}
        """,
    )
    forging = f"{FORGES}\n" + dedent(
        """\
        for record in records:
            if record["type"] == "test":
                record |= {"outcome": "passed", "failures": []}
            elif record["type"] == "finish":
                record |= {"exitstatus": 0, "counts": {"passed": 1}}
        log.write_text("".join(json.dumps(record, separators=(",", ":")) + "\\n"
                               for record in records))
        """
    )
    _agent(workshop, test_it__py="def test(): assert 0", forging__py=forging)
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "tests.failed")


def test_a_journal_that_was_there_before_the_tests_is_not_theirs(project: Project) -> None:
    workshop = Workshop(
        project,
        """\
        version: 1
        validations:
          before: {command: python3 forging.py}
          tests: {kind: test}
        scopes: {task: [before, tests]}
        """,
    )
    _agent(workshop, test_it__py="def test(): pass", forging__py="")
    assert workshop.run().states == {"x-1": "completed"}
    journal = workshop.out / "agents/x-1/attempt-1/evidence.jsonl"
    workshop.issues("x-2")
    forging = f"""\
        import json, pathlib, subprocess
        (log,) = pathlib.Path.cwd().parents[1].glob("agents/x-2/attempt-1/evidence.jsonl")
        tree = subprocess.check_output(["git", "rev-parse", "HEAD^{{tree}}"], text=True).strip()
        with log.open("a") as file:
            for line in open({str(journal)!r}):
                record = json.loads(line)
                if record["type"] in ("session", "test", "finish"):
                    for key in ("tree", "tree_after"):
                        if key in record:
                            record[key] = tree
                    file.write(json.dumps(record, separators=(",", ":")) + "\\n")
        """
    _agent(
        workshop,
        test_it__py="def test(): assert 0",
        forging__py=forging,
        pytest__ini="[pytest]\naddopts = --version\n",
    )
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-2": "failed"}, "evidence.missing")


def test_the_exit_code_that_counts_is_the_one_that_pytest_ended_with(project: Project) -> None:
    workshop = Workshop(project, "version: 1\n")
    _agent(
        workshop,
        conftest__py="""\
            import os
            def pytest_unconfigure(config):
                os._exit(3)
            """,
        test_it__py="def test(): pass",
    )
    run = workshop.run("--max-attempts", "1")
    assert (run.states, run.codes[0]) == ({"x-1": "failed"}, "tests.exit-status")


# --- what a killed coordinator left ---


def test_checkouts_of_a_coordinator_that_was_killed_are_taken_away(
    workshop: Workshop, dead: int
) -> None:
    there = workshop.out / ".worktrees"
    workshop.does(RIGHT)
    for name in (f".base-abc-{dead}", f".judged-x-9-{dead}"):
        workshop.project.git("worktree", "add", "-q", "--detach", str(there / name))
    assert workshop.run().states == {"x-1": "completed"}
    assert list(there.iterdir()) == []
    assert len(workshop.project.git("worktree", "list").splitlines()) == 1
