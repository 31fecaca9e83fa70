"""JSON that can always be written: a lone surrogate, which UTF-8 cannot hold, becomes an escape."""

from __future__ import annotations

import msgspec

_encoder = msgspec.json.Encoder()


def encode_json(value: object) -> bytes:
    r"""A value type as JSON on one line, without a newline.

    Test ids, file names and arguments may hold lone surrogates; those are written as the text
    `\udcff`.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_without_surrogates(msgspec.to_builtins(value)))


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value
