"""The sockets of the relay: UDP datagrams and TCP lines on the same port, received on one thread."""

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
# A large buffer for peaks. The kernel grants up to net.core.rmem_max, and to an administrator all of it.
_RECEIVE_BUFFER_BYTES = 8 << 20
# A constant of Linux that the socket module lacks.
_SO_RCVBUFFORCE = 33 if sys.platform == "linux" else socket.SO_RCVBUF
# A signal handler only sets a flag, which is checked this often.
_LOOK_S = 0.25
# The datagrams that are received before the next step of work.
_IN_A_ROW = 500
_PORT_ATTEMPTS = 20


class Server:
    """Listens at `address` and hands what it receives to a relay. Port 0 is any free port."""

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
        """The address that it listens at."""
        host, port = self._udp.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    def kernel_dropped(self) -> int | None:
        """Returns the number of datagrams that the kernel dropped; None if it is unknown."""
        return _kernel.dropped(self._udp)

    def stop(self) -> None:
        """Ends `run`. A signal handler may call it."""
        self._stopping = True

    def run(self, relay: Relay, tick_s: float) -> bool:
        """Serves for at most `tick_s` seconds. True if it was stopped."""
        self._intake = relay.intake
        until = time.monotonic() + tick_s
        while not self._stopping and time.monotonic() < until:
            wait_s = max(0.0, min(relay.wait_s(), until - time.monotonic(), _LOOK_S))
            for key, _ in self._selector.select(wait_s):
                key.data()
            relay.step()
        return self._stopping

    def close(self) -> None:
        """Receives what was sent before, and closes all sockets."""
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
        """Receives what is there; True if there may be more."""
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
            # The client is gone, or there are no free file descriptors: then it is accepted later.
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self.refused_connections += 1
            accepted.close()
            return
        accepted.setblocking(False)
        # The connection of a client that vanished is closed some time later.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = _Connection(accepted, self)
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection.receive)

    def forget(self, connection: _Connection) -> bool:
        """Removes a connection that ends; False if it is unknown."""
        if connection not in self._connections:
            return False
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        return True

    def take_lines(self, lines: list[bytes]) -> None:
        """Takes the lines of a connection."""
        for line in lines:
            if len(line) > MAX_LINE_BYTES:
                self.long_lines += 1
            elif line:
                self.tcp_lines += 1
                self._intake.take(line)


class _Connection:
    """The TCP connection of a client, whose lines end with a line feed."""

    def __init__(self, accepted: socket.socket, server: Server) -> None:
        self.socket = accepted
        self._server = server
        self._rest = b""
        # Whether the client is within a line that is too long.
        self._is_skipping = False

    def receive(self) -> bool:
        """Receives what is there; True if there may be more."""
        try:
            received = self.socket.recv(_MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            received = b""
        if not received:
            self.close()
            return False
        lines = (self._rest + received).split(b"\n")
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
        """Closes the connection. Bytes without a line feed are its last line."""
        self._server.take_lines([self._rest])
        self._rest = b""
        if self._server.forget(self):
            self.socket.close()


def _bind(address: tuple[str, int]) -> tuple[socket.socket, socket.socket]:
    """Binds both sockets to the same port."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(_PORT_ATTEMPTS):
        udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        try:
            udp.bind((host, port))
            # The port can be bound although connections of an earlier run are still in TIME_WAIT.
            if sys.platform != "win32":
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((host, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            # The TCP port with the number of a free UDP port may be taken.
            if port or attempt == _PORT_ATTEMPTS - 1:
                raise
            continue
        for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
            # The second option needs privileges, and exists only on Linux.
            with contextlib.suppress(OSError):
                udp.setsockopt(socket.SOL_SOCKET, option, _RECEIVE_BUFFER_BYTES)
        udp.setblocking(False)
        tcp.setblocking(False)
        tcp.listen(MAX_CONNECTIONS)
        return udp, tcp
    raise AssertionError("the last attempt returns or raises")
