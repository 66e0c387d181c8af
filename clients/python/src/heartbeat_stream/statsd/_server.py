"""Sockets: UDP datagrams and TCP lines on the same port, received on one thread."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time

from . import _kernel
from ._intake import Intake
from ._relay import Relay

MAX_CONNECTIONS = 256
MAX_LINE_BYTES = 8_192
_MAX_DATAGRAM_BYTES = 65_535
# For the peaks; the kernel gives as much as net.core.rmem_max allows, and to an administrator all of it.
_RECEIVE_BUFFER_BYTES = 8 << 20
# Of Linux; the module has no name for it.
_SO_RCVBUFFORCE = 33 if sys.platform == "linux" else socket.SO_RCVBUF
# A signal handler only leaves a word, which is looked for so often.
_LOOK_S = 0.25
# Received in a row, before other work has its step.
_IN_A_ROW = 500
_PORT_ATTEMPTS = 20


class Server:
    """Listens at `address`, whose port may be 0 for any that is free, and gives what comes to a relay."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.datagrams = 0
        self.tcp_lines = 0
        self.refused_connections = 0
        self.long_lines = 0
        self._udp, self._tcp = _bind(address)
        self._connections: set[_Connection] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._udp, selectors.EVENT_READ, self._receive)
        self._selector.register(self._tcp, selectors.EVENT_READ, self._accept)
        self._intake = Intake()
        self._stopping = False

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._udp.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def connections(self) -> int:
        """Those that are open."""
        return len(self._connections)

    def kernel_dropped(self) -> int | None:
        """Datagrams that came faster than they were received; None where the kernel doesn't tell."""
        return _kernel.dropped(self._udp)

    def stop(self) -> None:
        """Ends `run`; may be called by a signal handler."""
        self._stopping = True

    def run(self, relay: Relay, tick_s: float) -> bool:
        """Serves for `tick_s` seconds at most, or until it is stopped, which it then tells."""
        self._intake = relay.intake
        until = time.monotonic() + tick_s
        while not self._stopping and time.monotonic() < until:
            wait_s = max(0.0, min(relay.wait_s(), until - time.monotonic(), _LOOK_S))
            for key, _ in self._selector.select(wait_s):
                key.data()
            relay.step()
        return self._stopping

    def close(self) -> None:
        """Takes what was sent before, and no more."""
        self._tcp.close()
        while self._receive():
            pass
        for connection in list(self._connections):
            while connection.receive():
                pass
            connection.close()
        self._udp.close()
        self._selector.close()

    def _receive(self) -> bool:
        """Whether there may be more."""
        receive, take, received = self._udp.recv, self._intake.take, 0
        try:
            while received < _IN_A_ROW:
                take(receive(_MAX_DATAGRAM_BYTES))
                received += 1
        except OSError:
            return False
        finally:
            self.datagrams += received
        return True

    def _accept(self) -> None:
        try:
            accepted, _ = self._tcp.accept()
        except OSError:
            # It is gone again, or there are no more files; who waits is accepted later.
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self.refused_connections += 1
            accepted.close()
            return
        accepted.setblocking(False)
        # A client that is gone without a word does not keep its place for ever.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = _Connection(accepted, self)
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection.receive)

    def forget(self, connection: _Connection) -> bool:
        """Called by a connection that ends; whether it was known."""
        if connection not in self._connections:
            return False
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        return True

    def take_lines(self, lines: list[bytes]) -> None:
        """Called by a connection."""
        for line in lines:
            if len(line) > MAX_LINE_BYTES:
                self.long_lines += 1
            elif line:
                self.tcp_lines += 1
                self._intake.take(line)


class _Connection:
    """One client, whose lines end with a line feed."""

    def __init__(self, accepted: socket.socket, server: Server) -> None:
        self.socket = accepted
        self._server = server
        self._rest = b""
        # Within a line that is too long already.
        self._is_skipping = False

    def receive(self) -> bool:
        """Whether there may be more."""
        try:
            came = self.socket.recv(_MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            came = b""
        if not came:
            self.close()
            return False
        lines = (self._rest + came).split(b"\n")
        if self._is_skipping and len(lines) > 1:
            self._is_skipping = False
            del lines[0]
        self._rest = lines.pop()
        if self._is_skipping:
            self._rest = b""
        elif len(self._rest) > MAX_LINE_BYTES:
            self._server.long_lines += 1
            self._is_skipping, self._rest = True, b""
        self._server.take_lines(lines)
        return True

    def close(self) -> None:
        """What has no line feed is the last line; of a connection that is closed already there is nothing."""
        self._server.take_lines([self._rest])
        self._rest = b""
        if self._server.forget(self):
            self.socket.close()


def _bind(address: tuple[str, int]) -> tuple[socket.socket, socket.socket]:
    """Both sockets, on the same port."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(_PORT_ATTEMPTS):
        udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        try:
            udp.bind((host, port))
            # Where lines of the last run are still on their way, its port is not kept from us.
            if sys.platform != "win32":
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((host, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            # Of a free UDP port, TCP's may be taken.
            if port or attempt == _PORT_ATTEMPTS - 1:
                raise
            continue
        for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
            # The second is not for everyone, and not on every system.
            with contextlib.suppress(OSError):
                udp.setsockopt(socket.SOL_SOCKET, option, _RECEIVE_BUFFER_BYTES)
        udp.setblocking(False)
        tcp.setblocking(False)
        tcp.listen(MAX_CONNECTIONS)
        return udp, tcp
    raise AssertionError("the last attempt returns or raises")
