"""The parser of a statsd line, with the extensions of DogStatsD, Graphite and InfluxDB.

Two grammars give a line several values. DogStatsD packs them before one type (`a:1:2|ms`), and statsd itself repeats
`value|type|@rate` (`a:1|ms:2|c`). A line that mixes both is refused, because its colons may also belong to its name.

It accepts the same lines as the server's own statsd parser: tests/statsd-lines.json has the cases for both.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from .._gathered import OWN_LABELS, Labels
from .._labels import MAX_LABELS, MAX_NAME_BYTES, MAX_VALUE_BYTES

TYPES = {"c": "counter", "ms": "timer", "h": "histogram", "d": "distribution", "g": "gauge", "s": "set"}
_OF_NUMBERS = "0123456789+-.eE"
# Datadog's container ID, external data and tag cardinality.
_IGNORED = ("c:", "e:", "card:")
_SHOWN = 40
# A value, its type and its rate.
_BIT = re.compile(r"([^|]*)\|[^|:]*(?:\|@[^|:]*)?")
# The parsed lines that are remembered, some 10 MB. When it is full, all are forgotten. Long lines are not remembered.
MAX_KNOWN = 20_000
_MAX_KNOWN_CHARS = 500


class LineError(ValueError):
    """The reason why a line is not a metric."""


class Series(NamedTuple):
    """The identity of a metric. Values of the same series are merged."""

    type: str
    metric: str
    labels: Labels
    t: float | None
    """The time that the line gives, if any: only lines with the same time are merged."""


class Line(NamedTuple):
    """A line without its values."""

    series: Series
    rate: float


class Reader:
    """Parses lines, and remembers the series of lines that differ only in their values."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Line] = {}

    def bits(self, text: str) -> list[str]:
        """Returns the line, or one line for each value if each has its own type. Raises `LineError`."""
        name, _, rest = text.partition(":")
        return [text] if (name, rest.partition("|")[2]) in self._known else _bits(text)

    def read(self, text: str) -> tuple[Line, list[str]]:
        """Parses a line with one type into its series and its values. Raises `LineError`."""
        name, _, rest = text.partition(":")
        values, _, parts = rest.partition("|")
        line = self._known.get((name, parts))
        if line is None:
            line = _line(name, parts)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            if len(text) <= _MAX_KNOWN_CHARS:
                self._known[name, parts] = line
        if line.series.type == "set":
            check_label("member", values)
            if not values:
                raise LineError("the member of a set must not be empty")
            return line, [values]
        packed = values.split(":")
        if len(packed) > 1:
            # If one is not a number, the name may have colons, so that the whole line is refused.
            for value in packed:
                scaled(number(value), line)
        return line, packed


def number(text: str) -> float:
    """Parses a finite decimal number with an optional sign, fraction and exponent. Raises `LineError`."""
    # float() alone also takes nan, 1_000 and the digits of other scripts.
    if not text.strip(_OF_NUMBERS):
        try:
            value = float(text)
        except ValueError:
            pass
        else:
            if math.isfinite(value):
                return value
    raise LineError(f"a value must be a number, not {text[:_SHOWN]!r}")


def scaled(value: float, line: Line) -> float:
    """Scales a value up by the line's rate, except for a gauge. Raises `LineError` if the result is not finite."""
    n = value if line.series.type == "gauge" else value / line.rate
    if not math.isfinite(n) or not math.isfinite(1.0 / line.rate):
        raise LineError("a value divided by its sample rate must be a finite number")
    return n


def check_label(name: str, value: str) -> None:
    """Raises `LineError` if the server would reject the label."""
    if not 1 <= len(name.encode()) <= MAX_NAME_BYTES:
        raise LineError(f"the name of label {name[:_SHOWN]!r} must have 1 to {MAX_NAME_BYTES} bytes")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise LineError(f"the value of label {name[:_SHOWN]!r} can have at most {MAX_VALUE_BYTES} bytes")
    if any(_is_control(char) for char in name + value):
        raise LineError(f"label {name[:_SHOWN]!r} contains a control character")


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f"


def _bits(text: str) -> list[str]:
    if text.startswith(("_e{", "_sc|")):
        raise LineError("events and service checks have no number to store")
    name, colon, rest = text.partition(":")
    if not colon or "|" in name:
        raise LineError("the line has no `:` and value; an example is page.views:1|c")
    found: list[re.Match[str]] = []
    while not found or rest.startswith(":"):
        bit = _BIT.match(rest[1:] if found else rest)
        if bit is None:
            raise LineError("the line has no `|` and type; an example is page.views:1|c")
        rest = rest[bit.end() + bool(found) :]
        found.append(bit)
    if len(found) == 1:
        return [text]
    if any(":" in bit[1] for bit in found):
        raise LineError("several values must share one type, or each must have its own")
    # Tags and time are shared by all values and checked here; a rate belongs to each value.
    if "@" in _parts(rest):
        raise LineError("in a line of several values, a rate must follow its value's type, as in a:1|c|@0.5:2|c")
    _metric(name)
    return [f"{name}:{bit[0]}{rest}" for bit in found]


def _parts(parts: str) -> dict[str, str]:
    """Splits what follows a type into rate, tags and time, by their first character."""
    given: dict[str, str] = {}
    for part in parts.split("|")[1:]:
        mark = part[:1]
        if mark in ("@", "#", "T") and mark not in given:
            given[mark] = part[1:]
        elif not part.startswith(_IGNORED):
            allowed = "the type can be followed by @rate, #tags and Ttime, each once"
            raise LineError(f"unknown or repeated part {part[:_SHOWN]!r}; {allowed}")
    if "T" in given:
        number(given["T"])
    return given


def _line(name: str, parts: str) -> Line:
    letter, bar, others = parts.partition("|")
    kind = TYPES.get(letter)
    if kind is None:
        raise LineError(f"the type must be c, ms, h, d, g or s, not {letter[:_SHOWN]!r}")
    given = _parts(bar + others)
    rate = number(given["@"]) if "@" in given else 1.0
    if not 0.0 < rate <= 1.0:
        raise LineError(f"the sample rate must be above 0 and at most 1, not {given['@'][:_SHOWN]!r}")
    t = number(given["T"]) if "T" in given else None
    labels = _labels(name, given.get("#", ""))
    metric = _metric(name)
    check_label("metric", metric)
    count = len(labels) + (3 if kind == "set" else 2)
    if count > MAX_LABELS:
        own = "metric and type (and member for a set)"
        raise LineError(f"a line can have at most {MAX_LABELS} labels, including {own}; this one has {count}")
    return Line(Series(kind, metric, tuple(sorted(item for item in labels.items() if item[1])), t), rate)


def _end_of_metric(name: str) -> int:
    return min((at for at in (name.find(";"), name.find(",")) if at >= 0), default=len(name))


def _metric(name: str) -> str:
    """Returns the name without the tags of Graphite and InfluxDB."""
    metric = name[: _end_of_metric(name)]
    if not metric:
        raise LineError("the line has no name; an example is page.views:1|c")
    return metric


def _labels(name: str, tags: str) -> dict[str, str]:
    end = _end_of_metric(name)
    of_name = [_pair(tag, "=") for tag in name[end + 1 :].split(name[end : end + 1] or ";") if tag]
    labels: dict[str, str] = {}
    for key, value in of_name + [_pair(tag, ":") for tag in tags.split(",") if tag]:
        # A tag must not set the reserved labels.
        key = f"tag_{key}" if key in OWN_LABELS else key
        check_label(key, value)
        if labels.setdefault(key, value) != value:
            raise LineError(f"label {key[:_SHOWN]!r} is given twice")
    return labels


def _pair(tag: str, between: str) -> tuple[str, str]:
    """Splits a tag into name and value; the value of a tag without one is `true`."""
    name, found, value = tag.partition(between)
    return name, value if found else "true"
