"""What must begin anew in the child of a fork: locks, threads, connections, and what the parent sends itself."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class BeginsAnew(Protocol):
    """What a child of fork resets before it runs anything else."""

    def reset_in_child(self) -> None:
        """Forgets everything that belongs to the parent. No other thread runs."""


_known: weakref.WeakSet[BeginsAnew] = weakref.WeakSet()


def register(one: BeginsAnew) -> None:
    """Resets `one` in every child for as long as it lives."""
    _known.add(one)


def begin_anew_in_child() -> None:
    """Resets all where this is a child that was forked without Python's notice, as uWSGI's workers are.

    To be called before a lock is taken, which nobody in the child may ever give back.
    """
    if os.getpid() != _process.id:
        _reset_all()


def _reset_all() -> None:
    _process.id = os.getpid()
    for one in list(_known):
        one.reset_in_child()


class _Process:
    """The one that all belong to."""

    id = os.getpid()


_process = _Process()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_reset_all)
