"""What was measured since the last flush, merged by metric and labels, and the points that it becomes.

The table of what becomes what is that of the statsd endpoint (docs/statsd.md). Whoever holds one locks it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ._checked import LARGEST, Refused
from ._labels import clean

# Beyond, a timer's values are put together in so many runs.
MAX_RUNS = 1_000
# Values and series that one flush may hold, some 20 MB.
MAX_GATHERED = 200_000
# Gauges whose value is known, for their changes.
MAX_GAUGES = 10_000
# Labels that say what a point is; a label of the caller's with such a name is told as `tag_NAME`.
OWN_LABELS = frozenset({"metric", "type", "member"})


Labels = tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """What is merged: a metric with its labels, sorted by name."""

    metric: str
    labels: Labels


class Gathered:
    """Counters, ratios, timers, gauges and sets of one interval. What makes a sum infinite is `Refused`."""

    def __init__(self) -> None:
        self.size = 0
        self._counters: dict[Series, list[float]] = {}
        self._ratios: dict[Series, list[float]] = {}
        self._timers: dict[Series, list[tuple[float, float, float]]] = {}
        self._gauges: dict[Series, tuple[float, float]] = {}
        self._members: dict[tuple[Series, str], float] = {}

    def counter(self, series: Series, n: float, events: float) -> None:
        """Adds to a counter; `events` is how many calls this stands for."""
        self._add(self._counters, series, n, events)

    def ratio(self, series: Series, n: float, d: float) -> None:
        """Adds to both parts of a ratio."""
        self._add(self._ratios, series, n, d)

    def _add(self, sums: dict[Series, list[float]], series: Series, n: float, d: float) -> None:
        found = sums.get(series)
        if found is None:
            # A value by its weight may be beyond all numbers, as a sum.
            sums[series] = [_finite(n), _finite(d)]
            self.size += 1
        else:
            sum_n, sum_d = _finite(found[0] + n), _finite(found[1] + d)
            found[0], found[1] = sum_n, sum_d

    def timer(self, series: Series, value: float, weight: float, t: float) -> None:
        """One measurement at `t`, that stands for `weight` of them."""
        _finite(value * weight)
        self._timers.setdefault(series, []).append((value, weight, t))
        self.size += 1

    def gauge(self, series: Series, value: float, t: float) -> None:
        """The last value of an interval is its value."""
        self.size += series not in self._gauges
        self._gauges[series] = (value, t)

    def member(self, series: Series, member: str, t: float) -> None:
        """Each member once an interval."""
        key = (series, member)
        self.size += key not in self._members
        self._members.setdefault(key, t)

    def points(self, common: Labels, period_s: float, t: float) -> Iterable[dict[str, Any]]:
        """Its points, with the labels that all have; `t` ends the interval of `period_s`."""
        # The server takes no period of nothing, and sums at the microsecond are no rates.
        interval: dict[str, Any] = {"p": round(min(period_s, 86_400.0), 3)} if period_s >= 0.001 else {}
        for kind, sums in (("counter", self._counters), ("ratio", self._ratios)):
            for series, (n, d) in sums.items():
                yield {"n": n, "d": d, **interval, "t": t, "v": _labels(series, kind, common)}
        for series, values in self._timers.items():
            labels = _labels(series, "timer", common)
            for n, d, at in _runs(values, t):
                yield {"n": n, "d": d, "t": at, "v": labels}
        for series, (value, at) in self._gauges.items():
            yield {"n": value, "t": at, "v": _labels(series, "gauge", common)}
        for (series, member), at in self._members.items():
            yield {"n": 1, "t": at, "v": _labels(series, "set", common, (("member", member),))}


class Gauges:
    """The values that gauges have, so that changes are told as values. Beyond `MAX_GAUGES` the oldest is forgotten."""

    def __init__(self) -> None:
        self._values: OrderedDict[Series, float] = OrderedDict()

    def set(self, series: Series, value: float) -> float:
        """Gives it a value."""
        self._values[series] = value
        self._values.move_to_end(series)
        if len(self._values) > MAX_GAUGES:
            self._values.popitem(last=False)
        return value

    def get(self, series: Series) -> float:
        """Its value; one that is unknown was 0."""
        return self._values.get(series, 0.0)

    def new(self, series: Series, value: float, is_change: bool) -> float:
        """Gives it a value or changes it; what it is then."""
        return self.set(series, _finite(self.get(series) + value) if is_change else value)


def _finite(sum_: float) -> float:
    if not abs(sum_) <= LARGEST:
        raise Refused("value", f"the sum of an interval is at most {LARGEST:g}")
    return sum_


def _runs(values: list[tuple[float, float, float]], t: float) -> Iterable[tuple[float, float, float]]:
    """Values as n, d and time: each its own point, or sorted and put together in `MAX_RUNS` of as many values each.

    So sums stay exact, and a quantile's rank is off by a run at most, 0.1 %.
    """
    if len(values) <= MAX_RUNS:
        for value, weight, at in values:
            yield value * weight, weight, at
        return
    values = sorted(values)
    for run in range(MAX_RUNS):
        part = values[run * len(values) // MAX_RUNS : (run + 1) * len(values) // MAX_RUNS]
        yield total_of(value * weight for value, weight, _ in part), total_of(weight for _, weight, _ in part), t


def total_of(values: Iterable[float]) -> float:
    """The exact sum; infinity where no point holds it, which nobody takes for a point."""
    try:
        sum_ = math.fsum(values)
    except (OverflowError, ValueError):
        return math.inf
    return sum_ if abs(sum_) <= LARGEST else math.inf


def _labels(series: Series, kind: str, common: Labels, member: Labels = ()) -> Mapping[str, str]:
    # Where there are too many, the first stay.
    return clean((("metric", series.metric), ("type", kind), *member, *series.labels, *common))
