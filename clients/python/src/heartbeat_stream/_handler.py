"""The tie to `logging`: records become points."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from . import _quiet
from ._checked import fixed_labels, fixed_names
from ._labels import clean, text
from ._sender import Options, Sender
from ._statistics import Statistics

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of the type checker; there is none at run time

# Whose records may come from delivering points, and would be points again.
_IGNORED = ("heartbeat_stream", "urllib3")


class HeartbeatHandler(logging.Handler):
    """Writes each record as a point, in the background; `stream_url` is ``https://HOST/v1/streams/ID``.

    Labels are `exception` (the class, if the record has one), `logger`, `level` and `source` ("server"), those of
    `labels`, and of each record the attributes that `extras` names, such as what `extra=` gave it, ``funcName`` or
    ``msg`` (the text before its arguments are filled in). Further arguments are those of `Sender`.
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
        """Leaves out what may come of delivering points."""
        # Before the handler's lock is taken: `logging.shutdown` holds it while it waits for the thread that delivers.
        if _quiet.is_quiet() or text(record.name).split(".", 1)[0] in _IGNORED:
            return False
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Queues the record's point. Never waits, and never raises (`Handler.handleError` is told)."""
        # An attribute's text may be made by code that logs.
        with _quiet.thread():
            try:
                self._sender.put({"n": 1, "t": round(record.created, 3), "v": self._labels_of(record)})
            except Exception:
                self._sender.count_dropped(1)
                self.handleError(record)

    def _labels_of(self, record: logging.LogRecord) -> dict[str, str]:
        # Records that are made elsewhere, as of a socket, have what they have.
        labels = [("logger", text(record.name)), ("level", text(record.levelname))]
        kind = record.exc_info[0] if isinstance(record.exc_info, tuple) and record.exc_info else None
        if isinstance(kind, type):
            labels.insert(0, ("exception", kind.__name__))
        labels += self._labels
        labels.append(("source", "server"))
        labels += [(name, text(getattr(record, name, None))) for name in self._extras]
        return clean(labels)

    def flush(self) -> None:
        """Waits some seconds for what was queued so far to be delivered."""
        self._sender.flush(timeout=2.0)

    def close(self) -> None:
        """Delivers what it can within 2 seconds; `logging.shutdown` and a new configuration call it."""
        self._sender.close(timeout=2.0)
        super().close()

    def statistics(self) -> Statistics:
        """Numbers of points, see there."""
        return self._sender.statistics()
