"""The handler for `logging`: each record becomes a point.

A record passes `handle` (filters), `_labels_of` (its labels) and `Sender.put` (the queue). It is not merged with
others: the server sums the points of a step. What the sender does with a point is in PROTOCOL.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ._checked import fixed_labels, fixed_names
from ._labels import as_string, clean
from ._log import is_quiet, quiet
from ._sender import Options, Sender
from ._statistics import Statistics

if TYPE_CHECKING:
    from typing_extensions import Unpack  # only for the type checker: it is not installed

# The loggers whose records may be caused by the delivery of points.
_IGNORED = ("heartbeat_stream", "urllib3")


class HeartbeatHandler(logging.Handler):
    """Writes each record as a point, in the background; `stream_url` is ``https://HOST/v1/streams/ID``.

    A point has the labels `exception` (the class, if the record has one), `logger`, `level` and `source` ("server"),
    the labels in `labels`, and the attributes of the record that `extras` names: what `extra=` set, ``funcName`` or
    ``msg`` (the message before its arguments are filled in). Further arguments are those of `Sender`.

    Raises `TypeError` or `ValueError` for an invalid argument.
    """

    def __init__(
        self,
        stream_url: str,
        level: int | str = logging.ERROR,
        *,
        labels: Mapping[str, object] | None = None,
        extras: Iterable[str] = (),
        flush_interval: float = 1.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(level)
        self._labels = fixed_labels(labels)
        self._extras = fixed_names(extras)
        self._sender = Sender(stream_url, flush_interval=flush_interval, **options)

    def handle(self, record: logging.LogRecord) -> bool:
        """Ignores records that the delivery of points may have caused."""
        # Without the handler's lock: `logging.shutdown` holds it while it waits for the thread that delivers.
        if is_quiet() or as_string(record.name).split(".", 1)[0] in _IGNORED:
            return False
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Queues the record's point. Never waits and never raises; errors go to `Handler.handleError`."""
        # Converting an attribute to a string may run code that logs.
        with quiet():
            try:
                self._sender.put({"n": 1, "t": round(record.created, 3), "v": self._labels_of(record)})
            except Exception:
                self._sender.count_dropped(1)
                self.handleError(record)

    def _labels_of(self, record: logging.LogRecord) -> dict[str, str]:
        # Records from elsewhere, such as a socket, may have attributes of any type.
        labels = [("logger", as_string(record.name)), ("level", as_string(record.levelname))]
        kind = record.exc_info[0] if isinstance(record.exc_info, tuple) and record.exc_info else None
        if isinstance(kind, type):
            labels.insert(0, ("exception", kind.__name__))
        labels += self._labels
        labels.append(("source", "server"))
        labels += [(name, as_string(getattr(record, name, None))) for name in self._extras]
        return clean(labels)

    def flush(self) -> None:
        """Waits for at most 2 seconds until all records so far are delivered."""
        self._sender.flush(timeout=2.0)

    def close(self) -> None:
        """Delivers what it can within 2 seconds. `logging.shutdown` and a new configuration call it."""
        self._sender.close(timeout=2.0)
        super().close()

    def statistics(self) -> Statistics:
        """Returns what became of the points."""
        return self._sender.statistics()
