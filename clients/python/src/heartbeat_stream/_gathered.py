"""The measurements of one interval, merged by metric and labels, and the points that they become.

The points are those of the statsd endpoint (docs/statsd.md). Nothing here locks: the client does.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ._checked import LARGEST, Refused
from ._labels import clean

# A timer with more values than this in an interval is merged into this many runs.
MAX_RUNS = 1_000
# The values and series that an interval holds at most, some 20 MB.
MAX_GATHERED = 200_000
# The gauges whose values are remembered for later changes.
MAX_GAUGES = 10_000
# The reserved labels, which say what a point is. A caller's label with such a name becomes `tag_NAME`.
OWN_LABELS = frozenset({"metric", "type", "member"})

Labels = tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """A metric with its labels, sorted by name. Measurements of the same series are merged."""

    metric: str
    labels: Labels


class Gathered:
    """Counters, ratios, timers, gauges and sets of one interval. Refuses what would exceed `LARGEST` in a sum."""

    def __init__(self) -> None:
        self.size = 0
        self._counters: dict[Series, list[float]] = {}
        self._ratios: dict[Series, list[float]] = {}
        self._timers: dict[Series, list[tuple[float, float, float]]] = {}
        self._gauges: dict[Series, tuple[float, float]] = {}
        self._members: dict[tuple[Series, str], float] = {}

    def counter(self, series: Series, n: float, events: float) -> None:
        """Adds to a counter; `events` is the number of calls that this one stands for."""
        self._add(self._counters, series, n, events)

    def ratio(self, series: Series, n: float, d: float) -> None:
        """Adds to both parts of a ratio."""
        self._add(self._ratios, series, n, d)

    def _add(self, sums: dict[Series, list[float]], series: Series, n: float, d: float) -> None:
        found = sums.get(series)
        if found is None:
            # A single value may also be too large, after it is scaled up.
            sums[series] = [_finite(n), _finite(d)]
            self.size += 1
        else:
            sum_n, sum_d = _finite(found[0] + n), _finite(found[1] + d)
            found[0], found[1] = sum_n, sum_d

    def timer(self, series: Series, value: float, weight: float, t: float) -> None:
        """Adds one value at `t`, which stands for `weight` calls."""
        _finite(value * weight)
        self._timers.setdefault(series, []).append((value, weight, t))
        self.size += 1

    def gauge(self, series: Series, value: float, t: float) -> None:
        """Sets a gauge: the last value of an interval is kept."""
        self.size += series not in self._gauges
        self._gauges[series] = (value, t)

    def member(self, series: Series, member: str, t: float) -> None:
        """Adds a member to a set, once per interval."""
        key = (series, member)
        self.size += key not in self._members
        self._members.setdefault(key, t)

    def points(self, common: Labels, period_s: float, t: float) -> Iterable[dict[str, Any]]:
        """Yields the points, with the labels `common`, of the interval of `period_s` seconds that ends at `t`."""
        # The server takes no period of zero. A sum over microseconds would make a useless rate.
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
    """The current values of gauges, from which a change makes a new value. Keeps the latest `MAX_GAUGES`."""

    def __init__(self) -> None:
        self._values: OrderedDict[Series, float] = OrderedDict()

    def set(self, series: Series, value: float) -> float:
        """Sets a gauge and returns its value."""
        self._values[series] = value
        self._values.move_to_end(series)
        if len(self._values) > MAX_GAUGES:
            self._values.popitem(last=False)
        return value

    def get(self, series: Series) -> float:
        """Returns a gauge's value, or 0 if it is unknown."""
        return self._values.get(series, 0.0)

    def new(self, series: Series, value: float, is_change: bool) -> float:
        """Sets a gauge, or changes it by `value`, and returns its new value."""
        return self.set(series, _finite(self.get(series) + value) if is_change else value)


def _finite(sum_: float) -> float:
    if not abs(sum_) <= LARGEST:
        raise Refused("value", f"the sum of an interval must be at most {LARGEST:g}")
    return sum_


def _runs(values: list[tuple[float, float, float]], t: float) -> Iterable[tuple[float, float, float]]:
    """Yields n, d and time of each value; of more than `MAX_RUNS`, sorted values merged in runs of equal length.

    Sums stay exact, and the rank of a quantile is off by at most one run, 0.1 %.
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
    """Returns the exact sum, or infinity if a point cannot hold it: `encode` then refuses the point."""
    try:
        sum_ = math.fsum(values)
    except (OverflowError, ValueError):
        return math.inf
    return sum_ if abs(sum_) <= LARGEST else math.inf


def _labels(series: Series, kind: str, common: Labels, member: Labels = ()) -> Mapping[str, str]:
    # If there are too many labels, the first ones are kept.
    return clean((("metric", series.metric), ("type", kind), *member, *series.labels, *common))
