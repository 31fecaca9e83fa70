"""Archives that mean something else than they seem to, around evidence that would pass."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tests.action.evidence import zipped
from tests.action.hostile.case import Case, Play
from tests.action.hostile.scene import CANARY, EVIDENCE, Scene
from tests.action.hostile.zips import FILE, LINK, LOG, Member, archive
from tests.twin.state import Artifact

Make = Callable[[bytes], bytes]
"""From a log that would pass to the bytes that are uploaded."""


class _SaysHuge(bytes):
    """Bytes of which the list of artifacts says that they are very many."""

    def __len__(self) -> int:
        return 10**12


def _handed_over(make: Make, **options: Any) -> Play:
    """The run uploads what `make` makes of its good log."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.ran(pull)
        run.artifact(EVIDENCE, make(scene.recorded(run, pull).log()), **options)
        scene.gate(run)

    return play


def _raw(filename: str, make: Make) -> Play:
    """As above, but uploaded as a single file that is not zipped."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.ran(pull)
        run.artifact(EVIDENCE, raw=(filename, make(scene.recorded(run, pull).log())))
        scene.gate(run)

    return play


def _spoiled(spoil: Callable[[Artifact], None]) -> Play:
    """The artifact is honest, and then something happens to it."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.tested(pull)
        spoil(run.artifacts[0])
        scene.gate(run)

    return play


def _case(name: str, code: str, make: Make, **options: Any) -> Case:
    return Case(f"archive-{name}", "archives", _handed_over(make, **options), code=code)


def _with(**lies: Any) -> Make:
    return lambda log: archive([Member(data=log, **lies)])


def _beside(*members: Member) -> Make:
    return lambda log: archive([Member(data=log), *members])


def _end(**lies: Any) -> Make:
    return lambda log: archive([Member(data=log)], **lies)


def _flipped(log: bytes) -> bytes:
    data = bytearray(archive([Member(data=log, method=0)]))
    data[len(data) // 3] ^= 0x20
    return bytes(data)


def _bomb(log: bytes) -> bytes:
    zeros = bytes(32 * 1024 * 1024)
    return archive([Member(data=log), Member(name="coverage.json", data=zeros, size=2**30)])


def _zip64(log: bytes) -> bytes:
    data = archive([Member(data=log)], count=0xFFFF, length=0xFFFFFFFF, start=0xFFFFFFFF)
    end = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
    return (
        data[:-22] + end + struct.pack("<4sLQL", b"PK\x06\x07", 0, len(data) - 22, 1) + data[-22:]
    )


def _second_record(log: bytes) -> bytes:
    """Small numbers at the end, and a second record of the 64-bit form with others."""
    data = archive([Member(data=log)])
    body, end = data[:-22], data[-22:]
    start, length = (
        struct.unpack_from("<L", end, 16)[0],
        len(body) - struct.unpack_from("<L", end, 16)[0],
    )
    second = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, length, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(body), 1)
    said = struct.pack("<L", length + len(second) + len(locator))
    return body + second + locator + end[:12] + said + end[16:]


def _two_directories(log: bytes) -> bytes:
    """Two central lists: a reader from the front and one from the end see different archives."""
    bad = log.replace(b'"passed"', b'"failed"')
    return archive([Member(data=bad)]) + archive([Member(data=log)])[:-30]


DAMAGED, UNSAFE, LARGE = "artifact.damaged", "artifact.unsafe", "artifact.too-large"
DIGEST, EXPIRED, MISSING = "artifact.digest", "artifact.expired", "artifact.missing"

BROKEN = (
    _case("is-no-zip", DAMAGED, lambda log: b"hello, I am a zip file"),
    _case("is-empty", DAMAGED, lambda log: b""),
    _case("is-html", DAMAGED, lambda log: b"<html><body>504 Gateway Time-out</body></html>"),
    _case("is-truncated", DAMAGED, lambda log: archive([Member(data=log)])[:-40]),
    _case("begins-late", DAMAGED, lambda log: archive([Member(data=log)])[60:]),
    _case("has-a-wrong-checksum", DAMAGED, _with(crc=1)),
    _case("has-a-flipped-bit", DAMAGED, _flipped),
    _case("has-no-directory", MISSING, _end(directory=False, count=0)),
    _case("lists-more-than-it-has", DAMAGED, _end(directory=False)),
    _case("lists-beyond-its-end", DAMAGED, _end(start=2**31)),
    _case("lists-at-a-wrong-place", DAMAGED, _end(length=7)),
    _case("has-the-zip64-sentinel", LARGE, _end(count=0xFFFF, length=0xFFFFFFFF, start=2**32 - 1)),
    _case("is-zip64-and-lies", LARGE, _zip64),
    _case("has-a-second-end-record", LARGE, _second_record),
    _case(
        "has-something-before-it", DAMAGED, lambda log: b"#!/bin/sh\n" + archive([Member(data=log)])
    ),
    _case("has-something-after-it", DAMAGED, lambda log: archive([Member(data=log)]) + b"\n"),
    _case("is-cut-in-its-stream", DAMAGED, _with(packed_size=9)),
    _case("points-behind-itself", DAMAGED, _with(offset=2**30)),
    _case("names-a-member-twice-over", DAMAGED, _with(local_name="coverage.json!")),
    _case("has-two-central-lists", DAMAGED, _two_directories),
    _case("holds-garbage-for-a-stream", DAMAGED, _with(method=0, flags=0, packed_size=2**30)),
)

BOMBS = (
    _case(
        "has-100000-members",
        LARGE,
        lambda log: archive([Member(name=str(n)) for n in range(100_000)]),
    ),
    _case("has-65-members", LARGE, _beside(*(Member(name=f"{n}.md") for n in range(64)))),
    _case(
        "hides-its-member-count",
        DAMAGED,
        lambda log: archive([Member(name=str(n)) for n in range(99)], count=1),
    ),
    _case("claims-a-gigabyte", LARGE, _bomb),
    _case("claims-four-gigabytes", LARGE, _with(size=2**32 - 2)),
    _case(
        "unpacks-to-more-than-it-says",
        DAMAGED,
        lambda log: archive([Member(data=log + bytes(2**24), size=len(log))]),
    ),
    _case("unpacks-to-less-than-it-says", DAMAGED, _with(size=10**8)),
    _case("has-a-comment-that-is-an-end", DAMAGED, _end(comment=b"PK\x05\x06" + bytes(40))),
    Case(
        "archive-says-a-terabyte",
        "archives",
        _spoiled(lambda it: setattr(it, "data", _SaysHuge(it.data))),
        code=LARGE,
    ),
)

_UP = f"../../../{CANARY}"
NAMES = (
    _case("leads-up", UNSAFE, _beside(Member(name=_UP, data=b"x"))),
    _case("leads-up-with-the-log-s-name", UNSAFE, _with(name=f"../../{LOG}")),
    _case("leads-up-from-a-directory", UNSAFE, _with(name=f"a/../../{LOG}")),
    _case("leads-up-in-its-local-header", DAMAGED, _with(local_name=f"../../{CANARY}")),
    _case("is-absolute", UNSAFE, _beside(Member(name=f"/{CANARY}", data=b"x"))),
    _case("is-absolute-twice", UNSAFE, _with(name=f"//{LOG}")),
    _case("has-backslashes", UNSAFE, _with(name=f"..\\..\\{LOG}")),
    _case("has-a-drive", UNSAFE, _with(name=f"C:{LOG}")),
    _case("has-a-share", UNSAFE, _with(name=f"\\\\server\\share\\{LOG}")),
    _case("has-a-stream-name", UNSAFE, _with(name=f"{LOG}:evil")),
    _case("has-a-nul", UNSAFE, _with(name=f"{CANARY}\0{LOG}")),
    _case("has-a-newline", UNSAFE, _beside(Member(name="a\n::error::b", data=b"x"))),
    _case("has-an-escape", UNSAFE, _beside(Member(name="\x1b[31mred\x1b]0;x\x07", data=b"x"))),
    _case("has-a-bidi-override", UNSAFE, _with(name="evid\u202elnosj.ecne")),
    _case("has-a-zero-width-space", UNSAFE, _with(name="evidence\u200b.jsonl")),
    _case("has-no-utf-8", DAMAGED, _with(name=b"evidence\xff\xfe.jsonl")),
    _case("has-a-surrogate", DAMAGED, _with(name="evidence\ud800.jsonl")),
    _case("has-no-name", UNSAFE, _with(name="")),
    _case("is-named-dot", UNSAFE, _with(name=".")),
    _case("is-named-in-capitals", UNSAFE, _with(name=LOG.upper())),
    _case("has-a-name-of-60000-letters", UNSAFE, _with(name="a" * 60_000)),
    _case("lies-three-deep", UNSAFE, _with(name=f"a/b/{LOG}")),
    _case("has-a-member-named-like-a-command", UNSAFE, _beside(Member(name="::add-mask::a"))),
    _case("has-a-member-with-markup", UNSAFE, _beside(Member(name="<script>@everyone</script>"))),
)

MEMBERS = (
    _case("has-two-logs", UNSAFE, _beside(Member(data=b"{}"))),
    _case("has-two-logs-in-two-directories", UNSAFE, _beside(Member(name=f"a/{LOG}", data=b"{}"))),
    _case(
        "has-two-directories",
        UNSAFE,
        lambda log: archive(
            [Member(name=f"a/{LOG}", data=log), Member(name="b/coverage.json", data=b"{}")]
        ),
    ),
    _case("has-a-link", UNSAFE, _with(mode=LINK)),
    _case(
        "has-a-link-beside",
        UNSAFE,
        _beside(Member(name="summary.md", data=b"/etc/hostname", mode=LINK)),
    ),
    _case("has-a-device", UNSAFE, _with(mode=0o020666)),
    _case("has-a-pipe", UNSAFE, _with(mode=0o010666)),
    _case("has-a-socket", UNSAFE, _with(mode=0o140666)),
    _case("has-a-directory-for-a-log", MISSING, lambda log: archive([Member(name=f"{LOG}/")])),
    _case("has-a-directory-with-content", UNSAFE, _with(name=f"{LOG}/")),
    _case("is-encrypted", UNSAFE, _with(flags=0x1)),
    _case("is-strongly-encrypted", UNSAFE, _with(flags=0x41)),
    _case("is-patched-data", UNSAFE, _with(flags=0x20)),
    _case("is-compressed-by-bzip2", UNSAFE, _with(method=12)),
    _case("is-compressed-by-method-99", UNSAFE, _with(method=99)),
    _case("has-a-stranger", UNSAFE, _beside(Member(name="conftest.py", data=b"import os"))),
    _case("has-a-hook", UNSAFE, _beside(Member(name=".git/config", data=b"[core]"))),
    _case(
        "holds-an-archive",
        UNSAFE,
        lambda log: archive([Member(name="evidence.zip", data=zipped({LOG: log}))]),
    ),
    _case("holds-nothing", MISSING, lambda log: archive([])),
    _case(
        "holds-coverage-alone",
        MISSING,
        lambda log: archive([Member(name="coverage.json", data=b"{}")]),
    ),
    _case(
        "holds-what-is-ignored-alone",
        MISSING,
        lambda log: archive([Member(name="gate-result.json", data=b'{"verdict":"pass"}')]),
    ),
    Case(
        "archive-in-an-archive-for-a-log",
        "archives",
        _handed_over(lambda log: archive([Member(data=zipped({LOG: log}))])),
        code="evidence.unreadable",
    ),
)


def _many(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.ran(pull)
    data = zipped(scene.recorded(run, pull).files())
    for number in range(101):
        run.artifact(f"{EVIDENCE}-{number}", data)
    scene.gate(run)


def _named(name: str) -> Play:
    """A second artifact, broken, with a name that tries to be more than a name."""

    def play(scene: Scene) -> None:
        pull = scene.opened()
        run = scene.tested(pull)
        run.artifact(f"{EVIDENCE}-{name}", b"no zip")
        scene.gate(run)

    return play


def _none(scene: Scene) -> None:
    scene.gate(scene.ran(scene.opened()))


def _other_pattern(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.ran(pull)
    run.artifact("evidence", scene.recorded(run, pull).files())
    scene.gate(run)


def _one_bad_of_two(scene: Scene) -> None:
    pull = scene.opened()
    run = scene.tested(pull)
    run.artifact(f"{EVIDENCE}-2", archive([Member(mode=LINK)]))
    scene.gate(run)


def _exchanged(artifact: Artifact) -> None:
    artifact.data = artifact.data + b" "


ARTIFACTS = (
    Case(
        "artifact-has-another-digest",
        "archives",
        _handed_over(lambda log: zipped({LOG: log}), digest="sha256:" + "0" * 64),
        code=DIGEST,
    ),
    Case(
        "artifact-has-no-digest",
        "archives",
        _handed_over(lambda log: zipped({LOG: log}), digest=None),
        code=DIGEST,
    ),
    Case(
        "artifact-has-a-weaker-digest",
        "archives",
        _handed_over(lambda log: zipped({LOG: log}), digest="md5:" + "0" * 32),
        code=DIGEST,
    ),
    Case("artifact-was-exchanged-after-its-upload", "archives", _spoiled(_exchanged), code=DIGEST),
    Case(
        "artifact-has-expired",
        "archives",
        _handed_over(lambda log: zipped({LOG: log}), expired=True),
        code=EXPIRED,
    ),
    Case(
        "artifact-raw-file-called-zip",
        "archives",
        _raw("evidence.zip", lambda log: log),
        code=DAMAGED,
    ),
    Case(
        "artifact-zip-sent-as-a-raw-file",
        "archives",
        _raw(LOG, lambda log: zipped({LOG: log})),
        code="evidence.unreadable",
    ),
    Case(
        "artifact-raw-file-with-a-path-for-a-name",
        "archives",
        _raw(f"../../{CANARY}", lambda log: b"x"),
        code="evidence.unreadable",
    ),
    Case("artifact-is-there-101-times", "archives", _many, code=LARGE),
    Case("artifact-is-not-there", "archives", _none, code=MISSING),
    Case("artifact-has-another-name", "archives", _other_pattern, code=MISSING),
    Case("artifact-of-a-second-shard-is-bad", "archives", _one_bad_of_two, code=UNSAFE),
    Case(
        "artifact-name-has-a-command",
        "archives",
        _named("\n::set-output name=verdict::pass"),
        code=DAMAGED,
    ),
    Case(
        "artifact-name-has-a-shell-command",
        "archives",
        _named(f"$(touch {CANARY})`touch {CANARY}`;&|"),
        code=DAMAGED,
    ),
    Case("artifact-name-leads-up", "archives", _named(f"/../../../{CANARY}"), code=DAMAGED),
    Case(
        "artifact-name-has-markup",
        "archives",
        _named("</details>![x](https://evil.example/x.png)@everyone"),
        code=DAMAGED,
    ),
)

CONTROLS = (
    Case("control-an-honest-archive", "controls", _handed_over(lambda log: zipped({LOG: log})), "pass"),
    Case("control-an-archive-written-by-hand", "controls", _handed_over(_with(mode=FILE)), "pass"),
    Case("control-a-directory-around-it", "controls", _handed_over(lambda log: archive([Member(name="malagate-out/"), Member(name=f"malagate-out/{LOG}", data=log)])), "pass"),
    Case("control-ignored-files-beside-it", "controls", _handed_over(_beside(Member(name="state.db", data=b"x"), Member(name="summary.md"))), "pass"),
    Case("control-a-raw-log", "controls", _raw(LOG, lambda log: log), "pass"),
)  # fmt: skip

CASES = (*BROKEN, *BOMBS, *NAMES, *MEMBERS, *ARTIFACTS, *CONTROLS)
