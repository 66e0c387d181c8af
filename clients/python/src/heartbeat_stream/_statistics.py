"""What became of the points of a sender, in numbers."""

from __future__ import annotations

from typing import NamedTuple


class Statistics(NamedTuple):
    """Numbers of points since the sender was made, or since the fork in a child."""

    queued: int
    """Waiting, or on their way."""
    accepted: int
    """Stored, as the server said."""
    rejected: int
    """Bad, as the server said, or in a request that it refused."""
    dropped: int
    """Never sent: no room, no JSON, put after `close`, or given up at the end of `close`."""
    requests: int
    """Attempts to deliver a batch."""
    retries: int
    """Those of them that repeated one."""
    may_be_doubled: int
    """Repeated when the server may have forgotten their batch."""
    overflow: int = 0
    """Those of the accepted that are counted without their labels, as the stream had no room for new series."""
