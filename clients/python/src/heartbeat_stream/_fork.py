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


def _reset_all() -> None:
    for one in list(_known):
        one.reset_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_reset_all)
