"""Relay statsd lines, received by UDP and TCP, to a stream.

Lines that differ only in their values are merged for an interval; docs/statsd.md describes the resulting points. Every
minute, and at the end, a line on standard error reports what was received, written and dropped.
"""

from __future__ import annotations

import argparse
import signal
import sys

from .._sender import Sender
from .._vocabulary import own_name
from ..statsd._relay import Relay
from ..statsd._server import Server
from . import CommandError
from ._options import add_stream, add_write_key, pair, stream_of, write_key_of

_QUEUE_POINTS = 200_000
_QUEUE_BYTES = 64 * 1024 * 1024
# The points of an interval are sent soon after it ends, not with those of the next.
_SEND_WITHIN_S = 0.5
# The interpreter runs a thread for at most this long. The kernel's buffer holds a few hundred datagrams meanwhile.
_SWITCH_INTERVAL_S = 0.0005


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_stream(parser, "--to")
    add_write_key(parser)
    parser.add_argument(
        "--listen", type=_address, default="127.0.0.1:8125", metavar="HOST:PORT", help="UDP and TCP (127.0.0.1:8125)"
    )
    parser.add_argument("--interval", type=_seconds, default=10.0, help="seconds between flushes (10)")
    parser.add_argument(
        "-l",
        "--label",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="a label of all points; repeatable",
    )
    parser.add_argument(
        "--signed-gauges",
        choices=("change", "set"),
        default="change",
        help="what -3|g does to a gauge: change it, as in statsd, or set it, as in DogStatsD (change)",
    )
    parser.add_argument("--report", type=_seconds, default=60.0, help="seconds between reports on standard error (60)")
    parser.add_argument(
        "--exit-timeout", type=_seconds, default=5.0, help="seconds to deliver the remaining points at the end (5)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Relays until SIGTERM or SIGINT. Returns 1 if points were left at the end."""
    try:
        sender = Sender(
            stream_of(arguments),
            queue_points=_QUEUE_POINTS,
            queue_bytes=_QUEUE_BYTES,
            flush_interval=_SEND_WITHIN_S,
            write_key=write_key_of(arguments),
        )
    except ValueError as error:
        raise CommandError(str(error)) from None
    try:
        server = Server(arguments.listen)
    except OSError as error:
        raise CommandError(f"cannot listen at {arguments.listen[0]}:{arguments.listen[1]}: {error}") from None
    for stops in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stops, lambda *_: server.stop())
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    labels = tuple((own_name(name), value) for name, value in arguments.label)
    relay = Relay(sender, arguments.interval, labels, sets_signed=arguments.signed_gauges == "set")
    _print(f"listening at {server.address}")
    while not server.run(relay, arguments.report):
        _print(_report(server, relay, sender, server.kernel_dropped()))
    # The kernel forgets its count when the socket is closed.
    dropped = server.kernel_dropped()
    server.close()
    relay.finish()
    sender.flush(arguments.exit_timeout)
    _print(_report(server, relay, sender, dropped))
    left = sender.statistics().queued
    sender.close(0.0)
    return 1 if left else 0


def _report(server: Server, relay: Relay, sender: Sender, kernel_dropped: int | None) -> str:
    """Formats the numbers since the start, and the error of the last bad line."""
    sent = sender.statistics()
    numbers = {
        "datagrams": server.datagrams,
        "kernel_dropped": kernel_dropped,
        "tcp_lines": server.tcp_lines,
        "connections": server.connections,
        "refused_connections": server.refused_connections,
        "lines": relay.lines,
        "bad_lines": relay.bad_lines,
        "long_lines": server.long_lines,
        "dropped_lines": relay.dropped_lines,
        "points": relay.points,
        "stored": sent.accepted,
        "rejected": sent.rejected,
        "dropped": sent.dropped,
        "queued": sent.queued,
        "requests": sent.requests,
        "retries": sent.retries,
        "overflow": sent.overflow,
    }
    report = " ".join(f"{name}={'?' if number is None else number}" for name, number in numbers.items())
    return f"{report} last_error={relay.last_error!r}" if relay.last_error else report


def _print(text: str) -> None:
    print(f"heartbeat statsd: {text}", file=sys.stderr, flush=True)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8125 or [::1]:8125")
    return host.strip("[]"), int(port)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= 86_400.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and at most 86,400")
    return seconds
