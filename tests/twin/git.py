"""A bare git repository: what GitHub keeps behind its API."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Content = str | bytes | None
"""A file's new content; None deletes it."""

ZERO = "0" * 40


@dataclass(frozen=True)
class Person:
    """Who wrote or committed, and when (seconds since 1970)."""

    name: str
    email: str
    at: int


@dataclass(frozen=True)
class CommitObject:
    """A commit as git holds it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True)
class Change:
    """One file of a diff, with GitHub's words for the status."""

    path: str
    status: str
    blob: str
    additions: int
    deletions: int
    patch: str | None
    previous: str | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of a directory."""

    mode: str
    kind: str
    sha: str
    size: int
    path: str


WORDS = {
    "A": "added",
    "D": "removed",
    "M": "modified",
    "R": "renamed",
    "C": "copied",
    "T": "changed",
}


class Git:
    """Commands on one bare repository. `moment` gives the time for new commits."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._shown: dict[str, CommitObject] = {}
        self._changed: dict[tuple[str | None, str], list[Change]] = {}

    def run(self, *args: str, given: bytes | None = None, ok: tuple[int, ...] = (0,)) -> bytes:
        return self.call(*args, given=given, ok=ok).stdout

    def call(
        self, *args: str, given: bytes | None = None, ok: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[bytes]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        done = subprocess.run(
            ["git", f"--git-dir={self.directory}", "-c", "core.quotePath=false", *args],
            input=given if given is not None else b"",
            env=environ | {"GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self.directory), "LC_ALL": "C"},
            capture_output=True,
            check=False,
        )
        if done.returncode not in ok:
            raise RuntimeError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
        return done

    def create(self, branch: str, alternate: Path | None = None) -> None:
        self.directory.mkdir(parents=True)
        self.run("init", "-q", "--bare", "-b", branch, str(self.directory))
        if alternate is not None:
            objects = self.directory / "objects" / "info" / "alternates"
            objects.write_text(f"{alternate.resolve() / 'objects'}\n")

    # --- names ---

    def resolve(self, name: str) -> str | None:
        """The commit that a sha, a branch, a tag or a ref names."""
        for spelled in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
            if spelled.startswith("-") or (spelled == name and not is_exact(name)):
                continue
            asked = ("rev-parse", "-q", "--verify", f"{spelled}^{{commit}}")
            found = self.run(*asked, ok=(0, 1, 128)).decode().strip()
            if found:
                return found
        return None

    def branches(self) -> dict[str, str]:
        return {
            name.removeprefix("refs/heads/"): sha for name, sha in self.refs("refs/heads").items()
        }

    def point(self, ref: str, sha: str | None) -> None:
        if sha is None:
            self.run("update-ref", "-d", ref)
        else:
            self.run("update-ref", ref, sha)

    def fetch(self, other: Path, source: str, target: str) -> None:
        self.run("fetch", "-q", "--no-tags", str(other), f"+{source}:{target}")

    # --- writing ---

    def commit(
        self,
        ref: str,
        files: Mapping[str, Content],
        message: str,
        parents: tuple[str, ...],
        who: Person,
    ) -> str:
        """A commit on `ref` with the first parent's files, changed as `files` says."""
        words = message.encode()
        mark = f"{who.name} <{who.email}> {who.at} +0000".encode()
        lines = [b"commit %s" % ref.encode(), b"author " + mark, b"committer " + mark]
        lines += [b"data %d\n%s" % (len(words), words)]
        if parents:
            lines += [b"from " + parents[0].encode()]
            lines += [b"merge " + other.encode() for other in parents[1:]]
        else:
            self.point(ref, None)
        for path, content in files.items():
            quoted = b'"%s"' % path.replace("\\", "\\\\").replace('"', '\\"').encode()
            if content is None:
                lines += [b"D " + quoted]
            else:
                data = content.encode() if isinstance(content, str) else content
                lines += [b"M 644 inline %s\ndata %d\n%s" % (quoted, len(data), data)]
        self.run("fast-import", "--quiet", "--force", given=b"\n".join(lines) + b"\n")
        sha = self.resolve(ref)
        assert sha is not None
        return sha

    def branch_many(self, base: str, refs: list[tuple[str, str]], who: Person) -> None:
        """In one go, for each pair of refs: a commit upon `base` at the first one, with a file that
        is new, and its test merge with `base` at the second."""
        mark = f"{who.name} <{who.email}> {who.at} +0000"
        people = f"author {mark}\ncommitter {mark}\n"
        lines = []
        for number, (head, merge) in enumerate(refs, 1):
            path = head.rpartition("/")[2]
            lines.append(
                f"commit {head}\nmark :{number}\n{people}data 4\nwork\nfrom {base}\n"
                f"M 644 inline {path}\ndata 0\n\n"
                f"commit {merge}\n{people}data 5\nmerge\nfrom {base}\nmerge :{number}\n"
                f"M 644 inline {path}\ndata 0\n\n"
            )
        self.run("fast-import", "--quiet", "--force", given="".join(lines).encode())

    def refs(self, pattern: str) -> dict[str, str]:
        listed = self.run("for-each-ref", "--format=%(refname) %(objectname)", pattern).decode()
        parts = (line.partition(" ") for line in listed.splitlines())
        return {name: sha for name, _, sha in parts}

    def merge(self, ours: str, theirs: str, message: str, who: Person) -> str | None:
        """A commit that joins two, made as GitHub makes refs/pull/N/merge; None: a conflict."""
        done = self.call("merge-tree", "--write-tree", ours, theirs, ok=(0, 1))
        if done.returncode:
            return None
        tree = done.stdout.decode().split()[0]
        stamp = f"{who.name} <{who.email}> {who.at} +0000"
        raw = f"tree {tree}\nparent {ours}\nparent {theirs}\nauthor {stamp}\ncommitter {stamp}\n"
        return (
            self.run(
                *("hash-object", "-w", "-t", "commit", "--stdin"),
                given=f"{raw}\n{message}\n".encode(),
            )
            .decode()
            .strip()
        )

    # --- reading ---

    def show(self, sha: str) -> CommitObject:
        if sha not in self._shown:  # a commit never changes
            self._shown[sha] = self._show(sha)
        return self._shown[sha]

    def _show(self, sha: str) -> CommitObject:
        raw = self.run("cat-file", "commit", sha).decode(errors="replace")
        head, _, message = raw.partition("\n\n")
        fields: dict[str, list[str]] = {}
        for line in head.splitlines():
            name, _, value = line.partition(" ")
            fields.setdefault(name, []).append(value)
        return CommitObject(
            sha,
            fields["tree"][0],
            tuple(fields.get("parent", [])),
            person(fields["author"][0]),
            person(fields["committer"][0]),
            message.removesuffix("\n"),
        )

    def log(self, base: str | None, head: str) -> list[str]:
        """The commits of base..head, oldest first."""
        span = head if base is None else f"{base}..{head}"
        return self.run("rev-list", "--reverse", "--topo-order", span).decode().split()

    def merge_base(self, one: str, other: str) -> str | None:
        return self.run("merge-base", one, other, ok=(0, 1)).decode().strip() or None

    def changes(self, base: str | None, head: str) -> list[Change]:
        """What differs between two commits; base None: everything is new."""
        if (base, head) not in self._changed:
            self._changed[base, head] = self._changes(base, head)
        return self._changed[base, head]

    def _changes(self, base: str | None, head: str) -> list[Change]:
        old = base if base is not None else "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        if base is None:  # git knows the empty tree without its being stored, but not every command
            self.run("hash-object", "-w", "-t", "tree", "--stdin", given=b"")
        pair = ("-r", "-M", old, head)
        numbers = self.run("diff-tree", "-z", "--raw", "--numstat", "--abbrev=40", *pair)
        patches = self.run("diff-tree", "-p", *pair)
        return read_changes(numbers, patches)

    def entry(self, sha: str, path: str) -> Entry | None:
        """What stands at a path; a directory has the kind "tree"."""
        if not path:
            return Entry("040000", "tree", self.show(sha).tree, 0, "")
        found = self.entries(sha, path)
        return next((entry for entry in found if entry.path == path), None)

    def entries(self, sha: str, path: str = "") -> list[Entry]:
        """`ls-tree`: with a trailing slash, what is in a directory."""
        wanted = (path,) if path else ()
        return self._list(sha, "--", *wanted)

    def tree(self, sha: str, recursive: bool) -> list[Entry]:
        return self._list(*(("-r", "-t", sha) if recursive else (sha,)))

    def _list(self, *args: str) -> list[Entry]:
        listed = self.run("ls-tree", "-z", "-l", *args).decode(errors="replace")
        result = []
        for line in listed.split("\0")[:-1]:
            facts, _, name = line.partition("\t")
            mode, kind, blob, size = facts.split()
            result.append(Entry(mode, kind, blob, 0 if size == "-" else int(size), name))
        return result

    def blob(self, sha: str) -> bytes:
        return self.run("cat-file", "blob", sha)


def is_exact(name: str) -> bool:
    """Whether GitHub would take a name as it stands: a whole sha, or a full ref."""
    whole = len(name) in range(7, 41) and all(sign in "0123456789abcdef" for sign in name)
    return whole or name.startswith("refs/")


def person(line: str) -> Person:
    name, _, rest = line.partition(" <")
    email, _, when = rest.partition("> ")
    return Person(name, email, int(when.split()[0]))


def read_changes(numbers: bytes, patches: bytes) -> list[Change]:
    """Joins `--raw --numstat -z` with the text of the patches, which has the same order."""
    fields = iter(numbers.decode(errors="replace").split("\0")[:-1])
    raw: list[tuple[str, str, str | None, str]] = []
    counts: list[tuple[int, int]] = []
    for field in fields:
        if field.startswith(":"):
            _, _, _, blob, status = field.split()
            old = next(fields) if status[0] in "RC" else None
            raw.append((status[0], blob, old, next(fields)))
        else:
            added, removed, path = field.split("\t")
            if not path:
                next(fields), next(fields)
            counts.append(tuple(0 if one == "-" else int(one) for one in (added, removed)))  # type: ignore[arg-type]
    text = patches.decode(errors="replace")
    parts = ("\n" + text).split("\ndiff --git ")[1:]
    return [
        Change(path, WORDS[status], blob, added, removed, hunks(part), old)
        for (status, blob, old, path), (added, removed), part in zip(
            raw, counts, parts, strict=True
        )
    ]


def hunks(part: str) -> str | None:
    """A patch as the API gives it: from the first hunk on."""
    start = part.find("\n@@ ")
    return part[start + 1 :].removesuffix("\n") if start >= 0 else None
