"""Compares what goes over the wire with GitHub's published description of its API and webhooks.

`openapi.json.gz` and `webhooks.json.gz` are excerpts of npm's @octokit/openapi 23.0.2 and
@octokit/openapi-webhooks 12.1.0, MIT (LICENSE-octokit-openapi); slim_openapi.py makes them.

The schemas are compiled once for each route and status: a twin answers a million requests in the
random schedules, and a validator that is made anew for each took five times as long as the answer.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.twin.routing import Answer, Incoming, Route

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, Registry, ValidationError

HERE = Path(__file__).parent
API, HOOKS = "openapi.json.gz", "webhooks.json.gz"
SAMPLE = 3
"""Of a longer list, this many from its start and one from its end are compared: all of them come
from the same function, and a page of a hundred runs would take seconds."""

TEXT = "application/json"
WHOLE = "urn:github"
"""The name under which the schemas refer to the components of their description."""


@cache
def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((HERE / name).read_bytes()))
    return found


def json_schema(value: Any) -> Any:
    """OpenAPI 3.0's dialect as JSON Schema: what is `nullable` has two types, and references name
    the description (what stands beside one does not count there)."""
    if isinstance(value, list):
        return [json_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str):
        return {"$ref": f"{WHOLE}{value['$ref']}"}
    found = {key: json_schema(one) for key, one in value.items()}
    if value.get("nullable") is True and isinstance(value.get("type"), str):
        found["type"] = [value["type"], "null"]
    return found


@cache
def components(name: str) -> Registry:
    from jsonschema_rs import Registry

    return Registry([(WHOLE, {"components": json_schema(read(name)["components"])})])


def compiled(name: str, schema: Any) -> Draft202012Validator:
    """Formats of the API alone are compared: webhooks say "" where the address of a deployment's
    environment is not set, which is no URI."""
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(
        json_schema(schema), registry=components(name), validate_formats=name == API
    )


# --- requests and their answers ---


@dataclass(frozen=True)
class Parameter:
    required: bool
    type: str | None
    schema: Draft202012Validator

    def errors(self, text: str) -> list[str]:
        return told(self.schema, typed(self.type, text))


def typed(kind: str | None, text: str) -> object:
    """What a text in a path or a query stands for. One that does not fit stays a text."""
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


@dataclass(frozen=True)
class Operation:
    """What GitHub describes of one route: parameters by place and name, bodies by status."""

    parameters: dict[tuple[str, str], Parameter]
    body: Draft202012Validator | None
    body_required: bool
    statuses: frozenset[int]
    answers: dict[int, Draft202012Validator]


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    found = value
    if "$ref" in value:
        _, part, kind, name = value["$ref"].split("/")
        found = read(API)[part][kind][name]
    return found


def parameter(described: dict[str, Any]) -> Parameter:
    schema = described["schema"]
    required = described.get("required", False)
    return Parameter(required, resolved(schema).get("type"), compiled(API, schema))


@cache
def operation(template: str, method: str) -> Operation:
    """Raises KeyError for a route that GitHub does not describe."""
    path = read(API)["paths"][template]
    described = path[method.lower()]
    places = [resolved(one) for part in (path, described) for one in part.get("parameters", ())]
    body = resolved(described.get("requestBody", {}))
    listed = {int(status): resolved(one) for status, one in described["responses"].items()}
    schemas = {status: schema_of(one) for status, one in listed.items()}
    wanted = schema_of(body)
    return Operation(
        parameters={(one["in"], one["name"]): parameter(one) for one in places},
        body=None if wanted is None else compiled(API, wanted),
        body_required=body.get("required", False),
        statuses=frozenset(listed),
        answers={status: compiled(API, one) for status, one in schemas.items() if one is not None},
    )


def schema_of(described: dict[str, Any]) -> Any:
    return described.get("content", {}).get(TEXT, {}).get("schema")


def prepare() -> None:
    """Reads and compiles what every request needs, so that none has to wait for it."""
    components(API)


def violations(
    route: Route, arguments: dict[str, str], incoming: Incoming, answer: Answer
) -> list[str]:
    """What is not as described in a request that the twin took, and in the twin's answer."""
    described = operation(route.template, route.method)
    found = []
    if answer.status < 400:
        found += [f"request: {one}" for one in asked(described, route, arguments, incoming)]
    found += [f"response {answer.status}: {one}" for one in answered(described, answer)]
    return [f"{route.method} {route.template}: {one}" for one in found]


def asked(
    described: Operation, route: Route, arguments: dict[str, str], incoming: Incoming
) -> list[str]:
    given = {("path", name): text for name, text in arguments.items()}
    given |= {("query", name): text for name, text in incoming.query.items()}
    found = []
    for place, one in described.parameters.items():
        if place in given:
            found += [f"{place[1]}: {error}" for error in one.errors(given[place])]
        elif one.required:
            found.append(f"{place[1]}: a required parameter is missing")
    found += [f"{name}: no such parameter" for _, name in given.keys() - described.parameters]
    if incoming.data and described.body is not None:
        found += told(described.body, described_body(route, incoming.data))
    elif incoming.data or described.body_required:
        found.append("a body that is not described" if incoming.data else "a body is missing")
    return found


def answered(described: Operation, answer: Answer) -> list[str]:
    """Errors that any route may give (401, 403, 404), and the way to where an issue was transferred
    (301), are not listed everywhere; what is no JSON, and what has no body, is not compared."""
    if answer.status not in described.statuses:
        return ["no such status"] if answer.status < 300 else []
    schema = described.answers.get(answer.status)
    if schema is None or answer.body is None or answer.status in (204, 302, 304):
        return []
    return told(schema, sampled(answer.body))


def sampled(value: Any) -> Any:
    if isinstance(value, list):
        few = value if len(value) <= SAMPLE + 1 else [*value[:SAMPLE], value[-1]]
        return [sampled(one) for one in few]
    if isinstance(value, dict):
        return {key: sampled(one) for key, one in value.items()}
    return value


def described_body(route: Route, data: bytes) -> object:
    """The description of labels leaves out the bare array that the documentation allows."""
    body: object = json.loads(data)
    if route.template.endswith("/issues/{issue_number}/labels") and isinstance(body, list):
        return {"labels": body}
    return body


def told(schema: Draft202012Validator, value: object) -> list[str]:
    return [reason(error) for error in schema.iter_errors(value)]


def reason(error: ValidationError) -> str:
    place = "/".join(str(part) for part in error.instance_path)
    return f"{place}: {short(error.message)}" if place else short(error.message)


def short(text: str) -> str:
    """A message begins with the whole value; what is wrong with it stands at the end."""
    return text if len(text) <= 400 else f"{text[:100]} … {text[-300:]}"


# --- webhooks ---


@cache
def hook_validator(name: str) -> Draft202012Validator:
    return compiled(HOOKS, read(HOOKS)["webhooks"][name])


def event_violations(name: str, payload: dict[str, Any]) -> list[str]:
    """What is not as described in a webhook's payload."""
    action = payload.get("action")
    hook = "-".join(part.replace("_", "-") for part in (name, action) if part)
    if hook not in read(HOOKS)["webhooks"]:
        return [f"{hook}: GitHub describes no such event"]
    return [f"{hook}: {one}" for one in told(hook_validator(hook), payload)]
