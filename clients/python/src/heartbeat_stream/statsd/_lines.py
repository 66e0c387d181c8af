"""One statsd line, taken apart: as statsd has it, with what DogStatsD, Graphite and InfluxDB have added.

Two grammars give a line several values. DogStatsD packs them before one type (`a:1:2|ms`), and statsd itself repeats
`value|type|@rate` (`a:1|ms:2|c`). A line that mixes both is refused: its colons may as well belong to its name.

The same as the server's `src/wire/statsd/line.rs`; what both are to make of a line is in tests/statsd-lines.json.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from .._gathered import OWN_LABELS, Labels
from .._labels import MAX_LABELS, MAX_NAME_BYTES, MAX_VALUE_BYTES

TYPES = {"c": "counter", "ms": "timer", "h": "histogram", "d": "distribution", "g": "gauge", "s": "set"}
_OF_NUMBERS = "0123456789+-.eE"
# Which container it comes from, and what of that Datadog is to make tags of.
_IGNORED = ("c:", "e:", "card:")
_SHOWN = 40
# Values, their type and their rate.
_BIT = re.compile(r"([^|]*)\|[^|:]*(?:\|@[^|:]*)?")
# Lines that are remembered, some 10 MB; beyond, all is forgotten. Long ones are rare.
MAX_KNOWN = 20_000
_MAX_KNOWN_CHARS = 500


class LineError(ValueError):
    """Why a line is no metric."""


class Series(NamedTuple):
    """What is put together."""

    type: str
    metric: str
    labels: Labels
    t: float | None
    """Of lines that tell their time, which are only put together with those of the same time."""


class Line(NamedTuple):
    """A line without its values."""

    series: Series
    rate: float


class Reader:
    """Takes lines apart, and remembers the series of those that differ only in their values."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Line] = {}

    def bits(self, text: str) -> list[str]:
        """The line, or where each of its values has its own type, one line for each; raises `LineError`."""
        name, _, rest = text.partition(":")
        return [text] if (name, rest.partition("|")[2]) in self._known else _bits(text)

    def read(self, text: str) -> tuple[Line, list[str]]:
        """The line and its values, of which all are numbers; raises `LineError`. It has one type."""
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
                raise LineError("what a set is given must not be empty")
            return line, [values]
        packed = values.split(":")
        if len(packed) > 1:
            # All of them, or none: the line may have a name with colons.
            for value in packed:
                scaled(number(value), line)
        return line, packed


def number(text: str) -> float:
    """A finite decimal number, with or without sign, fraction and exponent; raises `LineError`."""
    # float() takes more, such as nan, 1_000 and digits of other scripts.
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
    """A value by the line's rate, which a gauge does not have; raises `LineError` where it is beyond all numbers."""
    n = value if line.series.type == "gauge" else value / line.rate
    if not math.isfinite(n) or not math.isfinite(1.0 / line.rate):
        raise LineError("a value by its sample rate must be a finite number")
    return n


def check_label(name: str, value: str) -> None:
    """Raises `LineError` where the server would reject the label."""
    if not name or len(name.encode()) > MAX_NAME_BYTES or len(value.encode()) > MAX_VALUE_BYTES:
        raise LineError(f"label {name[:_SHOWN]!r} or its value is too long, or has no name")
    if any(_is_control(char) for char in name + value):
        raise LineError(f"label {name[:_SHOWN]!r} contains a control character")


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f"


def _bits(text: str) -> list[str]:
    if text.startswith(("_e{", "_sc|")):
        raise LineError("events and service checks have no number that could be stored")
    name, colon, rest = text.partition(":")
    if not colon or "|" in name:
        raise LineError("there is no `:` and value; a line is such as page.views:1|c")
    found: list[re.Match[str]] = []
    while not found or rest.startswith(":"):
        bit = _BIT.match(rest[1:] if found else rest)
        if bit is None:
            raise LineError("there is no `|` and type; a line is such as page.views:1|c")
        rest = rest[bit.end() + bool(found) :]
        found.append(bit)
    if len(found) == 1:
        return [text]
    if any(":" in bit[1] for bit in found):
        raise LineError("several values are packed before one type, or each has its own")
    # What all of them share is looked at once.
    if "@" in _parts(rest):
        raise LineError("unknown or repeated part: a rate follows its type")
    _metric(name)
    return [f"{name}:{bit[0]}{rest}" for bit in found]


def _parts(parts: str) -> dict[str, str]:
    """Rate, tags and time by their first character, of what follows a type."""
    given: dict[str, str] = {}
    for part in parts.split("|")[1:]:
        mark = part[:1]
        if mark in ("@", "#", "T") and mark not in given:
            given[mark] = part[1:]
        elif not part.startswith(_IGNORED):
            raise LineError(f"unknown or repeated part {part[:_SHOWN]!r}")
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
        raise LineError(f"the sample rate must be more than 0 and at most 1, not {given['@'][:_SHOWN]!r}")
    t = number(given["T"]) if "T" in given else None
    labels = _labels(name, given.get("#", ""))
    metric = _metric(name)
    check_label("metric", metric)
    # With metric, type and, of a set, member.
    if len(labels) + (3 if kind == "set" else 2) > MAX_LABELS:
        raise LineError(f"at most {MAX_LABELS} labels are allowed, metric and type among them")
    return Line(Series(kind, metric, tuple(sorted(item for item in labels.items() if item[1])), t), rate)


def _end_of_metric(name: str) -> int:
    return min((at for at in (name.find(";"), name.find(",")) if at >= 0), default=len(name))


def _metric(name: str) -> str:
    """The name without the tags of Graphite and InfluxDB."""
    metric = name[: _end_of_metric(name)]
    if not metric:
        raise LineError("there is no name; a line is such as page.views:1|c")
    return metric


def _labels(name: str, tags: str) -> dict[str, str]:
    end = _end_of_metric(name)
    of_name = [_pair(tag, "=") for tag in name[end + 1 :].split(name[end : end + 1] or ";") if tag]
    labels: dict[str, str] = {}
    for key, value in of_name + [_pair(tag, ":") for tag in tags.split(",") if tag]:
        # The labels that say what a point is are not a tag's to set.
        key = f"tag_{key}" if key in OWN_LABELS else key
        check_label(key, value)
        if labels.setdefault(key, value) != value:
            raise LineError(f"label {key[:_SHOWN]!r} is given twice")
    return labels


def _pair(tag: str, between: str) -> tuple[str, str]:
    """A tag's name and value; one that is only a name is true."""
    name, found, value = tag.partition(between)
    return name, value if found else "true"
