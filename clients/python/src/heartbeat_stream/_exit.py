"""The end of the process: what is queued gets some seconds, for all senders together."""

from __future__ import annotations

import atexit
import contextlib
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


def register_with_pools() -> None:
    """Closes all at the end of a process that ends by `os._exit`, past atexit. To be called in that process.

    Those of `multiprocessing`, those of billiard, which is Celery's fork of it, and the workers of Celery have each
    a way of their own. Only what is loaded is asked, so nothing is imported that the program does not use.
    """
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            util.Finalize(None, close_all, exitpriority=0)
    if "billiard.util" in sys.modules:
        with contextlib.suppress(Exception):
            _register_with_billiard()
    if "celery.signals" in sys.modules:
        with contextlib.suppress(Exception):
            _register_with_celery()


def _register_with_billiard() -> None:
    from billiard import process, util

    if process.current_process()._parent_pid is not None:
        util.Finalize(None, close_all, exitpriority=0)


def _register_with_celery() -> None:
    """The workers of its prefork pool run no finalizers, and send this signal before they end."""
    from celery.signals import worker_process_shutdown

    worker_process_shutdown.connect(_close_all_of_worker, weak=False, dispatch_uid="heartbeat_stream")


def _close_all_of_worker(**_: object) -> None:
    close_all()


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
