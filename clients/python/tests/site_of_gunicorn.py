"""A site that gunicorn loads before it forks its workers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from heartbeat_stream import Client, HeartbeatHandler

_PAGES: dict[str, bytes] = {}
_log = logging.getLogger("site")
_log.addHandler(HeartbeatHandler(os.environ["STREAM"], extras=["pid"], flush_interval=60.0))
_client = Client(os.environ["STREAM"], flush_interval=60.0)

try:
    raise ImportError("while it loads")
except ImportError:
    _log.exception("before the fork, so the parent sends it", extra={"pid": "master"})


def site(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Logs an error and responds with the process ID."""
    pid = str(os.getpid())
    _client.incr("requests")
    try:
        _PAGES[pid]
    except LookupError as error:
        _log.error("no page", exc_info=LookupError(str(error)), extra={"pid": pid})
    start("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [pid.encode()]
