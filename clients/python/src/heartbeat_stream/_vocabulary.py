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

from ._checked import Refused, label_text, metric_name, rate_of, tags_as_labels, value_of
from ._gathered import OWN_LABELS, Gathered, Gauges, Series
from ._labels import clean

Measurement = Callable[[Gathered, Gauges], None]
_F = TypeVar("_F", bound=Callable[..., Any])
_Given = dict[str, object]
# What clients of statsd (count, delta) and Datadog (value, sample_rate, tags) have as keyword arguments.
_OTHER_WORDS = frozenset({"count", "delta", "value", "sample_rate", "tags"})


class Vocabulary(abc.ABC):
    """Counters, gauges, timers, ratios and sets. No method waits, and none raises for what it is given.

    What can't be a measurement is counted as dropped, and logged on `heartbeat_stream` once an hour. Labels are keyword
    arguments; the names `metric`, `type` and `member` are told as `tag_metric`, `tag_type` and `tag_member`. `rate`
    measures only so many calls of all (0.1 is one in ten), and scales what it measures up. What clients of statsd and
    Datadog call `count`, `value`, `delta`, `sample_rate` and `tags` is understood; a label of such a name goes into
    `tags`, a mapping.
    """

    def __init__(self, sample_rate: float) -> None:
        if not 0.0 < sample_rate <= 1.0:
            raise ValueError("a sample rate is above 0 and at most 1")
        self._sample_rate = sample_rate

    @abc.abstractmethod
    def _add(self, measurement: Measurement) -> None:
        """Takes what was measured."""

    @abc.abstractmethod
    def _refuse(self, call: str, error: Exception) -> None:
        """Counts a measurement that is none, and logs why."""

    def incr(self, metric: str, /, n: float = 1, *, rate: float | None = None, **labels: object) -> None:
        """Adds `n` to a counter."""
        self._count("incr", 1, metric, n, rate, labels)

    def decr(self, metric: str, /, n: float = 1, *, rate: float | None = None, **labels: object) -> None:
        """Takes `n` from a counter."""
        self._count("decr", -1, metric, n, rate, labels)

    def _count(self, call: str, sign: int, metric: str, n: float, rate: float | None, labels: _Given) -> None:
        try:
            words = _Words(labels, rate)
            added = sign * value_of("n", words.amount("n", n, 1, ("count", "value", "delta")))
            weight = self._weight(words.rate)
            series = words.series(metric)
            if weight:
                self._add(lambda gathered, _: gathered.counter(series, added * weight, weight))
        except Exception as error:
            self._refuse(call, error)

    def ratio(self, metric: str, /, n: float, d: float, *, rate: float | None = None, **labels: object) -> None:
        """Adds `n` of `d`, such as 3 errors of 10 requests."""
        try:
            words = _Words(labels, rate)
            numerator, denominator = value_of("n", n), value_of("d", d)
            if denominator < 0:
                raise Refused("value", "d is at least 0")
            weight = self._weight(words.rate)
            series = words.series(metric)
            if weight:
                self._add(lambda gathered, _: gathered.ratio(series, numerator * weight, denominator * weight))
        except Exception as error:
            self._refuse("ratio", error)

    def timing(
        self, metric: str, /, ms: float | timedelta | None = None, *, rate: float | None = None, **labels: object
    ) -> None:
        """One measurement in milliseconds."""
        self._time("timing", metric, ms, rate, labels, ("delta", "value"))

    def _time(
        self,
        call: str,
        metric: str,
        ms: float | timedelta | None,
        rate: float | None,
        labels: _Given,
        other_words: tuple[str, ...] = (),
    ) -> None:
        try:
            words = _Words(labels, rate)
            ms = words.amount("ms", ms, None, other_words)
            value = value_of("ms", ms / timedelta(milliseconds=1) if isinstance(ms, timedelta) else ms)
            weight = self._weight(words.rate)
            series, t = words.series(metric), _now()
            if weight:
                self._add(lambda gathered, _: gathered.timer(series, value, weight, t))
        except Exception as error:
            self._refuse(call, error)

    def timer(self, metric: str, /, *, rate: float | None = None, **labels: object) -> Timer:
        """Measures a `with` block, or each call of a function that it decorates (also an `async` one)."""
        if callable(metric):
            raise TypeError('a timer takes the name of its metric, such as @client.timer("search")')
        return Timer(self, metric, rate, labels)

    def gauge(
        self, metric: str, /, value: float, *, delta: bool = False, rate: float | None = None, **labels: object
    ) -> None:
        """Sets a gauge, or changes it by `value` where `delta` is true; the last value of an interval is sent."""
        try:
            words = _Words(labels, rate)
            checked, is_change = value_of("value", value), bool(delta)
            series, t = words.series(metric), _now()
            # There is nothing to scale up, so the client's own rate is not for gauges and sets.
            if self._weight(1.0 if words.rate is None else words.rate):
                self._add(lambda gathered, gauges: gathered.gauge(series, gauges.new(series, checked, is_change), t))
        except Exception as error:
            self._refuse("gauge", error)

    def set(self, metric: str, member: object = None, /, *, rate: float | None = None, **labels: object) -> None:
        """Counts different members (`agg=distinct:member`, where the stream's owner lists `member` in `distinct`)."""
        try:
            words = _Words(labels, rate)
            name = label_text("member", words.amount("member", member, None, ("value",)))
            if not clean((("member", name),)):
                raise Refused("value", "a member has a text that is not empty, nor of control characters only")
            series, t = words.series(metric), _now()
            if self._weight(1.0 if words.rate is None else words.rate):
                self._add(lambda gathered, _: gathered.member(series, name, t))
        except Exception as error:
            self._refuse("set", error)

    def _weight(self, rate: float | None) -> float:
        """How many calls this one stands for; 0 where it is not measured."""
        chance = self._sample_rate if rate is None else rate_of(rate)
        if chance >= 1:
            return 1
        return 1 / chance if chance > 0 and random.random() < chance else 0


class _Words:
    """The keyword arguments of a measurement: labels, and what clients of statsd and Datadog call otherwise."""

    __slots__ = ("_is_plain", "_labels", "_tags", "rate")

    def __init__(self, labels: _Given, rate: float | None) -> None:
        self.rate = rate
        self._labels = labels
        self._tags: list[tuple[str, str]] | None = None
        # Nearly all are, and need no copy.
        self._is_plain = not labels or _OTHER_WORDS.isdisjoint(labels)
        if not self._is_plain:
            self._labels = dict(labels)
            self._tags = tags_as_labels(self._labels.pop("tags", None))
            self._take_sample_rate(self._labels.pop("sample_rate", None))

    def _take_sample_rate(self, sample_rate: Any) -> None:
        if sample_rate is not None and self.rate is not None:
            raise Refused("rate", "rate is given twice, also as sample_rate")
        self.rate = self.rate if sample_rate is None else sample_rate

    def amount(self, name: str, given: Any, default: Any, words: tuple[str, ...]) -> Any:
        """What is measured, under its own name or another."""
        if self._is_plain:
            return given
        for word in words:
            if word in self._labels:
                if given is not default:
                    raise Refused("value", f"{name} is given twice, also as {word}")
                given = self._labels.pop(word)
        return given

    def series(self, metric: str) -> Series:
        """The metric with its labels."""
        name = metric_name(metric)
        if not self._labels and not self._tags:
            return Series(name, ())
        labels = {own_name(label): label_text(label, value) for label, value in self._labels.items()}
        for label, value in self._tags or ():
            if labels.setdefault(own_name(label), value) != value:
                raise Refused("label", f"label {label[:40]!r} is given twice")
        return Series(name, tuple(sorted(labels.items())))


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
        self._target._time("timer", self._metric, self.ms, self._rate, self._labels)

    def __call__(self, function: _F) -> _F:
        if not callable(function):
            raise TypeError("a timer decorates a function, or measures a with block")
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


def _now() -> float:
    return round(time.time(), 3)
