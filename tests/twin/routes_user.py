"""Endpoint: the account that a token belongs to. The excerpt of the description has not got it."""

from __future__ import annotations

from tests.twin import render
from tests.twin.routing import Answer, Call, Refused, route


@route("GET", "!/user")
def user(call: Call) -> Answer:
    owner = call.user
    if call.token is not None and call.token.permissions is not None:
        raise Refused(403, "Resource not accessible by integration")
    return Answer(body=render.user(call.twin.url, owner))
