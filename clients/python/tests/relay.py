"""Runs a relay, `heartbeat statsd`, as a separate process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable

from eventually import eventually

START_DEADLINE_S = 120.0


def lasting_interval() -> float:
    """A long interval that does not end within the next ten minutes. Intervals end at whole multiples of them."""
    return next(
        interval for interval in (3_600.0, 5_000.0, 7_000.0, 11_000.0) if interval - time.time() % interval > 600.0
    )


class Relay:
    """A relay that listens on a free port and writes to a stream."""

    def __init__(self, url: str, *options: str, interval: float = 0.5, report: float = 0.1) -> None:
        command = [
            "statsd",
            "--listen",
            "127.0.0.1:0",
            "--to",
            url,
            "--interval",
            str(interval),
            "--report",
            str(report),
            # A slow machine delivers what is left all the same. An option of the test comes later, and counts.
            "--exit-timeout",
            "60",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "heartbeat_stream", *command, *options], stderr=subprocess.PIPE, text=True
        )
        self.printed: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        first = eventually(lambda: self.printed, START_DEADLINE_S)[0]
        found = re.fullmatch(r"heartbeat statsd: listening at 127\.0\.0\.1:(\d+)", first)
        assert found, first
        self.port = int(found[1])

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.printed.append(line.rstrip())

    def send(self, *datagrams: bytes) -> None:
        """Sends datagrams by UDP."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for datagram in datagrams:
                udp.sendto(datagram, self.address)

    def stream(self, *pieces: bytes) -> None:
        """Sends pieces by TCP, over one connection."""
        with socket.create_connection(self.address) as tcp:
            for piece in pieces:
                tcp.sendall(piece)

    def numbers(self) -> dict[str, int]:
        """The numbers of the last report."""
        reports = [line for line in self.printed if " datagrams=" in line]
        return {name: int(number) for name, number in re.findall(r" (\w+)=(\d+)", reports[-1])} if reports else {}

    def await_numbers(self, **wanted: int) -> None:
        """Waits until a report has these numbers."""
        eventually(lambda: wanted.items() <= self.numbers().items())

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Sends SIGTERM and returns the exit status."""
        self.signal(signal.SIGTERM)
        status = self._process.wait(120.0)
        self._reader.join(30.0)
        return status

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60.0)
        self._reader.join(30.0)
        assert self._process.stderr is not None
        self._process.stderr.close()


def kill_all(relays: Iterable[Relay]) -> None:
    for relay in relays:
        relay.kill()
