"""The measurements of one interval of the relay, and the points that they become."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from .. import _gathered
from .._gathered import MAX_RUNS, Gauges, Labels, total_of
from .._labels import clean
from ._lines import Line, LineError, Series, number, scaled

# With this many series in an interval, lines of further series are dropped and counted.
MAX_SERIES = 20_000
# With this many values and members, some 100 bytes each, the interval ends early.
MAX_HELD = 200_000
# The timers of an interval aim for at most this many points (ten requests). With many series, each gets fewer runs, but
# at least MIN_RUNS.
MAX_TIMER_POINTS = 50_000
MIN_RUNS = 20

# A value, the number of events that it stands for by its sample rate, and how often it was received.
Value = tuple[float, float, int]


class Interval:
    """Counters, timers, gauges and sets.

    `gauges` has the values of gauges, which outlast an interval. A value with a sign changes a gauge, or sets it if
    `sets_signed`.
    """

    def __init__(self, gauges: Gauges, sets_signed: bool = False) -> None:
        self._gauges = gauges
        self._sets_signed = sets_signed
        self._counters: dict[Series, list[float]] = {}
        self._timers: dict[Series, list[Value]] = {}
        self._last: dict[Series, float] = {}
        self._members: dict[Series, set[str]] = {}
        self.held = 0

    @property
    def series(self) -> int:
        """The number of series."""
        return len(self._counters) + len(self._timers) + len(self._last) + len(self._members)

    def add(self, line: Line, text: str, times: int) -> bool:
        """Adds a value that was received `times` times; False if there is no room. Raises `LineError` if invalid."""
        kind = line.series.type
        if kind == "set":
            return self._add_member(line.series, text)
        value = number(text)
        n = scaled(value, line)
        if kind == "counter":
            return self._count(line, n, times)
        if kind == "gauge":
            is_change = text[0] in "+-" and not self._sets_signed
            return self._set(line.series, value, is_change, times=times)
        values = self._timers.get(line.series)
        if values is None:
            if self.series >= MAX_SERIES:
                return False
            values = self._timers[line.series] = []
        values.append((value, 1.0 / line.rate, times))
        self.held += 1
        return True

    def _count(self, line: Line, n: float, times: int) -> bool:
        sums = self._counters.get(line.series)
        if sums is None:
            if self.series >= MAX_SERIES:
                return False
            sums = self._counters[line.series] = [0.0, 0.0]
        added, events = sums[0] + n * times, sums[1] + times / line.rate
        if not math.isfinite(added) or not math.isfinite(events):
            # The sum so far is kept.
            raise LineError("the sum of an interval must be a finite number")
        sums[:] = added, events
        return True

    def _set(self, series: Series, value: float, is_change: bool, times: int) -> bool:
        if series not in self._last and self.series >= MAX_SERIES:
            return False
        name = _gathered.Series(series.metric, series.labels)
        if not is_change:
            self._last[series] = self._gauges.set(name, value)
            return True
        changed = self._gauges.get(name) + value * times
        if not math.isfinite(changed):
            raise LineError("a gauge must stay a finite number")
        self._last[series] = self._gauges.set(name, changed)
        return True

    def _add_member(self, series: Series, member: str) -> bool:
        members = self._members.get(series)
        if members is None:
            if self.series >= MAX_SERIES:
                return False
            members = self._members[series] = set()
        self.held += member not in members
        members.add(member)
        return True

    def points(self, common: Labels, period_s: float | None, t: float) -> Iterator[dict[str, Any]]:
        """Yields the points, with the labels `common`, of the interval of `period_s` seconds that ends at `t`."""
        # A line with a time of its own does not belong to this interval, so its point has no period.
        period = {} if period_s is None else {"p": period_s}
        for series, (n, d) in self._counters.items():
            weight = {} if d == 1.0 else {"d": d}
            yield {"n": n, **weight, **(period if series.t is None else {}), **_rest(series, common, t)}
        runs = MAX_RUNS
        if sum(min(MAX_RUNS, _number_of(values)) for values in self._timers.values()) > MAX_TIMER_POINTS:
            runs = max(MIN_RUNS, MAX_TIMER_POINTS // len(self._timers))
        for series, values in self._timers.items():
            rest = _rest(series, common, t)
            for n, d in in_runs(values, runs):
                yield {"n": n, "d": d, **rest}
        for series, value in self._last.items():
            yield {"n": value, **_rest(series, common, t)}
        for series, members in self._members.items():
            for member in members:
                yield {"n": 1, **_rest(series, common, t, (("member", member),))}


def in_runs(values: list[Value], max_runs: int) -> Iterable[tuple[float, float]]:
    """Yields n and d of each value; of more than `max_runs`, sorted values merged in runs of equal length.

    Sums stay exact, and the rank of a quantile is off by at most one run.
    """
    total = _number_of(values)
    if total <= max_runs:
        for value, weight, times in values:
            for _ in range(times):
                yield value * weight, weight
        return
    values = sorted(values)
    at, (value, weight, left) = 0, values[0]
    for run in range(max_runs):
        wanted = (run + 1) * total // max_runs - run * total // max_runs
        ns: list[float] = []
        ds: list[float] = []
        while wanted:
            taken = min(wanted, left)
            ns.append(value * weight * taken)
            ds.append(weight * taken)
            wanted, left = wanted - taken, left - taken
            if not left and at + 1 < len(values):
                at += 1
                value, weight, left = values[at]
        yield total_of(ns), total_of(ds)


def _number_of(values: list[Value]) -> int:
    return sum(times for _, _, times in values)


def _rest(series: Series, common: Labels, t: float, member: Labels = ()) -> dict[str, Any]:
    """Returns the time and labels of a point. If there are too many labels, common ones are left out."""
    labels = clean((("metric", series.metric), ("type", series.type), *member, *series.labels, *common))
    return {"t": t if series.t is None else series.t, "v": labels}
