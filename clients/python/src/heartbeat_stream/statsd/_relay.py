"""The work of the relay: parses what was received, merges it and hands points to the sender.

The work is done in small steps between receiving, so that the kernel's buffer does not overflow.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator

from .._gathered import Gauges, Labels
from .._sender import Sender
from ._intake import Intake
from ._interval import MAX_HELD, Interval
from ._lines import LineError, Reader

# The longest step of work: the kernel keeps a few hundred small datagrams meanwhile.
_STEP_S = 0.0005
# White space that is removed around a line, as the server does.
_WHITE = b" \t\n\x0c\r"


class Relay:
    """Merges the lines of `intake` in intervals of `interval_s` seconds, which end at whole multiples of it.

    A value with a sign changes a gauge, or sets it if `sets_signed`.
    """

    def __init__(self, sender: Sender, interval_s: float, labels: Labels, sets_signed: bool = False) -> None:
        self.intake = Intake()
        self.lines = 0
        self.bad_lines = 0
        self.dropped_lines = 0
        self.points = 0
        self.last_error = ""
        self._sender = sender
        self._interval_s = interval_s
        self._labels = labels
        self._reader = Reader()
        self._gauges = Gauges()
        self._sets_signed = sets_signed
        self._interval = Interval(self._gauges, sets_signed)
        self._started = time.time()
        self._due = self._next_due(self._started)
        self._jobs: deque[Iterator[None]] = deque()

    def _next_due(self, now: float) -> float:
        return (math.floor(now / self._interval_s) + 1) * self._interval_s

    def wait_s(self) -> float:
        """The seconds until there is something to do."""
        return 0.0 if self._jobs else max(0.0, self._due - time.time())

    def step(self) -> None:
        """Does one step of work."""
        now = time.time()
        # The second condition holds after the clock was set back.
        if now >= self._due or self._due - now > self._interval_s:
            self._jobs.append(self._flush(now))
            self._due = self._next_due(now)
        elif self.intake.is_large and not self._jobs:
            self._jobs.append(self._read())
        if self.intake.is_full:
            self._finish_jobs()
        until = time.perf_counter() + _STEP_S
        while self._jobs and time.perf_counter() < until:
            if next(self._jobs[0], self) is self:
                self._jobs.popleft()

    def finish(self) -> None:
        """Hands all points to the sender."""
        self._jobs.append(self._flush(time.time()))
        self._finish_jobs()

    def _finish_jobs(self) -> None:
        while self._jobs:
            for _ in self._jobs[0]:
                pass
            self._jobs.popleft()
        if self.intake.is_full:
            for _ in self._read():
                pass

    def _flush(self, now: float) -> Iterator[None]:
        """Reads the intake, and ends the interval."""
        yield from self._read()
        yield from self._end(now)

    def _read(self) -> Iterator[None]:
        for received, times in self.intake.swap():
            for line in received.split(b"\n"):
                line = line.strip(_WHITE)
                if line:
                    self._add(line, times)
            yield
            if self._interval.held >= MAX_HELD:
                yield from self._end(time.time())

    def _end(self, now: float) -> Iterator[None]:
        interval, self._interval = self._interval, Interval(self._gauges, self._sets_signed)
        # End at the last multiple, so that no period crosses one: then the server keeps its exact sum in one step.
        multiple = math.floor(now / self._interval_s) * self._interval_s
        t = multiple if self._started < multiple <= now else now
        elapsed_s, self._started = round(t - self._started, 3), t
        # At most one interval even if this process was paused; no period if the clock was set back.
        period_s = min(elapsed_s, self._interval_s) if elapsed_s >= 0.001 else None
        for point in interval.points(self._labels, period_s, round(t, 3)):
            self._sender.put(point)
            self.points += 1
            yield

    def _add(self, line: bytes, times: int) -> None:
        self.lines += times
        try:
            bits = self._reader.bits(line.decode())
        except UnicodeDecodeError:
            self._reject("the line is not UTF-8", times)
        except LineError as error:
            self._reject(str(error), times)
        else:
            for bit in bits:
                self._add_bit(bit, times)

    def _add_bit(self, bit: str, times: int) -> None:
        try:
            read, values = self._reader.read(bit)
        except LineError as error:
            self._reject(str(error), times)
            return
        for value in values:
            try:
                if not self._interval.add(read, value, times):
                    self.dropped_lines += times
            except LineError as error:
                self._reject(str(error), times)

    def _reject(self, reason: str, times: int) -> None:
        self.bad_lines += times
        self.last_error = reason
