"""What a caller gives, checked where it enters: names, labels, numbers and sample rates.

What is wrong when something is made raises, as a program that starts with a mistake should stop there. What is wrong
in a measurement is `Refused`: it is counted and logged, and raises nothing into the code that is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from ._labels import MAX_VALUE_BYTES, has_control, text

# Integers up to here are exact as JSON numbers everywhere, and stay integers.
_EXACT = 2**53
LARGEST = 1e100
"""What a number of a point may be at most, on either side of 0; docs/accept.md says why."""
_PLAIN = frozenset({bool, int, float, type(None)})
_COLLECTIONS = (bytes, bytearray, memoryview, list, tuple, Mapping, AbstractSet)


class Refused(Exception):
    """Why a measurement is not taken, in words; `part` is what of it is wrong."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(reason)
        self.part = part


def metric_name(metric: object) -> str:
    """A string of 1 to 256 bytes without control characters, which the server takes as it is; else `Refused`."""
    if not isinstance(metric, str):
        raise Refused("metric", f"a metric is a string, not {_kind(metric)}")
    # Plain and short, as nearly all are, needs nothing.
    if 0 < len(metric) <= MAX_VALUE_BYTES and metric.isascii() and metric.isprintable():
        return metric
    if not metric:
        raise Refused("metric", "a metric has a name of at least one character")
    try:
        size = len(metric.encode())
    except UnicodeEncodeError:
        raise Refused("metric", "a metric is valid Unicode, without lone surrogates") from None
    if size > MAX_VALUE_BYTES:
        raise Refused("metric", f"a metric has at most {MAX_VALUE_BYTES} bytes, not {size}")
    if has_control(metric):
        raise Refused("metric", "a metric has no control characters")
    return metric


def label_text(name: object, value: object) -> str:
    """A label's value as text; `Refused` where it is a collection, or its name is not one."""
    if not isinstance(name, str) or not name:
        raise Refused("label", f"a label's name is a string that is not empty, not {_kind(name)}")
    if isinstance(value, str):
        return value
    # Most are plain, of which nobody has to ask at length.
    if type(value) not in _PLAIN and isinstance(value, _COLLECTIONS):
        raise Refused("label", f"label {name[:40]!r} is a string, a number or a boolean, not {_kind(value)}")
    try:
        return text(value)
    except Exception as error:
        raise Refused("label", f"label {name[:40]!r} has no text: {type(error).__name__}") from None


def tags_as_labels(tags: object) -> list[tuple[str, str]]:
    """Tags as Datadog's clients have them: strings such as ``name:value`` or ``flag``; or a mapping."""
    if tags is None:
        return []
    if isinstance(tags, Mapping):
        return [(name, label_text(name, value)) for name, value in tags.items()]
    if not isinstance(tags, (list, tuple, AbstractSet)):
        raise Refused("label", f"tags is a list of strings or a mapping, not {_kind(tags)}")
    labels = []
    for tag in tags:
        if not isinstance(tag, str):
            raise Refused("label", f"a tag is a string such as name:value, not {_kind(tag)}")
        name, colon, value = tag.partition(":")
        labels.append((name, label_text(name, value if colon else "true")))
    return labels


def value_of(name: str, value: object) -> float:
    """A finite number, or `Refused`."""
    checked = number(value)
    if checked is None:
        raise Refused("value", f"{name} is a finite number, not {_kind(value)}")
    return checked


def rate_of(rate: object) -> float:
    """A sample rate from 0, at which nothing is measured; above 1 is 1. Else `Refused`."""
    checked = number(rate)
    if checked is None or checked < 0:
        raise Refused("rate", f"a rate is above 0 and at most 1, not {_kind(rate)}")
    return checked


def number(value: object) -> float | None:
    """A number that a point may hold, of any type that is one; None of anything else."""
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return value
    try:
        plain = float(value)  # type: ignore[arg-type]
    except Exception:
        return None
    return plain if abs(plain) <= LARGEST else None


def fixed_labels(labels: object) -> tuple[tuple[str, str], ...]:
    """Labels for everything that a client or handler writes; raises `TypeError` where they can't be such."""
    if labels is None:
        return ()
    if not isinstance(labels, Mapping):
        raise TypeError(f"labels is a mapping of names to values, not {_kind(labels)}")
    try:
        return tuple((name, label_text(name, value)) for name, value in labels.items())
    except Refused as refused:
        raise TypeError(str(refused)) from None


def fixed_names(names: object) -> tuple[str, ...]:
    """Names of attributes, or one; raises `TypeError` where they are none."""
    found = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    for name in found:
        if not isinstance(name, str) or not name:
            raise TypeError(f"extras are names of attributes, not {_kind(name)}")
    return found


def _kind(value: object) -> str:
    """What a value is, without asking it: its text may be long, secret, or fail."""
    if value is None or type(value) in (bool, float):
        return repr(value)
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return f"the integer {value}"
    return f"a value of type {type(value).__name__}"
