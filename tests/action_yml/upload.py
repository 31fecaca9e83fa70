"""What actions/upload-artifact does: finds the files, zips them, hands them to the service.

As v7 does it: the files of several paths keep the names below their least common ancestor, those
of one directory theirs below it, a single file only its own; what begins with a dot is left out
unless `include-hidden-files`; `archive: false` uploads one file as it is, under its own name. The
service is the twin's door, if the environment names an API.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from tests.action_yml.run import Uploaded

USES = re.compile(r"actions/upload-artifact@[0-9a-f]{40}")
INPUTS = {
    "name": "artifact",
    "path": "",
    "if-no-files-found": "warn",
    "retention-days": "",
    "compression-level": "6",
    "overwrite": "false",
    "include-hidden-files": "false",
    "archive": "true",
}
_FORBIDDEN = re.compile(r'[":<>|*?\r\n\\/]')


class UploadError(Exception):
    """The step fails with this message."""


def upload(
    given: Mapping[str, str], environ: Mapping[str, str], workspace: Path
) -> tuple[Uploaded | None, dict[str, str], str]:
    """Uploads, and answers with what was uploaded, the step's outputs and its log."""
    unknown = set(given) - set(INPUTS)
    if unknown:
        raise UploadError(f"Unexpected input(s) {sorted(unknown)}")
    inputs = INPUTS | {name: value for name, value in given.items() if value}
    if not inputs["path"]:
        raise UploadError("Input required and not supplied: path")
    if inputs["if-no-files-found"] not in ("warn", "error", "ignore"):
        raise UploadError("Unrecognized if-no-files-found input")
    files = found_files(inputs["path"], workspace, hidden=inputs["include-hidden-files"] == "true")
    if not files:
        return _nothing(inputs)
    artifact = _artifact(inputs, files)
    outputs = _send(artifact, environ, overwrite=inputs["overwrite"] == "true")
    return artifact, outputs, f"Artifact {artifact.name} has been successfully uploaded!\n"


def _nothing(inputs: Mapping[str, str]) -> tuple[None, dict[str, str], str]:
    message = f"No files were found with the provided path: {inputs['path']}."
    if inputs["if-no-files-found"] == "error":
        raise UploadError(f"{message} No artifacts will be uploaded.")
    prefix = "::warning::" if inputs["if-no-files-found"] == "warn" else ""
    return None, {}, f"{prefix}{message} No artifacts will be uploaded.\n"


def _artifact(inputs: Mapping[str, str], files: dict[str, Path]) -> Uploaded:
    raw = inputs["archive"] == "false"
    if raw and len(files) != 1:
        raise UploadError("archive: false needs a single file")
    name = next(iter(files.values())).name if raw else inputs["name"]
    if _FORBIDDEN.search(name):
        raise UploadError(f"The artifact name is not valid: {name}.")
    days = inputs["retention-days"]
    if days and not (days.isdecimal() and 1 <= int(days) <= 90):
        raise UploadError(f"Invalid retention-days: {days}")
    contents = {member: path.read_bytes() for member, path in sorted(files.items())}
    return Uploaded(name, contents, int(days) if days else None, raw)


def found_files(path: str, workspace: Path, *, hidden: bool) -> dict[str, Path]:
    """The files of the input `path`, by their name in the artifact."""
    patterns = [line.strip() for line in path.splitlines() if line.strip()]
    excluded = {
        match
        for pattern in patterns
        if pattern.startswith("!")
        for match in _found(workspace / pattern[1:])[1]
    }
    roots, files = [], set()
    for pattern in patterns:
        if not pattern.startswith("!"):
            root, matches = _matches(workspace / pattern, hidden=hidden)
            roots.append(root)
            files.update(matches)
    files = {file for file in files if not excluded & {file, *file.parents}}
    if not files:
        return {}
    if len(roots) > 1:
        # A common path of files alone is their directory.
        base = Path(os.path.commonpath([root.parent if root.is_file() else root for root in roots]))
    else:
        base = roots[0].parent if files == {roots[0]} else roots[0]
    return {file.relative_to(base).as_posix(): file for file in files}


def _matches(pattern: Path, *, hidden: bool) -> tuple[Path, set[Path]]:
    """The part of a pattern before its first wildcard, and the files it finds."""
    root, matches = _found(pattern)
    found = set()
    for path in matches:
        found |= {path} if path.is_file() else {p for p in path.rglob("*") if p.is_file()}
    if not hidden:
        found = {file for file in found if not _is_hidden(file, root)}
    return root, found


def _found(pattern: Path) -> tuple[Path, list[Path]]:
    """The part of a pattern before its first wildcard, and all that the pattern matches."""
    parts = pattern.parts
    wild = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    root, rest = Path(*parts[:wild]), parts[wild:]
    if rest:
        return root, list(root.glob("/".join(rest)))
    return root, [root] if root.exists() else []


def _is_hidden(file: Path, root: Path) -> bool:
    below = file.relative_to(root).parts
    return any(part.startswith(".") for part in (root.name, *below))


def _send(artifact: Uploaded, environ: Mapping[str, str], *, overwrite: bool) -> dict[str, str]:
    api, run = environ.get("GITHUB_API_URL"), environ.get("GITHUB_RUN_ID")
    if not api or not run:
        return {}
    if artifact.raw:
        query, body = f"&raw={quote(artifact.name)}", next(iter(artifact.files.values()))
    else:
        query, body = "", _zipped(artifact.files)
    query += "&overwrite=1" if overwrite else ""
    url = f"{api}/_twin/runs/{run}/artifacts?name={quote(artifact.name, safe='')}{query}"
    try:
        with urlopen(Request(url, data=body, method="POST"), timeout=60) as answer:
            made = json.loads(answer.read() or b"{}")
    except HTTPError as error:
        with error:
            raise UploadError(f"Failed to CreateArtifact: HTTP {error.code}") from error
    named = {"artifact-id": made.get("id"), "artifact-digest": made.get("digest")}
    return {key: str(value) for key, value in named.items() if value}


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
