"""The client: metrics, merged for an interval, then sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _fork
from ._checked import Refused, fixed_labels
from ._gathered import MAX_GATHERED, Gathered, Gauges
from ._sender import Options, Sender
from ._statistics import Statistics
from ._vocabulary import Measurement, Vocabulary, own_name

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of the type checker; there is none at run time


class Client(Vocabulary):
    """Writes metrics to a stream: `stream_url` is ``https://HOST/v1/streams/ID``.

    What has equal metric and labels is merged for `flush_interval` seconds and sent in the background. `labels` are on
    all points. `sample_rate` is the `rate` of calls that name none. Further arguments are those of `Sender`.
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
        _fork.register(self)
        self._sender.add_source(self._collect)

    def _begin(self) -> None:
        # Re-entrant, as the sender's: a signal handler may count while its thread counts.
        self._lock = threading.RLock()
        self._gathered = Gathered()
        self._began: float | None = None
        self._no_room = 0

    def reset_in_child(self) -> None:
        """Called in the child of a fork: the parent sends what it gathered. Gauges keep their values."""
        self._begin()

    def pipeline(self) -> Pipeline:
        """Gathers measurements, and takes all at once at the end of its `with` block: all are in the same interval."""
        return Pipeline(self, self._sample_rate)

    def _add(self, measurement: Measurement) -> None:
        self._add_all((measurement,))

    def _add_all(self, measurements: tuple[Measurement, ...]) -> None:
        if self._sender.is_closed:
            # Nobody would collect it any more.
            self._sender.count_dropped(len(measurements))
            return
        _fork.begin_anew_in_child()
        with self._lock:
            is_first = self._began is None
            if is_first:
                self._began = time.monotonic()
            refused = [error for measurement in measurements if (error := self._take(measurement))]
            is_half_full = self._gathered.size >= MAX_GATHERED // 2
        # Not under the lock, which the sender's thread takes when it collects.
        if is_first or is_half_full:
            self._sender.wake(now=is_half_full)
        for error in refused:
            self._refuse("a pipeline" if len(measurements) > 1 else "a measurement", error)

    def _take(self, measurement: Measurement) -> Exception | None:
        """Why it is not taken, if it isn't: whatever a caller's own types raise, the others of a pipeline are taken."""
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
        """What was gathered, as points."""
        with self._lock:
            gathered, began, no_room = self._gathered, self._began, self._no_room
            self._gathered, self._began, self._no_room = Gathered(), None, 0
        if no_room:
            self._sender.count_dropped(no_room)
        if began is None:
            return []
        return gathered.points(self._labels, time.monotonic() - began, round(time.time(), 3))

    def flush(self, timeout: float = 5.0) -> bool:
        """Sends what was gathered, now; whether all was stored or refused within `timeout` seconds."""
        return self._sender.flush(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Sends what it can within `timeout` seconds, and then takes no more. The end of the process does it too."""
        self._sender.close(timeout)

    def statistics(self) -> Statistics:
        """Numbers of points, see there."""
        return self._sender.statistics()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Pipeline(Vocabulary):
    """Measurements that are taken at once, by `send` or at the end of a `with` block. For one thread."""

    def __init__(self, client: Client, sample_rate: float) -> None:
        super().__init__(sample_rate)
        self._client = client
        self._measurements: list[Measurement] = []

    def _add(self, measurement: Measurement) -> None:
        self._measurements.append(measurement)

    def _refuse(self, call: str, error: Exception) -> None:
        self._client._refuse(call, error)

    def send(self) -> None:
        """Hands what it has to the client."""
        measurements, self._measurements = tuple(self._measurements), []
        if measurements:
            self._client._add_all(measurements)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.send()
