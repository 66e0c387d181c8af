"""The network: one attempt to write a batch, and what the response means for the batch.

Redirects are not followed, and urllib3 repeats nothing: the sender alone decides what is repeated.
"""

from __future__ import annotations

import enum
import json
import urllib.request
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, InvalidHeader, NewConnectionError
from urllib3.util import Retry

from ._address import StreamAddress, WriteKey
from ._queue import Batch
from ._version import __version__

USER_AGENT = f"heartbeat_stream/{__version__}"
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
# A response lists at most 20 errors of some 200 bytes.
_MAX_RESPONSE_BYTES = 64 * 1024
# The longest wait that a server can ask for.
_MAX_RETRY_AFTER_S = 600.0
# The 4xx that mean "later", not "never".
_RETRIED = frozenset({408, 425, 429})
# The 5xx that mean "never".
_NEVER = frozenset({501, 505})
# The problems of a 503 which promise that nothing was stored, by the fragment of their type.
_NOTHING_STORED = ("#overloaded", "#not-configured")


class Verdict(enum.Enum):
    """What became of a batch."""

    STORED = "stored"
    REFUSED = "refused"
    """Not stored, and never will be."""
    NOT_STORED = "not stored"
    """Certainly not stored; a later attempt may succeed."""
    UNSURE = "unsure"
    """May be stored: no response says so, or the response does not rule it out."""


class Answer(NamedTuple):
    """The outcome of an attempt."""

    verdict: Verdict
    accepted: int = 0
    rejected: int = 0
    retry_after_s: float | None = None
    reason: str = ""
    overflow: int = 0
    """The accepted points that are counted without their labels, in the series ``overflow=true``."""
    is_unauthorized: bool = False
    """Whether the write key was refused, or missing."""


class Transport:
    """Posts batches over one kept connection. Not thread-safe."""

    def __init__(self, address: StreamAddress, write_key: WriteKey | None = None) -> None:
        self._url = address.points
        self._write_key = write_key
        self._address = address
        self._pool: urllib3.PoolManager | None = None

    def post(self, batch: Batch, timeout_s: float) -> Answer:
        """Tries once. The timeout applies to connecting and to each read. Network and server errors become answers."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": batch.key,
            "User-Agent": USER_AGENT,
        }
        if batch.is_gzipped:
            headers["Content-Encoding"] = "gzip"
        if self._write_key is not None:
            headers["Authorization"] = self._write_key.authorization
        timeout = urllib3.Timeout(connect=min(timeout_s, CONNECT_TIMEOUT_S), read=min(timeout_s, READ_TIMEOUT_S))
        if self._pool is None:
            self._pool = pool_for(self._address)
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=batch.body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                body = response.read(_MAX_RESPONSE_BYTES)
            finally:
                # A response that was read to its end has already returned its connection; otherwise this closes it.
                response.close()
        except (NewConnectionError, ConnectTimeoutError) as error:
            return Answer(Verdict.NOT_STORED, reason=_name(error))
        except (HTTPError, OSError) as error:
            return Answer(Verdict.UNSURE, reason=_name(error))
        return judge(response.status, _object(body), response.headers.get("Retry-After"), batch.points)

    def close(self) -> None:
        """Closes the connection."""
        if self._pool is not None:
            self._pool.clear()


def judge(status: int, body: dict[str, Any], retry_after: str | None, points: int) -> Answer:
    """Decides what a response means for a batch of `points` points."""
    reason = _reason(status, body)
    if 200 <= status < 300:
        if "accepted" not in body:
            # Not from a Heartbeat, but for example the login page of a network.
            return Answer(Verdict.UNSURE, reason=f"{status} without a Heartbeat's count of accepted points")
        rejected = _count(body.get("rejected"), points)
        overflow = _count(body.get("overflow"), points - rejected)
        return Answer(Verdict.STORED, points - rejected, rejected, reason=reason if rejected else "", overflow=overflow)
    if status not in _RETRIED and (status < 500 or status in _NEVER):
        return Answer(Verdict.REFUSED, rejected=points, reason=reason, is_unauthorized=status == 401)
    nothing_stored = status < 500 or str(body.get("type", "")).endswith(_NOTHING_STORED)
    verdict = Verdict.NOT_STORED if nothing_stored else Verdict.UNSURE
    return Answer(verdict, retry_after_s=_seconds(retry_after), reason=reason)


def pool_for(address: StreamAddress) -> urllib3.PoolManager:
    """Returns a pool of one kept connection, through the proxy that the environment names (`HTTPS_PROXY`), if any."""
    proxy = _proxy_for(address)
    if proxy is None:
        return urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)
    return urllib3.ProxyManager(proxy, num_pools=1, maxsize=1, retries=False)


def _proxy_for(address: StreamAddress) -> str | None:
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(address.scheme)
    if proxy is None or urllib.request.proxy_bypass(address.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _count(value: object, maximum: int) -> int:
    return min(max(value, 0), maximum) if isinstance(value, int) else 0


def _seconds(retry_after: str | None) -> float | None:
    """Parses both forms of `Retry-After`: a number of seconds, and a date."""
    if retry_after is None:
        return None
    try:
        seconds = Retry().parse_retry_after(retry_after)
    except (InvalidHeader, ValueError, OverflowError):
        return None
    return min(float(seconds), _MAX_RETRY_AFTER_S)


def _reason(status: int, body: dict[str, Any]) -> str:
    """Returns the status and the first message of the response, cut to 300 characters."""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else body.get("detail") or body.get("title")
    return f"{status} {message}"[:300] if message else str(status)


def _name(error: Exception) -> str:
    # Not urllib3's message, which contains the address and with it the stream's ID.
    return type(error).__name__
