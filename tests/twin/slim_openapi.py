"""Makes the twin's copies of GitHub's published descriptions from the npm packages.

    npm pack @octokit/openapi@23.0.2 @octokit/openapi-webhooks@12.1.0
    python -m tests.twin.slim_openapi octokit-openapi-23.0.2.tgz octokit-openapi-webhooks-12.1.0.tgz

Both packages are MIT-licensed (LICENSE-octokit-openapi beside this file). What is left: the paths
that the twin serves, the events that it makes, and the schemas that these reach; descriptions and
examples are left out, because nothing is validated against them, and its known
mistakes are mended (see `bare`). Equal input gives equal bytes.
"""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.twin.api import ROUTES

HERE = Path(__file__).parent
MEMBER = "package/generated/api.github.com.json"
EVENTS = (
    *("workflow-run-", "pull-request-", "issue-comment-", "issues-", "merge-group-", "push"),
    *("workflow-dispatch", "deployment-status-"),
)
NOT_EVENTS = ("pull-request-review",)
IDLE = {"description", "example", "examples", "externalDocs", "x-github", "summary", "operationId"}
"""Keys that nothing is validated against."""
WRONG = {"discriminator"}
"""That of /contents would decide by a property of a list, which has none; `oneOf` says enough."""


def read(package: str) -> dict[str, Any]:
    with tarfile.open(package) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        found: dict[str, Any] = json.load(member)
        return found


def bare(value: Any, names: bool = False) -> Any:
    """Without what is not validated. `names`: the keys are the names of properties or the like."""
    if isinstance(value, list):
        return [bare(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("nullable") and None not in value.get("enum", [None]):
        value = value | {
            "enum": [*value["enum"], None]
        }  # `state_reason` is null in GitHub's answers
    if value.get("name") == "created" and value.get("in") == "query":
        value = value | {"schema": {"type": "string"}}  # it takes ">=2026-01-01" and "a..b", too
    return {
        key: bare(one, key in ("properties", "schemas", "parameters", "responses", "headers"))
        for key, one in value.items()
        if names or key not in IDLE | WRONG or (key == "description" and "content" in value)
    }


def targets(value: Any) -> set[str]:
    """The `$ref`s in a value."""
    if isinstance(value, list):
        return set().union(*(targets(one) for one in value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own.union(*(targets(one) for one in value.values()))


def reached(whole: dict[str, Any], start: Any) -> dict[str, Any]:
    """The components that a part of the description needs."""
    parts: dict[str, Any] = {}
    waiting, done = targets(start), set()
    while waiting:
        target = waiting.pop()
        done.add(target)
        _, components, kind, name = target.split("/")
        found = whole[components][kind][name]
        parts.setdefault(kind, {})[name] = found
        waiting |= targets(found) - done
    return {kind: dict(sorted(one.items())) for kind, one in sorted(parts.items())}


def slim_paths(whole: dict[str, Any]) -> dict[str, Any]:
    served: dict[str, Any] = {}
    for route in ROUTES:
        operations = whole["paths"][route.template]
        kept = served.setdefault(route.template, {})
        kept |= {key: operations[key] for key in ("parameters",) if key in operations}
        kept[route.method.lower()] = operations[route.method.lower()]
    return {
        "openapi": whole["openapi"],
        "info": {"title": whole["info"]["title"], "version": whole["info"]["version"]},
        "servers": [{"url": "https://api.github.com"}],
        "paths": dict(sorted(served.items())),
        "components": reached(whole, served),
    }


def slim_webhooks(whole: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: hook["post"]["requestBody"]["content"]["application/json"]["schema"]
        for name, hook in sorted(whole["webhooks"].items())
        if name.startswith(EVENTS) and not name.startswith(NOT_EVENTS)
    }
    return {"webhooks": kept, "components": reached(whole, kept)}


def write(name: str, slimmed: dict[str, Any]) -> None:
    kept = bare(slimmed, names=False)
    text = json.dumps(kept, separators=(",", ":"), sort_keys=True).encode()
    (HERE / name).write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{name}: {len(text):,} bytes, compressed {(HERE / name).stat().st_size:,}")


def main(openapi: str, webhooks: str) -> None:
    write("openapi.json.gz", slim_paths(read(openapi)))
    write("webhooks.json.gz", slim_webhooks(read(webhooks)))


if __name__ == "__main__":
    main(*sys.argv[1:])
