"""Writes logging records and metrics to a Heartbeat stream in the background.

`Client` measures, `HeartbeatHandler` turns log records into points, and both deliver through a `Sender`, whose protocol
is in PROTOCOL.md.
"""

from ._client import Client, Pipeline
from ._handler import HeartbeatHandler
from ._sender import Sender
from ._statistics import Statistics
from ._version import __version__

__all__ = ["Client", "HeartbeatHandler", "Pipeline", "Sender", "Statistics", "__version__"]
