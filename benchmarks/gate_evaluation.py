"""What does one verdict on a pull request cost: requests, bytes, seconds?

    python benchmarks/gate_evaluation.py [--rounds 5] [--attempts 1 10 1000]

A pull request with 1, 10 and 1,000 earlier attempts (runs, state artifacts, comments by others) is
judged once more, on the twin of GitHub that the tests use (`tests/twin`, on this machine, so that
no network is in the seconds). What is counted is what the twin was sent; bytes are those of the
bodies.

The seconds are those of `malagate action` as a process of its own, from outside. Between two writes
it waits a second, as GitHub asks for; that is in the wall time and is told apart. The named peer is
a bare PyGithub script that sends requests of the same number and kind with no waiting; below it
stands a plain `import github`, in the same rounds, in turn. The table shows the medians and the
range. The import share is from `python -X importtime`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.action.stage import ALONE, FAILING, GATE_YML, Stage, read_outputs
from tests.twin import Twin
from tests.twin.routing import Answer
from tests.twin.server import Handler

PEER = """\
import sys
import github
api, token, reads, writes, number = sys.argv[1:]
hub = github.Github(
    auth=github.Auth.Token(token), base_url=api, retry=None, seconds_between_requests=0,
    seconds_between_writes=0, lazy=True,
)
repository = hub.get_repo("acme/shop")
for _ in range(int(reads)):
    hub.requester.requestJsonAndCheck("GET", f"/repos/acme/shop/pulls/{number}")
for place in range(int(writes)):
    body = {"body": f"{place}"}
    hub.requester.requestJsonAndCheck("PATCH", f"/repos/acme/shop/issues/{number}", input=body)
"""
LIMIT = 13
SPACING = 1.0
"""Seconds between two writes."""


class Traffic:
    """Bytes that the twin's hosts were sent and answered, bodies alone."""

    def __init__(self) -> None:
        self.up = self.down = 0
        self._send = Handler.send

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        send = self._send

        def counting(handler: Handler, answer: Answer, cut: bool = False) -> None:
            self.up += int(handler.headers.get("Content-Length") or 0)
            self.down += len(answer.raw or b"")
            send(handler, answer, cut)

        with mock.patch.object(Handler, "send", counting):
            yield


def prepared(stage: Stage, attempts: int) -> Any:
    """A pull request that failed before, with that many runs, states and comments in its history.

    The first three are real evaluations; the others are the last one's state again.
    """
    pull = stage.opened()
    for number in range(attempts):
        run = stage.tested(pull, tests=FAILING)
        if number < 3:
            told = stage.gate(run)
            pull.push({"shop.py": f"# {number}\n"})
            continue
        path = Path(told.outputs["state-path"])
        ours = stage.repo.run(workflow=GATE_YML, event="workflow_run")
        ours.artifact(told.outputs["state-name"], {path.name: path.read_bytes()})
        ours.finish("success")
        pull.comment(author="alice", body="What a change.")
    return pull


def environment(stage: Stage, tested: Any) -> dict[str, str]:
    """What a runner would set for the trusted workflow's job."""
    payload = stage.twin.event("workflow_run", run=tested)
    for waiting in [
        one for one in stage.repo.runs.values() if one.group and one.conclusion is None
    ]:
        waiting.finish("success")
    run = stage.repo.run(workflow=GATE_YML, event="workflow_run", concurrency=ALONE)
    made = stage.twin.environment(
        stage.repo, "workflow_run", payload, run=run, workflow_ref=GATE_YML, token=stage.token
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | made | {"MALAGATE_INPUT_TOKEN": stage.token}


def timed(argv: Sequence[str], environ: dict[str, str] | None = None) -> tuple[float, str]:
    """Seconds of a process from outside, and what it wrote to stderr."""
    began = time.perf_counter()
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds, done.stderr


def imports(log: str) -> dict[str, float]:
    """Cumulative seconds of the modules in an importtime log."""
    found: dict[str, float] = {}
    for line in log.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and fields[1].strip().isdecimal():
            found[fields[2].strip()] = int(fields[1]) / 1e6
    return found


def own_imports(log: str) -> float:
    """Seconds of all imports together."""
    fields = [line.removeprefix("import time:").split("|") for line in log.splitlines()]
    return sum(int(it[0]) for it in fields if len(it) == 3 and it[0].strip().isdecimal()) / 1e6


def described(seconds: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(seconds):6.2f} s ({min(seconds):.2f}-{max(seconds):.2f})"


def measure(attempts: int, rounds: int, directory: Path) -> int:
    """Prints one block of the table; returns the requests of an evaluation."""
    twin = Twin(directory, checked=False)
    twin.rate_limit = 1_000_000
    with twin.serve():
        stage = Stage(twin)
        stage.landed()
        pull = prepared(stage, attempts)
        run = stage.tested(pull, tests=FAILING)
        action = [sys.executable, "-m", "pytest_malagate", "action"]
        seconds: dict[str, list[float]] = {"action": [], "peer": [], "import": []}
        for number in range(rounds + 1):
            traffic, environ = Traffic(), environment(stage, run)
            before, blobs = len(twin.requests), len(twin.blob_requests)
            with traffic.counted():
                took, _ = timed(action, environ)
            api, downloads = twin.requests[before:], len(twin.blob_requests) - blobs
            outputs = read_outputs(Path(environ["GITHUB_OUTPUT"]))
            if outputs.get("verdict") != "fail":
                sys.exit(f"the verdict is {outputs.get('verdict')!r}")
            writes = sum(request.method != "GET" for request in api)
            counts = [len(api) - writes + downloads, writes, pull.number]
            peer = [sys.executable, "-c", PEER, twin.url, stage.token, *map(str, counts)]
            results = (took, timed(peer)[0], timed([sys.executable, "-c", "import github"])[0])
            if number:
                for name, value in zip(seconds, results, strict=True):
                    seconds[name].append(value)
        _, log = timed([sys.executable, "-X", "importtime", *action[1:]], environment(stage, run))
    spaced = max(writes - 1, 0) * SPACING
    known = imports(log)
    net = statistics.median(seconds["action"]) - spaced
    ratio = net / statistics.median(seconds["peer"])
    print(f"\n{attempts} earlier attempts")
    print(f"  API requests   {len(api)}: {len(api) - writes} reads, {writes} writes")
    print(f"  downloads      {downloads}")
    print(f"  bytes          {traffic.up} up, {traffic.down} down")
    print(f"  action         {described(seconds['action'])}, of it {spaced:.0f} s between writes")
    print(f"  bare PyGithub  {described(seconds['peer'])}; action without that wait: {ratio:.2f} x")
    print(f"  import github  {described(seconds['import'])}")
    print(
        f"  imports        {own_imports(log):.2f} s of the action while importtime traces, "
        f"PyGithub {known.get('github', 0.0):.2f} s"
    )
    return len(api)


def main() -> int:
    """Prints the tables; exit 1 if the requests are over thirteen, or grow with the history."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="after one warm-up")
    parser.add_argument("--attempts", type=int, nargs="+", default=[1, 10, 1000], metavar="N")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.2f}")
    counts = []
    for attempts in options.attempts:
        with tempfile.TemporaryDirectory() as directory:
            counts.append(measure(attempts, options.rounds, Path(directory)))
    return 1 if max(counts) > LIMIT or counts[-1] > max(counts[:2]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
