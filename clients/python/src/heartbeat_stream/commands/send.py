"""Write one point, or the points from standard input.

Standard input (`-`) has one point per line, as JSON. The command waits for the server's response.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from .._queue import MAX_POINT_BYTES
from .._sender import Sender
from . import CommandError
from ._options import add_stream, add_write_key, pair, stream_of, write_key_of

# The number of points from standard input that are queued at a time.
_STEP_POINTS = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of a point, and of the stream."""
    add_stream(parser, "--to")
    add_write_key(parser)
    parser.add_argument("n", help="the numerator, or - for points on standard input")
    parser.add_argument("-d", type=float, help="the denominator")
    parser.add_argument("-p", type=float, help="the period in seconds that the point covers")
    parser.add_argument("-t", type=float, help="the time, in Unix seconds (now)")
    parser.add_argument(
        "-l", "--label", action="append", default=[], type=pair, metavar="NAME=VALUE", help="a label; repeatable"
    )
    parser.add_argument("--timeout", type=float, default=30.0, help="give up after this many seconds (30)")


def run(arguments: argparse.Namespace) -> int:
    """Writes the points. Fails if one is not stored."""
    sender = Sender(stream_of(arguments), backoff=0.2, backoff_max=5.0, write_key=write_key_of(arguments))
    count = 0
    for count, point in enumerate(_points(arguments), start=1):
        if not sender.put(point):
            raise CommandError(f"point {count} cannot be written as JSON of at most {MAX_POINT_BYTES} bytes")
        if count % _STEP_POINTS == 0:
            _deliver(sender, arguments.timeout)
    _deliver(sender, arguments.timeout)
    rejected = sender.statistics().rejected
    if rejected:
        raise CommandError(f"{rejected} of {count} points were rejected")
    return 0


def _deliver(sender: Sender, timeout: float) -> None:
    if not sender.flush(timeout):
        queued = sender.statistics().queued
        sender.close(0.0)
        raise CommandError(f"the server did not answer for {queued} points within {timeout:g} s")


def _points(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    if arguments.n == "-":
        for number, line in enumerate(sys.stdin, start=1):
            if line.strip():
                yield _parsed(line, number)
        return
    try:
        point: dict[str, Any] = {"n": float(arguments.n)}
    except ValueError:
        raise CommandError(f"n must be a number or -, not {arguments.n!r}") from None
    point.update({name: getattr(arguments, name) for name in "dpt" if getattr(arguments, name) is not None})
    if arguments.label:
        point["v"] = dict(arguments.label)
    yield point


def _parsed(line: str, number: int) -> dict[str, Any]:
    try:
        point = json.loads(line)
    except ValueError as error:
        raise CommandError(f"line {number}: {error}") from None
    if not isinstance(point, dict):
        raise CommandError(f"line {number}: a point must be a JSON object")
    return point
