"""The address of a stream, ``https://HOST/v1/streams/ID``."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_PATH = re.compile(r"/v1/streams/[A-Za-z0-9_.~-]+")


class StreamAddress:
    """A stream's address that was checked; raises `ValueError` where it is none, and `TypeError` for another type."""

    def __init__(self, stream_url: str) -> None:
        if not isinstance(stream_url, str):
            raise TypeError(f"stream_url is a string, not {type(stream_url).__name__}")
        parts = urlsplit(stream_url.strip())
        path = parts.path.rstrip("/")
        # What is wrong is told without the address: who has a stream's id can write to it.
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("stream_url begins with https:// or http:// and a host")
        if not _PATH.fullmatch(path):
            raise ValueError("stream_url is https://HOST/v1/streams/ID")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("stream_url has no password, query or fragment")
        self.scheme = parts.scheme
        self.host = parts.netloc
        self.url = f"{parts.scheme}://{parts.netloc}{path}"

    @property
    def points(self) -> str:
        """Where points are written."""
        return f"{self.url}/points"

    @property
    def rollup(self) -> str:
        """Where they are read."""
        return f"{self.url}/rollup"
