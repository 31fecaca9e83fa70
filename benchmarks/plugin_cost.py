"""What does malagate add to a pytest run, and what does it cost when it is only installed?

    python benchmarks/plugin_cost.py [--rounds 7] [--tests 10000] [--files 100] [--venv DIR]

10,000 tests that do nothing, in 100 files, so that everything but the reporting is as small as it
can be: real test suites pay a smaller share. Every variant runs once a round, in turn; what is
measured is the whole process from outside, wall time and CPU time, output to a file, pinned to
one CPU where the system allows it. The ratio to the first variant is taken round by round, and
the table shows the median and the range of those ratios. The first round only warms up. "plain
again" is the noise: a ratio inside its range means nothing.

Plugins of other packages are switched off, and each variant loads what it names by `-p`. The two
rows on the idle plugin load plugins by their entry points and differ only in whether malagate is
installed: with `--venv` the first one runs in that environment, which has the same packages but
malagate; without it malagate's entry point is blocked (`-p no:malagate`), so the import of the
package's metadata is in both.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Variant:
    """A way to run the suite, and the seconds of each round: wall, CPU."""

    name: str
    arguments: tuple[str, ...] = ()
    python: str = sys.executable
    autoload: bool = False
    seconds: list[tuple[float, float]] = field(default_factory=list)


def write_suite(folder: Path, tests: int, files: int) -> None:
    """A git repository of trivial tests."""
    for number in range(files):
        body = "".join(f"def test_{i}():\n    assert True\n\n" for i in range(tests // files))
        (folder / f"test_file_{number}.py").write_text(body)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / ".gitignore").write_text("__pycache__/\nreport.xml\noutput.txt\n")
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "bench-1: the suite")):
        subprocess.run([*git, *words], cwd=folder, check=True)


def measure(variant: Variant, folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one run, its children's CPU included."""
    shutil.rmtree(folder / "malagate-out", ignore_errors=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "MALAGATE"))}
    if not variant.autoload:
        kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [variant.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *variant.arguments]
    with (folder / "output.txt").open("wb") as output:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        run = subprocess.run(
            command, cwd=folder, env=kept, stdout=output, stderr=output, check=False
        )
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = (folder / "output.txt").read_text(errors="replace")
    if run.returncode not in (0, 1) or " passed" not in said:
        sys.exit(f"{variant.name}: pytest exited with {run.returncode}:\n{said[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def ratios(
    variant: Variant, base: Variant, pick: Callable[[tuple[float, float]], float]
) -> list[float]:
    """Each round's ratio to the same round of the base."""
    pairs = zip(variant.seconds, base.seconds, strict=True)
    return [pick(mine) / pick(its) for mine, its in pairs]


def print_table(title: str, variants: list[Variant]) -> None:
    """Medians of the ratios to the first variant, and their range."""
    print(f"\n{title}")
    print(f"{'variant':<34}{'wall':>7}{'range':>14}{'CPU':>8}{'range':>14}{'s':>8}")
    for variant in variants:
        cells = []
        for index in (0, 1):
            found = ratios(variant, variants[0], lambda seconds, index=index: seconds[index])
            cells.append(f"{statistics.median(found):.2f}")
            cells.append(f"{min(found):.2f}-{max(found):.2f}")
        seconds = statistics.median(wall for wall, _ in variant.seconds)
        print(
            f"{variant.name:<34}{cells[0]:>7}{cells[1]:>14}{cells[2]:>8}{cells[3]:>14}"
            f"{seconds:>8.2f}"
        )


def pin() -> str:
    """Keeps this process and its children on one CPU, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned"
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    return f"pinned to CPU {cpu}"


def main() -> None:
    """Runs the rounds and prints two tables of ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="after one warm-up")
    parser.add_argument("--tests", type=int, default=10_000, metavar="N")
    parser.add_argument("--files", type=int, default=100, metavar="N")
    parser.add_argument("--venv", type=Path, metavar="DIR", help="the same without malagate")
    options = parser.parse_args()
    malagate = ("-p", "malagate")
    if not options.venv:
        absent = Variant("malagate absent", ("-p", "no:malagate"), autoload=True)
    else:
        other = str(options.venv / "bin" / "python")
        absent = Variant("malagate absent", python=other, autoload=True)
    loaded = [
        Variant("plain"),
        Variant("plain again"),
        Variant("--junitxml", ("--junitxml=report.xml",)),
        Variant("-p malagate --malagate-collect", (*malagate, "--malagate-collect")),
        Variant("-p malagate", (*malagate, "--malagate-task=bench-1")),
    ]
    idle = [
        absent,
        Variant("absent again", absent.arguments, absent.python, autoload=True),
        Variant("malagate installed, not asked for", autoload=True),
    ]
    pinned = pin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder, options.tests, options.files)
        for number in range(options.rounds + 1):
            for variant in (*loaded, *idle):
                seconds = measure(variant, folder)
                if number:
                    variant.seconds.append(seconds)
    print(
        f"{options.tests} tests in {options.files} files, Python {sys.version.split()[0]}, "
        f"{options.rounds} rounds, {pinned}, load {os.getloadavg()[0]:.2f}"
    )
    print_table("Asked for (ratios to `plain`)", loaded)
    print_table("Only installed (ratios to `malagate absent`)", idle)


if __name__ == "__main__":
    main()
