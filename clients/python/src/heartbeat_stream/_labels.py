"""Labels as the server takes them: at most 16, names of 1 to 64 bytes, values of up to 256, no control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LABELS = 16
MAX_NAME_BYTES = 64
MAX_VALUE_BYTES = 256

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")


def clean(labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first 16 with a name and a value, each cut to its bounds at a whole character. The first of a name wins."""
    cleaned: dict[str, str] = {}
    for name, value in labels:
        if len(cleaned) == MAX_LABELS:
            break
        name, value = _cut(name, MAX_NAME_BYTES), _cut(value, MAX_VALUE_BYTES)
        if name and value:
            cleaned.setdefault(name, value)
    return cleaned


def text(value: object) -> str:
    """A label's value as text; nothing for None, and booleans as JSON writes them."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def has_control(given: str) -> bool:
    """Whether it has characters that the server takes in no label."""
    return _CONTROL.search(given) is not None


def _cut(given: str, most_bytes: int) -> str:
    # Plain and short, as nearly all are, needs nothing.
    if len(given) <= most_bytes and given.isascii() and given.isprintable():
        return given
    plain = _CONTROL.sub(" ", given).strip()
    # What is no text, a lone surrogate, becomes "?"; half a character at the end goes.
    return plain.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
