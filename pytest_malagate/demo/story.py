"""The story as data: what the agent claims and does, and what the gate must say to it.

Nothing here decides anything. The stage runs the commands, the real gate answers, and an answer
that differs from `Expected` is reported as a deviation.
"""

from __future__ import annotations

import msgspec

from pytest_malagate.demo import project
from pytest_malagate.gate.result import NextKind, ProgressState, Verdict

TASK = "cart-1"
CHECK = f"malagate check --task {TASK} --json"
"""The command that ends each chapter."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the story's parts."""


class Edit(Part, frozen=True, kw_only=True):
    """A change of one file.

    `before` is replaced by `after`. None for `before`: `after` is a whole new file. None for
    `after`: the file is removed.
    """

    path: str
    before: str | None = None
    after: str | None = None


class Command(Part, frozen=True, kw_only=True):
    """A command line and the exit code that it must have. Only git's are joined by ` && `."""

    line: str
    exit_code: int = 0


class Expected(Part, frozen=True, kw_only=True):
    """What the gate must say: `reason` and `warning` are codes that it must name."""

    verdict: Verdict
    progress: ProgressState
    next_action: NextKind
    reason: str | None = None
    warning: str | None = None


class Chapter(Part, frozen=True, kw_only=True):
    """One attempt: at most two lines of what happens, the agent's claim, the moral."""

    title: str
    claim: str
    text: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    commands: tuple[Command, ...] = ()
    expected: Expected
    moral: str


def _pytest(exit_code: int, selection: str = "") -> Command:
    line = f"pytest -p malagate --malagate-collect {selection}".rstrip()
    return Command(line=line, exit_code=exit_code)


def _commit(what: str, options: str = "-a", *, add: bool = False) -> Command:
    first = "git add -A && " if add else ""
    options = "" if add else f"{options} "
    return Command(line=f'{first}git commit {options}-m "{TASK}: {what}"')


_LINT = Command(line="malagate run lint")

STORY = (
    Chapter(
        title="A claim without a run",
        claim="Done, all tests pass.",
        text=("The agent writes src/cart.py, commits it and runs nothing.",),
        edits=(Edit(path=project.CART_PATH, after=project.CART),),
        commands=(_commit("add the cart", add=True),),
        expected=Expected(
            verdict="fail", reason="evidence.missing", progress="first", next_action="rerun"
        ),
        moral="That a test passes is a claim until its run is on record.",
    ),
    Chapter(
        title="A part of the tests",
        claim="Now I ran the tests.",
        text=("It picks two tests that it knows to be green.",),
        commands=(_LINT, _pytest(0, "-k discount")),
        expected=Expected(
            verdict="fail", reason="evidence.partial", progress="changed", next_action="rerun"
        ),
        moral="Exit code 0 of a part is no evidence of the whole.",
    ),
    Chapter(
        title="An honest run",
        claim="Now all of them ran.",
        text=("It runs the other tests too. The lint run still counts: same files.",),
        commands=(_pytest(1),),
        expected=Expected(
            verdict="fail", reason="tests.failed", progress="progress", next_action="fix"
        ),
        moral="Three failures with names: worth more than a claim, and so it is progress.",
    ),
    Chapter(
        title="The same failures again",
        claim="Fixed the rounding.",
        text=("It adds a comment to the line that loses the cents and calls it a fix.",),
        edits=(
            Edit(
                path=project.CART_PATH,
                before=project.SPLIT,
                after=f"# whole cents only\n    {project.SPLIT}",
            ),
        ),
        commands=(_commit("fix the rounding"), _LINT, _pytest(1)),
        expected=Expected(
            verdict="fail",
            reason="tests.failed",
            warning="progress.nudge",
            progress="changed",
            next_action="fix",
        ),
        moral="Other files, the same failures. Once that is only a nudge.",
    ),
    Chapter(
        title="An empty commit",
        claim="Pushed another fix.",
        text=("It commits nothing at all and hopes for another answer.",),
        commands=(_commit("fix it again", "--allow-empty"),),
        expected=Expected(
            verdict="fail",
            reason="progress.none",
            progress="no_progress",
            next_action="ask_human",
        ),
        moral="The same files cannot turn out otherwise: here a loop ends that burns money.",
    ),
    Chapter(
        title="A bought exit code",
        claim="pytest exits with 0.",
        text=("Instead of asking, it adds a hook that sets pytest's exit code to 0.",),
        edits=(Edit(path=project.CONFTEST_PATH, after=project.CONFTEST),),
        commands=(_commit("make the run green", add=True), _LINT, _pytest(0)),
        expected=Expected(
            verdict="fail", reason="tests.failed", progress="no_progress", next_action="ask_human"
        ),
        moral="An exit code proves nothing. Each test's own outcome is on record.",
    ),
    Chapter(
        title="Half a fix",
        claim="Done, really.",
        text=(
            'A person looks at it and says: "Drop the hook. Read the three failures."',
            "The agent repairs two of them.",
        ),
        edits=(
            Edit(path=project.CONFTEST_PATH),
            Edit(
                path=project.CART_PATH,
                before=project.READ_PRICE,
                after=project.READ_PRICE_FIXED,
            ),
            Edit(
                path=project.CART_PATH,
                before=project.FREE_SHIPPING,
                after=project.FREE_SHIPPING_FIXED,
            ),
        ),
        commands=(_commit("read prices exactly"), _LINT, _pytest(1)),
        expected=Expected(
            verdict="fail", reason="tests.failed", progress="progress", next_action="fix"
        ),
        moral="Not a pass, but fewer failures: another attempt is worth its money.",
    ),
    Chapter(
        title="The whole fix",
        claim="Done, all tests pass.",
        text=("It gives the cents that are left over to the first shares.",),
        edits=(Edit(path=project.CART_PATH, before=project.SPLIT, after=project.SPLIT_FIXED),),
        commands=(_commit("lose no cent"), _LINT, _pytest(0)),
        expected=Expected(verdict="pass", progress="progress", next_action="none"),
        moral="The words are those of the start. Now there is evidence, of this very commit.",
    ),
)
"""Eight attempts at one task."""
