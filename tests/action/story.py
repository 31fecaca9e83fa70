"""A fork's pull request from its first failure to its acceptance: `python -m tests.action.story`.

The twin is the GitHub, its repositories are git's, pytest really runs in clones, and action.yml's
own steps record and judge. Every chapter says what must be seen, and is held against it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.action.stage import GATE_YML, TESTS_YML
from tests.action.workflows import Workflows
from tests.action_yml import ActionRun
from tests.twin import Twin

POLICY = """\
version: 1
validations:
  tests: {kind: test}
retry: {max_attempts: 8}
integrity: {tests_removed: fail}
"""
TESTS = """\
from shop import total, vat


def test_total():
    assert total([1, 2]) == 3


def test_vat():
    assert vat(100) == 20


def test_nothing_costs_nothing():
    assert total([]) == 0
"""
SHOP = "def total(prices):\n    return sum(prices)\n\n\ndef vat(price):\n    return {vat}\n"
GOOD = SHOP.format(vat="price * 20 // 100")
WRONG_VAT = SHOP.format(vat="price")
WRONG_TOTAL = GOOD.replace("sum(prices)", "sum(prices) + 1")
LESS = TESTS.replace("\n\ndef test_nothing_costs_nothing():\n    assert total([]) == 0\n", "")


@dataclass(frozen=True)
class Chapter:
    """What was done, and what could be seen afterwards."""

    title: str
    verdict: str
    attempt: str
    progress: str
    status: str
    description: str
    labels: tuple[str, ...]
    codes: tuple[str, ...]
    comments: int
    outputs: dict[str, str]
    comment: str
    summary: str


@dataclass(frozen=True)
class Expected:
    """What must be seen: verdict, attempt, progress, the status's state, labels, codes."""

    verdict: str
    attempt: str
    progress: str
    status: str
    labels: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


FAILED, HUMAN, STUCK = "tests.failed", "malagate:needs-human", "malagate:no-progress"

EXPECTED = {
    "1. It fails": Expected("fail", "1", "first", "failure", (), (FAILED,)),
    "2. Another edit, the same failure": Expected("fail", "2", "changed", "failure", (), (FAILED,)),
    "3. It stands still": Expected(
        "fail", "3", "no_progress", "failure", (HUMAN, STUCK), (FAILED, "progress.none")
    ),
    "4. A maintainer says /gate retry": Expected("fail", "1", "first", "failure", (), (FAILED,)),
    "5. Other failures in its place": Expected(
        "fail", "2", "changed", "failure", (), (FAILED, FAILED)
    ),
    "6. And back": Expected("fail", "3", "changed", "failure", (), (FAILED,)),
    "7. It oscillates": Expected(
        "fail",
        "4",
        "oscillating",
        "failure",
        (HUMAN, STUCK),
        (FAILED, FAILED, "progress.oscillating"),
    ),
    "8. Fixed, but a test is gone": Expected(
        "fail", "5", "progress", "failure", (), ("integrity.tests-removed",)
    ),
    "9. The author accepts it, and may not": Expected(
        "fail", "5", "progress", "failure", (), ("integrity.tests-removed",)
    ),
    "10. A maintainer accepts it": Expected("pass", "5", "progress", "success"),
    "11. The test is back": Expected("pass", "6", "progress", "success"),
}


class Story:
    """The pull request of mallory's fork, one chapter after the other."""

    def __init__(self, twin: Twin, installation: Path) -> None:
        self.repo: Any = twin.repository("acme/shop")
        files = {
            "malagate.yaml": POLICY,
            "shop.py": GOOD,
            "test_shop.py": TESTS,
            TESTS_YML: "name: tests\n",
            GATE_YML: "name: malagate\n",
        }
        self.repo.commit("main", files, message="A shop")
        self.repo.permission("alice", "maintain")
        self.workflows = Workflows(twin, self.repo, installation)

    def chapters(self) -> Iterator[Chapter]:
        """Plays, and yields each chapter when it has ended."""
        self.workflows.landed()  # the base leaves its baseline
        fork = self.repo.fork("mallory")
        fork.commit("vat", {"shop.py": WRONG_VAT}, message="VAT")
        pull = self.repo.open_pull(head="vat", fork=fork, title="VAT", author="mallory")

        def pushed(shop: str, tests: str = TESTS) -> Callable[[], ActionRun]:
            def push() -> ActionRun:
                pull.push({"shop.py": shop, "test_shop.py": tests}, message="Another try")
                return self.workflows.judged(self.workflows.tested(pull))

            return push

        def said(author: str, body: str) -> Callable[[], ActionRun]:
            return lambda: self.workflows.said(pull, author, body)

        accept = '/gate accept integrity.tests-removed reason:"it tested nothing"'
        deeds = (
            lambda: self.workflows.judged(self.workflows.tested(pull)),
            pushed(f"{WRONG_VAT}# hm\n"),
            pushed(f"{WRONG_VAT}# hm, hm\n"),
            said("alice", "/gate retry"),
            pushed(WRONG_TOTAL),
            pushed(f"{WRONG_VAT}# again\n"),
            pushed(f"{WRONG_TOTAL}# again\n"),
            pushed(GOOD + "# done\n", LESS),
            said("mallory", accept),
            said("alice", accept),
            pushed(GOOD + "# really done\n"),
        )
        for title, deed in zip(EXPECTED, deeds, strict=True):
            yield self._seen(title, pull, deed())

    def _seen(self, title: str, pull: Any, done: ActionRun) -> Chapter:
        result = json.loads(Path(done.outputs["result"]).read_text())
        status = next(s for s in self.repo.statuses(pull.head_sha) if s.context == "malagate/gate")
        ours = [c for c in pull.comments if c.user.login == "github-actions[bot]"]
        return Chapter(
            title=title,
            verdict=done.outputs["verdict"],
            attempt=done.outputs["attempt"],
            progress=result["progress"]["state"],
            status=status.state,
            description=status.description,
            labels=tuple(sorted(pull.labels)),
            codes=tuple(why["code"] for why in result["reasons"]),
            comments=len(ours),
            outputs=done.outputs,
            comment=ours[0].body,
            summary=done.summary,
        )


def wrong(chapter: Chapter) -> list[str]:
    """In which ways a chapter is not as it must be."""
    expected = EXPECTED[chapter.title]
    found = [
        f"{name} is {getattr(chapter, name)!r}, not {value!r}"
        for name, value in vars(expected).items()
        if getattr(chapter, name) != value
    ]
    if chapter.comments != 1:
        found.append(f"there are {chapter.comments} comments")
    return found


def main() -> int:
    """Plays the story, prints what is seen, and returns 1 if a chapter is not as it must be."""
    from tests.action_yml.installation import install

    troubles = 0
    with tempfile.TemporaryDirectory() as directory:
        twin = Twin(Path(directory))
        with twin.serve():
            for chapter in Story(twin, install(Path(directory))).chapters():
                _print(chapter, verbose="--verbose" in sys.argv)
                for trouble in wrong(chapter):
                    troubles += 1
                    print(f"    WRONG: {trouble}")
        troubles += len(twin.violations)
        print(*twin.violations, sep="\n", end="" if not twin.violations else "\n")
    print(f"{len(EXPECTED)} chapters, {troubles} not as they must be")
    return 1 if troubles else 0


def _print(chapter: Chapter, *, verbose: bool) -> None:
    outputs = {k: v for k, v in chapter.outputs.items() if v and k not in ("result", "reasons")}
    print(f"\n{chapter.title}")
    print(f"    status   {chapter.status}: {chapter.description}")
    print(f"    labels   {', '.join(chapter.labels) or 'none'}")
    print(f"    outputs  {' '.join(f'{k}={v}' for k, v in outputs.items())}")
    print(f"    reasons  {', '.join(chapter.codes) or 'none'}; progress {chapter.progress}")
    print(f"    comment  {chapter.comments}, {len(chapter.comment)} characters:")
    shown = chapter.comment.splitlines() if verbose else chapter.comment.splitlines()[2:8]
    print(*(f"      | {line}" for line in shown), sep="\n")
    print(f"    summary  {len(chapter.summary)} characters, {chapter.summary.splitlines()[0]}")


if __name__ == "__main__":
    sys.exit(main())
