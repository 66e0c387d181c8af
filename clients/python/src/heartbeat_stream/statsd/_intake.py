"""Datagrams and lines that were received and not read yet: each different one once, with its count.

Clients repeat themselves, so a hundred thousand datagrams are a few hundred different ones, and each is parsed once.
Gauges depend on the order, so datagrams with gauges are kept in order instead.
"""

from __future__ import annotations

from collections.abc import Iterator

# From here on the intake is read although the interval is not over.
LARGE_ENTRIES = 4_000
LARGE_BYTES = 1 << 20
# From here on nothing more is received until it is read. The kernel then keeps some, and counts what it drops.
MAX_ENTRIES = 50_000
MAX_BYTES = 8 << 20


class Intake:
    """Counted datagrams, and those with gauges in order."""

    def __init__(self) -> None:
        self._counted: dict[bytes, int] = {}
        self._ordered: list[bytes] = []
        self._bytes = 0

    def take(self, received: bytes) -> None:
        """Adds a datagram or line."""
        if b"|g" in received:
            self._ordered.append(received)
            self._bytes += len(received)
            return
        counted = self._counted
        times = counted.get(received)
        if times is None:
            counted[received] = 1
            self._bytes += len(received)
        else:
            counted[received] = times + 1

    @property
    def is_large(self) -> bool:
        """Whether the intake should be read soon."""
        return len(self._counted) + len(self._ordered) >= LARGE_ENTRIES or self._bytes >= LARGE_BYTES

    @property
    def is_full(self) -> bool:
        """Whether the intake must be read now."""
        return len(self._counted) + len(self._ordered) >= MAX_ENTRIES or self._bytes >= MAX_BYTES

    def swap(self) -> Iterator[tuple[bytes, int]]:
        """Empties the intake; yields each datagram with its count."""
        counted, ordered = self._counted, self._ordered
        self._counted, self._ordered, self._bytes = {}, [], 0
        return _each(counted, ordered)


def _each(counted: dict[bytes, int], ordered: list[bytes]) -> Iterator[tuple[bytes, int]]:
    for received in ordered:
        yield received, 1
    yield from counted.items()
