"""A proxy in front of the Worker that injects faults: lost responses, refusals, delays, outages."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import urllib3
from worker import Stream

_http = urllib3.PoolManager(retries=False, timeout=120.0)


class Request(NamedTuple):
    """A request that the gate received."""

    key: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float
    """When it was received, in monotonic seconds."""

    @property
    def points(self) -> list[dict[str, Any]]:
        body = gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body
        return [json.loads(line) for line in body.split(b"\n")]


class Fault(NamedTuple):
    """What the gate does with a request."""

    passes: bool
    """Whether the Worker receives it."""
    answer: tuple[int, dict[str, str]] | None
    """The status and headers instead of the Worker's; None closes the connection without a response."""
    until: threading.Event | None = None
    """An event to wait for first."""
    body: dict[str, Any] | None = None
    """The body of the response; None reports one accepted point."""


class Gate:
    """Passes requests to a stream's Worker. Each request takes the next of `faults`, if any is left."""

    def __init__(self, stream: Stream, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.closed = 0
        self._origin, path = stream.url.split("/v1/", 1)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._sockets: list[socket.socket] = []
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/{path}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def points(self) -> list[dict[str, Any]]:
        """The points of all requests, in order."""
        return [point for request in list(self.requests) for point in request.points]

    def close(self) -> None:
        """Stops listening and closes all connections."""
        self._server.shutdown()
        self._server.server_close()
        for kept in self._sockets:
            # A closed socket cannot be shut down.
            with contextlib.suppress(OSError):
                kept.shutdown(socket.SHUT_RDWR)

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                gate._sockets.append(self.connection)

            def finish(self) -> None:
                super().finish()
                gate.closed += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = dict(self.headers)
                key, connection = headers.get("Idempotency-Key", ""), self.client_address[1]
                gate.requests.append(Request(key, headers, body, connection, time.monotonic()))
                fault = gate.faults.pop(0) if gate.faults else Fault(True, (0, {}))
                if fault.until is not None:
                    fault.until.wait(120.0)
                answer = fault.answer
                if fault.passes:
                    passed = _http.request("POST", gate._origin + self.path, headers=headers, body=body)
                    if answer == (0, {}):
                        return self._respond(passed.status, {}, passed.data)
                if answer is None:
                    self.close_connection = True
                    return None
                return self._respond(*answer, json.dumps(fault.body or {"accepted": 1, "rejected": 0}).encode())

            def _respond(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
