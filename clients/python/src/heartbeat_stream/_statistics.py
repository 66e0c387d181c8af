"""The counters of a sender."""

from __future__ import annotations

from typing import NamedTuple


class Statistics(NamedTuple):
    """Numbers of points since the sender was made, or in a child of a fork since the fork."""

    queued: int
    """Waiting or in flight."""
    accepted: int
    """Stored, according to the server."""
    rejected: int
    """Invalid according to the server, or in a request that it refused."""
    dropped: int
    """Not delivered: no room, not a valid point, put after `close`, or given up at the end of `close`."""
    requests: int
    """Attempts to deliver a batch."""
    retries: int
    """Attempts that repeated a batch, included in `requests`."""
    may_be_doubled: int
    """Repeated when the server may have forgotten their batch."""
    overflow: int = 0
    """Accepted, but counted without their labels because the stream had no room for new series."""
