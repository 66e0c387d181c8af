"""A batch: the points that are sent, and repeated, together under one idempotency key."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

# The server takes 10,000 points and 1 MiB after gunzip; half of both leaves room for what it may count differently.
MAX_BATCH_POINTS = 5_000
MAX_BATCH_BYTES = 512 * 1024
# Sixteen labels at their longest, each byte of them escaped, are 31 KB.
MAX_POINT_BYTES = 64 * 1024
# Below this it is one packet either way.
_MIN_GZIP_BYTES = 1_400
# The server remembers a key for ten minutes from when it stored the batch; a minute less for clocks and the way.
KEY_REMEMBERED_S = 540.0

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=True, separators=(",", ":"))


def encode(point: Mapping[str, Any]) -> bytes | None:
    """A point as a line of NDJSON, with the time of now if it has none; nothing where it can't be one."""
    try:
        if "t" not in point:
            # It may be delivered late, and still lands in its own step.
            point = {**point, "t": round(time.time(), 3)}
        line = _encoder.encode(point).encode()
    except Exception:
        # Also of what raises while it is asked for its items.
        return None
    return line if len(line) <= MAX_POINT_BYTES else None


class Batch:
    """Encoded points with their key, which stays the same for all attempts."""

    def __init__(self, lines: list[bytes]) -> None:
        self.key = uuid.uuid4().hex
        self.points = len(lines)
        self.bytes = sum(map(len, lines))
        body = b"\n".join(lines)
        self.is_gzipped = len(body) >= _MIN_GZIP_BYTES
        # The mean of speed and size that zlib's authors chose is 6; the time in the header would only differ.
        self.body = gzip.compress(body, compresslevel=6, mtime=0) if self.is_gzipped else body
        self._unsure_since: float | None = None

    def was_unsure(self, began: float) -> None:
        """An attempt that began at `began` (monotonic seconds) may have stored it."""
        if self._unsure_since is None:
            self._unsure_since = began

    def may_double(self, now: float) -> bool:
        """Whether an attempt at `now` may count it twice: it may be stored, and its key may be forgotten."""
        return self._unsure_since is not None and now - self._unsure_since > KEY_REMEMBERED_S

    def forget_doubt(self) -> None:
        """It was counted as one that may be doubled, which is enough."""
        self._unsure_since = None
