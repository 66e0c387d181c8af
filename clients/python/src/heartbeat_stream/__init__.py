"""Writes logging records and metrics to a Heartbeat stream."""

from ._client import Client, Pipeline
from ._handler import HeartbeatHandler
from ._sender import Sender
from ._statistics import Statistics
from ._version import __version__

__all__ = ["Client", "HeartbeatHandler", "Pipeline", "Sender", "Statistics", "__version__"]
