"""The sender: a bounded queue, and one background thread that delivers it in batches.

PROTOCOL.md describes the whole protocol. In short: a caller never waits for the network, and a batch is repeated under
its idempotency key until the server answers for it, so that it counts once. If a batch has no answer for longer than
the server remembers keys, it is repeated anyway and may count twice (`Statistics.may_be_doubled`). Losing it
would nearly always be the larger error: a batch without an answer for that long was most likely never stored.

The queue and the counters change only under the lock of `_changed`. Callers put, flush and close; the second half of
`Sender` runs on the thread.
"""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from . import _process
from ._address import StreamAddress, WriteKey
from ._log import Warnings, quiet
from ._queue import Batch, Queue, encode
from ._statistics import Statistics
from ._transport import Answer, Transport, Verdict

# The longest wait between attempts while somebody waits in flush() or close().
_URGENT_BACKOFF_S = 0.2
_ATTEMPT_TIMEOUT_S = 15.0
# A day: by default the server takes no older points, and a thread cannot wait for arbitrarily long.
_MAX_S = 86_400
# A batch that failed this often is logged: with the defaults, after some ten seconds.
_WARN_ATTEMPTS = 5


class Options(TypedDict, total=False):
    """The arguments that a handler and a client pass on to their sender."""

    queue_points: int
    queue_bytes: int
    backoff: float
    backoff_max: float
    write_key: str | None


Source = Callable[[], Iterable[Mapping[str, Any]]]


class Sender:
    """Delivers points to a stream in the background, in order. Thread-safe, and safe across forks.

    `stream_url` is ``https://HOST/v1/streams/ID``. `write_key` is the key ``wk_..`` that the stream's owner made for
    this writer, if any; it is sent to that address only, and appears in no log and no `repr`. At most `queue_points`
    points and `queue_bytes` bytes of JSON are kept, including the batch in flight; further points are dropped and
    counted. A point waits for at most `flush_interval` seconds before it is sent. The wait between attempts is half to
    all of `backoff` seconds, and doubles with each attempt up to `backoff_max`.

    A child of a fork begins with an empty queue and zero statistics. The parent sends what was queued before.

    Raises `TypeError` or `ValueError` for an invalid argument.
    """

    def __init__(
        self,
        stream_url: str,
        *,
        queue_points: int = 100_000,
        queue_bytes: int = 32 * 1024 * 1024,
        flush_interval: float = 1.0,
        backoff: float = 0.5,
        backoff_max: float = 30.0,
        write_key: str | None = None,
    ) -> None:
        if not all(1 <= bound < math.inf for bound in (queue_points, queue_bytes)):
            raise ValueError("queue_points and queue_bytes must be at least 1")
        if not all(0 < seconds <= _MAX_S for seconds in (flush_interval, backoff, backoff_max)):
            raise ValueError(f"flush_interval, backoff and backoff_max must be above 0 and at most {_MAX_S:,} seconds")
        self._address = StreamAddress(stream_url)
        self._host = self._address.host
        self._write_key = None if write_key is None else WriteKey(write_key)
        self._queue_points = queue_points
        self._queue_bytes = queue_bytes
        self._flush_interval = flush_interval
        self._backoff = backoff
        self._backoff_max = backoff_max
        self._sources: list[Source] = []
        self._closed = False
        self._begin()
        _process.reset_after_fork(self)
        _process.close_at_exit(self)

    def _begin(self) -> None:
        # Re-entrant: a signal handler or a destructor may put a point while the same thread is putting one.
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._queue = Queue(self._queue_points, self._queue_bytes)
        # When the queue is due, in monotonic seconds; None while it is empty.
        self._due: float | None = None
        # When the sources are collected again while a batch is repeated.
        self._collect_at = 0.0
        self._urgent_until = 0.0
        self._close_deadline: float | None = None
        # Points that were put, and points that were answered or given up. flush() compares the two.
        self._put = 0
        self._settled = 0
        self._accepted = 0
        self._rejected = 0
        self._dropped = 0
        self._requests = 0
        self._retries = 0
        self._may_be_doubled = 0
        self._overflow = 0
        self._dropped_logged = 0
        self._warnings = Warnings()

    def reset_in_child(self) -> None:
        """Begins anew in the child of a fork, with an empty queue and no thread."""
        self._begin()

    def put(self, point: Mapping[str, Any]) -> bool:
        """Queues a point, with the current time if it has no `t`. Never blocks or raises; False if it is dropped."""
        line = encode(point)
        _process.reset_if_forked()
        with self._changed:
            return self._append(line)

    def _append(self, line: bytes | None) -> bool:
        if line is None or self._closed or not self._queue.add(line):
            self._dropped += 1
            return False
        self._put += 1
        self._wake(0.0 if self._queue.has_full_batch else self._flush_interval)
        return True

    def _wake(self, within_s: float) -> None:
        """Makes the queue due within `within_s` seconds. Wakes the thread only if that is earlier than before."""
        due = time.monotonic() + within_s if within_s else 0.0
        if self._due is None or due < self._due:
            self._due = due
            self._changed.notify_all()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="heartbeat_stream", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # No thread can start now, or none ever again because the interpreter ends. The next put or close() retries.
            return
        self._thread = thread
        _process.register_with_pools()

    def add_source(self, source: Source) -> None:
        """Calls `source` for its points before each delivery, mostly on the background thread."""
        self._sources.append(source)

    def wake(self, now: bool = False) -> None:
        """Makes the sources be collected within the flush interval, or immediately if `now`."""
        _process.reset_if_forked()
        with self._changed:
            if not self._closed:
                self._wake(0.0 if now else self._flush_interval)

    @property
    def is_closed(self) -> bool:
        """Whether the sender takes no more points."""
        return self._closed

    def count_dropped(self, points: int) -> None:
        """Counts points that a source dropped itself."""
        _process.reset_if_forked()
        with self._changed:
            self._dropped += points

    def refuse(self, kind: str, why: str) -> None:
        """Counts a refused measurement, and logs the reason, once an hour for each kind."""
        _process.reset_if_forked()
        with self._changed:
            self._dropped += 1
            self._dropped_logged += 1
        # Logging must neither raise into the measured code nor become a point.
        with quiet(), contextlib.suppress(Exception):
            self._warnings.warn(f"refused {kind}", "a measurement for %s was refused: %s", self._host, why)

    def flush(self, timeout: float = 5.0) -> bool:
        """Delivers all points so far. True if each was settled (stored or refused) within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        _process.reset_if_forked()
        self._collect()
        with self._changed:
            target = self._put
            if self._settled >= target:
                return True
            # After close() no call waits beyond its deadline, however many are made at exit.
            deadline = min(deadline, self._close_deadline or deadline)
            self._urgent_until = max(self._urgent_until, deadline)
            self._wake(0.0)
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= target, max(0.0, deadline - time.monotonic()))

    def close(self, timeout: float = 2.0) -> None:
        """Delivers what it can within `timeout` seconds, and then takes no more points."""
        self.begin_close(timeout)
        with self._changed:
            # A second call, such as at exit, waits no longer than the first.
            deadline = min(time.monotonic() + timeout, self._close_deadline or 0.0)
            inline = self._thread is None and bool(self._queue)
        if inline:
            # The interpreter is ending and starts no more threads, so this one delivers.
            self._run()
        with self._changed:
            self._changed.wait_for(lambda: self._settled >= self._put, max(0.0, deadline - time.monotonic()))
            left = self._put - self._settled
        if left:
            self._warn_undelivered(left)

    def _warn_undelivered(self, points: int) -> None:
        self._warnings.warn("end", "%d points for %s were not delivered before the end", points, self._host)

    def begin_close(self, timeout: float) -> None:
        """Starts the delivery that `close` waits for. Later points are dropped."""
        _process.reset_if_forked()
        self._collect()
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._close_deadline = self._urgent_until = time.monotonic() + timeout
            if self._queue or self._thread is not None:
                self._wake(0.0)
                self._changed.notify_all()

    def statistics(self) -> Statistics:
        """Returns the current numbers."""
        _process.reset_if_forked()
        with self._changed:
            return Statistics(
                queued=self._put - self._settled,
                accepted=self._accepted,
                rejected=self._rejected,
                dropped=self._dropped,
                requests=self._requests,
                retries=self._retries,
                may_be_doubled=self._may_be_doubled,
                overflow=self._overflow,
            )

    # The methods below run on the background thread, except that flush and close also collect.

    def _run(self) -> None:
        # Records that delivering causes must not become points, which would never end.
        with quiet():
            transport = Transport(self._address, self._write_key)
            while self._wait_until_due():
                self._collect()
                self._deliver_queue(transport)
            transport.close()

    def _wait_until_due(self) -> bool:
        """Waits until the queue is due. False if the sender is closed and its queue is empty."""
        with self._changed:
            while True:
                if self._closed and not self._queue:
                    return False
                now = time.monotonic()
                if self._due is not None and self._due <= now:
                    return True
                self._changed.wait(None if self._due is None else self._due - now)

    def _collect(self) -> None:
        self._collect_at = time.monotonic() + self._flush_interval
        for source in self._sources:
            try:
                # Points that a source yields before it fails are kept.
                for point in source():
                    self.put(point)
            except Exception:
                self.count_dropped(1)
                self._warnings.warn("source", "a source of points failed", exc_info=True)

    def _deliver_queue(self, transport: Transport) -> None:
        """Sends what is queued now. Points that arrive meanwhile wait until they are due themselves."""
        with self._changed:
            self._due = None
            left = len(self._queue)
        # _give_up empties the queue.
        while left > 0 and self._queue:
            with self._changed:
                lines = self._queue.take(left)
            batch = Batch(lines)
            left -= batch.points
            self._deliver(transport, batch)
        self._warn_dropped()

    def _deliver(self, transport: Transport, batch: Batch) -> None:
        attempts = 0
        while not self._is_over():
            answer = self._attempt(transport, batch, attempts)
            if answer.verdict in (Verdict.STORED, Verdict.REFUSED):
                self._settle(batch, answer)
                return
            attempts += 1
            self._warn_dropped()
            if attempts >= _WARN_ATTEMPTS:
                message = "%s takes no points (%s); they are kept as long as the queue has room"
                self._warnings.warn("unreachable", message, self._host, answer.reason)
            self._wait_to_repeat(attempts, answer.retry_after_s)
        self._give_up(batch)

    def _attempt(self, transport: Transport, batch: Batch, attempts: int) -> Answer:
        started = time.monotonic()
        with self._changed:
            self._requests += 1
            self._retries += attempts > 0
            if batch.may_be_doubled(started):
                self._may_be_doubled += batch.points
                batch.clear_unsure()
            deadline = self._close_deadline
        # At least 50 ms, so that a request can begin at all.
        timeout = _ATTEMPT_TIMEOUT_S if deadline is None else max(0.05, deadline - started)
        try:
            answer = transport.post(batch, timeout)
        except Exception as error:
            # Expected failures are answers. This is an unexpected one, such as an invalid proxy address.
            answer = Answer(Verdict.UNSURE, reason=type(error).__name__)
            self._warnings.warn("fault", "delivering to %s failed", self._host, exc_info=True)
        if answer.verdict is Verdict.UNSURE:
            batch.mark_unsure(started)
        return answer

    def _settle(self, batch: Batch, answer: Answer) -> None:
        with self._changed:
            self._accepted += answer.accepted
            self._rejected += answer.rejected
            self._overflow += answer.overflow
            self._leave(batch.points)
        if answer.is_unauthorized:
            self._log_unauthorized(batch.points, answer.reason)
        elif answer.rejected:
            numbers = (answer.rejected, batch.points, answer.reason)
            self._warnings.warn(f"rejected {answer.verdict}", "%s rejected %d of %d points: %s", self._host, *numbers)
        if answer.overflow:
            message = "%s has no room for new series: %d of %d points are counted without their labels (overflow=true)"
            self._warnings.warn("overflow", message, self._host, answer.overflow, batch.points)

    def _log_unauthorized(self, points: int, reason: str) -> None:
        why = "it accepts only writers with a write key, and this one has none"
        if self._write_key is not None:
            why = "it does not know this write key: the key was revoked, or belongs to another stream"
        self._warnings.error("unauthorized", "%s refused %d points: %s (%s)", self._host, points, why, reason)

    def _leave(self, points: int) -> None:
        self._settled += points
        self._queue.release()
        self._changed.notify_all()

    def _wait_to_repeat(self, attempts: int, retry_after_s: float | None) -> None:
        # The exponent stops at 20, beyond any maximum, so that the power cannot overflow.
        longest = min(self._backoff_max, self._backoff * 2 ** min(attempts - 1, 20))
        wait_s = random.uniform(longest / 2, longest)
        started = time.monotonic()
        while not self._is_over():
            # Intervals end on time although the server is unreachable.
            if time.monotonic() >= self._collect_at:
                self._collect()
            with self._changed:
                now = time.monotonic()
                if retry_after_s is not None:
                    # Retry-After goes before any urgency. The jitter spreads many writers.
                    until = started + retry_after_s + wait_s
                elif now < self._urgent_until:
                    until = started + min(wait_s, _URGENT_BACKOFF_S)
                else:
                    until = started + wait_s
                if now >= until:
                    return
                until = min(until, self._collect_at, self._close_deadline or until)
                self._changed.wait(max(0.0, until - now))

    def _is_over(self) -> bool:
        deadline = self._close_deadline
        return deadline is not None and time.monotonic() >= deadline

    def _give_up(self, batch: Batch) -> None:
        with self._changed:
            points = batch.points + self._queue.clear()
            self._dropped += points
            self._dropped_logged += points
        # Log before close() returns, which may end the process.
        self._warn_undelivered(points)
        with self._changed:
            self._leave(points)

    def _warn_dropped(self) -> None:
        with self._changed:
            dropped = self._dropped - self._dropped_logged
            self._dropped_logged = self._dropped
        if dropped:
            self._warnings.warn(
                "dropped",
                "%d points for %s were dropped: the queue was full, or they were not valid points",
                dropped,
                self._host,
            )
