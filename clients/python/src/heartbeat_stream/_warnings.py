"""Warnings on the package's own logger, each reason once in a while, however often it comes."""

from __future__ import annotations

import logging
import time

_EVERY_S = 3600.0
_logger = logging.getLogger("heartbeat_stream")


class Warnings:
    """Those of one sender. Two threads at the same moment may tell a reason twice, which is no harm."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}

    def warn(self, reason: str, message: str, *args: object, exc_info: bool = False) -> None:
        """Logs the message, unless `reason` was told within the hour."""
        self._log(logging.WARNING, reason, message, *args, exc_info=exc_info)

    def error(self, reason: str, message: str, *args: object) -> None:
        """Likewise, of what stays wrong until somebody mends it."""
        self._log(logging.ERROR, reason, message, *args, exc_info=False)

    def _log(self, level: int, reason: str, message: str, *args: object, exc_info: bool) -> None:
        now = time.monotonic()
        last = self._told_at.get(reason)
        if last is not None and now - last < _EVERY_S:
            return
        self._told_at[reason] = now
        _logger.log(level, message, *args, exc_info=exc_info)
