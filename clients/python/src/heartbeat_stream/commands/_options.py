"""Options that several commands have."""

from __future__ import annotations

import argparse
import os

from .._address import StreamAddress
from .._key import WriteKey
from . import CommandError


def add_stream(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Adds the option for the stream's address, or the environment's `HEARTBEAT_STREAM`."""
    parser.add_argument(
        *flags,
        dest="stream_url",
        metavar="URL",
        default=os.environ.get("HEARTBEAT_STREAM"),
        help="the stream, https://HOST/v1/streams/ID (HEARTBEAT_STREAM)",
    )


def stream_of(arguments: argparse.Namespace) -> str:
    """The stream's address, of the option or the environment."""
    url = arguments.stream_url
    if not url:
        raise CommandError("which stream? name its address, or set HEARTBEAT_STREAM")
    try:
        return StreamAddress(url).url
    except ValueError as error:
        raise CommandError(str(error)) from None


def add_write_key(parser: argparse.ArgumentParser) -> None:
    """Adds the option for a write key, or the environment's `HEARTBEAT_WRITE_KEY`."""
    parser.add_argument(
        "--write-key",
        metavar="KEY",
        default=os.environ.get("HEARTBEAT_WRITE_KEY"),
        help="the stream's write key, if it takes keys; others see it here, so rather set HEARTBEAT_WRITE_KEY",
    )


def write_key_of(arguments: argparse.Namespace) -> str | None:
    """The write key, of the option or the environment; none where it is empty."""
    key: str | None = arguments.write_key
    if not key:
        return None
    try:
        WriteKey(key)
    except ValueError as error:
        raise CommandError(str(error)) from None
    return key


def pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` in two."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
