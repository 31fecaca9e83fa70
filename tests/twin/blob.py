"""The other host: where the bytes of an artifact lie, behind an address that soon expires."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.twin.routing import Answer, Incoming
from tests.twin.state import Artifact

if TYPE_CHECKING:
    from tests.twin.twin import Twin


def sign(number: str, until: str) -> str:
    return hashlib.sha256(f"the twin's key {number} {until}".encode()).hexdigest()[:32]


def address(twin: Twin, artifact: Artifact) -> str:
    until = str(twin.clock() + twin.url_lifetime)
    name = quote(artifact.filename or f"{artifact.name}.zip", safe="")
    signature = sign(str(artifact.id), until)
    return f"{twin.blob_url}/artifacts/{artifact.id}/{name}?se={until}&sig={signature}"


def xml(status: int, code: str, message: str) -> Answer:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, raw=text.encode(), content_type="application/xml")


def answer(twin: Twin, incoming: Incoming) -> Answer:
    """As Azure's storage answers: it knows no GitHub token, and refuses who brings one."""
    if "authorization" in incoming.headers:
        return xml(
            400,
            "InvalidAuthenticationInfo",
            "Authentication information is not given in the correct format.",
        )
    parts = incoming.path.strip("/").split("/")
    number, until = parts[1] if len(parts) > 2 else "", incoming.query.get("se", "0")
    if incoming.query.get("sig") != sign(number, until) or not until.isdecimal():
        return xml(403, "AuthenticationFailed", "Server failed to authenticate the request.")
    if twin.clock() >= int(until):
        return xml(403, "AuthenticationFailed", "Signature not valid in the specified time frame.")
    every = (one for repository in twin.repositories.values() for one in repository.artifacts())
    found = next((one for one in every if str(one.id) == number), None)
    if found is None:
        return xml(404, "BlobNotFound", "The specified blob does not exist.")
    name = quote(found.filename or f"{found.name}.zip", safe="")
    kind = "application/zip" if found.filename is None else "application/octet-stream"
    headers = {"Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"}
    return Answer(200, raw=found.data, content_type=kind, headers=headers)
