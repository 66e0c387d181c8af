"""What a process does to a sender: a fork resets it in the child, and the end of the process closes it.

Senders close together, within one timeout for all of them. Clients and senders register here; weak references keep
them collectable.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import weakref
from typing import Protocol

EXIT_TIMEOUT_S = 2.0


class Resettable(Protocol):
    """Holds locks, threads, connections or points that belong to the parent of a fork."""

    def reset_in_child(self) -> None:
        """Forgets everything that belongs to the parent. No other thread runs yet."""


class Closable(Protocol):
    """Has points to deliver before the process ends."""

    def begin_close(self, timeout: float) -> None:
        """Starts to close, without waiting."""

    def close(self, timeout: float) -> None:
        """Waits until this object is closed, at most `timeout` seconds since `begin_close`."""


_resettable: weakref.WeakSet[Resettable] = weakref.WeakSet()
_closable: weakref.WeakSet[Closable] = weakref.WeakSet()


class _Current:
    """The process that the registered objects belong to."""

    id = os.getpid()


_current = _Current()


def reset_after_fork(one: Resettable) -> None:
    """Resets `one` in every child of a fork."""
    _resettable.add(one)


def close_at_exit(one: Closable) -> None:
    """Closes `one` when the process ends."""
    _closable.add(one)


def reset_if_forked() -> None:
    """Resets everything if this is a child that was forked without Python's notice, as uWSGI's workers are.

    Call it before taking a lock: the thread that held the lock does not exist in the child, so nobody would release it.
    """
    if os.getpid() != _current.id:
        _reset_all()


def _reset_all() -> None:
    _current.id = os.getpid()
    for one in list(_resettable):
        one.reset_in_child()


def register_with_pools() -> None:
    """Closes all senders when a worker of a pool ends by `os._exit`, which skips atexit. Call it in that process.

    `multiprocessing`, billiard (Celery's fork of it) and Celery's workers each need another way. Only modules that the
    program has loaded are asked, so that nothing is imported for this.
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
    """The workers of Celery's prefork pool run no finalizers, and send this signal before they end."""
    from celery.signals import worker_process_shutdown

    worker_process_shutdown.connect(_close_all_of_worker, weak=False, dispatch_uid="heartbeat_stream")


def _close_all_of_worker(**_: object) -> None:
    close_all()


def close_all() -> None:
    """Closes all senders at the same time, within `EXIT_TIMEOUT_S` for all of them."""
    closing = list(_closable)
    for one in closing:
        one.begin_close(EXIT_TIMEOUT_S)
    for one in closing:
        # The timeout counts from begin_close, so the waits do not add up.
        one.close(EXIT_TIMEOUT_S)


# Registered at import: handlers that a program registers later run earlier, so what they report is still sent.
atexit.register(close_all)

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_reset_all)
