"""The executor does what GitHub's runner does, on small actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from tests.action_yml import ActionRun, run_action
from tests.action_yml.engine import ActionFileError
from tests.action_yml.file_commands import FileCommandError, key_values
from tests.action_yml.upload import found_files
from tests.action_yml.workflow_commands import CommandReader

PIN = "actions/upload-artifact@" + "b" * 40

Run = Callable[..., ActionRun]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an action of these steps, with the input `text` and the output `said` of step `a`."""
    action, workspace = tmp_path / "action", tmp_path / "workspace"
    action.mkdir()
    workspace.mkdir()

    def run(
        steps: str,
        inputs: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        **contexts: Any,
    ) -> ActionRun:
        head = """\
            name: small
            description: An action of a test
            inputs:
              text: {description: A text, default: "${{ github.repository }}"}
            outputs:
              said: {description: What step a said, value: "${{ steps.a.outputs.said }}"}
            runs:
              using: composite
              steps:
            """
        (action / "action.yml").write_text(dedent(head) + indent(dedent(steps), "    "))
        fixed = {"RUNNER_TEMP": str(tmp_path), "GITHUB_REPOSITORY": "acme/shop"}
        return run_action(action, inputs or {}, fixed | dict(environ or {}), workspace, contexts)

    return run


def outcomes(run: ActionRun) -> list[tuple[str, str]]:
    return [(step.outcome, step.conclusion) for step in run.steps]


def test_an_output_of_a_step_becomes_an_output_of_the_action(run: Run) -> None:
    done = run("""
        - {id: a, shell: bash, run: 'echo "said=$T and $T" >> "$GITHUB_OUTPUT"', env: {T: "${{ inputs.text }}"}}
    """)
    assert done.outputs == {"said": "acme/shop and acme/shop"}
    assert done.exit_code == 0


def test_an_input_that_is_given_replaces_its_default(run: Run) -> None:
    steps = """
        - {id: a, shell: bash, run: 'echo "said=$T" >> "$GITHUB_OUTPUT"', env: {T: "${{ inputs.text }}"}}
    """
    assert run(steps, {"text": "mine"}).outputs == {"said": "mine"}


def test_an_input_that_is_not_declared_is_refused(run: Run) -> None:
    with pytest.raises(AssertionError, match="no inputs \\['txet'\\]"):
        run("- {shell: bash, run: 'true'}", {"txet": "x"})


def test_a_text_in_the_environment_is_inert_and_one_in_the_script_is_not(
    run: Run, tmp_path: Path
) -> None:
    hostile = f'"; touch {tmp_path}/pwned; echo "'
    by_environment = """
        - {id: a, shell: bash, run: 'printf "said=%s" "$T" >> "$GITHUB_OUTPUT"', env: {T: "${{ inputs.text }}"}}
    """
    assert run(by_environment, {"text": hostile}).outputs == {"said": hostile}
    assert not (tmp_path / "pwned").exists()
    run("""- {shell: bash, run: 'echo "${{ inputs.text }}"'}""", {"text": hostile})
    assert (tmp_path / "pwned").exists()


def test_a_heredoc_output_keeps_its_lines(run: Run) -> None:
    done = run(r"""
        - id: a
          shell: bash
          run: printf 'said<<END\none\ntwo=2\n\nEND\nother=x\n' >> "$GITHUB_OUTPUT"
    """)
    assert done.step("a").outputs == {"said": "one\ntwo=2\n", "other": "x"}


def test_what_follows_a_failure_is_skipped_but_for_always_and_failure(run: Run) -> None:
    done = run("""
        - {id: a, shell: bash, run: 'echo said=before >> "$GITHUB_OUTPUT"; exit 7'}
        - {shell: bash, run: 'true'}
        - {shell: bash, run: 'true', if: "steps.a.outputs.said == 'before'"}
        - {shell: bash, run: 'true', if: "always() && steps.a.outputs.said == 'before'"}
        - {shell: bash, run: 'true', if: "${{ failure() }}"}
        - {shell: bash, run: 'true', if: cancelled()}
    """)
    assert [step.outcome for step in done.steps] == [
        "failure",
        "skipped",
        "skipped",
        "success",
        "success",
        "skipped",
    ]
    assert done.exit_code == 7
    assert done.outputs == {"said": "before"}
    assert done.step("a").error == "Process completed with exit code 7."


def test_continue_on_error_changes_the_conclusion_and_not_the_outcome(run: Run) -> None:
    done = run("""
        - {id: a, shell: bash, run: 'false', continue-on-error: true}
        - {shell: bash, run: 'true', if: "steps.a.outcome == 'failure' && steps.a.conclusion == 'success'"}
    """)
    assert outcomes(done) == [("failure", "success"), ("success", "success")]
    assert done.exit_code == 0


def test_a_cancelled_job_runs_only_what_asks_for_it(run: Run) -> None:
    done = run(
        """
        - {shell: bash, run: 'true'}
        - {shell: bash, run: 'true', if: always()}
        - {shell: bash, run: 'true', if: cancelled()}
        """,
        job={"status": "cancelled"},
    )
    assert [step.outcome for step in done.steps] == ["skipped", "success", "success"]


def test_the_environment_and_the_path_reach_the_later_steps(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "shout"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho HELLO\n")
    program.chmod(0o755)
    done = run(f"""
        - shell: bash
          run: |
            echo "NAME=alice" >> "$GITHUB_ENV"
            echo "{program.parent}" >> "$GITHUB_PATH"
        - {{id: a, shell: bash, run: 'echo "said=$(shout) $NAME" >> "$GITHUB_OUTPUT"', if: env.NAME == 'alice'}}
    """)
    assert done.outputs == {"said": "HELLO alice"}
    assert done.exported == {"NAME": "alice"}


@pytest.mark.parametrize("name", ["GITHUB_REPOSITORY", "RUNNER_TEMP"])
def test_the_runners_own_variables_cannot_be_replaced(run: Run, name: str) -> None:
    done = run(f"""
        - {{shell: bash, run: 'echo "{name}=forged" >> "$GITHUB_ENV"'}}
        - {{id: a, shell: bash, run: 'echo "said=${name}" >> "$GITHUB_OUTPUT"'}}
    """)
    assert done.outputs["said"] not in ("", "forged")


def test_a_forged_heredoc_and_node_options_fail_their_step(run: Run) -> None:
    done = run("""
        - {shell: bash, run: 'printf "said<<END\\nno end" >> "$GITHUB_OUTPUT"', continue-on-error: true}
        - {shell: bash, run: 'echo NODE_OPTIONS=--import=x >> "$GITHUB_ENV"'}
    """)
    assert outcomes(done) == [("failure", "success"), ("failure", "failure")]


def test_a_script_stops_at_the_first_error_and_at_a_broken_pipe(run: Run) -> None:
    assert run("""- {shell: bash, run: "false\\ntrue"}""").exit_code == 1
    assert run("""- {shell: bash, run: "false | true"}""").exit_code == 1


def test_the_summaries_of_the_steps_are_joined(run: Run) -> None:
    done = run("""
        - {shell: bash, run: 'echo "# one" >> "$GITHUB_STEP_SUMMARY"'}
        - {shell: bash, run: 'echo "# two" >> "$GITHUB_STEP_SUMMARY"; false'}
    """)
    assert done.summary == "# one\n# two\n"


def test_the_tokens_variable_is_a_context_and_no_variable(run: Run) -> None:
    done = run(
        """
        - {id: a, shell: bash, run: 'echo "said=$T-${GITHUB_TOKEN:-none}" >> "$GITHUB_OUTPUT"', env: {T: "${{ github.token }}"}}
        """,
        environ={"GITHUB_TOKEN": "t-1"},
    )
    assert done.outputs == {"said": "t-1-none"}


def test_a_masked_value_is_not_in_the_log(run: Run) -> None:
    done = run("""- {shell: bash, run: 'echo "::add-mask::hunter2"; echo "it is hunter2"'}""")
    assert "hunter2" not in done.log
    assert "it is ***" in done.log


def test_set_output_works_and_set_env_fails_the_step(run: Run) -> None:
    done = run("""- {id: a, shell: bash, run: 'echo "::set-output name=said::old"'}""")
    assert done.outputs == {"said": "old"}
    assert run("""- {shell: bash, run: 'echo "::set-env name=X::y"'}""").exit_code == 1


def test_an_action_file_without_a_shell_is_refused(run: Run) -> None:
    with pytest.raises(ActionFileError, match="shell"):
        run("- run: 'true'")


def test_a_context_that_a_composite_action_does_not_have_is_refused(run: Run) -> None:
    with pytest.raises(ActionFileError, match="secrets"):
        run("- {shell: bash, run: 'true', env: {T: '${{ secrets.T }}'}}")


def test_an_action_that_is_not_known_is_not_passed_over(run: Run) -> None:
    with pytest.raises(NotImplementedError, match="actions/cache"):
        run(f"- uses: actions/cache@{'c' * 40}")
    with pytest.raises(NotImplementedError, match="upload-artifact@v7"):
        run("- {uses: actions/upload-artifact@v7, with: {path: x}}")


def test_an_upload_holds_the_files_without_the_hidden_ones(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "workspace" / "out"
    (out / "deep").mkdir(parents=True)
    for name in ("a.txt", "deep/b.txt", ".coverage", "deep/.hidden"):
        (out / name).write_text(name)
    done = run(f"- {{uses: {PIN}, with: {{name: mine, path: out, retention-days: 7}}}}")
    artifact = done.artifact("mine")
    assert artifact.files == {"a.txt": b"a.txt", "deep/b.txt": b"deep/b.txt"}
    assert artifact.retention_days == 7


@pytest.mark.parametrize(
    ("word", "outcome", "says"),
    [("error", "failure", []), ("warn", "success", ["warning"]), ("ignore", "success", [])],
)
def test_an_upload_of_nothing_is_as_if_no_files_found_says(
    run: Run, word: str, outcome: str, says: list[str]
) -> None:
    done = run(f"- {{uses: {PIN}, with: {{path: nowhere, if-no-files-found: {word}}}}}")
    assert done.steps[0].outcome == outcome
    assert [command.name for command in done.commands] == says
    assert done.artifacts == []


def test_an_unarchived_upload_is_named_after_its_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "workspace" / "r.json").write_text("{}")
    done = run(f"- {{uses: {PIN}, with: {{name: mine, path: r.json, archive: false}}}}")
    assert (done.artifacts[0].name, done.artifacts[0].raw) == ("r.json", True)


def test_an_artifact_name_that_github_refuses_fails_the_step(run: Run, tmp_path: Path) -> None:
    (tmp_path / "workspace" / "r.json").write_text("{}")
    done = run(f"- {{uses: {PIN}, with: {{name: 'a/b', path: r.json}}}}")
    assert "name is not valid" in done.steps[0].error


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("out/a.txt", {"a.txt"}),
        ("out", {"a.txt", "deep/b.txt", "deep/c.log"}),
        ("out/deep/", {"b.txt", "c.log"}),
        ("out/**/*.txt", {"a.txt", "deep/b.txt"}),
        ("out/deep/b.txt\nout/a.txt", {"deep/b.txt", "a.txt"}),
        ("out\n!out/deep", {"a.txt"}),
        ("out\n!out/**/*.log", {"a.txt", "deep/b.txt"}),
        ("top.txt\nout/deep", {"top.txt", "out/deep/b.txt", "out/deep/c.log"}),
        (".dotted", set()),
    ],
)
def test_the_names_in_an_artifact_begin_below_the_common_directory(
    tmp_path: Path, path: str, names: set[str]
) -> None:
    for name in ("top.txt", "out/a.txt", "out/deep/b.txt", "out/deep/c.log", ".dotted/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert set(found_files(path, tmp_path, hidden=False)) == names


def test_hidden_files_come_along_if_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".dotted").mkdir()
    (tmp_path / ".dotted" / "x").write_text("")
    assert set(found_files(".dotted", tmp_path, hidden=True)) == {"x"}


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("::error::x", ["error"]),
        ("  \t::error::x", ["error"]),
        ("\u00a0::error::x", ["error"]),
        ("text ::error::x", []),
        ("text ##[error]x", ["error"]),
        ("##[set-output name=a;]b", ["set-output"]),
        ("one\r::notice::x\ry", ["notice"]),
        ("one\u2028::notice::x", []),
        ("::ERROR file=a.py::x", ["error"]),
        ("::unheard-of::x", []),
        ("::error", []),
        (
            "::stop-commands::T\n::error::x\n##[error]x\n::T::\n::debug::y",
            ["stop-commands", "debug"],
        ),
        ("::stop-commands::T\n::U::\n::error::x", ["stop-commands"]),
    ],
)
def test_what_the_runner_would_obey(output: str, names: list[str]) -> None:
    assert [command.name for command in CommandReader("a").read(output)] == names


def test_a_commands_values_are_unescaped() -> None:
    line = "::error file=a%2Cb.py,line=3,title=t%3A%25::one%0Atwo%253A"
    (command,) = CommandReader("a").read(line)
    assert command.properties == {"file": "a,b.py", "line": "3", "title": "t:%"}
    assert command.data == "one\ntwo%3A"


def test_ten_annotations_of_a_kind_are_shown(run: Run) -> None:
    done = run("""
        - {shell: bash, run: 'for i in {1..7}; do echo "::error::$i"; done; echo ::warning::w'}
        - {shell: bash, run: 'for i in {8..12}; do echo "::error::$i"; done'}
    """)
    assert [a.data for a in done.annotations if a.name == "error"] == [str(i) for i in range(1, 11)]
    assert len(done.annotations) == 11


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1\nb=x<<y\n", {"a": "1", "b": "x<<y"}),
        ("a<<E\r\none\r\nE\r\n", {"a": "one"}),
        ("a<<E\nE\n", {"a": ""}),
        ("a=1\na=2", {"a": "2"}),
    ],
)
def test_the_runners_key_value_files(text: str, values: dict[str, str]) -> None:
    assert key_values(text) == values


@pytest.mark.parametrize("text", ["a", "=x", "<<E\nx\nE", "a<<\nx", "a<<E\nx"])
def test_a_key_value_file_that_the_runner_refuses(text: str) -> None:
    with pytest.raises(FileCommandError):
        key_values(text)
