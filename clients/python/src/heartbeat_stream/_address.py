"""The address of a stream, ``https://HOST/v1/streams/ID``, and the write key that goes with it.

Whoever knows a stream's ID or its key can write to it, so no error here contains either.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_PATH = re.compile(r"/v1/streams/[A-Za-z0-9_.~-]+")
# Characters that a header carries unchanged, and no more of them than a key has. The bound refuses a whole file.
_KEY = re.compile(r"wk_[!-~]{1,200}")


class StreamAddress:
    """A validated stream address. Raises `ValueError` for an invalid address, `TypeError` for another type."""

    def __init__(self, stream_url: str) -> None:
        if not isinstance(stream_url, str):
            raise TypeError(f"stream_url must be a string, not {type(stream_url).__name__}")
        parts = urlsplit(stream_url.strip())
        path = parts.path.rstrip("/")
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("stream_url must begin with https:// or http:// and a host")
        if not _PATH.fullmatch(path):
            raise ValueError("stream_url must be https://HOST/v1/streams/ID")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("stream_url must have no password, query or fragment")
        self.scheme = parts.scheme
        self.host = parts.netloc
        self.url = f"{parts.scheme}://{parts.netloc}{path}"

    @property
    def points(self) -> str:
        """The URL that points are written to."""
        return f"{self.url}/points"

    @property
    def rollup(self) -> str:
        """The URL that points are read from."""
        return f"{self.url}/rollup"


class WriteKey:
    """A validated write key. Raises `ValueError` for an invalid key, `TypeError` for another type."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        if not isinstance(key, str):
            raise TypeError(f"write_key must be a string, not {type(key).__name__}")
        self._key = key.strip()
        if not _KEY.fullmatch(self._key):
            raise ValueError(
                "write_key must begin with wk_ and be the key that the stream's owner was shown (not a read key)"
            )

    def __repr__(self) -> str:
        return "WriteKey(...)"

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self._key}"
