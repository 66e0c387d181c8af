"""The work of the processes in a pool."""

from __future__ import annotations

import functools
import logging

from heartbeat_stream import Client, HeartbeatHandler


def fail(stream_url: str, method: str) -> None:
    """Fails and logs the failure."""
    log = logging.getLogger("pool")
    log.addHandler(HeartbeatHandler(stream_url, labels={"method": method}, flush_interval=60.0))
    try:
        int("x")
    except ValueError:
        log.exception("in a process of a pool")


@functools.lru_cache
def _client(stream_url: str) -> Client:
    return Client(stream_url, flush_interval=60.0)


def count(stream_url: str, method: str) -> None:
    """Counts, with one client per process."""
    _client(stream_url).incr("calls", method=method)
