"""The two HTTP servers: the API, and the host that artifacts are downloaded from."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.twin import api, blob, routes_actions
from tests.twin.faults import Faults
from tests.twin.routing import Answer, Incoming
from tests.twin.state import Request

if TYPE_CHECKING:
    from tests.twin.twin import Twin

PAGE = b"<!DOCTYPE html><html><body><h1>Unicorn!</h1><p>We had issues producing the response.</p></body></html>"


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that none outlives it."""

    daemon_threads = True
    block_on_close = True
    request_queue_size = 64

    def __init__(self, twin: Twin, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.twin = twin
        self.ending = threading.Event()
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing to report; anything else is a fault of the twin."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.twin.violations.append(f"the twin failed: {error!r}")

    def end(self) -> None:
        self.ending.set()
        self.shutdown()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """What both hosts have in common: reading, the faults, writing in one piece."""

    protocol_version = "HTTP/1.1"
    server: Server
    host = ""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reply(self, method: str) -> None:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length) if length else b""
        if address.path.startswith("/_twin/"):
            with self.server.twin.lock:
                self.send(runner_door(self.server.twin, address.path, query, data))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.twin.faults.strike(self.host, method, self.path)
        self.treat(Incoming(method, address.path, query, data, headers), fault)

    def treat(self, incoming: Incoming, fault: str | None) -> None:
        twin = self.server.twin
        applied = fault is None or fault in Faults.APPLIED
        with twin.lock:
            answer = self.tried(incoming) if applied else None
            broken = spoiled(twin, fault, answer) if fault is not None else answer
            status = broken.status if broken is not None else 0
            self.record().append(noted(incoming, status, fault))
        if broken is not None:
            self.send(broken, cut=fault == "truncated")
        elif fault == "timeout":
            self.wait()
        else:
            self.reset()

    def tried(self, incoming: Incoming) -> Answer:
        """The answer. A fault of the twin itself is a violation, and is told to the client."""
        try:
            return self.answer(incoming)
        except Exception:  # noqa: BLE001 - closed: no test may pass over a broken twin
            where = f"{incoming.method} {incoming.path}"
            self.server.twin.violations.append(f"{where}: {traceback.format_exc()}")
            return message(500, "The twin failed")

    def answer(self, incoming: Incoming) -> Answer:
        raise NotImplementedError

    def record(self) -> list[Request]:
        """Where the requests to this host are noted."""
        raise NotImplementedError

    def send(self, answer: Answer, cut: bool = False) -> None:
        payload = b"" if answer.raw is None else answer.raw
        headers = {"Server": "github.com", "Date": self.date_time_string(), **answer.headers}
        bodiless = answer.status in (204, 304)
        if not bodiless:
            headers |= {"Content-Type": answer.content_type, "Content-Length": str(len(payload))}
        if cut:
            payload = payload[: len(payload) // 2]
            headers["Content-Length"] = str(max(int(headers.get("Content-Length", 0)), 1) + 100)
            headers["Connection"] = "close"
            self.close_connection = True
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('?',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self.wfile.write(head + (b"" if bodiless or self.command == "HEAD" else payload))

    def wait(self) -> None:
        """No answer until the client gives up."""
        limit = time.monotonic() + self.server.twin.timeout_seconds
        while time.monotonic() < limit and not self.server.ending.is_set():
            ready, _, _ = select.select([self.connection], [], [], 0.02)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                break
        self.close_connection = True

    def reset(self) -> None:
        """Ends the connection so that the client sees ECONNRESET."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def do_GET(self) -> None:
        self.reply("GET")

    def do_POST(self) -> None:
        self.reply("POST")

    def do_PATCH(self) -> None:
        self.reply("PATCH")

    def do_PUT(self) -> None:
        self.reply("PUT")

    def do_DELETE(self) -> None:
        self.reply("DELETE")


class ApiHandler(Handler):
    host = "api"

    def answer(self, incoming: Incoming) -> Answer:
        return api.answer(self.server.twin, incoming)

    def record(self) -> list[Request]:
        return self.server.twin.requests


class BlobHandler(Handler):
    host = "blob"

    def answer(self, incoming: Incoming) -> Answer:
        return blob.answer(self.server.twin, incoming)

    def record(self) -> list[Request]:
        return self.server.twin.blob_requests


def noted(incoming: Incoming, status: int, fault: str | None) -> Request:
    return Request(
        method=incoming.method,
        path=incoming.path,
        query=incoming.query,
        status=status,
        token=incoming.bearer,
        body=parsed(incoming.data),
        headers=incoming.headers,
        fault=fault,
    )


def parsed(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data


def spoiled(twin: Twin, fault: str, answer: Answer | None) -> Answer | None:
    """What the client gets instead; None: no answer at all."""
    refusals: dict[str, Callable[[], Answer]] = {
        "secondary": lambda: message(403, api.SECONDARY, {"Retry-After": str(twin.retry_after)}),
        "primary": lambda: message(403, api.PRIMARY, api.used_up(twin)),
        "429": lambda: message(429, api.SECONDARY),
        "429-after": lambda: message(429, api.SECONDARY, {"Retry-After": str(twin.retry_after)}),
        "unauthorized": lambda: message(401, "Bad credentials"),
        "forbidden": lambda: message(403, "Resource not accessible by integration"),
        "not-found": lambda: message(404, "Not Found"),
        "html": lambda: Answer(200, raw=PAGE, content_type="text/html; charset=utf-8"),
        "empty": lambda: Answer(200, raw=b""),
        "applied-502": lambda: message(502, "Server Error"),
    }
    if fault.isdecimal() and fault not in refusals:
        return message(int(fault), "Server Error")
    if fault in refusals:
        return refusals[fault]()
    if answer is not None and fault == "truncated":
        return answer
    if answer is not None and fault == "malformed":
        raw = answer.raw or b'{"message": "'
        half = raw[: max(len(raw) * 2 // 3, 1)] + b"\xff\x00"
        return Answer(200, raw=half, content_type=answer.content_type)
    return None


def message(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    body = {
        "message": text,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }
    identity = {"X-GitHub-Request-Id": uuid.uuid4().hex.upper()[:16]}
    return Answer(status, raw=json.dumps(body).encode(), headers=identity | (headers or {}))


def runner_door(twin: Twin, path: str, query: dict[str, str], data: bytes) -> Answer:
    """POST /_twin/runs/ID/artifacts: the upload of a step of that run."""
    parts = path.strip("/").split("/")
    runs = {str(run.id): run for one in twin.repositories.values() for run in one.runs.values()}
    if len(parts) != 4 or parts[1] != "runs" or parts[3] != "artifacts" or parts[2] not in runs:
        return message(404, "Not Found")
    made = routes_actions.upload(runs[parts[2]], {k: unquote(v) for k, v in query.items()}, data)
    if made.raw is None:
        made.raw = json.dumps(made.body).encode()
    return made


@contextlib.contextmanager
def serving(twin: Twin) -> Iterator[tuple[str, str]]:
    """The addresses of the API and of the other host."""
    servers = [Server(twin, handler) for handler in (ApiHandler, BlobHandler)]
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        for server in servers
    ]
    for thread in threads:
        thread.start()
    ports = [server.server_address[1] for server in servers]
    try:
        yield f"http://127.0.0.1:{ports[0]}", f"http://localhost:{ports[1]}"
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.end()
            thread.join()
