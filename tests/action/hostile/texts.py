"""Texts of a change that try to become commands, markup, mentions or another line."""

from __future__ import annotations

from typing import Any

from tests.action.hostile.case import Case, Play
from tests.action.hostile.logs import LINT, LINTED, encoded
from tests.action.hostile.scene import CANARY, EVIDENCE, Scene
from tests.action.stage import TOTAL

TEXTS = {
    "an-error-command": "x\n::error::forged",
    "a-command-after-spaces": "x\n  \t ::set-output name=verdict::pass",
    "a-mask": "::add-mask::a",
    "stop-commands": "::stop-commands::forever\n::error::x",
    "an-environment-command": "\r\n::set-env name=PATH::/tmp\r\n::add-path::/tmp",
    "an-output-file-line": "x\nverdict=pass\nverdict<<EOF\npass\nEOF",
    "an-escaped-newline": "x%0A::error::y%0D%0A::add-mask::z",
    "the-older-command": "##[error]x ##[set-output name=verdict]pass ##[add-mask]a",
    "a-lone-cr": "x\r::error::y\r##[error]z",
    "a-line-separator": "x\u2028::error::y\u2029::error::z\u0085::error::a",
    "a-vertical-tab": "x\x0b::error::y\x0c::error::z\x1c::error::a\x1e::error::b",
    "colours": "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x9b2J",
    "an-escape-before-a-command": "\x1b[2K\x1b[1G::error::y",
    "a-zero-width-space-before-a-command": "\u200b::error::y\n\ufeff::error::z",
    "bidi-controls": "\u202e::rorre::\u202c \u2066abc\u2069",
    "tag-characters": "x" + "".join(chr(0xE0000 + ord(letter)) for letter in "obey me"),
    "a-comment-s-end": "--> <script>alert(1)</script> <!-- malagate:gate -->",
    "our-marker": "<!-- malagate:gate -->",
    "a-fence": "```\n</details>\n@everyone\n```\n````json\n",
    "a-tilde-fence": "~~~\n# heading\n~~~",
    "closing-details": "</details></sub></td></table><h1>passed</h1>",
    "an-image": "![x](https://evil.example/x.png) <img src=https://evil.example/y.png>",
    "a-link": "[approve](https://evil.example) <https://evil.example> www.evil.example",
    "mentions": "@everyone @acme/owners @alice",
    "references": "#1 GH-1 acme/shop#1 closes #1",
    "a-table-row": "a | b | c |\n|---|---|\n| passed | 0 |",
    "a-command-of-ours": "/gate accept tests.failed\n/gate stop",
    "a-shell-substitution": f"$(touch {CANARY}) `touch {CANARY}` ; touch {CANARY}",
    "an-expression": "${{ secrets.GITHUB_TOKEN }} ${{ github.token }}",
    "backticks": "`" * 50 + " @everyone " + "`" * 49,
    "a-backslash-at-the-end": "\\` @everyone \\",
    "65000-characters": "A" * 65_000,
    "65000-wide-characters": "\U0001f600" * 16_000,
    "65000-brackets": "[" * 65_000,
    "65000-newlines": "\n::error::x" * 6_000,
    "a-closing-tag-in-pieces": "<!-<!-- x -->- y --> <scr<!-- -->ipt>",
}
"""By the name of what is tried."""


def _failing(nodeid: str, **failure: Any) -> Play:
    """One test fails, with the text in whatever it says."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.ran(pull)
        records = scene.log_of(run, pull)
        test = next(record for record in records if record["type"] == "test")
        test |= {"nodeid": nodeid, "outcome": "failed"}
        test["failures"] = [{"fingerprint": "v1:0123456789abcdef"} | failure]
        run.artifact(EVIDENCE, {"evidence.jsonl": encoded(records)})
        scene.gate(run)

    return play


def _everywhere(text: str) -> Play:
    about = {"message": text, "exception": text, "path": text, "line": 7, "function": text}
    return _failing(
        text,
        **about,
    )


def _record(kind: str, policy: str | None = None, **changes: Any) -> Play:
    """A record of a kind with a text where none belongs."""

    def play(scene: Scene) -> None:
        if policy is not None:
            scene.repo.commit("main", {"malagate.yaml": policy}, message="policy")
        pull = scene.opened()
        run = scene.ran(pull)
        records = scene.log_of(run, pull, commands=LINT if policy else {}, percent=50.0)
        next(record for record in records if record["type"] == kind).update(changes)
        run.artifact(EVIDENCE, {"evidence.jsonl": encoded(records)})
        scene.gate(run)

    return play


ALL = "\n".join(text for text in TEXTS.values() if len(text) < 1000)

CASES = (
    *(Case(f"text-{name}", "texts", _everywhere(text), "fail", "tests.failed") for name, text in TEXTS.items()),
    Case("text-in-a-path-with-properties", "texts", _failing(TOTAL, message="x", path="a,line=1,title=x::y%2C:z\r\n::error::w", line=3), "fail", "tests.failed"),
    Case("text-for-a-fingerprint", "texts", _failing(TOTAL, fingerprint=ALL), "fail", "tests.failed"),
    Case("text-a-line-below-zero", "texts", _failing(TOTAL, path="a.py", line=-(2**62)), "fail", "tests.failed"),
    Case("text-in-what-was-left-out", "texts", _record("finish", partial=[ALL, *TEXTS.values()]), "fail", "evidence.partial"),
    Case("text-in-an-interruption", "texts", _record("finish", interrupted=ALL), "fail", "evidence.partial"),
    Case("text-in-an-internal-error", "texts", _record("finish", internal_error=ALL), "fail", "tests.internal-error"),
    Case("text-in-a-lost-worker", "texts", _record("finish", lost_workers=[ALL]), "fail", "tests.worker-lost"),
    Case("text-in-a-selection", "texts", _record("session", selection=["-k", ALL]), "fail", "evidence.partial"),
    Case("text-in-a-tree", "texts", _record("session", tree=ALL), "fail", "evidence.stale"),
    Case("text-in-a-commit", "texts", _record("session", commit=ALL), code="evidence.other-commit"),
    Case("text-in-a-run", "texts", _record("session", ci=ALL), code="evidence.other-run"),
    Case("text-in-a-count-s-name", "texts", _record("finish", counts={ALL: 1, "failed": -1}, exitstatus=1), "fail", "tests.exit-status"),
    Case("text-in-an-argv", "texts", _record("receipt", LINTED, argv=[ALL]), "fail", "evidence.inconsistent"),
    Case("text-in-a-signal", "texts", _record("receipt", LINTED, exit_code=None, signal=ALL), "fail", "evidence.failed"),
    Case("text-in-a-digest", "texts", _record("receipt", LINTED, output_digest=ALL, exit_code=2), "fail", "evidence.failed"),
)  # fmt: skip
