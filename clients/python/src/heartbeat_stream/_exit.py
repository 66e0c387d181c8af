"""The end of the process: what is queued gets some seconds, for all senders together."""

from __future__ import annotations

import atexit
import sys
import weakref
from typing import Protocol

EXIT_TIMEOUT_S = 2.0


class Closes(Protocol):
    """What is closed at the end."""

    def begin_close(self, timeout: float) -> None:
        """Starts to close, without waiting."""

    def close(self, timeout: float) -> None:
        """Waits for it."""


_known: weakref.WeakSet[Closes] = weakref.WeakSet()


def register(one: Closes) -> None:
    """Closes `one` at the end of the process."""
    _known.add(one)


def register_with_multiprocessing() -> None:
    """Its children end by `os._exit`, past atexit; they have finalizers of their own. To be called in the child."""
    if "multiprocessing.util" not in sys.modules:
        return
    from multiprocessing import parent_process, util

    if parent_process() is not None:
        util.Finalize(None, close_all, exitpriority=0)


def close_all() -> None:
    """Closes all senders at the same time."""
    closing = list(_known)
    for one in closing:
        one.begin_close(EXIT_TIMEOUT_S)
    for one in closing:
        # The time counts from when it began to close.
        one.close(EXIT_TIMEOUT_S)


# At import: what a program registers later runs earlier, so what it reports at its end is still sent.
atexit.register(close_all)
