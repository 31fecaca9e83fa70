"""Endpoint: GraphQL, of which the twin knows one sentence: pinning an issue.

GitHub has no REST endpoint for that. The published description says nothing about GraphQL, so its
answers are not compared.
"""

from __future__ import annotations

from tests.twin.render import node
from tests.twin.routing import Answer, Call, Refused, route

PINNED_MOST = 3
"""Issues that a repository may pin."""


@route("POST", "!/graphql")
def graphql(call: Call) -> Answer:
    fields = call.fields()
    if "pinIssue" not in str(fields.get("query")):
        raise Refused(400, "the twin understands no other query")
    wanted = dict(fields.get("variables") or {}).get("id")
    for repository in call.twin.repositories.values():
        for issue in repository.issues.values():
            if node("Issue", issue.id) != wanted:
                continue
            token = call.token
            if token is None or not token.may("issues", "write"):
                return trouble("FORBIDDEN", "Resource not accessible by integration")
            if sum(other.pinned for other in repository.issues.values()) >= PINNED_MOST:
                return trouble("UNPROCESSABLE", "Maximum of 3 pinned issues")
            issue.pinned = True
            return Answer(body={"data": {"pinIssue": {"issue": {"number": issue.number}}}})
    return trouble("NOT_FOUND", "Could not resolve to a node with the global id")


def trouble(kind: str, message: str) -> Answer:
    return Answer(body={"data": None, "errors": [{"type": kind, "message": message}]})
