"""The client: measurements are merged for an interval, then sent as points.

The life of a measurement, such as ``client.incr("signups", plan="pro")``:

1. `Vocabulary.incr` checks the arguments (`_checked`) and draws whether to measure, by the sample rate.
2. `Client._add_all` applies it under the lock: `Gathered` sums it up with equal metric and labels. The first
   measurement of an interval wakes the sender.
3. After `flush_interval` the sender's thread calls `Client._collect`, which swaps in an empty `Gathered` and turns the
   full one into points.
4. The sender queues and delivers the points (PROTOCOL.md).

A measurement that fails in step 1 or 2 is counted and logged, and raises nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _process
from ._checked import Refused, fixed_labels
from ._gathered import MAX_GATHERED, Gathered, Gauges
from ._sender import Options, Sender
from ._statistics import Statistics
from ._vocabulary import Measurement, Vocabulary, own_name

if TYPE_CHECKING:
    from typing_extensions import Unpack  # only for the type checker: it is not installed


class Client(Vocabulary):
    """Writes metrics to a stream: `stream_url` is ``https://HOST/v1/streams/ID``.

    Measurements with equal metric and labels are merged for `flush_interval` seconds and sent in the background. All
    points have `labels`. `sample_rate` is the `rate` of calls that give none. Further arguments are those of `Sender`.

    Raises `TypeError` or `ValueError` for an invalid argument. Thread-safe, and safe across forks.
    """

    def __init__(
        self,
        stream_url: str,
        *,
        labels: Mapping[str, object] | None = None,
        sample_rate: float = 1.0,
        flush_interval: float = 10.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(sample_rate)
        self._labels = tuple((own_name(name), value) for name, value in fixed_labels(labels))
        self._sender = Sender(stream_url, flush_interval=flush_interval, **options)
        self._gauges = Gauges()
        self._begin()
        _process.reset_after_fork(self)
        self._sender.add_source(self._collect)

    def _begin(self) -> None:
        # Re-entrant, like the sender's: a signal handler may count while the same thread is counting.
        self._lock = threading.RLock()
        self._gathered = Gathered()
        self._started: float | None = None
        self._no_room = 0

    def reset_in_child(self) -> None:
        """Begins anew in the child of a fork. The parent sends what it gathered; gauges keep their values."""
        self._begin()

    def pipeline(self) -> Pipeline:
        """Returns a pipeline, whose measurements are all taken in the same interval, at the end of its `with` block."""
        return Pipeline(self, self._sample_rate)

    def _add(self, measurement: Measurement) -> None:
        self._add_all((measurement,))

    def _add_all(self, measurements: tuple[Measurement, ...]) -> None:
        if self._sender.is_closed:
            # Nothing collects them any more.
            self._sender.count_dropped(len(measurements))
            return
        _process.reset_if_forked()
        with self._lock:
            is_first = self._started is None
            if is_first:
                self._started = time.monotonic()
            refused = [error for measurement in measurements if (error := self._take(measurement))]
            is_half_full = self._gathered.size >= MAX_GATHERED // 2
        # Without the lock, which the sender's thread takes to collect.
        if is_first or is_half_full:
            self._sender.wake(now=is_half_full)
        for error in refused:
            self._refuse("a pipeline" if len(measurements) > 1 else "a measurement", error)

    def _take(self, measurement: Measurement) -> Exception | None:
        """Applies a measurement, and returns its error so that the rest of a pipeline is still taken."""
        if self._gathered.size >= MAX_GATHERED:
            self._no_room += 1
            return None
        try:
            measurement(self._gathered, self._gauges)
        except Exception as error:
            return error
        return None

    def _refuse(self, call: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, Refused) else type(error).__name__
        self._sender.refuse(f"{call} {getattr(error, 'part', '')}", f"{call}: {reason}")

    def _collect(self) -> Iterable[dict[str, Any]]:
        """Ends the interval and returns its points."""
        with self._lock:
            gathered, started, no_room = self._gathered, self._started, self._no_room
            self._gathered, self._started, self._no_room = Gathered(), None, 0
        if no_room:
            self._sender.count_dropped(no_room)
        if started is None:
            return []
        return gathered.points(self._labels, time.monotonic() - started, round(time.time(), 3))

    def flush(self, timeout: float = 5.0) -> bool:
        """Sends all measurements so far. True if each was stored or refused within `timeout` seconds."""
        return self._sender.flush(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Sends what it can within `timeout` seconds and takes no more. The end of the process also closes it."""
        self._sender.close(timeout)

    def statistics(self) -> Statistics:
        """Returns what became of the points."""
        return self._sender.statistics()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Pipeline(Vocabulary):
    """Measurements that are taken together, by `send` or at the end of a `with` block. Not thread-safe."""

    def __init__(self, client: Client, sample_rate: float) -> None:
        super().__init__(sample_rate)
        self._client = client
        self._measurements: list[Measurement] = []

    def _add(self, measurement: Measurement) -> None:
        self._measurements.append(measurement)

    def _refuse(self, call: str, error: Exception) -> None:
        self._client._refuse(call, error)

    def send(self) -> None:
        """Hands its measurements to the client."""
        measurements, self._measurements = tuple(self._measurements), []
        if measurements:
            self._client._add_all(measurements)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.send()
