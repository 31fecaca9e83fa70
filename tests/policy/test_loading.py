"""Which file is the policy, and what happens if it is not there or cannot be read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_malagate.policy import Policy, PolicyError, find_policy_file, load_policy
from tests.conftest import Project

TABLE = "[tool.malagate.retry]\nmax_attempts = 7\n"


def refusal(directory: Path, explicit: Path | None = None) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policy(directory, explicit=explicit)
    return str(caught.value)


def test_without_a_file_the_policy_is_the_default_one(tmp_path: Path) -> None:
    assert find_policy_file(tmp_path) is None
    assert load_policy(tmp_path) == Policy()


def test_malagate_yaml_is_found_and_named_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").write_text("retry: {max_attempts: 7}")
    (tmp_path / "pyproject.toml").write_text("[tool.malagate-other]\n")
    policy = load_policy(tmp_path)
    assert find_policy_file(tmp_path) == tmp_path / "malagate.yaml"
    assert (policy.retry.max_attempts, policy.file) == (7, "malagate.yaml")


def test_the_table_in_pyproject_is_found(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    policy = load_policy(tmp_path)
    assert find_policy_file(tmp_path) == tmp_path / "pyproject.toml"
    assert (policy.retry.max_attempts, policy.file) == (7, "pyproject.toml")


def test_a_pyproject_without_the_table_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["pytest-malagate"]\n')
    assert find_policy_file(tmp_path) is None


def test_a_broken_pyproject_matters_only_if_it_speaks_of_malagate(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("a = [")
    assert load_policy(tmp_path) == Policy()
    (tmp_path / "pyproject.toml").write_text("[tool.malagate]\na = [")
    assert refusal(tmp_path) == "pyproject.toml:2:6: not valid TOML: Invalid value"


def test_two_policies_are_an_error_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").touch()
    (tmp_path / "pyproject.toml").write_text(TABLE)
    assert refusal(tmp_path) == (
        "malagate.yaml: pyproject.toml holds a policy too ([tool.malagate]); keep one of the two"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("malagate.yml", "rename it to malagate.yaml"),
        (".malagate.yaml", "rename it to malagate.yaml"),
        ("malagate.toml", "write malagate.yaml, or [tool.malagate] in pyproject.toml"),
    ],
)
def test_a_policy_under_a_name_that_is_never_read_is_an_error(
    tmp_path: Path, name: str, hint: str
) -> None:
    (tmp_path / name).touch()
    assert refusal(tmp_path) == f"{name}: a policy under this name would never be read; {hint}"


def test_a_directory_in_place_of_the_policy_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").mkdir()
    assert refusal(tmp_path) == "malagate.yaml: is a directory; a policy is a text file"


def test_a_pipe_in_place_of_the_policy_is_an_error_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "malagate.yaml")
    assert refusal(tmp_path) == "malagate.yaml: is not a regular file; a policy is a text file"


def test_a_dangling_link_in_place_of_the_policy_is_an_error_not_the_default(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").symlink_to(tmp_path / "gone")
    assert refusal(tmp_path) == "malagate.yaml: cannot be read: No such file or directory"


def test_a_link_to_itself_in_place_of_the_policy_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").symlink_to("malagate.yaml")
    assert refusal(tmp_path).startswith("malagate.yaml: cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every file")
def test_a_policy_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").touch(mode=0o000)
    assert refusal(tmp_path) == "malagate.yaml: cannot be read: Permission denied"


def test_a_policy_larger_than_a_megabyte_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "malagate.yaml").open("wb") as stream:
        stream.truncate(1 << 40)
    assert refusal(tmp_path) == "malagate.yaml: is larger than 1024 KiB; a policy is a short text"


def test_a_pyproject_too_large_to_look_through_is_refused_not_taken_for_no_policy(
    tmp_path: Path,
) -> None:
    (tmp_path / "pyproject.toml").write_text("#" * (1024 * 1024) + "\n" + TABLE)
    assert refusal(tmp_path) == "pyproject.toml: is larger than 1024 KiB; a policy is a short text"


def test_a_file_that_is_named_is_the_policy_whatever_else_is_there(tmp_path: Path) -> None:
    (tmp_path / "malagate.yaml").write_text("retry: {max_attempts: 2}")
    other = tmp_path / "strict.yaml"
    other.write_text("retry: {max_attempts: 1}")
    policy = load_policy(tmp_path, explicit=other)
    assert (policy.retry.max_attempts, policy.file) == (1, str(other))


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "gone.yaml"
    assert refusal(tmp_path, missing) == f"{missing}: cannot be read: No such file or directory"


def test_a_pyproject_that_is_named_must_hold_a_policy(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text("[project]\n")
    assert refusal(tmp_path, pyproject) == f"{pyproject}: has no table [tool.malagate]"


def modules_after(code: str, directory: Path) -> set[str]:
    command = f"{code}\nimport sys\nprint(*sys.modules)"
    project = Project(directory).unmeasured()
    return set(project.call(sys.executable, "-c", command).stdout.split())


def test_no_parser_is_imported_where_there_is_no_policy(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom pytest_malagate.policy import load_policy\n"
        "load_policy(Path())"
    )
    assert not modules_after(code, tmp_path) & {"yaml", "tomllib", "difflib", "jsonschema"}
    (tmp_path / "pyproject.toml").write_text(TABLE)
    loaded = modules_after(code, tmp_path)
    assert "tomllib" in loaded
    assert "yaml" not in loaded
