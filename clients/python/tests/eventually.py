"""Waiting for what other threads and processes do: by looking again, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 20.0
_never = threading.Event()


def eventually(look: Callable[[], T], deadline_s: float = DEADLINE_S, look_every_s: float = 0.02) -> T:
    """What `look` answers as soon as that is true."""
    until = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < until, f"not within {deadline_s} s; the last was {seen!r}"
        _never.wait(look_every_s)
