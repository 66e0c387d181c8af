"""Checks of a caller's arguments: names, labels, numbers and sample rates.

A mistake in a constructor raises `TypeError`, so that a program with a mistake does not start. A mistake in a
measurement raises `Refused`, which `_vocabulary` counts and logs, so that nothing is raised into the measured code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from ._labels import MAX_VALUE_BYTES, as_string, has_control

# Integers up to here are exact as JSON numbers everywhere, so they stay integers.
_EXACT = 2**53
LARGEST = 1e100
"""The largest absolute value of a number in a point; docs/accept.md gives the reason."""
_PLAIN = frozenset({bool, int, float, type(None)})
_COLLECTIONS = (bytes, bytearray, memoryview, list, tuple, Mapping, AbstractSet)


class Refused(Exception):
    """The reason why a measurement is not taken; `part` names what is wrong: metric, label, value or rate."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(reason)
        self.part = part


def metric_name(metric: object) -> str:
    """Checks a metric: a string of 1 to 256 bytes without control characters, which the server takes unchanged."""
    if not isinstance(metric, str):
        raise Refused("metric", f"a metric must be a string, not {_kind(metric)}")
    # The fast path: nearly all names are short and plain.
    if 0 < len(metric) <= MAX_VALUE_BYTES and metric.isascii() and metric.isprintable():
        return metric
    if not metric:
        raise Refused("metric", "a metric must have a name of at least one character")
    try:
        size = len(metric.encode())
    except UnicodeEncodeError:
        raise Refused("metric", "a metric must be valid Unicode, without lone surrogates") from None
    if size > MAX_VALUE_BYTES:
        raise Refused("metric", f"a metric must have at most {MAX_VALUE_BYTES} bytes, not {size}")
    if has_control(metric):
        raise Refused("metric", "a metric must have no control characters")
    return metric


def label_value(name: object, value: object) -> str:
    """Converts a label's value to a string. Refuses a collection, and an invalid name."""
    if not isinstance(name, str) or not name:
        raise Refused("label", f"a label's name must be a string that is not empty, not {_kind(name)}")
    if isinstance(value, str):
        return value
    # The fast path: most values are of a plain type.
    if type(value) not in _PLAIN and isinstance(value, _COLLECTIONS):
        raise Refused("label", f"label {name[:40]!r} must be a string, a number or a boolean, not {_kind(value)}")
    try:
        return as_string(value)
    except Exception as error:
        raise Refused("label", f"label {name[:40]!r} cannot be converted to a string: {type(error).__name__}") from None


def tags_as_labels(tags: object) -> list[tuple[str, str]]:
    """Converts tags as Datadog's clients take them: strings such as ``name:value`` or ``flag``, or a mapping."""
    if tags is None:
        return []
    if isinstance(tags, Mapping):
        return [(name, label_value(name, value)) for name, value in tags.items()]
    if not isinstance(tags, (list, tuple, AbstractSet)):
        raise Refused("label", f"tags must be a list of strings or a mapping, not {_kind(tags)}")
    labels = []
    for tag in tags:
        if not isinstance(tag, str):
            raise Refused("label", f"a tag must be a string such as name:value, not {_kind(tag)}")
        name, colon, value = tag.partition(":")
        labels.append((name, label_value(name, value if colon else "true")))
    return labels


def value_of(name: str, value: object) -> float:
    """Checks a finite number."""
    checked = number(value)
    if checked is None:
        raise Refused("value", f"{name} must be a finite number, not {_kind(value)}")
    return checked


def rate_of(rate: object) -> float:
    """Checks a sample rate, at least 0. At 0 nothing is measured; above 1 it counts as 1."""
    checked = number(rate)
    if checked is None or checked < 0:
        raise Refused("rate", f"a rate must be above 0 and at most 1, not {_kind(rate)}")
    return checked


def number(value: object) -> float | None:
    """Converts any numeric type to a number that a point may hold; None for anything else."""
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return value
    try:
        plain = float(value)  # type: ignore[arg-type]
    except Exception:
        return None
    return plain if abs(plain) <= LARGEST else None


def fixed_labels(labels: object) -> tuple[tuple[str, str], ...]:
    """Checks the labels of all points of a client or handler. Raises `TypeError` for invalid ones."""
    if labels is None:
        return ()
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels must be a mapping of names to values, not {_kind(labels)}")
    try:
        return tuple((name, label_value(name, value)) for name, value in labels.items())
    except Refused as refused:
        raise TypeError(str(refused)) from None


def fixed_names(names: object) -> tuple[str, ...]:
    """Checks names of attributes, or a single one. Raises `TypeError` for invalid ones."""
    found = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    for name in found:
        if not isinstance(name, str) or not name:
            raise TypeError(f"extras must be names of attributes, not {_kind(name)}")
    return found


def _kind(value: object) -> str:
    """Describes a value for an error, without converting it: its string may be long or secret, or raise."""
    if value is None or type(value) in (bool, float):
        return repr(value)
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return f"the integer {value}"
    return f"a value of type {type(value).__name__}"
