"""How long does the action take to install itself, against a plain `pip install` of the same?

    python benchmarks/action_install.py [--rounds 5] [--python PYTHON]

"The same" is .action/requirements.in. The peer is what a workflow would do without a lock: a new
virtual environment, then `pip install`, once with an empty cache of pip and once with one that an
earlier round filled. The action is install.sh itself, by uv and by pip, each with an empty and with
a full cache, and once more in the same job, where it finds what it installed. Cold means that the
installer's own cache directory is new; the index and its network are the same for all.

Every variant runs once a round, in turn, in directories of its own. The ratio to the first variant
is taken round by round; the table shows the median seconds, and of the ratios the median and the
range. After each installation malagate is started from it, which is not in the time. An index that
forbids caching makes pip's warm cache as good as none; the column "cache" says what was in it.

Needs the index that pip and uv are configured for. Exits with 1 if an installation breaks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ACTION = ROOT / ".action"


@dataclass(slots=True)
class Variant:
    """A way to install. `tool` decides what is on PATH, `cache` which cache directory is used."""

    name: str
    tool: str
    cache: str
    seconds: list[float] = field(default_factory=list)
    cached: int = 0


VARIANTS = (
    ("venv + pip install, cold", "plain", "cold"),
    ("venv + pip install, warm", "plain", "warm"),
    ("action by pip, cold", "pip", "cold"),
    ("action by pip, warm", "pip", "warm"),
    ("action by uv, cold", "uv", "cold"),
    ("action by uv, warm", "uv", "warm"),
    ("action again in the same job", "again", "warm"),
)


class Bench:
    """The places of one benchmark, and its clock."""

    def __init__(self, folder: Path, python: str, uv: str) -> None:
        self.folder, self.python = folder, python
        self.tools = {name: folder / f"tools-{name}" for name in ("pip", "uv")}
        for name, place in self.tools.items():
            place.mkdir()
            for program in ("bash", "cat", "dirname", "env", "mktemp", "rm", "touch"):
                (place / program).symlink_to(shutil.which(program) or program)
            if name == "uv":
                (place / "uv").symlink_to(uv)

    def measure(self, variant: Variant, number: int) -> float:
        """Seconds of one installation in a new job."""
        job = self.folder / f"job-{number}-{variant.name.replace(' ', '-')}"
        job.mkdir()
        tool = "uv" if variant.tool == "again" else variant.tool
        cache = self.folder / f"cache-{tool}" if variant.cache == "warm" else job / "cache"
        cache.mkdir(exist_ok=True)
        environ = os.environ | {"PIP_CACHE_DIR": str(cache), "UV_CACHE_DIR": str(cache)}
        variant.cached = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
        if variant.tool == "plain":
            took = self.plain(job, environ)
        else:
            took = self.action(job, environ, tool)
            if variant.tool == "again":
                took = self.action(job, environ, tool)
        shutil.rmtree(job)
        return took

    def plain(self, job: Path, environ: dict[str, str]) -> float:
        began = time.perf_counter()
        self.run([self.python, "-m", "venv", str(job / "venv")], environ)
        python = str(job / "venv" / "bin" / "python")
        options = ["--quiet", "--disable-pip-version-check", "-r", str(ACTION / "requirements.in")]
        self.run([python, "-m", "pip", "install", *options], environ)
        took = time.perf_counter() - began
        self.run([python, "-c", "import github, msgspec, ruamel.yaml, yaml"], environ)
        return took

    def action(self, job: Path, environ: dict[str, str], tool: str) -> float:
        output = job / "output"
        output.write_text("")
        environ = environ | {
            "PATH": str(self.tools[tool]),
            "RUNNER_TEMP": str(job),
            "GITHUB_OUTPUT": str(output),
            "MALAGATE_INPUT_PYTHON": self.python,
        }
        began = time.perf_counter()
        self.run(["bash", str(ACTION / "install.sh")], environ)
        took = time.perf_counter() - began
        said = dict(line.split("=", 1) for line in output.read_text().splitlines())
        environ["MALAGATE_SITE"] = said["site"]
        launch = [said["python"], "-I", "-S", str(ACTION / "launch.py"), "--version"]
        self.run(launch, environ)
        return took

    def run(self, command: list[str], environ: dict[str, str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def has_pip(python: str) -> bool:
    probe = [python, "-I", "-m", "pip", "--version"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def report(variants: list[Variant]) -> None:
    print(f"{'variant':30}  {'seconds':>7}  {'ratio':>6}  {'range':>13}  {'cache':>8}")
    first = variants[0].seconds
    for variant in variants:
        ratios = [mine / base for mine, base in zip(variant.seconds, first, strict=True)]
        spread = f"{min(ratios):.3f}-{max(ratios):.3f}"
        print(
            f"{variant.name:30}  {statistics.median(variant.seconds):7.2f}  "
            f"{statistics.median(ratios):6.3f}  {spread:>13}  {variant.cached / 1e6:5.1f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=5, help="rounds after the first one")
    parser.add_argument("--python", help="a Python that has pip (default: this one or its base)")
    options = parser.parse_args()
    own = [sys.executable, getattr(sys, "_base_executable", sys.executable)]
    candidates = [options.python] if options.python else own
    python = next((path for path in candidates if has_pip(path)), None)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if python is None or uv is None:
        sys.exit("needs a Python that has pip, and uv on PATH")
    variants = [Variant(*row) for row in VARIANTS]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), python, uv)
        for number in range(options.rounds + 1):
            for variant in variants:
                took = bench.measure(variant, number)
                if number > 0:  # the first round fills the caches
                    variant.seconds.append(took)
    print(f"{options.rounds} rounds, {subprocess.getoutput(f'{uv} --version')}, {python}")
    report(variants)


if __name__ == "__main__":
    main()
