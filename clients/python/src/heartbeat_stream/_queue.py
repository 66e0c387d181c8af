"""What waits to be sent, within bounds; whoever holds one locks it."""

from __future__ import annotations

from collections import deque

from ._batch import MAX_BATCH_BYTES, MAX_BATCH_POINTS


class Queue:
    """Lines that wait, and the batch that is on its way: both count against `most_points` and `most_bytes`."""

    def __init__(self, most_points: int, most_bytes: int) -> None:
        self._most_points = most_points
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._in_flight_points = 0
        self._in_flight_bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def has_full_batch(self) -> bool:
        """Whether nothing is won by waiting for more."""
        return len(self._lines) >= MAX_BATCH_POINTS or self._waiting_bytes >= MAX_BATCH_BYTES

    def add(self, line: bytes) -> bool:
        """Whether there was room."""
        points = len(self._lines) + self._in_flight_points
        size = self._waiting_bytes + self._in_flight_bytes + len(line)
        if points >= self._most_points or size > self._most_bytes:
            return False
        self._lines.append(line)
        self._waiting_bytes += len(line)
        return True

    def take(self, most: int) -> list[bytes]:
        """The oldest `most` (at least one), as far as they are one batch; they are on their way until `arrived`."""
        lines: list[bytes] = []
        size = 0
        while self._lines and len(lines) < min(most, MAX_BATCH_POINTS):
            size += len(self._lines[0])
            if lines and size > MAX_BATCH_BYTES:
                break
            lines.append(self._lines.popleft())
        self._in_flight_points = len(lines)
        self._in_flight_bytes = sum(map(len, lines))
        self._waiting_bytes -= self._in_flight_bytes
        return lines

    def arrived(self) -> None:
        """Makes room for what was taken last."""
        self._in_flight_points = self._in_flight_bytes = 0

    def clear(self) -> int:
        """Forgets what waits; how much that was."""
        points = len(self._lines)
        self._lines.clear()
        self._waiting_bytes = 0
        return points
