"""Which function answers which request, and what a token must be allowed for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

if TYPE_CHECKING:
    from tests.twin.repository import Repository
    from tests.twin.state import Token, User
    from tests.twin.twin import Twin

DOCUMENTATION = "https://docs.github.com/rest"
BODY_LIMIT = 65_536


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": str(status),
        }
        if errors is not None:
            self.body["errors"] = errors


def missing() -> Refused:
    return Refused(404, "Not Found")


def moved(url: str) -> Refused:
    answer = Refused(301, "Moved Permanently", headers={"Location": url})
    answer.body["url"] = url
    return answer


def invalid(resource: str, name: str, message: str, code: str = "custom") -> Refused:
    error = {"resource": resource, "code": code, "field": name, "message": message}
    return Refused(422, "Validation Failed", [error])


@dataclass(frozen=True)
class Incoming:
    """A request as it came over the wire. Names of headers are in small letters."""

    method: str
    path: str
    query: dict[str, str]
    data: bytes
    headers: dict[str, str]

    @property
    def bearer(self) -> str | None:
        kind, _, text = self.headers.get("authorization", "").partition(" ")
        return text.strip() if kind.lower() in ("token", "bearer") else None


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json; charset=utf-8"


@dataclass
class Call:
    """One request on its way to its function. `repository` is what it may see: for a list, that may
    be an older state (see lag.py); `live` is the present one."""

    twin: Twin
    token: Token | None
    live: Repository | None
    seen: Repository | None
    arguments: dict[str, str]
    query: dict[str, str]
    body: Any
    path: str
    accept: str

    @property
    def repository(self) -> Repository:
        assert self.seen is not None
        return self.seen

    @property
    def user(self) -> User:
        if self.token is None:
            raise Refused(401, "Requires authentication")
        return self.token.user

    @property
    def app(self) -> str | None:
        return self.token.app if self.token else None

    def number(self, name: str) -> int:
        text = self.arguments[name]
        if not text.isdecimal():
            raise missing()
        return int(text)

    def fields(self) -> dict[str, Any]:
        """The body, which has to be an object."""
        if not isinstance(self.body, dict):
            raise Refused(400, "Problems parsing JSON")
        return self.body

    def text(self, name: str, resource: str, limit: int | None = None) -> str:
        """A field of the body that has to be a text, not an empty one."""
        value = self.fields().get(name)
        if not isinstance(value, str) or not value:
            raise invalid(resource, name, f"{name} can't be blank", "missing_field")
        if limit is not None and len(value) > limit:
            raise invalid(resource, name, f"{name} is too long (maximum is {limit} characters)")
        return value

    def require(self, *grants: str) -> None:
        """At least one of "scope:level" has to be granted."""
        allow(self, grants)

    def page(self, items: Sequence[Any], default: int = 30, most: int = 100) -> Page:
        size = min(max(self._integer("per_page", default), 1), most)
        number = max(self._integer("page", 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        links = []
        if number < last:
            links += [self._link(number + 1, "next"), self._link(last, "last")]
        if number > 1:
            links += [self._link(1, "first"), self._link(number - 1, "prev")]
        chosen = list(items[(number - 1) * size : number * size])
        return Page(chosen, {"Link": ", ".join(links)} if links else {})

    def _integer(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdecimal() else default

    def _link(self, number: int, relation: str) -> str:
        query = urlencode({**self.query, "page": number})
        return f'<{self.twin.url}{self.path}?{query}>; rel="{relation}"'


@dataclass(frozen=True)
class Page:
    items: list[Any]
    headers: dict[str, str]


def allow(call: Call, grants: tuple[str, ...]) -> None:
    """Refuses as GitHub does: nobody knows a private repository that he may not see; anybody may
    read a public one; a write needs its scope."""
    repository, token = call.live, call.token
    if repository is None:
        return
    own = token is not None and token.repository in (None, repository)
    role = repository.role(token.user.login) if token is not None else "none"
    person = token is not None and token.permissions is None
    if repository.private and not (own and (not person or role != "none")):
        raise missing()
    writes = any(grant.endswith(":write") for grant in grants)
    if not writes and not repository.private:
        return
    if token is None:
        raise Refused(401, "Requires authentication")
    if person and writes and role not in ("triage", "write", "maintain", "admin"):
        raise Refused(403, "Must have admin rights to Repository.")
    granted = (token.may(*grant.split(":")) for grant in grants)
    if not own or not any(granted):
        raise Refused(403, "Resource not accessible by integration")


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    pattern: re.Pattern[str]
    grants: tuple[str, ...]
    listing: bool
    handler: Handler


ROUTES: list[Route] = []
BASE = "/repos/{owner}/{repo}"
_WIDE = {"path": ".*", "ref": ".+?", "basehead": ".+", "branch": ".+"}
"""Arguments that may hold slashes."""


def route(
    method: str, template: str, *grants: str, listing: bool = False
) -> Callable[[Handler], Handler]:
    """Registers a function. `grants` are alternatives; none is for those who see the repository."""
    template = BASE + template if not template.startswith("!") else template[1:]
    parts = re.split(r"\{(\w+)\}", template)
    for index in range(1, len(parts), 2):
        parts[index] = f"(?P<{parts[index]}>{_WIDE.get(parts[index], '[^/]+')})"
    parts[::2] = [re.escape(part) for part in parts[::2]]
    pattern = re.compile("".join(parts))

    def register(handler: Handler) -> Handler:
        ROUTES.append(
            Route(method, template, pattern, grants or ("metadata:read",), listing, handler)
        )
        return handler

    return register


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    for one in ROUTES:
        found = one.pattern.fullmatch(path) if one.method == method else None
        if found:
            return one, {key: unquote(value) for key, value in found.groupdict().items()}
    return None
