"""Writes logging records and metrics to a Heartbeat stream."""

from ._sender import Sender, Statistics
from ._version import __version__

__all__ = ["Sender", "Statistics", "__version__"]
