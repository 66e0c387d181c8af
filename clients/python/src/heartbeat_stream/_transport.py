"""One attempt to write a batch, and what its answer means for the batch."""

from __future__ import annotations

import enum
import json
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, InvalidHeader, NewConnectionError
from urllib3.util import Retry

from ._address import StreamAddress
from ._batch import Batch
from ._http import USER_AGENT, pool_for
from ._key import WriteKey

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
# An answer lists at most 20 errors of some 200 bytes.
_MAX_ANSWER_BYTES = 64 * 1024
# A server that asks for more is asked again after this.
_MAX_RETRY_AFTER_S = 600.0
# 4xx that say "later", not "never".
_RETRIED = frozenset({408, 425, 429})
# 5xx that say "never".
_NEVER = frozenset({501, 505})
# 503 that promise that nothing was stored, by the fragment of their type.
_NOTHING_STORED = ("#overloaded", "#not-configured")


class Verdict(enum.Enum):
    """What became of a batch."""

    STORED = "stored"
    REFUSED = "refused"
    """Will never be taken."""
    NOT_STORED = "not stored"
    """Was not taken; may be later."""
    UNSURE = "unsure"
    """May have been stored, but the answer did not come."""


class Answer(NamedTuple):
    """What an attempt told."""

    verdict: Verdict
    accepted: int = 0
    rejected: int = 0
    retry_after_s: float | None = None
    reason: str = ""
    overflow: int = 0
    """How many of the accepted are counted without their labels, in the series ``overflow=true``."""
    is_unauthorized: bool = False
    """Whether it was refused for its write key, or for having none."""


class Transport:
    """Posts batches over one kept connection. Not for several threads."""

    def __init__(self, address: StreamAddress, write_key: WriteKey | None = None) -> None:
        self._url = address.points
        self._write_key = write_key
        self._address = address
        self._pool: urllib3.PoolManager | None = None

    def post(self, batch: Batch, timeout_s: float) -> Answer:
        """Tries once, for some `timeout_s` at most; never raises for what the network or the server does."""
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
                body = response.read(_MAX_ANSWER_BYTES)
            finally:
                # What was read whole gave its connection back already; of anything else the connection is closed.
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
    """What a response means for a batch of so many points."""
    reason = _reason(status, body)
    if 200 <= status < 300:
        if "accepted" not in body:
            # Such as of a page that a network shows before it lets anyone through.
            return Answer(Verdict.UNSURE, reason=f"{status} without the count of a Heartbeat")
        rejected = _count(body.get("rejected"), points)
        overflow = _count(body.get("overflow"), points - rejected)
        return Answer(Verdict.STORED, points - rejected, rejected, reason=reason if rejected else "", overflow=overflow)
    if status not in _RETRIED and (status < 500 or status in _NEVER):
        return Answer(Verdict.REFUSED, rejected=points, reason=reason, is_unauthorized=status == 401)
    nothing_stored = status < 500 or str(body.get("type", "")).endswith(_NOTHING_STORED)
    verdict = Verdict.NOT_STORED if nothing_stored else Verdict.UNSURE
    return Answer(verdict, retry_after_s=_seconds(retry_after), reason=reason)


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _count(value: object, most: int) -> int:
    return min(max(value, 0), most) if isinstance(value, int) else 0


def _seconds(retry_after: str | None) -> float | None:
    """Of both forms that `Retry-After` has, a number of seconds and a date."""
    if retry_after is None:
        return None
    try:
        seconds = Retry().parse_retry_after(retry_after)
    except (InvalidHeader, ValueError, OverflowError):
        return None
    return min(float(seconds), _MAX_RETRY_AFTER_S)


def _reason(status: int, body: dict[str, Any]) -> str:
    """The status and the first thing that the server said, short."""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    said = first.get("message") if isinstance(first, dict) else body.get("detail") or body.get("title")
    return f"{status} {said}"[:300] if said else str(status)


def _name(error: Exception) -> str:
    # Without urllib3's text, which has the address and with it the stream's id.
    return type(error).__name__
