"""The logging handler: which records become points, with which labels."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import queue
import threading
from collections.abc import Iterator

import pytest
import urllib3
from eventually import eventually
from gate import Gate
from worker import Stream, Worker

from heartbeat_stream import HeartbeatHandler


class Log:
    """A logger for one test, with handlers that are closed after it."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)
        self.logger.propagate = False
        self.handlers: list[logging.Handler] = []

    def to(self, handler: HeartbeatHandler) -> HeartbeatHandler:
        self.logger.addHandler(handler)
        self.handlers.append(handler)
        return handler

    def close(self) -> None:
        for handler in self.handlers:
            self.logger.removeHandler(handler)
            handler.close()


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    log = Log(f"tests.{request.node.name}")
    yield log
    log.close()


def an_exception_becomes_a_point_with_its_class(stream: Stream, log: Log) -> None:
    handler = log.to(HeartbeatHandler(stream.url))
    try:
        {}["page"]  # type: ignore[index]
    except KeyError:
        log.logger.exception("no page %s", "front")
    handler.flush()
    labels = ("exception", "logger", "level", "source")
    assert stream.by(*labels) == {("KeyError", log.logger.name, "ERROR", "server"): 1}
    assert handler.statistics().accepted == 1


def errors_become_points_and_warnings_do_not(stream: Stream, log: Log) -> None:
    handler = log.to(HeartbeatHandler(stream.url))
    log.logger.error("bad")
    log.logger.critical("worse")
    log.logger.warning("not so bad")
    handler.flush()
    assert stream.by("exception", "level") == {("", "ERROR"): 1, ("", "CRITICAL"): 1}


def level_labels_and_extras_are_configurable(stream: Stream, log: Log) -> None:
    labels = {"site": "blog", "source": "cron"}
    handler = log.to(HeartbeatHandler(stream.url, "WARNING", labels=labels, extras=["job", "funcName", "msg", "none"]))
    log.logger.warning("no room on %s", "disk 7", extra={"job": 12})
    handler.flush()
    labels_of_points = stream.rollup(by="*", step=86400)["series"][0]["labels"]
    assert labels_of_points == {
        "logger": log.logger.name,
        "level": "WARNING",
        "site": "blog",
        "source": "cron",
        "job": "12",
        "funcName": "level_labels_and_extras_are_configurable",
        "msg": "no room on %s",
    }


def labels_are_cut_at_whole_characters(gate: Gate, stream: Stream, log: Log) -> None:
    handler = log.to(HeartbeatHandler(gate.url, labels={"n" * 63 + "é": "name"}, extras=["long", "odd", "ugly"]))
    log.logger.error("bad", extra={"long": "é" * 200, "odd": "a\x00\x1b[31m\nb\x85", "ugly": "\ud800!"})
    handler.flush()
    assert stream.total() == 1, "the server accepts it"
    labels = gate.points[0]["v"]
    assert labels["n" * 63] == "name"
    assert labels["long"] == "é" * 128
    assert labels["odd"] == "a [31m b"
    assert labels["ugly"] == "?!"


def of_too_many_labels_the_handlers_own_are_kept(gate: Gate, stream: Stream, log: Log) -> None:
    handler = log.to(HeartbeatHandler(gate.url, labels={f"label{at:02}": at for at in range(30)}))
    log.logger.error("bad")
    handler.flush()
    assert stream.total() == 1
    assert len(gate.points[0]["v"]) == 16
    assert {"logger", "level", "label00"} <= gate.points[0]["v"].keys()


def an_exception_in_a_thread_becomes_a_point(stream: Stream, log: Log) -> None:
    handler = log.to(HeartbeatHandler(stream.url))

    def work() -> None:
        try:
            int("x")
        except ValueError:
            log.logger.exception("in a thread")

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120.0)
    handler.flush()
    assert stream.by("exception") == {("ValueError",): 5}


def a_new_dict_config_delivers_the_records_of_the_old_one(stream: Stream) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "heartbeat": {
                    "class": "heartbeat_stream.HeartbeatHandler",
                    "level": "WARNING",
                    "stream_url": stream.url,
                    "labels": {"site": "blog"},
                    "extras": ["job"],
                    "flush_interval": 60.0,
                }
            },
            "loggers": {"tests.configured": {"handlers": ["heartbeat"], "propagate": False}},
        }
    )
    logging.getLogger("tests.configured").warning("told", extra={"job": "nightly"})
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert stream.by("level", "site", "job") == {("WARNING", "blog", "nightly"): 1}


def records_of_the_package_and_urllib3_are_ignored(stream: Stream) -> None:
    handler = HeartbeatHandler(stream.url, logging.DEBUG)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("heartbeat_stream").error("own")
        logging.getLogger("urllib3.connectionpool").error("of the network")
        # urllib3 logs each request at DEBUG, also those of this handler.
        urllib3.PoolManager().request("GET", stream.url, retries=False)
        logging.getLogger("urllib3x").error("of somebody else")
        handler.flush()
        handler.flush()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
    assert stream.by("logger") == {("urllib3x",): 1}


def a_late_record_keeps_its_time(gate: Gate, log: Log) -> None:
    handler = log.to(HeartbeatHandler(gate.url))
    record = logging.makeLogRecord({"name": "late", "levelno": logging.ERROR, "created": 1792540800.1239})
    log.logger.handle(record)
    handler.flush()
    assert gate.points[0]["t"] == 1792540800.124


def records_of_the_delivering_thread_are_ignored(stream: Stream, log: Log) -> None:
    handler = log.to(HeartbeatHandler(stream.url, flush_interval=0.02))

    def loud() -> list[dict[str, float]]:
        log.logger.error("while it delivers")
        return []

    handler._sender.add_source(loud)
    for count in (1, 2):
        log.logger.error("bad")
        eventually(lambda count=count: handler.statistics().accepted >= count)  # type: ignore[misc]
    numbers = handler.statistics()
    assert (numbers.accepted, numbers.queued) == (2, 0)


def holding_the_handlers_lock_does_not_block_delivery(worker: Worker) -> None:
    handler = HeartbeatHandler(f"{worker.origin}/v1/streams/{'a' * 32}", "WARNING")
    logging.getLogger().addHandler(handler)
    handler.acquire()
    try:
        # The response is a refusal, which the delivering thread logs.
        for _ in range(2):
            logging.getLogger("tests").error("bad")
            assert handler._sender.flush(60.0)
    finally:
        handler.release()
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert handler.statistics().rejected == 2


def records_logged_while_handling_a_record_are_ignored(stream: Stream, log: Log) -> None:
    class Loud:
        def __str__(self) -> str:
            log.logger.error("while it is converted")
            return "loud"

    handler = log.to(HeartbeatHandler(stream.url, extras=["given"]))
    log.logger.error("first", extra={"given": Loud()})
    log.logger.error("second")
    handler.flush()
    assert stream.by("given") == {("loud",): 1, ("",): 1}


def a_failing_record_is_reported_and_not_raised(stream: Stream, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no string")

    handler = log.to(HeartbeatHandler(stream.url, extras=["given"]))
    log.logger.error("first", extra={"given": Broken()})
    assert "no string" in capsys.readouterr().err
    log.logger.error("second")
    handler.flush()
    assert stream.total() == 1


def a_queue_handler_in_front_loses_only_the_exceptions_class(stream: Stream, log: Log) -> None:
    handler = HeartbeatHandler(stream.url)
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, handler, respect_handler_level=True)
    log.logger.addHandler(logging.handlers.QueueHandler(records))
    listener.start()
    log.logger.error("bad")
    log.logger.info("good")
    listener.stop()
    handler.close()
    assert stream.by("level") == {("ERROR",): 1}
