"""The action installs itself from its lock, and nothing of the workspace takes part.

The workspace is a pull request's: it holds modules under the names of those that the action
imports, configuration of pip and uv, and the environment points at them. Each planted module
writes its name to a file when it is imported, and each configuration names an index where nothing
answers, so that an installer that obeyed it would fail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.action_yml import run_action
from tests.conftest import Finished

ROOT = Path(__file__).parents[2]
NEEDED = ("bash", "cat", "dirname", "env", "mktemp", "rm", "touch")
"""The programs that install.sh needs beside Python and uv."""

PROGRAM = """\
import sys
import github, msgspec, ruamel.yaml, yaml

def main(argv):
    for module in (github, msgspec, ruamel.yaml, yaml):
        print(module.__name__, module.__file__)
    print("arguments", argv)
    print("path", *sys.path, sep="\\n")
    return 0
"""
"""Stands in malagate's place and says where its imports come from."""

NOWHERE = "http://127.0.0.1:9/simple/"
PLANTED_TEXT = """
    github.py yaml.py msgspec.py pip.py sitecustomize.py usercustomize.py requests.py ssl.py
    hashlib.py platform.py pytest_malagate/__init__.py ruamel/__init__.py uv/__init__.py
"""
PLANTED = PLANTED_TEXT.split()
CONFIGURATION = {
    "pip.conf": f"[global]\nindex-url = {NOWHERE}\nextra-index-url =\nfind-links =\n",
    "uv.toml": f'[[index]]\nurl = "{NOWHERE}"\ndefault = true\n',
    "pyproject.toml": f'[[tool.uv.index]]\nurl = "{NOWHERE}"\ndefault = true\n',
    "startup.py": "open({mark!r}, 'a').write('startup')\n",
    "bash_env": "echo bash_env >> {mark}\n",
}


def with_pip() -> str:
    """An interpreter that has pip: not every virtual environment does."""
    for python in (sys.executable, getattr(sys, "_base_executable", sys.executable)):
        probe = [python, "-I", "-m", "pip", "--version"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("no pip for this Python")


def uv() -> str:
    found = shutil.which(
        "uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if found is None:
        pytest.skip("uv is not here")
    return found


class Job:
    """A job on a runner: an action's checkout, a workspace, a private PATH, RUNNER_TEMP."""

    def __init__(self, path: Path) -> None:
        self.action, self.workspace, self.temp = path / "action", path / "work", path / "temp"
        self.bin, self.mark, self.output = path / "bin", path / "mark", path / "output"
        for directory in (self.action, self.workspace, self.temp, self.bin):
            directory.mkdir()
        shutil.copytree(ROOT / ".action", self.action / ".action")
        package = self.action / "pytest_malagate"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "cli.py").write_text(PROGRAM)
        for name in NEEDED:
            self.link(name, shutil.which(name) or name)
        self.environ = {
            k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_", "SSL_"))
        }
        self.environ |= {
            "HOME": os.environ.get("HOME", ""),
            "PATH": str(self.bin),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_ACTION_PATH": str(self.action),
            "MALAGATE_INPUT_PYTHON": sys.executable,
        }

    def link(self, name: str, target: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).symlink_to(target)

    def script(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def use(self, installer: str) -> None:
        """Lets install.sh find this installer and no other."""
        if installer == "uv":
            self.link("uv", uv())
        else:
            self.environ["MALAGATE_INPUT_PYTHON"] = with_pip()

    def plant(self) -> None:
        """Fills the workspace with what a pull request might, and points the environment at it."""
        mark = str(self.mark)
        version = sysconfig.get_python_version()
        home = self.workspace / "home"
        user_site = home / ".local" / "lib" / f"python{version}" / "site-packages"
        for directory in (self.workspace, user_site):
            for name in PLANTED:
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / name).write_text(f"open({mark!r}, 'a').write({name!r})\n")
        for name, text in CONFIGURATION.items():
            (self.workspace / name).write_text(
                text.replace("{mark!r}", repr(mark)).replace("{mark}", mark)
            )
        self.environ |= {
            "PYTHONPATH": str(self.workspace),
            "PYTHONSTARTUP": str(self.workspace / "startup.py"),
            "PYTHONHOME": str(self.workspace),
            "PYTHONUSERBASE": str(home / ".local"),
            "PIP_CONFIG_FILE": str(self.workspace / "pip.conf"),
            "PIP_TARGET": str(self.workspace / "target"),
            "PIP_USER": "1",
            "PIP_REQUIRE_VIRTUALENV": "1",
            "UV_CONFIG_FILE": str(self.workspace / "uv.toml"),
            "UV_PROJECT": str(self.workspace),
            "UV_TARGET": str(self.workspace / "target"),
            "UV_PYTHON": str(self.workspace / "python"),
        }

    def _bash(self, *command: str) -> Finished:
        done = subprocess.run(
            command,
            cwd=self.workspace,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def install(self) -> Finished:
        self.output.write_text("")
        return self._bash("bash", str(self.action / ".action" / "install.sh"))

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())

    def launch(self, *arguments: str, flags: tuple[str, ...] = ("-I", "-S")) -> Finished:
        self.environ["MALAGATE_SITE"] = self.outputs["site"]
        launcher = str(self.action / ".action" / "launch.py")
        return self._bash(self.outputs["python"], *flags, launcher, *arguments)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_only_the_locked_packages_are_imported_whatever_the_workspace_holds(
    job: Job, installer: str
) -> None:
    job.use(installer)
    job.plant()
    before = sorted(job.workspace.rglob("*"))
    installed = job.install()
    assert (installed.returncode, installed.stdout) == (0, ""), installed.stderr
    done = job.launch("action", "x")
    assert done.returncode == 0, done.stderr
    site = job.outputs["site"]
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines()[:4])
    assert set(found) == {"github", "msgspec", "ruamel.yaml", "yaml"}
    assert all(path.startswith(site + os.sep) for path in found.values())
    assert "arguments ['action', 'x']" in done.stdout
    assert not job.mark.exists(), job.mark.read_text()
    assert sorted(job.workspace.rglob("*")) == before, "the workspace is left as it was"


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_module_would_be_noticed(job: Job, name: str) -> None:
    """The control: without the launcher's switches, each of them can be imported."""
    job.plant()
    module = name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    environ = {k: v for k, v in job.environ.items() if k not in ("PYTHONHOME", "PYTHONUSERBASE")}
    subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=job.workspace,
        env=environ,
        check=False,
        capture_output=True,
    )
    assert name in job.mark.read_text()


def test_only_the_standard_library_the_packages_and_the_action_can_be_imported(job: Job) -> None:
    job.use("uv")
    job.plant()
    job.install()
    path = job.launch().stdout.split("path\n")[1].split()
    assert path[:2] == [str(job.action), job.outputs["site"]]
    assert not [p for p in path if p.startswith(str(job.workspace))]
    assert not [p for p in path[2:] if "site-packages" in p]


@pytest.mark.parametrize("flags", [(), ("-I",), ("-S",)])
def test_the_launcher_refuses_to_run_without_its_switches(job: Job, flags: tuple[str, ...]) -> None:
    job.output.write_text(f"python={sys.executable}\nsite={job.temp}\n")
    done = job.launch("--version", flags=flags)
    assert done.returncode == 3
    assert "python -I -S" in done.stdout


def test_the_launcher_refuses_a_site_that_is_no_absolute_path(job: Job) -> None:
    job.output.write_text(f"python={sys.executable}\nsite=.\n")
    assert job.launch("--version").returncode == 3


def test_a_complete_installation_is_used_again_without_an_installer(job: Job) -> None:
    job.use("uv")
    assert job.install().returncode == 0
    first = job.outputs
    (job.bin / "uv").unlink()
    job.script("uv", "exit 9")
    assert job.install().returncode == 0
    assert job.outputs == first


def test_an_installation_that_was_cut_short_is_made_anew(job: Job) -> None:
    job.use("uv")
    job.install()
    site = Path(job.outputs["site"])
    (site.parent / "complete").unlink()
    shutil.rmtree(site / "github")
    assert job.install().returncode == 0
    assert (site / "github" / "__init__.py").exists()


def test_another_lock_gets_another_directory(job: Job) -> None:
    job.use("uv")
    job.install()
    first = job.outputs["site"]
    lock = job.action / ".action" / "requirements.lock"
    lock.write_text(lock.read_text() + "# another\n")
    job.install()
    assert job.outputs["site"] != first


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_file_whose_hash_is_not_the_locks_is_refused(job: Job, installer: str) -> None:
    job.use(installer)
    lock = job.action / ".action" / "requirements.lock"
    changed = re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text())
    lock.write_text(changed)
    done = job.install()
    assert done.returncode == 3
    assert re.search("^::error title=malagate::.*could not be installed$", done.stdout, re.M)
    assert job.outputs == {}
    assert list(job.temp.iterdir()) == [], "nothing half-done is left"


def test_without_a_python_that_is_new_enough_one_line_says_what_to_do(job: Job) -> None:
    for name in ("python3", "python"):
        job.script(name, "exit 1")
    job.environ["MALAGATE_INPUT_PYTHON"] = "python3"
    done = job.install()
    assert done.returncode == 3
    (line,) = done.stdout.splitlines()
    assert line.startswith("::error title=malagate::no Python 3.11 or newer")
    assert "actions/setup-python" in line
    assert done.stderr == ""


def test_an_older_python_is_passed_over_for_one_that_will_do(job: Job) -> None:
    job.use("uv")
    job.script("python3", "exit 1")
    job.link("python3.13", sys.executable)
    job.environ["MALAGATE_INPUT_PYTHON"] = "python3"
    assert job.install().returncode == 0
    assert job.launch("action").returncode == 0


def test_a_python_of_the_tool_cache_will_do(job: Job) -> None:
    job.use("uv")
    cached = job.temp.parent / "tools" / "Python" / "3.12.9" / "x64" / "bin"
    cached.mkdir(parents=True)
    (cached / "python3").symlink_to(sys.executable)
    job.environ |= {
        "MALAGATE_INPUT_PYTHON": "python9",
        "RUNNER_TOOL_CACHE": str(job.temp.parent / "tools"),
    }
    assert job.install().returncode == 0


def test_without_uv_and_pip_one_line_says_what_to_do(job: Job) -> None:
    bare = job.temp.parent / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    job.environ["MALAGATE_INPUT_PYTHON"] = str(bare / "bin" / "python")
    done = job.install()
    assert done.returncode == 3
    (line,) = done.stdout.splitlines()
    assert "has no pip, and uv is not on PATH: add actions/setup-python" in line


def test_the_first_step_of_the_real_action_installs(tmp_path: Path) -> None:
    """By action.yml itself, with a file named by BASH_ENV that each shell would read."""
    job = Job(tmp_path)
    job.use("uv")
    job.plant()
    environ = job.environ | {
        "BASH_ENV": str(job.workspace / "bash_env"),
        "ENV": str(job.workspace / "bash_env"),
        "PATH": f"{job.bin}{os.pathsep}{os.environ['PATH']}",
    }
    del environ["PYTHONHOME"]  # it would break the executor's own shells' Pythons, not the action
    done = run_action(ROOT, {"mode": "gate", "python": sys.executable}, environ, job.workspace)
    assert done.step("install").outcome == "success", done.step("install").stdout
    assert done.step("run").environment["MALAGATE_INPUT_MODE"] == "gate"
    assert done.step("run").environment["MALAGATE_SHARDS"] == "1"
    assert not job.mark.exists(), job.mark.read_text()
    assert done.exported == {} and done.paths == [], "nothing reaches the rest of the job"


def test_the_lock_holds_the_packages_and_names_no_index() -> None:
    lock = (ROOT / ".action" / "requirements.lock").read_text()
    assert "://" not in lock
    names = set(re.findall(r"^([a-z0-9-]+)==", lock, re.M))
    asked = re.findall(r"^([A-Za-z.]+)>=", (ROOT / ".action" / "requirements.in").read_text(), re.M)
    assert {name.lower().replace(".", "-") for name in asked} <= names
    assert not names & {"pytest", "coverage"}
    blocks = re.split(r"^(?=\S+==)", lock, flags=re.M)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_locks_lower_bounds_are_the_packages_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = {*project["dependencies"], *project["optional-dependencies"]["github"]}
    asked = re.findall(r"^[^#\n].*$", (ROOT / ".action" / "requirements.in").read_text(), re.M)
    assert set(asked) <= own
