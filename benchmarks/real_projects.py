"""Are malagate's counts and coverage those of pytest and coverage.py on well-known projects?

    python benchmarks/real_projects.py [--quick] [--only NAME ...]

For each project: its sdist is fetched by pip from the configured index, unpacked, committed to a
fresh git repository with a `malagate.yaml` and a `.coveragerc`, and installed (editable, with its
tests' requirements, pytest-xdist and a wheel of this checkout) into a virtual environment of its
own. Then the project's own tests run

* once with `-p malagate` (measuring coverage where the table says so) and `--junitxml`,
* once more with `-n 2`,
* and, for coverage, once under plain `coverage run --branch -m pytest`.

What is compared, number by number:

* `tests` of gate-result.json with pytest's summary line. pytest-xdist's line has no `deselected`,
  so that one is not compared under `-n 2`.
* the same with the XML: `failures` = failed; `errors` = errors; `skipped` = skipped + xfailed;
  `tests` = the sum of all these, passed, xpassed and passed subtests (the XML counts an expected
  failure as skipped, an unexpected pass as passed and every subtest as a test; a test that fails
  in its call and again in its tear-down is two numbers in both).
  pytest shows passed subtests at any verbosity but 0, so the runs set `verbosity_subtests=1`.
* `coverage.percent` with `totals.percent_covered` of `coverage json`, to the last digit. The
  `.coveragerc` asks for subprocesses too, as malagate measures them in any case. Property
  tests are seeded, so that two runs execute the same lines. Projects that pytest itself imports
  before any plugin can measure (pluggy, packaging, iniconfig, pygments) are not compared.

Downloads, environments and trees stay in `.bench/` (ignored by git). Exit 1 on any difference.
Needs git, and pip 22.3 or newer. Seconds are wall time of one run, for orientation only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parents[1]
BENCH = CHECKOUT / ".bench"
TASK = "bench-1"


@dataclass(frozen=True, slots=True)
class Project:
    """A project that ships its tests. `source` is what coverage measures, None: not compared."""

    name: str
    requires: tuple[str, ...] = ()
    source: str | None = None
    arguments: tuple[str, ...] = ()
    selection: str = ""  # what the project's own addopts select, as the policy has to say it
    quick: bool = False  # seconds, not minutes


SEEDED = ("--hypothesis-seed=0",)
PROJECTS = (
    Project("attrs", ("hypothesis", "cloudpickle"), "src", SEEDED, quick=True),
    Project("click", (), "src", (), "-m 'not stress'", quick=True),
    Project("jinja2", ("trio",), "src", quick=True),
    Project("pluggy", (), None, quick=True),
    Project("idna", ("hypothesis",), "idna", SEEDED),
    Project("more-itertools"),
    Project("pygments", ("wcag-contrast-ratio",)),
    Project("packaging", ("hypothesis", "pretend", "tomli_w"), None, SEEDED, "-m 'not property'"),
)

Counts = dict[str, int]
NAMES = (
    *("passed", "failed", "errors", "skipped", "xfailed", "xpassed"),
    *("subtests_passed", "deselected"),
)


def call(*command: str | Path, cwd: Path | None = None, log: Path | None = None) -> str:
    """Runs a command that must work; its output, or SystemExit with the output's end."""
    run = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if log is not None:
        log.write_text(run.stdout)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{run.stdout[-2000:]}")
    return run.stdout


# Setting up


def checkout_wheel() -> Path:
    """This checkout as a wheel, built anew: the benchmark measures what is here now."""
    folder = BENCH / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, CHECKOUT)
    return next(folder.glob("*.whl"))


def sdist(project: Project) -> Path:
    """The project's source archive, downloaded once."""
    folder = BENCH / "sdists" / project.name
    if not list(folder.glob("*.tar.gz")):
        pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder)
        call(*pip, "--no-binary", project.name, project.name)
    return next(folder.glob("*.tar.gz"))


def tree(project: Project) -> Path:
    """The unpacked archive as a git repository with one commit for the task."""
    folder = BENCH / "trees" / project.name
    if (folder / ".git").is_dir():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(sdist(project)) as archive:
        unpacked = folder.with_suffix(".unpacked")
        archive.extractall(unpacked, filter="data")
    (top,) = unpacked.iterdir()
    shutil.move(top, folder)
    unpacked.rmdir()
    selection = f', selection: "{project.selection}"' if project.selection else ""
    policy = f"version: 1\nvalidations:\n  tests: {{kind: test{selection}}}\n"
    policy += "scopes: {task: [tests]}\n"
    if project.source:
        policy += f"coverage: {{source: [{project.source}], branch: true}}\n"
        rules = f"[run]\nbranch = true\nsource = {project.source}\n"
        rules += "parallel = true\npatch = subprocess\n"
        (folder / ".coveragerc").write_text(rules)
    (folder / "malagate.yaml").write_text(policy)
    if not has_pytest_settings(folder):
        # pytest would look further up, and find those of this checkout.
        (folder / "pytest.ini").write_text("[pytest]\n")
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("\n.hypothesis/\n.coverage*\n!.coveragerc\n*.egg-info/\n__pycache__/\n")
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")
    call(*git, "init", "-q", cwd=folder)
    call(*git, "add", "-A", cwd=folder)
    call(*git, "commit", "-q", "-m", f"{TASK}: {project.name} as released", cwd=folder)
    return folder


def has_pytest_settings(folder: Path) -> bool:
    """Whether the project has a section that pytest takes its settings from."""
    sections = {
        "pytest.ini": "",
        ".pytest.ini": "",
        "pyproject.toml": "[tool.pytest",
        "tox.ini": "[pytest]",
        "setup.cfg": "[tool:pytest]",
    }
    files = {folder / name: section for name, section in sections.items()}
    return any(f.is_file() and section in f.read_text() for f, section in files.items())


def environment(project: Project, wheel: Path) -> Path:
    """The interpreter of the project's virtual environment."""
    folder = BENCH / "venvs" / project.name
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q")
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        call(sys.executable, "-m", "venv", "--without-pip", folder)
        tools = ("pytest", "pytest-xdist", "coverage", wheel, *project.requires)
        call(*pip, *tools)
        call(*pip, "--no-deps", "-e", tree(project))
        call(*pip, f"{project.name}")  # what the project itself needs
        (folder / "ready").touch()
    call(*pip, "--no-deps", "--force-reinstall", wheel)
    return python


# Running


def run_tests(
    project: Project, python: Path, *before: str, arguments: tuple[str, ...] = ()
) -> tuple[str, float]:
    """One run of the project's tests: all that it printed, and its seconds."""
    command = [str(python), *(before or ("-m",)), "pytest", "--tb=no", "--color=no"]
    command += [
        "-p",
        "no:cacheprovider",
        "-o",
        "verbosity_subtests=1",
        *project.arguments,
        *arguments,
    ]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "MALAGATE"))}
    began = time.perf_counter()
    run = subprocess.run(
        command,
        cwd=tree(project),
        env={**kept, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    seconds = time.perf_counter() - began
    (BENCH / "logs").mkdir(exist_ok=True)
    name = "".join(char if char.isalnum() else "-" for char in " ".join((*before, *arguments)))
    (BENCH / "logs" / f"{project.name}{name[:60]}.txt").write_text(run.stdout)
    return run.stdout, seconds


def summary_counts(output: str) -> Counts:
    """The numbers of pytest's summary line."""
    for line in reversed(output.splitlines()):
        if re.search(r"\d+ \w+.* in [\d.]+s", line):
            found = re.findall(r"(\d+) (subtests passed|[a-z]+)", line)
            renamed = {"error": "errors", "subtests passed": "subtests_passed"}
            counts = {renamed.get(name, name): int(number) for number, name in found}
            return {name: counts.get(name, 0) for name in NAMES}
    return {}


def xml_counts(file: Path) -> Counts:
    """The attributes of the suite in JUnit XML."""
    suite = ElementTree.parse(file).getroot().find("testsuite")
    if suite is None:
        return {}
    return {name: int(suite.get(name, "-1")) for name in ("tests", "failures", "errors", "skipped")}


def expected_xml(tests: Counts) -> Counts:
    """What the XML must say if `tests` of the GateResult is right."""
    return {
        "tests": sum(tests[name] for name in NAMES if name != "deselected"),
        "failures": tests["failed"],
        "errors": tests["errors"],
        "skipped": tests["skipped"] + tests["xfailed"],
    }


def compare_run(project: Project, python: Path, *, workers: int) -> tuple[dict, list[str], float]:
    """A run under malagate: its GateResult, the differences found, its seconds."""
    folder = tree(project)
    shutil.rmtree(folder / "malagate-out", ignore_errors=True)
    xml = BENCH / "logs" / f"{project.name}-{workers}.xml"
    xml.unlink(missing_ok=True)
    spread = ("-n", str(workers)) if workers else ()
    arguments = ("-p", "malagate", f"--malagate-task={TASK}", f"--junitxml={xml}", *spread)
    output, seconds = run_tests(project, python, arguments=arguments)
    where = f"{project.name}{' -n ' + str(workers) if workers else ''}"
    result_file = folder / "malagate-out" / "gate-result.json"
    if not result_file.exists() or not xml.exists():
        return {}, [f"{where}: no gate-result.json or no XML: {output[-300:]}"], seconds
    result = json.loads(result_file.read_text())
    tests = result["tests"]
    if tests is None:
        return result, [f"{where}: gate-result.json holds no counts"], seconds
    pytest_says = summary_counts(output)
    compared = [name for name in NAMES if not (workers and name == "deselected")]
    wrong = [
        f"{where}: {name}: pytest {pytest_says.get(name)}, gate-result.json {tests[name]}"
        for name in compared
        if pytest_says.get(name) != tests[name]
    ]
    said, expected = xml_counts(xml), expected_xml(tests)
    wrong += [
        f"{where}: XML {name}: {said.get(name)}, expected from gate-result.json {number}"
        for name, number in expected.items()
        if said.get(name) != number
    ]
    return result, wrong, seconds


def plain_coverage(project: Project, python: Path) -> float:
    """What coverage.py alone says of the same tests, in percent."""
    folder = tree(project)
    for old in folder.glob(".coverage*"):
        if old.name != ".coveragerc":
            old.unlink()
    run_tests(project, python, "-m", "coverage", "run", "-m")
    call(python, "-m", "coverage", "combine", "-q", cwd=folder)
    report = BENCH / "logs" / f"{project.name}-coverage.json"
    call(python, "-m", "coverage", "json", "-q", "--fail-under=0", "-o", report, cwd=folder)
    return float(json.loads(report.read_text())["totals"]["percent_covered"])


def check(project: Project, wheel: Path) -> tuple[list[object], list[str]]:
    """The project's row of the table, and the differences found."""
    python = environment(project, wheel)
    alone, wrong, seconds = compare_run(project, python, workers=0)
    spread, more, seconds_2 = compare_run(project, python, workers=2)
    wrong += more
    tests = alone.get("tests") or {}
    shown, plain = "", ""
    if project.source:
        expected = plain_coverage(project, python)
        plain = f"{expected:.4f}"
        for workers, result in ((0, alone), (2, spread)):
            percent = (result.get("coverage") or {}).get("percent")
            shown = shown or ("none" if percent is None else f"{percent:.4f}")
            if percent != expected:
                wrong.append(
                    f"{project.name}: coverage: coverage.py {expected!r}, malagate {percent!r}"
                    f"{' (-n 2)' if workers else ''}"
                )
    row = [project.name, *(tests.get(name, "?") for name in NAMES)]
    row += [plain, shown, f"{seconds:.0f}", f"{seconds_2:.0f}"]
    return [*row, "differs" if wrong else "equal"], wrong


def main() -> int:
    """Prints the table; 1 on any difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    known = [project.name for project in PROJECTS]
    parser.add_argument("--only", nargs="+", choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--quick", action="store_true", help="the projects that take seconds")
    options = parser.parse_args()
    chosen = [p for p in PROJECTS if p.name in (options.only or known)]
    if options.quick:
        chosen = [project for project in chosen if project.quick]
    BENCH.mkdir(exist_ok=True)
    wheel = checkout_wheel()
    head = ["project", *NAMES, "coverage.py %", "malagate %", "s", "s -n 2", "verdict"]
    print("  ".join(f"{name:>15}" if i else f"{name:<15}" for i, name in enumerate(head)))
    differences: list[str] = []
    total = 0
    for project in chosen:
        row, wrong = check(project, wheel)
        differences += wrong
        total += sum(number for number in row[1:7] if isinstance(number, int))
        line = "  ".join(f"{cell!s:>15}" if i else f"{cell!s:<15}" for i, cell in enumerate(row))
        print(line, flush=True)
    print(f"\n{len(chosen)} projects, {total} tests, each run twice under malagate")
    for difference in differences:
        print(f"DIFFERENT  {difference}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
