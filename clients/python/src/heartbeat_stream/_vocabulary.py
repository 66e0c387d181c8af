"""The statsd vocabulary, which a client and its pipelines share.

Each method checks its arguments and hands a `Measurement` to `_add`: a function that changes the interval.
"""

from __future__ import annotations

import abc
import functools
import inspect
import random
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar, cast

from ._checked import Refused, label_value, metric_name, rate_of, tags_as_labels, value_of
from ._gathered import OWN_LABELS, Gathered, Gauges, Series
from ._labels import clean

Measurement = Callable[[Gathered, Gauges], None]
_F = TypeVar("_F", bound=Callable[..., Any])
_Given = dict[str, object]
# The keyword arguments of the statsd client (count, delta) and of Datadog's (value, sample_rate, tags).
_SYNONYMS = frozenset({"count", "delta", "value", "sample_rate", "tags"})


class Vocabulary(abc.ABC):
    """Counters, gauges, timers, ratios and sets. No method waits, and none raises because of its arguments.

    An invalid measurement is counted as dropped, and logged on `heartbeat_stream` once an hour. Further keyword
    arguments are labels; those named `metric`, `type` and `member` become `tag_metric`, `tag_type` and `tag_member`.
    `rate` is the share of calls that are measured (0.1 is one in ten); their values are scaled up. The arguments
    `count`, `value`, `delta`, `sample_rate` and `tags` of the statsd and Datadog clients are understood too; a label
    with such a name can be given in `tags`, as a mapping.
    """

    def __init__(self, sample_rate: float) -> None:
        if not 0.0 < sample_rate <= 1.0:
            raise ValueError("a sample rate must be above 0 and at most 1")
        self._sample_rate = sample_rate

    @abc.abstractmethod
    def _add(self, measurement: Measurement) -> None:
        """Takes a measurement."""

    @abc.abstractmethod
    def _refuse(self, call: str, error: Exception) -> None:
        """Counts an invalid measurement, and logs the reason."""

    def incr(self, metric: str, /, n: float = 1, *, rate: float | None = None, **labels: object) -> None:
        """Adds `n` to a counter."""
        self._count("incr", 1, metric, n, rate, labels)

    def decr(self, metric: str, /, n: float = 1, *, rate: float | None = None, **labels: object) -> None:
        """Subtracts `n` from a counter."""
        self._count("decr", -1, metric, n, rate, labels)

    def _count(self, call: str, sign: int, metric: str, n: float, rate: float | None, labels: _Given) -> None:
        try:
            arguments = _Arguments(labels, rate)
            added = sign * value_of("n", arguments.amount("n", n, 1, ("count", "value", "delta")))
            weight = self._weight(arguments.rate)
            series = arguments.series(metric)
            if weight:
                self._add(lambda gathered, _: gathered.counter(series, added * weight, weight))
        except Exception as error:
            self._refuse(call, error)

    def ratio(self, metric: str, /, n: float, d: float, *, rate: float | None = None, **labels: object) -> None:
        """Adds `n` and `d` to a ratio, such as 3 errors in 10 requests. `d` is at least 0."""
        try:
            arguments = _Arguments(labels, rate)
            numerator, denominator = value_of("n", n), value_of("d", d)
            if denominator < 0:
                raise Refused("value", "d must be at least 0")
            weight = self._weight(arguments.rate)
            series = arguments.series(metric)
            if weight:
                self._add(lambda gathered, _: gathered.ratio(series, numerator * weight, denominator * weight))
        except Exception as error:
            self._refuse("ratio", error)

    def timing(
        self, metric: str, /, ms: float | timedelta | None = None, *, rate: float | None = None, **labels: object
    ) -> None:
        """Records a duration in milliseconds, or as a `timedelta`."""
        self._time("timing", metric, ms, rate, labels, ("delta", "value"))

    def _time(
        self,
        call: str,
        metric: str,
        ms: float | timedelta | None,
        rate: float | None,
        labels: _Given,
        synonyms: tuple[str, ...] = (),
    ) -> None:
        try:
            arguments = _Arguments(labels, rate)
            ms = arguments.amount("ms", ms, None, synonyms)
            value = value_of("ms", ms / timedelta(milliseconds=1) if isinstance(ms, timedelta) else ms)
            weight = self._weight(arguments.rate)
            series, t = arguments.series(metric), _now()
            if weight:
                self._add(lambda gathered, _: gathered.timer(series, value, weight, t))
        except Exception as error:
            self._refuse(call, error)

    def timer(self, metric: str, /, *, rate: float | None = None, **labels: object) -> Timer:
        """Times a `with` block, or each call of a function that it decorates, which may be `async`."""
        if callable(metric):
            raise TypeError('a timer needs the name of its metric, such as @client.timer("search")')
        return Timer(self, metric, rate, labels)

    def gauge(
        self, metric: str, /, value: float, *, delta: bool = False, rate: float | None = None, **labels: object
    ) -> None:
        """Sets a gauge, or changes it by `value` if `delta`. The last value of an interval is sent."""
        try:
            arguments = _Arguments(labels, rate)
            checked, is_change = value_of("value", value), bool(delta)
            series, t = arguments.series(metric), _now()
            # Gauges and sets cannot be scaled up, so the client's own rate does not apply to them.
            if self._weight(1.0 if arguments.rate is None else arguments.rate):
                self._add(lambda gathered, gauges: gathered.gauge(series, gauges.new(series, checked, is_change), t))
        except Exception as error:
            self._refuse("gauge", error)

    def set(self, metric: str, member: object = None, /, *, rate: float | None = None, **labels: object) -> None:
        """Counts distinct members: `agg=distinct:member`, if the stream's owner lists `member` in `distinct`."""
        try:
            arguments = _Arguments(labels, rate)
            name = label_value("member", arguments.amount("member", member, None, ("value",)))
            if not clean((("member", name),)):
                raise Refused("value", "a member must be a string that is not empty and not only control characters")
            series, t = arguments.series(metric), _now()
            if self._weight(1.0 if arguments.rate is None else arguments.rate):
                self._add(lambda gathered, _: gathered.member(series, name, t))
        except Exception as error:
            self._refuse("set", error)

    def _weight(self, rate: float | None) -> float:
        """Draws whether to measure a call: the number of calls that it stands for, or 0."""
        chance = self._sample_rate if rate is None else rate_of(rate)
        if chance >= 1:
            return 1
        return 1 / chance if chance > 0 and random.random() < chance else 0


class _Arguments:
    """The keyword arguments of a measurement: labels, and the synonyms of the statsd and Datadog clients."""

    __slots__ = ("_is_plain", "_labels", "_tags", "rate")

    def __init__(self, labels: _Given, rate: float | None) -> None:
        self.rate = rate
        self._labels = labels
        self._tags: list[tuple[str, str]] | None = None
        # Nearly all calls use no synonym, and need no copy.
        self._is_plain = not labels or _SYNONYMS.isdisjoint(labels)
        if not self._is_plain:
            self._labels = dict(labels)
            self._tags = tags_as_labels(self._labels.pop("tags", None))
            self._take_sample_rate(self._labels.pop("sample_rate", None))

    def _take_sample_rate(self, sample_rate: Any) -> None:
        if sample_rate is not None and self.rate is not None:
            raise Refused("rate", "rate is given twice, as rate and as sample_rate")
        self.rate = self.rate if sample_rate is None else sample_rate

    def amount(self, name: str, given: Any, default: Any, synonyms: tuple[str, ...]) -> Any:
        """Returns the measured value, which may be given under a synonym instead of `name`."""
        if self._is_plain:
            return given
        for synonym in synonyms:
            if synonym in self._labels:
                if given is not default:
                    raise Refused("value", f"{name} is given twice, as {name} and as {synonym}")
                given = self._labels.pop(synonym)
        return given

    def series(self, metric: str) -> Series:
        """Returns the series of a metric with these labels."""
        name = metric_name(metric)
        if not self._labels and not self._tags:
            return Series(name, ())
        labels = {own_name(label): label_value(label, value) for label, value in self._labels.items()}
        for label, value in self._tags or ():
            if labels.setdefault(own_name(label), value) != value:
                raise Refused("label", f"label {label[:40]!r} is given twice")
        return Series(name, tuple(sorted(labels.items())))


class Timer:
    """Times a `with` block and leaves its milliseconds in `ms`, or decorates a function."""

    def __init__(self, target: Vocabulary, metric: str, rate: float | None, labels: dict[str, object]) -> None:
        self._target = target
        self._metric = metric
        self._rate = rate
        self._labels = labels
        self._started: list[float] = []
        self.ms: float | None = None

    def __enter__(self) -> Timer:
        self._started.append(time.perf_counter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ms = (time.perf_counter() - self._started.pop()) * 1000.0
        self._target._time("timer", self._metric, self.ms, self._rate, self._labels)

    def __call__(self, function: _F) -> _F:
        if not callable(function):
            raise TypeError("a timer decorates a function or times a with block")
        # Calls may overlap, so each one has its own timer.
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with Timer(self._target, self._metric, self._rate, self._labels):
                    return await function(*args, **kwargs)

            return cast("_F", awaited)

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with Timer(self._target, self._metric, self._rate, self._labels):
                return function(*args, **kwargs)

        return cast("_F", called)


def own_name(name: str) -> str:
    """Renames a caller's label whose name is reserved for what a point is."""
    return f"tag_{name}" if name in OWN_LABELS else name


def _now() -> float:
    return round(time.time(), 3)
