"""The name that a remote's URL gives to a repository."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_NAME = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
_SCHEMES = frozenset({"http", "https", "ssh", "git", "git+ssh", "ssh+git"})
_NO_PARTS = frozenset({".", ".."})
_SCP_LIKE = re.compile(r"(?:[^/@:]+@)?(?:[^/@:\[\]]+|\[[^\]]*\]):(?P<path>.*)", re.DOTALL)


def repository_name(url: str) -> str | None:
    """`owner/repo` of an http, https, ssh or git URL, or of the scp-like form `host:owner/repo`.

    Only the path is looked at, so no credential can get into the name; a deeper path is kept whole
    (`group/subgroup/repo`). None for a path on this machine and for whatever else names no owner.
    """
    path = _path(url.strip())
    if path is None:
        return None
    name = path.strip("/").removesuffix(".git")
    return name if _NAME.fullmatch(name) and _NO_PARTS.isdisjoint(name.split("/")) else None


def _path(url: str) -> str | None:
    if "://" not in url:
        scp = _SCP_LIKE.fullmatch(url)
        return scp["path"] if scp else None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.path if parts.scheme in _SCHEMES else None
