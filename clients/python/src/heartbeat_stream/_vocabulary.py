"""The statsd vocabulary, which a client and its pipelines share."""

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

from ._gathered import OWN_LABELS, Gathered, Gauges, Series, number
from ._labels import text

Measurement = Callable[[Gathered, Gauges], None]
_F = TypeVar("_F", bound=Callable[..., Any])


class Vocabulary(abc.ABC):
    """Counters, gauges, timers, ratios and sets. No method waits, and none raises for a value that is no number.

    Labels are keyword arguments; the names `metric`, `type` and `member` are told as `tag_metric`, `tag_type` and
    `tag_member`. `rate` measures only so many calls of all (0.1 is one in ten), and scales what it measures up.
    """

    def __init__(self, sample_rate: float) -> None:
        if not 0.0 < sample_rate <= 1.0:
            raise ValueError("a sample rate is above 0 and at most 1")
        self._sample_rate = sample_rate

    @abc.abstractmethod
    def _add(self, measurement: Measurement) -> None:
        """Takes what was measured."""

    @abc.abstractmethod
    def _count_bad(self) -> None:
        """Counts a measurement that is none."""

    def incr(self, metric: str, /, n: float = 1, *, rate: float | None = None, **labels: object) -> None:
        """Adds `n` to a counter."""
        checked = number(n)
        if checked is None:
            return self._count_bad()
        weight = self._weight(rate)
        if weight:
            series = _series(metric, labels)
            scaled = checked if weight == 1 else checked * weight
            self._add(lambda gathered, _: gathered.counter(series, scaled, weight))
        return None

    def decr(self, metric: str, /, n: float = 1, *, rate: float | None = None, **labels: object) -> None:
        """Takes `n` from a counter."""
        checked = number(n)
        if checked is None:
            return self._count_bad()
        return self.incr(metric, -checked, rate=rate, **labels)

    def ratio(self, metric: str, /, n: float, d: float, *, rate: float | None = None, **labels: object) -> None:
        """Adds `n` of `d`, such as 3 errors of 10 requests."""
        numerator, denominator = number(n), number(d)
        if numerator is None or denominator is None or denominator < 0:
            return self._count_bad()
        weight = self._weight(rate)
        if weight:
            series = _series(metric, labels)
            self._add(lambda gathered, _: gathered.ratio(series, numerator * weight, denominator * weight))
        return None

    def timing(self, metric: str, /, ms: float | timedelta, *, rate: float | None = None, **labels: object) -> None:
        """One measurement in milliseconds."""
        value = number(ms / timedelta(milliseconds=1) if isinstance(ms, timedelta) else ms)
        if value is None:
            return self._count_bad()
        weight = self._weight(rate)
        if weight:
            series, t = _series(metric, labels), _now()
            self._add(lambda gathered, _: gathered.timer(series, value, weight, t))
        return None

    def timer(self, metric: str, /, *, rate: float | None = None, **labels: object) -> Timer:
        """Measures a `with` block, or each call of a function that it decorates (also an `async` one)."""
        return Timer(self, metric, rate, labels)

    def gauge(self, metric: str, /, value: float, *, delta: bool = False, **labels: object) -> None:
        """Sets a gauge, or changes it by `value` where `delta` is true; the last value of an interval is sent."""
        checked = number(value)
        if checked is None:
            return self._count_bad()
        series, t = _series(metric, labels), _now()

        def add(gathered: Gathered, gauges: Gauges) -> None:
            change = gauges.change if delta else gauges.set
            gathered.gauge(series, change(series, checked), t)

        return self._add(add)

    def set(self, metric: str, member: object, /, **labels: object) -> None:
        """Counts different members (`agg=distinct:member`, where the stream's owner lists `member` in `distinct`)."""
        series, name, t = _series(metric, labels), text(member), _now()
        self._add(lambda gathered, _: gathered.member(series, name, t))

    def _weight(self, rate: float | None) -> float:
        """How many calls this one stands for; 0 where it is not measured."""
        chance = self._sample_rate if rate is None else rate
        if chance >= 1:
            return 1
        return 1 / chance if chance > 0 and random.random() < chance else 0


class Timer:
    """Measures a `with` block, whose milliseconds are then in `ms`, or decorates a function."""

    def __init__(self, target: Vocabulary, metric: str, rate: float | None, labels: dict[str, object]) -> None:
        self._target = target
        self._metric = metric
        self._rate = rate
        self._labels = labels
        self._began: list[float] = []
        self.ms: float | None = None

    def __enter__(self) -> Timer:
        self._began.append(time.perf_counter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ms = (time.perf_counter() - self._began.pop()) * 1000.0
        self._target.timing(self._metric, self.ms, rate=self._rate, **self._labels)

    def __call__(self, function: _F) -> _F:
        # Calls may overlap, so each has a timer of its own.
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
    """The name of a caller's label, which may not be one of those that say what a point is."""
    return f"tag_{name}" if name in OWN_LABELS else name


def _series(metric: str, labels: dict[str, object]) -> Series:
    if not labels:
        return Series(metric, ())
    return Series(metric, tuple(sorted((own_name(name), text(value)) for name, value in labels.items())))


def _now() -> float:
    return round(time.time(), 3)
