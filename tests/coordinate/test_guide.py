"""The coordinator from Python, as the guide has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_malagate import IssueExecutionCoordinator

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## Start work on issues from Python\n"


def test_what_the_guide_shows_runs_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "docs" / "how-to.md").read_text("utf-8")
    section = guide.partition(HEADING)[2].partition("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    Path("issues.yaml").write_text(
        "issues:\n"
        "  - {id: x-1}\n"
        "  - {id: x-2, blocked_by: [x-1]}\n"
        "  - {id: x-3, labels: [later]}\n"
        "  - {id: x-4, blocked_by: [x-3]}\n"
    )
    exec(compile(code[1], "how-to.md", "exec"), {"__name__": "guide"})
    assert capsys.readouterr().out.splitlines() == [
        "working on x-1",
        "working on x-2",
        "4 waiting (1), blocked (1)",
    ]


def test_the_docstring_names_where_its_types_come_from() -> None:
    text = IssueExecutionCoordinator.__doc__ or ""
    for name in ("Issue", "IssueOutcome", "Refused", "RunResult", "Event", "YamlProvider"):
        assert re.search(rf"\b{name}\b", text), name
