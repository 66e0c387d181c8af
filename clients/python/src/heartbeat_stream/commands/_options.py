"""Options that several commands share."""

from __future__ import annotations

import argparse
import os

from .._address import StreamAddress, WriteKey
from . import CommandError


def add_stream(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Adds the option for the stream's address; its default is `HEARTBEAT_STREAM` in the environment."""
    parser.add_argument(
        *flags,
        dest="stream_url",
        metavar="URL",
        default=os.environ.get("HEARTBEAT_STREAM"),
        help="the stream, https://HOST/v1/streams/ID (HEARTBEAT_STREAM)",
    )


def stream_of(arguments: argparse.Namespace) -> str:
    """Returns the stream's address, from the option or the environment."""
    url = arguments.stream_url
    if not url:
        raise CommandError("which stream? give its address, or set HEARTBEAT_STREAM")
    try:
        return StreamAddress(url).url
    except ValueError as error:
        raise CommandError(str(error)) from None


def add_write_key(parser: argparse.ArgumentParser) -> None:
    """Adds the option for a write key; its default is `HEARTBEAT_WRITE_KEY` in the environment."""
    parser.add_argument(
        "--write-key",
        metavar="KEY",
        default=os.environ.get("HEARTBEAT_WRITE_KEY"),
        help="the stream's write key, if any; other users of this machine can see it, so prefer HEARTBEAT_WRITE_KEY",
    )


def write_key_of(arguments: argparse.Namespace) -> str | None:
    """Returns the write key, from the option or the environment; None if it is empty."""
    key: str | None = arguments.write_key
    if not key:
        return None
    try:
        WriteKey(key)
    except ValueError as error:
        raise CommandError(str(error)) from None
    return key


def pair(text: str) -> tuple[str, str]:
    """Splits ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
