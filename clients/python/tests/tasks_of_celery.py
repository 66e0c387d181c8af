"""A Celery application whose broker is a folder, with a task that counts and fails."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from celery import Celery

from heartbeat_stream import Client, HeartbeatHandler

_FOLDER = Path(os.environ["BROKER"])

app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(_FOLDER),
        "data_folder_out": str(_FOLDER),
        "control_folder": str(_FOLDER / "control"),
    },
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)

_log = logging.getLogger("work")
_log.addHandler(HeartbeatHandler(os.environ["STREAM"], flush_interval=60.0))
_client = Client(os.environ["STREAM"], flush_interval=60.0)


@app.task  # type: ignore[untyped-decorator]
def work(number: int) -> None:
    """Counts, fails and logs the failure."""
    _client.incr("tasks", of=f"work {number}")
    try:
        raise LookupError(str(number))
    except LookupError:
        _log.exception("in a task")
