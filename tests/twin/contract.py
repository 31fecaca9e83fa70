"""Compares what goes over the wire with GitHub's published description of its API and webhooks.

`openapi.json.gz` and `webhooks.json.gz` are excerpts of npm's @octokit/openapi 23.0.2 and
@octokit/openapi-webhooks 12.1.0, MIT (LICENSE-octokit-openapi); slim_openapi.py makes them."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.twin.routing import Answer, Incoming, Route

if TYPE_CHECKING:
    from jsonschema.protocols import Validator  # type: ignore[import-untyped]
    from openapi_core import OpenAPI

HERE = Path(__file__).parent
ORIGIN = "https://api.github.com"
SAMPLE = 3
"""Of a longer list, this many from its start and one from its end are compared: all of them come
from the same function, and a page of a hundred runs would take seconds."""

TEXT = "application/json"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((HERE / name).read_bytes()))
    return found


@cache
def description() -> OpenAPI:
    from openapi_core import Config, OpenAPI

    return OpenAPI.from_dict(read("openapi.json.gz"), config=Config(spec_validator_cls=None))


def sampled(value: Any) -> Any:
    if isinstance(value, list):
        few = value if len(value) <= SAMPLE + 1 else [*value[:SAMPLE], value[-1]]
        return [sampled(one) for one in few]
    if isinstance(value, dict):
        return {key: sampled(one) for key, one in value.items()}
    return value


def violations(
    route: Route, arguments: dict[str, str], incoming: Incoming, answer: Answer
) -> list[str]:
    """What is not as described in a request that the twin took, and in the twin's answer."""
    from openapi_core.exceptions import OpenAPIError
    from openapi_core.testing import MockRequest, MockResponse

    # One segment an argument, as the description has it; GitHub takes slashes in some.
    path = route.template
    for name, value in arguments.items():
        path = path.replace(f"{{{name}}}", quote(value, safe="") or "-")
    request = MockRequest(
        ORIGIN,
        route.method.lower(),
        path,
        args=incoming.query,
        data=described_body(route, incoming.data) if incoming.data else None,
        content_type=TEXT,
    )
    found: list[str] = []
    try:
        if answer.status < 400:
            description().validate_request(request)
    except OpenAPIError as error:
        found.append(told("request", route, error))
    try:
        if is_described(route, answer):
            body = b"" if answer.body is None else json.dumps(sampled(answer.body)).encode()
            response = MockResponse(body, status_code=answer.status, content_type=TEXT)
            description().validate_response(request, response)
    except OpenAPIError as error:
        found.append(told(f"response {answer.status}", route, error))
    return found


def described_body(route: Route, data: bytes) -> bytes:
    """The description of labels leaves out the bare array that the documentation allows."""
    if route.template.endswith("/issues/{issue_number}/labels"):
        body = json.loads(data)
        return json.dumps({"labels": body}).encode() if isinstance(body, list) else data
    return data


def is_described(route: Route, answer: Answer) -> bool:
    """Whether the description says anything of this answer. Errors that any route may give (401,
    403, 404), and the way to where an issue was transferred (301), are not listed everywhere; what
    is no JSON, and what has no body, is not compared."""
    listed = read_statuses().get((route.template, route.method.lower()), frozenset())
    if str(answer.status) not in listed:
        return answer.status < 300
    if answer.raw is not None and answer.body is None:
        return False
    return answer.status not in (204, 302, 304)


@cache
def read_statuses() -> dict[tuple[str, str], frozenset[str]]:
    paths = read("openapi.json.gz")["paths"]
    return {
        (path, method): frozenset(operation["responses"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    }


def told(what: str, route: Route, error: Exception) -> str:
    """An error with its causes, the deepest last."""
    words, cause = [], error.__cause__
    for one in getattr(cause, "schema_errors", None) or ():
        place = "/".join(str(part) for part in one.absolute_path)
        words.append(f"{place}: {short(one.message)}")
        words += [
            f"  {'/'.join(map(str, inner.absolute_path))}: {short(inner.message)}"
            for inner in one.context or ()
        ]
    text = "; ".join(words) or f"{type(error).__name__}: {str(cause or error)[:500]}"
    return f"{route.method} {route.template}: {what}: {text}"


def short(text: str) -> str:
    """A message begins with the whole value; what is wrong with it stands at the end."""
    return text if len(text) <= 400 else f"{text[:100]} … {text[-300:]}"


# --- webhooks ---


@cache
def hooks() -> dict[str, Any]:
    return read("webhooks.json.gz")


@cache
def hook_validator(name: str) -> Validator:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    everything = {"$id": "urn:github", "components": hooks()["components"]}
    resource = Resource.from_contents(located(everything), default_specification=DRAFT202012)
    registry: Any = Registry().with_resource("urn:github", resource)
    return Draft202012Validator(located(hooks()["webhooks"][name]), registry=registry)


def located(value: Any) -> Any:
    """With references that hold from outside the document, too."""
    if isinstance(value, list):
        return [located(one) for one in value]
    if isinstance(value, dict):
        return {
            key: f"urn:github{one}" if key == "$ref" and isinstance(one, str) else located(one)
            for key, one in value.items()
        }
    return value


def event_violations(name: str, payload: dict[str, Any]) -> list[str]:
    """What is not as described in a webhook's payload."""
    action = payload.get("action")
    hook = "-".join(part.replace("_", "-") for part in (name, action) if part)
    if hook not in hooks()["webhooks"]:
        return [f"{hook}: GitHub describes no such event"]
    return [
        f"{hook}: {'/'.join(map(str, error.absolute_path))}: {short(error.message)}"
        for error in hook_validator(hook).iter_errors(payload)
    ]
