"""Labels as the server takes them: at most 16, names of 1 to 64 bytes, values of 1 to 256, no control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_LABELS = 16
MAX_NAME_BYTES = 64
MAX_VALUE_BYTES = 256

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")


def clean(labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns the first 16 labels that have a name and a value, both cut to their limits at a whole character.

    The first of several labels with the same name wins.
    """
    cleaned: dict[str, str] = {}
    for name, value in labels:
        if len(cleaned) == MAX_LABELS:
            break
        name, value = _cut(name, MAX_NAME_BYTES), _cut(value, MAX_VALUE_BYTES)
        if name and value:
            cleaned.setdefault(name, value)
    return cleaned


def as_string(value: object) -> str:
    """Converts a label's value: None to an empty string, and a boolean as JSON writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def has_control(given: str) -> bool:
    """Whether a string contains characters that the server refuses in labels."""
    return _CONTROL.search(given) is not None


def _cut(given: str, max_bytes: int) -> str:
    # The fast path: nearly all labels are short and plain.
    if len(given) <= max_bytes and given.isascii() and given.isprintable():
        return given
    plain = _CONTROL.sub(" ", given).strip()
    # A lone surrogate becomes "?", and half a character at the end is removed.
    return plain.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
