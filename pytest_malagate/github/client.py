"""One client for one repository: requests, their patience, and which of them may be sent twice.

PyGithub's own retries are off: they send a POST again after a 502 that may have been answered
after the write. Here a request is repeated only if repeating cannot do harm, or if GitHub said
that it was not carried out (a rate limit). Waiting has one budget for the client's whole life, so
that a failing GitHub ends an evaluation instead of holding a runner.

Sources: GitHub's "Best practices for using the REST API" (retry-after, x-ratelimit-reset, a minute
and then longer otherwise, a second between writes).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
import requests
import requests.utils
from github import Auth, Github

from pytest_malagate.errors import MachineryError
from pytest_malagate.github.remembered import Kept, Remembered
from pytest_malagate.report.text import plain

Verb = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
T = TypeVar("T")

API_VERSION = "2022-11-28"
NEWER_API_VERSION = "2026-03-10"
"""What the endpoints of concurrency groups ask for."""

TRIES = 4
PER_PAGE = 100
_FIRST_WAIT = 1.0
_LIMIT_WAIT = 60.0  # where GitHub names no time of its own
_SHOWN = 200
_GRAPHQL = "!graphql"  # no path of a repository's
USER = "!user"
"""In place of a path: the account that the token belongs to."""
_REDIRECTS = (301, 302, 307)


class GitHubError(MachineryError):
    """GitHub could not be asked, or refused.

    `status` is the HTTP status, None where there was no answer. `uncertain` is true for a write
    of which nobody knows whether it was carried out.
    """

    def __init__(self, message: str, *, status: int | None = None, uncertain: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.uncertain = uncertain


class TooManyPagesError(GitHubError):
    """A list is longer than what was to be read of it."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status, the headers by lower-case name, the body."""

    status: int
    headers: Mapping[str, Any]
    body: str


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """How the client behaves, in seconds: between two writes, for an answer, waiting in all."""

    write_spacing: float = 1.0
    timeout: int = 20
    patience: float = 90.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `repeatable`: twice is as once.

    The answer must decode to `kind`; it must name another place if `redirect`, and have no body
    if `bodiless`; it may have none if `optional`. A proxy's page with status 200 is none of these.
    `at_once`: it is sent now or not at all.
    """

    verb: Verb
    path: str
    parameters: Mapping[str, Any] = {}
    body: Any = None
    accept: str = "application/vnd.github+json"
    repeatable: bool = False
    redirect: bool = False
    bodiless: bool = False
    optional: bool = False
    at_once: bool = False
    kind: Any = None
    api_version: str = API_VERSION

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two reads the same read."""
        asked = sorted((name, str(value)) for name, value in self.parameters.items())
        return (self.path, *asked, self.accept, self.api_version)

    @property
    def harmless(self) -> bool:
        """True if it may be sent again although it may have been carried out."""
        return self.repeatable or self.verb == "GET"

    def __str__(self) -> str:
        return f"{self.verb} {plain(self.path.replace('!', '/', 1), _SHOWN)}"


class Client:
    """Requests to one repository, `owner/name`, with one token.

    `api_url` is `GITHUB_API_URL`. `remember`: what was read before is asked for by its ETag, and
    an answer that it has not changed costs nothing of the rate limit. Not for use by several
    threads. Every method raises GitHubError.
    """

    def __init__(
        self,
        token: str,
        repository: str,
        *,
        api_url: str = "https://api.github.com",
        manners: Manners | None = None,
        remember: bool = False,
    ) -> None:
        manners = manners or Manners()
        self.repository = repository
        self.made = 0
        """How many requests were sent, repeated ones included."""
        self.unchanged = 0
        """How many of them were answered by "not changed"."""
        self.remaining: int | None = None
        """Requests that the rate limit still allows, as the newest answer says."""
        self.limit: int | None = None
        """The rate limit itself, in requests an hour."""
        self._remembered = Remembered() if remember else None
        self._manners, self._patience = manners, manners.patience
        self._github = Github(
            auth=Auth.Token(token) if token else None,
            base_url=api_url.rstrip("/"),
            timeout=manners.timeout,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=manners.write_spacing,
            api_version=API_VERSION,
            user_agent="malagate",
            lazy=True,
        )
        self._requesters = {API_VERSION: self._github.requester}

    def close(self) -> None:
        """Closes the connections."""
        for requester in self._requesters.values():
            requester.close()

    # --- reading ---

    def get(
        self,
        path: str,
        kind: type[T],
        *,
        api_version: str = API_VERSION,
        **parameters: str | int,
    ) -> T:
        """The answer as a value. `path` is relative to the repository."""
        asked = _Request(
            verb="GET", path=path, parameters=parameters, kind=kind, api_version=api_version
        )
        return _decode(self._ask(asked).body, kind)

    def find(
        self,
        path: str,
        kind: type[T],
        *,
        api_version: str = API_VERSION,
        **parameters: str | int,
    ) -> T | None:
        """As `get`; None if GitHub knows nothing of that name."""
        try:
            return self.get(path, kind, api_version=api_version, **parameters)
        except GitHubError as error:
            if error.status == 404:
                return None
            raise

    def pages(
        self,
        path: str,
        kind: type[T],
        *,
        limit: int = 10,
        whole: bool = False,
        cursor: bool = False,
        api_version: str = API_VERSION,
        **parameters: str | int,
    ) -> Iterator[T]:
        """Page after page, at most `limit` of them, as long as GitHub names a next one.

        `whole`: raises TooManyPagesError where there are more, after the last that is given out, so
        that a part cannot pass for the list. `cursor`: pages have no numbers there; GitHub's own
        reference to the next one is followed.
        """
        asked: dict[str, str | int] = {"per_page": PER_PAGE, **parameters}
        for page in range(1, limit + 1):
            if not cursor:
                asked["page"] = page
            request = _Request(
                verb="GET", path=path, parameters=dict(asked), kind=kind, api_version=api_version
            )
            answer = self._ask(request)
            yield _decode(answer.body, kind)
            following = _next_page(answer)
            if following is None:
                return
            if cursor:
                asked.update(following)
        if whole:
            raise TooManyPagesError(
                f"GET {plain(path, _SHOWN)}: there are over {limit} pages of it"
            )

    def location(self, path: str) -> str:
        """Where GitHub redirects to. The address is a credential: it must never be printed."""
        answer = self._ask(_Request(verb="GET", path=path, redirect=True))
        location = answer.headers.get("location")
        if not isinstance(location, str) or not location:
            raise GitHubError(f"GET {path}: GitHub named no place to download from")
        return location

    # --- writing ---

    def write(self, verb: Verb, path: str, body: Any = None, kind: Any = None) -> None:
        """A write that may be repeated: doing it twice is doing it once.

        It counts as done only if the answer is a `kind`, or, where there is none, empty.
        """
        asked = _Request(
            verb=verb, path=path, body=body, repeatable=True, kind=kind, bodiless=kind is None
        )
        self._ask(asked)

    def change(self, verb: Verb, path: str, body: Any, kind: type[T]) -> T:
        """As `write`; returns what GitHub says of how it stands now."""
        asked = _Request(verb=verb, path=path, body=body, repeatable=True, kind=kind)
        return _decode(self._ask(asked).body, kind)

    def rest(self) -> bool:
        """Waits before another try that the caller makes; false if no patience is left for it."""
        if self._patience < _FIRST_WAIT:
            return False
        self._patience -= _FIRST_WAIT
        self._manners.sleep(_FIRST_WAIT)
        return True

    def create(self, path: str, body: Any, kind: type[T]) -> T:
        """A write that must not be repeated. Where GitHubError is `uncertain`, it may be done."""
        return _decode(self._ask(_Request(verb="POST", path=path, body=body, kind=kind)).body, kind)

    def begin(self, path: str, body: Any, kind: type[T]) -> T | None:
        """As `create`; None if GitHub did it and says nothing of it.

        Never sent after a wait, as for a rate limit: what the caller looked at before is old then.
        """
        asked = _Request(verb="POST", path=path, body=body, kind=kind, optional=True, at_once=True)
        answer = self._ask(asked)
        return None if answer.status == 204 else _decode(answer.body, kind)

    def graphql(self, query: str, variables: Mapping[str, str]) -> None:
        """Sends a mutation that may be repeated. Its answer says only whether it was done."""
        asked = _Request(
            verb="POST",
            path=_GRAPHQL,
            body={"query": query, "variables": dict(variables)},
            repeatable=True,
            kind=_GraphQLAnswer,
        )
        errors = _decode(self._ask(asked).body, _GraphQLAnswer).errors
        if errors:
            raise GitHubError(f"POST /graphql: {plain(errors[0].message, _SHOWN)}", status=200)

    # --- one request ---

    def _ask(self, request: _Request) -> Answer:
        pause = _FIRST_WAIT
        for tries_left in reversed(range(TRIES)):
            try:
                return self._try(request)
            except _Passing as passing:
                wait = max(pause, passing.pause)
                again = tries_left and passing.again and not request.at_once
                if not again or wait > self._patience:
                    raise passing.trouble from None
            self._patience -= wait
            self._manners.sleep(wait)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _try(self, request: _Request) -> Answer:
        """Sends once. Raises _Passing for what may be another time, GitHubError for what stays."""
        doubt = not request.harmless
        try:
            answer = self._send(request)
        except (requests.RequestException, OSError, RuntimeError, ValueError) as error:
            text = f"{request}: {_described(error)}"
            raise _Passing(GitHubError(text, uncertain=doubt), again=not doubt) from error
        status = answer.status
        limited = _limit_pause(answer, self._manners.now())
        if limited is not None:
            text = f"{request}: GitHub's rate limit is used up"
            raise _Passing(GitHubError(text, status=status), again=True, pause=limited)
        if status >= 500:
            text = f"{request}: GitHub answered {status}"
            trouble = GitHubError(text, status=status, uncertain=doubt)
            raise _Passing(trouble, again=not doubt)
        _raise_refused(request, answer)
        if nonsense := _nonsense(request, answer):
            text = f"{request}: GitHub's answer makes no sense: {nonsense}"
            trouble = GitHubError(text, uncertain=doubt)
            raise _Passing(trouble, again=not doubt)
        self._keep(request, answer)
        return answer

    def _send(self, request: _Request) -> Answer:
        """The answer; one that says "not changed" as what it was before."""
        headers = {"Accept": request.accept}
        known = self._known(request)
        if known is not None:
            headers["If-None-Match"] = known.tag
        self.made += 1
        status, told, text = self._requester(request.api_version).requestJson(
            request.verb,
            self._url(request.path),
            parameters=dict(request.parameters),
            headers=headers,
            input=request.body,
        )
        self._count(told)
        if status == 304 and known is not None:
            self.unchanged += 1
            return Answer(200, {**known.headers, **told}, known.body)
        return Answer(status, told, text or "")

    def _url(self, path: str) -> str:
        if path == _GRAPHQL:
            return str(self._github.requester.graphql_url)
        if path == USER:
            return "/user"
        return f"/repos/{self.repository}{path}"

    def _requester(self, api_version: str) -> Any:
        """PyGithub sends one version with each requester, and so needs one for each version."""
        if api_version not in self._requesters:
            requester = self._github.requester.withApiVersion(api_version)
            self._requesters[api_version] = requester
        return self._requesters[api_version]

    def _known(self, request: _Request) -> Kept | None:
        if self._remembered is None or request.verb != "GET" or request.redirect:
            return None
        return self._remembered.find(request.key)

    def _keep(self, request: _Request, answer: Answer) -> None:
        """Remembers what was understood; nothing else may come back later."""
        tag = answer.headers.get("etag")
        readable = request.verb == "GET" and not request.redirect and answer.status == 200
        if self._remembered is not None and readable and isinstance(tag, str) and tag:
            kept = Kept(tag=tag, headers=dict(answer.headers), body=answer.body)
            self._remembered.keep(request.key, kept)

    def _count(self, headers: Mapping[str, Any]) -> None:
        """Reads the rate limit off an answer that counts against the ordinary one."""
        if str(headers.get("x-ratelimit-resource", "core")) != "core":
            return
        remaining, limit = _number(headers, "remaining"), _number(headers, "limit")
        self.remaining = self.remaining if remaining is None else remaining
        self.limit = self.limit if limit is None else limit


class _Passing(Exception):
    """Trouble that another try may not meet, if `again` allows one, after `pause` seconds."""

    def __init__(self, trouble: GitHubError, *, again: bool, pause: float = 0.0) -> None:
        super().__init__(str(trouble))
        self.trouble, self.again, self.pause = trouble, again, pause


def _decode(body: str, kind: type[T]) -> T:
    return msgspec.json.decode(body.encode(), type=kind)


def _next_page(answer: Answer) -> dict[str, str] | None:
    """The parameters of the next page, as GitHub names it; None if there is none."""
    links = requests.utils.parse_header_links(str(answer.headers.get("link", "")))
    for link in links:
        if link.get("rel") == "next":
            return dict(parse_qsl(urlsplit(link.get("url", "")).query))
    return None


def _number(headers: Mapping[str, Any], name: str) -> int | None:
    value = str(headers.get(f"x-ratelimit-{name}", ""))
    return int(value) if value.isdecimal() else None


def _limit_pause(answer: Answer, now: float) -> float | None:
    """How many seconds a rate limit asks to wait; None if there is none."""
    if answer.status not in (403, 429):
        return None
    after = answer.headers.get("retry-after")
    if after is not None and str(after).isdecimal():
        return float(after)
    if str(answer.headers.get("x-ratelimit-remaining")) == "0":
        reset = str(answer.headers.get("x-ratelimit-reset", ""))
        return max(float(reset) - now, 0.0) + 1.0 if reset.isdecimal() else _LIMIT_WAIT
    if answer.status == 429 or "secondary rate limit" in answer.body:
        return _LIMIT_WAIT
    return None


_ADVICE = {
    401: "the token is not valid",
    403: "the token may not do this: see the permissions that the documentation lists",
    404: "it is not there, or the token may not see it",
    410: "it is gone",
}


def _raise_refused(request: _Request, answer: Answer) -> None:
    """Raises the error of an answer that will not become another by asking again."""
    if 200 <= answer.status < 300 or (request.redirect and answer.status in _REDIRECTS):
        return
    said = _message(answer.body)
    words = "; ".join(filter(None, (said, _ADVICE.get(answer.status, ""))))
    text = f"{request}: GitHub answered {answer.status}" + (f" ({words})" if words else "")
    raise GitHubError(text, status=answer.status)


def _nonsense(request: _Request, answer: Answer) -> str:
    """Why an answer that says "done" is none of GitHub's, in words; empty if it may be one."""
    if request.redirect:
        return "" if answer.status in _REDIRECTS else "it names no other place"
    if request.bodiless:
        return "it has a body" if answer.status != 204 or answer.body else ""
    if request.kind is None or (request.optional and answer.status == 204 and not answer.body):
        return ""
    try:
        _decode(answer.body, request.kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return plain(str(error), _SHOWN)
    return ""


class _GraphQLError(msgspec.Struct):
    message: str = ""


class _GraphQLAnswer(msgspec.Struct):
    errors: tuple[_GraphQLError, ...] = ()


class _Said(msgspec.Struct):
    message: str = ""


def _message(body: str) -> str:
    try:
        return plain(msgspec.json.decode(body.encode(), type=_Said).message, _SHOWN)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def _described(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "GitHub did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection to GitHub failed"
    return plain(f"the answer could not be read ({type(error).__name__}: {error})", _SHOWN)
