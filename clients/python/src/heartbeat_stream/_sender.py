"""The sender: a bounded queue, and one background thread that delivers it in batches.

A caller never waits for the network. A batch is repeated under its key until the server answers for it, so it counts
once although the network fails; only where that takes more than the ten minutes that a server remembers keys, and an
early attempt had no answer, may it count twice (``Statistics.may_be_doubled``). Losing it is the other choice, and
nearly always the larger error: what has no answer for ten minutes was most likely never stored.
"""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from . import _exit, _fork, _quiet
from ._address import StreamAddress
from ._batch import Batch, encode
from ._key import WriteKey
from ._queue import Queue
from ._statistics import Statistics
from ._transport import Answer, Transport, Verdict
from ._warnings import Warnings

# While somebody waits, in flush() or close(), attempts follow each other within this.
_URGENT_BACKOFF_S = 0.2
_ATTEMPT_TIMEOUT_S = 15.0
# A day; what waits for longer is not taken by the server any more, and some thousand years are too much to wait for.
_MAX_S = 86_400
# It is told when a batch failed so often: with the defaults, after some ten seconds.
_WARN_ATTEMPTS = 5


class Options(TypedDict, total=False):
    """What a handler and a client take for their sender, see there."""

    queue_points: int
    queue_bytes: int
    backoff: float
    backoff_max: float
    write_key: str | None


Source = Callable[[], Iterable[Mapping[str, Any]]]


class Sender:
    """Delivers points to a stream, in the background and in order. For any number of threads, and across forks.

    `stream_url` is ``https://HOST/v1/streams/ID``. `write_key` is the key ``wk_..`` that the stream's owner made for
    this writer, if there is one; it is sent to that address, and is in no log and no `repr`. At most `queue_points`
    points and `queue_bytes` bytes of JSON wait, the batch on its way among them; what is put beyond is dropped and
    counted. A point waits `flush_interval` seconds at most, then goes with all others. Between attempts are half to all
    of `backoff` seconds, twice as many each time, up to `backoff_max`.

    A child of fork begins with an empty queue and zero statistics; what was queued before is sent by the parent, once.
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
            raise ValueError("queue_points and queue_bytes are numbers above 0")
        if not all(0 < seconds <= _MAX_S for seconds in (flush_interval, backoff, backoff_max)):
            raise ValueError(f"flush_interval, backoff and backoff_max are above 0 and at most {_MAX_S:,} seconds")
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
        _fork.register(self)
        _exit.register(self)

    def _begin(self) -> None:
        # Re-entrant: a signal handler, or a destructor that the garbage collector runs, may put while its thread puts.
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._queue = Queue(self._queue_points, self._queue_bytes)
        # When the queue is to be sent, in monotonic seconds; None while there is nothing.
        self._due: float | None = None
        # When the sources are asked again while a batch is repeated.
        self._collect_at = 0.0
        self._urgent_until = 0.0
        self._close_deadline: float | None = None
        # What was put and what has left, to know in flush() when a point has its answer.
        self._put = 0
        self._settled = 0
        self._accepted = 0
        self._rejected = 0
        self._dropped = 0
        self._requests = 0
        self._retries = 0
        self._may_be_doubled = 0
        self._overflow = 0
        self._dropped_told = 0
        self._warnings = Warnings()

    def reset_in_child(self) -> None:
        """Called in the child of a fork: nothing is queued here, and no thread runs yet."""
        self._begin()

    def put(self, point: Mapping[str, Any]) -> bool:
        """Queues a point; whether there was room. Never blocks and never raises. Without `t` it gets that of now."""
        line = encode(point)
        _fork.begin_anew_in_child()
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
        """Has the queue sent within so many seconds. The thread is told only where that is news to it."""
        due = time.monotonic() + within_s if within_s else 0.0
        if self._due is None or due < self._due:
            self._due = due
            self._changed.notify_all()
        if self._thread is None:
            self._start()

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="heartbeat_stream", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # No thread is to be had now, or never again as the interpreter ends; the next put or close() sees to it.
            return False
        self._thread = thread
        _exit.register_with_pools()
        return True

    def add_source(self, source: Source) -> None:
        """Calls `source` before each delivery, on the background thread, for points that were gathered meanwhile."""
        self._sources.append(source)

    def wake(self, now: bool = False) -> None:
        """Has the sources asked within the flush interval, or at once."""
        _fork.begin_anew_in_child()
        with self._changed:
            if not self._closed:
                self._wake(0.0 if now else self._flush_interval)

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._closed

    def count_dropped(self, points: int) -> None:
        """Counts what a source had no room for."""
        _fork.begin_anew_in_child()
        with self._changed:
            self._dropped += points

    def refuse(self, kind: str, why: str) -> None:
        """Counts what is no point, and logs why, of each kind once an hour."""
        _fork.begin_anew_in_child()
        with self._changed:
            self._dropped += 1
            self._dropped_told += 1
        # Logging may not fail the code that is measured, nor be measured itself.
        with _quiet.thread(), contextlib.suppress(Exception):
            self._warnings.warn(f"refused {kind}", "a measurement for %s was refused: %s", self._host, why)

    def flush(self, timeout: float = 5.0) -> bool:
        """Delivers what was put so far; whether all of it was settled (stored or refused) within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        _fork.begin_anew_in_child()
        self._collect()
        with self._changed:
            target = self._put
            if self._settled >= target:
                return True
            # After close() nothing is awaited beyond the time that it had, however often it is asked for at exit.
            deadline = min(deadline, self._close_deadline or deadline)
            self._urgent_until = max(self._urgent_until, deadline)
            self._wake(0.0)
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= target, max(0.0, deadline - time.monotonic()))

    def close(self, timeout: float = 2.0) -> None:
        """Delivers what it can within `timeout` seconds, and then takes no more points."""
        self.begin_close(timeout)
        with self._changed:
            # Where it is closed already, such as at exit, the time that it had then.
            deadline = min(time.monotonic() + timeout, self._close_deadline or 0.0)
            inline = self._thread is None and bool(self._queue)
        if inline:
            # The interpreter is ending and gives no thread any more.
            self._run()
        with self._changed:
            self._changed.wait_for(lambda: self._settled >= self._put, max(0.0, deadline - time.monotonic()))
            left = self._put - self._settled
        if left:
            self._tell_undelivered(left)

    def _tell_undelivered(self, points: int) -> None:
        self._warnings.warn("end", "%d points for %s were not delivered before the end", points, self._host)

    def begin_close(self, timeout: float) -> None:
        """Starts what `close` waits for."""
        _fork.begin_anew_in_child()
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
        """The numbers of now."""
        _fork.begin_anew_in_child()
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

    # What follows runs on the background thread.

    def _run(self) -> None:
        # What the network code logs is not to be written to the stream: it would never end.
        with _quiet.thread():
            transport = Transport(self._address, self._write_key)
            while self._wait_until_due():
                self._collect()
                self._deliver_queue(transport)
            transport.close()

    def _wait_until_due(self) -> bool:
        """False when the sender is closed and empty."""
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
                # What it has before it fails is good.
                for point in source():
                    self.put(point)
            except Exception:
                self.count_dropped(1)
                self._warnings.warn("source", "a source of points failed", exc_info=True)

    def _deliver_queue(self, transport: Transport) -> None:
        """Sends what is queued now; what comes meanwhile waits for its own time, or fills a batch."""
        with self._changed:
            self._due = None
            left = len(self._queue)
        # Giving up empties it.
        while left > 0 and self._queue:
            with self._changed:
                lines = self._queue.take(left)
            batch = Batch(lines)
            left -= batch.points
            self._deliver(transport, batch)
        self._tell_dropped()

    def _deliver(self, transport: Transport, batch: Batch) -> None:
        attempts = 0
        while not self._is_over():
            answer = self._attempt(transport, batch, attempts)
            if answer.verdict in (Verdict.STORED, Verdict.REFUSED):
                self._settle(batch, answer)
                return
            attempts += 1
            self._tell_dropped()
            if attempts >= _WARN_ATTEMPTS:
                message = "%s takes no points (%s); they are kept, as far as the queue has room"
                self._warnings.warn("unreachable", message, self._host, answer.reason)
            self._wait_to_repeat(attempts, answer.retry_after_s)
        self._give_up(batch)

    def _attempt(self, transport: Transport, batch: Batch, attempts: int) -> Answer:
        began = time.monotonic()
        with self._changed:
            self._requests += 1
            self._retries += attempts > 0
            if batch.may_double(began):
                self._may_be_doubled += batch.points
                batch.forget_doubt()
            deadline = self._close_deadline
        # Some time is left, or it would be over; but not so little that a request can't even begin.
        timeout = _ATTEMPT_TIMEOUT_S if deadline is None else max(0.05, deadline - began)
        try:
            answer = transport.post(batch, timeout)
        except Exception as error:
            # What is foreseen is an answer; this is for what isn't, such as a proxy's address that is none.
            answer = Answer(Verdict.UNSURE, reason=type(error).__name__)
            self._warnings.warn("fault", "delivering to %s failed", self._host, exc_info=True)
        if answer.verdict is Verdict.UNSURE:
            batch.was_unsure(began)
        return answer

    def _settle(self, batch: Batch, answer: Answer) -> None:
        with self._changed:
            self._accepted += answer.accepted
            self._rejected += answer.rejected
            self._overflow += answer.overflow
            self._leave(batch.points)
        if answer.is_unauthorized:
            self._tell_unauthorized(batch.points, answer.reason)
        elif answer.rejected:
            numbers = (answer.rejected, batch.points, answer.reason)
            self._warnings.warn(f"rejected {answer.verdict}", "%s rejected %d of %d points: %s", self._host, *numbers)

        if answer.overflow:
            message = "%s has no room for new series: %d of %d points are counted without their labels (overflow=true)"
            self._warnings.warn("overflow", message, self._host, answer.overflow, batch.points)

    def _tell_unauthorized(self, points: int, reason: str) -> None:
        why = "it takes writers with a write key only, and this one has none"
        if self._write_key is not None:
            why = "it does not know this write key: it was revoked, or is another stream's"
        self._warnings.error("unauthorized", "%s refused %d points, as %s (%s)", self._host, points, why, reason)

    def _leave(self, points: int) -> None:
        self._settled += points
        self._queue.arrived()
        self._changed.notify_all()

    def _wait_to_repeat(self, attempts: int, retry_after_s: float | None) -> None:
        # 2 ** 20 half seconds are beyond any maximum; more would overflow some day.
        longest = min(self._backoff_max, self._backoff * 2 ** min(attempts - 1, 20))
        wait_s = random.uniform(longest / 2, longest)
        began = time.monotonic()
        while not self._is_over():
            # The sources don't wait for a server that is gone: what they have is of this interval.
            if time.monotonic() >= self._collect_at:
                self._collect()
            with self._changed:
                now = time.monotonic()
                if retry_after_s is not None:
                    # The server's word goes before anyone's hurry; the jitter keeps many writers apart.
                    until = began + retry_after_s + wait_s
                elif now < self._urgent_until:
                    until = began + min(wait_s, _URGENT_BACKOFF_S)
                else:
                    until = began + wait_s
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
            self._dropped_told += points
        # Before anyone who waits in close() learns that there is nothing left, and ends the process.
        self._tell_undelivered(points)
        with self._changed:
            self._leave(points)

    def _tell_dropped(self) -> None:
        with self._changed:
            dropped = self._dropped - self._dropped_told
            self._dropped_told = self._dropped
        if dropped:
            self._warnings.warn(
                "dropped",
                "%d points for %s were dropped: there was no room, or they were no points",
                dropped,
                self._host,
            )
