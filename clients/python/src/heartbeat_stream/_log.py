"""The package and `logging`: its own warnings, and the places where a log record must not become a point.

A record that the delivery of points causes would become a point whose delivery causes a record, without end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_EVERY_S = 3600.0
_logger = logging.getLogger("heartbeat_stream")


class Warnings:
    """The warnings of one sender on the logger `heartbeat_stream`, each reason at most once an hour.

    Two threads may log the same reason at the same moment, which does no harm.
    """

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}

    def warn(self, reason: str, message: str, *args: object, exc_info: bool = False) -> None:
        """Logs the message, unless `reason` was logged within the last hour."""
        self._log(logging.WARNING, reason, message, *args, exc_info=exc_info)

    def error(self, reason: str, message: str, *args: object) -> None:
        """Logs a fault that stays until somebody fixes it, likewise once an hour."""
        self._log(logging.ERROR, reason, message, *args, exc_info=False)

    def _log(self, level: int, reason: str, message: str, *args: object, exc_info: bool) -> None:
        now = time.monotonic()
        last = self._logged_at.get(reason)
        if last is not None and now - last < _EVERY_S:
            return
        self._logged_at[reason] = now
        _logger.log(level, message, *args, exc_info=exc_info)


class _State(threading.local):
    is_quiet = False


_state = _State()


def is_quiet() -> bool:
    """Whether records of this thread are ignored at the moment."""
    return _state.is_quiet


@contextmanager
def quiet() -> Iterator[None]:
    """Ignores the records of this thread within the block."""
    before = _state.is_quiet
    _state.is_quiet = True
    try:
        yield
    finally:
        _state.is_quiet = before
