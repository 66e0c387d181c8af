"""What a process of `multiprocessing` does."""

from __future__ import annotations

import logging

from heartbeat_stream import HeartbeatHandler


def fail(stream_url: str, method: str) -> None:
    """Fails, and logs it."""
    log = logging.getLogger("pool")
    log.addHandler(HeartbeatHandler(stream_url, labels={"method": method}, flush_interval=60.0))
    try:
        int("x")
    except ValueError:
        log.exception("in a process of a pool")
