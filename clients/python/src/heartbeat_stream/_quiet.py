"""Where no record becomes a point: inside the handler itself, and on the threads that deliver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _State(threading.local):
    is_quiet = False


_state = _State()


def is_quiet() -> bool:
    """Whether this thread is in such a place."""
    return _state.is_quiet


@contextmanager
def thread() -> Iterator[None]:
    """Makes this thread such a place."""
    was = _state.is_quiet
    _state.is_quiet = True
    try:
        yield
    finally:
        _state.is_quiet = was
