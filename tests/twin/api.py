"""One API request from its bytes to its answer: token, limits, route, ETag, contract."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from tests.twin import (
    routes_actions,
    routes_graphql,
    routes_groups,
    routes_issues,
    routes_relations,
    routes_repository,
    routes_user,
)
from tests.twin.routing import ROUTES, Answer, Call, Incoming, Refused, Route, allow, find, missing

if TYPE_CHECKING:
    from tests.twin.repository import Repository
    from tests.twin.state import Token
    from tests.twin.twin import Twin

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
PRIMARY = "API rate limit exceeded for installation."
ROOMS = (
    *(routes_repository, routes_issues, routes_relations),
    *(routes_actions, routes_groups, routes_graphql, routes_user),
)
"""The modules whose routes are served; their import has filled ROUTES."""

__all__ = ["ROOMS", "ROUTES", "answer"]


def used_up(twin: Twin) -> dict[str, str]:
    reset = str(int(time.time()) + twin.reset_after)
    limit = str(twin.rate_limit)
    names = {"Limit": limit, "Remaining": "0", "Used": limit, "Reset": reset, "Resource": "core"}
    return {f"X-RateLimit-{name}": value for name, value in names.items()}


def answer(twin: Twin, incoming: Incoming) -> Answer:
    twin.in_request = True
    token: Token | None = None
    route: Route | None = None
    arguments: dict[str, str] = {}
    try:
        token = token_of(twin, incoming)
        if incoming.path != "/rate_limit" and twin.rates.exhausted(token):
            result = Answer(403, Refused(403, PRIMARY).body)
        elif incoming.method != "GET" and (wait := twin.rates.write_wait(token)):
            result = Answer(403, Refused(403, SECONDARY).body, {"Retry-After": str(wait)})
        else:
            found = find(incoming.method, incoming.path)
            if found is None:
                raise missing()
            route, arguments = found
            result = perform(twin, route, arguments, token, incoming)
    except Refused as refused:
        result = Answer(refused.status, refused.body, dict(refused.headers))
    finally:
        twin.in_request = False
    encode(result)
    if twin.checked and route is not None and route.template not in ("/graphql", "/user"):
        from tests.twin import contract

        twin.violations += contract.violations(route, arguments, incoming, result)
    if incoming.method == "GET" and result.status == 200:
        result = conditional(result, incoming)
    if result.status != 304 and incoming.path != "/rate_limit":
        twin.rates.count(token)
    result.headers |= twin.rates.headers(token) | {
        "X-GitHub-Request-Id": uuid.uuid4().hex.upper()[:16],
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-GitHub-Api-Version-Selected": incoming.headers.get("x-github-api-version", "2022-11-28"),
    }
    return result


def token_of(twin: Twin, incoming: Incoming) -> Token | None:
    if "authorization" not in incoming.headers:
        return None
    token = twin.tokens.get(incoming.bearer or "")
    if token is None:
        raise Refused(401, "Bad credentials")
    return token


def repository_of(twin: Twin, arguments: dict[str, str]) -> Repository | None:
    if "owner" not in arguments:
        return None
    found = twin.repositories.get(f"{arguments['owner']}/{arguments['repo']}".lower())
    if found is None:
        raise missing()
    return found


def perform(
    twin: Twin,
    route: Route,
    arguments: dict[str, str],
    token: Token | None,
    incoming: Incoming,
) -> Answer:
    live = repository_of(twin, arguments)
    call = Call(
        twin=twin,
        token=token,
        live=live,
        seen=live,
        arguments=arguments,
        query=incoming.query,
        body=body_of(incoming.data),
        path=incoming.path,
        accept=incoming.headers.get("accept", ""),
    )
    allow(call, route.grants)
    if route.listing and live is not None:
        call.seen = twin.lag_state.look(live)
    if route.method == "GET":
        return route.handler(call)
    within = incoming.path.split("/", 4)[4:] if live is not None else []
    before = twin.lag_state.before_write(live, "/" + "".join(within))
    result = route.handler(call)
    twin.lag_state.wrote(before)
    return result


def body_of(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None


def encode(result: Answer) -> None:
    if result.raw is None and result.status not in (204, 302, 304):
        result.raw = json.dumps(result.body).encode()


def conditional(result: Answer, incoming: Incoming) -> Answer:
    """Gives the answer its ETag; where the client has that already, 304."""
    tag = hashlib.sha256(result.raw or b"").hexdigest()
    result.headers["ETag"] = f'W/"{tag}"'
    if tag in incoming.headers.get("if-none-match", ""):
        return Answer(304, headers={"ETag": result.headers["ETag"]})
    return result
