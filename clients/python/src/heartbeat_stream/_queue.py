"""What waits to be sent: the bounded queue of encoded points, and the batch that leaves it under one idempotency key.

Nothing here locks: the sender does.
"""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any

# The server takes at most 10,000 points and 1 MiB after gunzip. Half of each leaves room if it counts differently.
MAX_BATCH_POINTS = 5_000
MAX_BATCH_BYTES = 512 * 1024
# Sixteen labels of the maximum length, with each byte escaped, take 31 KB.
MAX_POINT_BYTES = 64 * 1024
# A smaller body fits in one packet, compressed or not.
_MIN_GZIP_BYTES = 1_400
# The server remembers a key for ten minutes after it stored the batch. The last minute covers clocks and the network.
KEY_REMEMBERED_S = 540.0

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=True, separators=(",", ":"))


def encode(point: Mapping[str, Any]) -> bytes | None:
    """Encodes a point as a line of NDJSON, with the current time if it has none; None if it cannot be encoded."""
    try:
        if "t" not in point:
            # The point may be delivered late and must still land in its own step.
            point = {**point, "t": round(time.time(), 3)}
        line = _encoder.encode(point).encode()
    except Exception:
        # A caller's own mapping may raise anything when its items are read.
        return None
    return line if len(line) <= MAX_POINT_BYTES else None


class Batch:
    """Encoded points under one idempotency key, which is the same for all attempts."""

    def __init__(self, lines: list[bytes]) -> None:
        self.key = uuid.uuid4().hex
        self.points = len(lines)
        self.bytes = sum(map(len, lines))
        body = b"\n".join(lines)
        self.is_gzipped = len(body) >= _MIN_GZIP_BYTES
        # Level 6 is zlib's own default. Without a time in the header, equal points have equal bodies.
        self.body = gzip.compress(body, compresslevel=6, mtime=0) if self.is_gzipped else body
        self._unsure_since: float | None = None

    def mark_unsure(self, started: float) -> None:
        """Records that an attempt may have stored the batch; it started at `started`, in monotonic seconds."""
        if self._unsure_since is None:
            self._unsure_since = started

    def may_be_doubled(self, now: float) -> bool:
        """Whether an attempt at `now` may count twice: the batch may be stored, and its key may be forgotten."""
        return self._unsure_since is not None and now - self._unsure_since > KEY_REMEMBERED_S

    def clear_unsure(self) -> None:
        """Forgets the doubt after it was counted. A later unsure attempt raises a new one."""
        self._unsure_since = None


class Queue:
    """Lines that wait, and the batch that is in flight. Both count towards `max_points` and `max_bytes`."""

    def __init__(self, max_points: int, max_bytes: int) -> None:
        self._max_points = max_points
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._in_flight_points = 0
        self._in_flight_bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def has_full_batch(self) -> bool:
        """Whether a full batch waits, so that there is no reason to wait for more points."""
        return len(self._lines) >= MAX_BATCH_POINTS or self._waiting_bytes >= MAX_BATCH_BYTES

    def add(self, line: bytes) -> bool:
        """Adds a line; False if there is no room."""
        points = len(self._lines) + self._in_flight_points
        size = self._waiting_bytes + self._in_flight_bytes + len(line)
        if points >= self._max_points or size > self._max_bytes:
            return False
        self._lines.append(line)
        self._waiting_bytes += len(line)
        return True

    def take(self, max_lines: int) -> list[bytes]:
        """Takes the oldest lines, at least one and at most `max_lines`, that fit in a batch.

        They count as in flight until `release`.
        """
        lines: list[bytes] = []
        size = 0
        while self._lines and len(lines) < min(max_lines, MAX_BATCH_POINTS):
            size += len(self._lines[0])
            if lines and size > MAX_BATCH_BYTES:
                break
            lines.append(self._lines.popleft())
        self._in_flight_points = len(lines)
        self._in_flight_bytes = sum(map(len, lines))
        self._waiting_bytes -= self._in_flight_bytes
        return lines

    def release(self) -> None:
        """Frees the room of the lines that were taken last."""
        self._in_flight_points = self._in_flight_bytes = 0

    def clear(self) -> int:
        """Drops the waiting lines and returns their number."""
        points = len(self._lines)
        self._lines.clear()
        self._waiting_bytes = 0
        return points
