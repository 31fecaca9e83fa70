"""`malagate schema`, and what is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_malagate.cli import main
from pytest_malagate.collect.log import encode_record
from pytest_malagate.gate import evidence
from pytest_malagate.gate.result import GateResult, encode
from pytest_malagate.schemas import DRAFT, TITLES, generated, published
from pytest_malagate.schemas.__main__ import write_schemas
from tests.report.results import FAILED, PASSED

RECORDS = [
    evidence.LogHeader(schema=evidence.SCHEMA, id="x", at=1.0),
    evidence.CommandStarted(run="r", name="lint", argv=("ruff",), at=1.0),
    evidence.Receipt(run="r", name="lint", argv=("ruff",), at=1.0, duration=0.5, exit_code=0),
    evidence.Receipt(run="r", name="lint", argv=("ruff",), at=1.0, duration=0.5, signal="SIGINT"),
    evidence.TestEnded(
        session="s",
        nodeid="t.py::t",
        outcome="failed",
        failures=(evidence.Failure(fingerprint="v1:x", line=3),),
    ),
    evidence.CoverageMeasured(
        session="s",
        at=1.0,
        percent=90.0,
        problems=(evidence.CoverageProblem(code="coverage.stale", message="m"),),
    ),
]


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(published(name))
    return loaded


@pytest.mark.parametrize("name", TITLES)
def test_what_is_published_is_what_the_types_say(name: str) -> None:
    again = "run `python -m pytest_malagate.schemas` to write it anew"
    assert json.loads(published(name)) == json.loads(generated(name)), again


@pytest.mark.parametrize("name", TITLES)
def test_each_schema_is_valid_draft_2020_12(name: str) -> None:
    assert schema(name)["$schema"] == DRAFT
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", ["evidence", "gate-result"])
def test_a_schemas_id_is_a_name_with_its_version(name: str) -> None:
    assert schema(name)["$id"] == f"urn:malagate:{name}:1"


@pytest.mark.parametrize("name", TITLES)
def test_a_schema_is_printed(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["schema", name]) == 0
    assert capsys.readouterr().out == published(name)


def test_without_a_name_the_schemas_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(TITLES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gate-reslt", "did you mean gate-result?"),
        ("zzz", "there are policy, evidence, gate-result"),
    ],
)
def test_an_unknown_schema_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert main(["schema", name]) == 2
    assert capsys.readouterr().err == f"malagate: error: there is no schema {name!r}; {said}\n"


@pytest.mark.parametrize(
    "result", [PASSED, FAILED, GateResult(verdict="error", passed=False)], ids=lambda r: r.verdict
)
def test_a_gate_result_is_valid_by_its_schema(result: GateResult) -> None:
    jsonschema.validate(json.loads(encode(result)), schema("gate-result"))


def test_a_gate_result_without_a_field_is_not_valid() -> None:
    value = json.loads(encode(PASSED))
    del value["next_action"]["stop_when"]
    with pytest.raises(jsonschema.ValidationError, match="'stop_when' is a required property"):
        jsonschema.validate(value, schema("gate-result"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_valid_by_its_schema(record: evidence.Record) -> None:
    jsonschema.validate(json.loads(encode_record(record)), schema("evidence"))


def test_a_record_of_no_known_type_is_not_valid() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": "claim", "name": "tests"}, schema("evidence"))


def test_the_published_files_can_be_written_anew(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {f"{name}.schema.json": generated(name) for name in TITLES}
