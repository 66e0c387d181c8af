"""Polls with a deadline, to wait for other threads and processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 120.0
_never = threading.Event()


def eventually(look: Callable[[], T], deadline_s: float = DEADLINE_S, look_every_s: float = 0.02) -> T:
    """Calls `look` until its result is true, and returns it."""
    until = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < until, f"not within {deadline_s} s; the last result was {seen!r}"
        _never.wait(look_every_s)
