"""Write keys: every writer sends its own key, to its stream only, and logs when the key is refused."""

from __future__ import annotations

import logging
import logging.config
import subprocess
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from gate import Fault, Gate
from relay import Relay
from worker import Stream, Worker

from heartbeat_stream import Client, HeartbeatHandler, Sender
from heartbeat_stream._address import WriteKey
from heartbeat_stream._transport import judge

KEY = "wk_pdjv4bq2c7sx3ynr5teu6hgkam"
URL = "http://127.0.0.1:9/v1/streams/gone"
HEARTBEAT = Path(sysconfig.get_path("scripts")) / "heartbeat"

TAKEN = Fault(False, (202, {}))
SenderTo = Callable[..., Sender]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("of a site")
    yield logger
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()


def _authorizations(gate: Gate) -> list[str | None]:
    return [request.headers.get("Authorization") for request in gate.requests]


def _logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(one.levelno, one.getMessage()) for one in caplog.records if one.name == "heartbeat_stream"]


def every_writer_sends_its_key_as_a_bearer_token(gate: Gate, logger: logging.Logger) -> None:
    gate.faults = [TAKEN] * 3
    with Client(gate.url, write_key=KEY) as client:
        client.incr("signups")
    logger.addHandler(HeartbeatHandler(gate.url, write_key=KEY))
    logger.error("no answer")
    logger.handlers[0].flush()
    sender = Sender(gate.url, write_key=f" {KEY}\n")
    sender.put({"n": 1})
    assert sender.flush(60.0)
    sender.close()
    assert _authorizations(gate) == [f"Bearer {KEY}"] * 3


def a_writer_ignores_a_key_in_the_environment(gate: Gate, sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch) -> None:
    # A program may write to several deployments, and must send a key only to its own.
    monkeypatch.setenv("HEARTBEAT_WRITE_KEY", KEY)
    sender = sender_to(gate.url)
    sender.put({"n": 1})
    assert sender.flush(60.0)
    assert _authorizations(gate) == [None]


def a_logging_configuration_can_contain_the_key(gate: Gate, logger: logging.Logger) -> None:
    gate.faults = [TAKEN]
    handler = {"class": "heartbeat_stream.HeartbeatHandler", "stream_url": gate.url, "write_key": KEY}
    loggers = {logger.name: {"handlers": ["heartbeat"]}}
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "handlers": {"heartbeat": handler}, "loggers": loggers}
    )
    logger.error("no answer")
    logger.handlers[0].flush()
    assert _authorizations(gate) == [f"Bearer {KEY}"]


@pytest.mark.parametrize("by", ["option", "environment"])
def commands_send_the_key_from_option_or_environment(gate: Gate, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEARTBEAT_WRITE_KEY", raising=False)
    gate.faults = [TAKEN] * 9
    options = ["--write-key", KEY] if by == "option" else []
    if by == "environment":
        monkeypatch.setenv("HEARTBEAT_WRITE_KEY", KEY)
    subprocess.run([HEARTBEAT, "send", "--to", gate.url, "1", *options], check=True, timeout=240.0)
    assert _authorizations(gate) == [f"Bearer {KEY}"]
    relay = Relay(gate.url, *options)
    try:
        relay.send(b"logins:1|c")
        eventually(lambda: len(gate.requests) == 2)
        assert relay.end() == 0
    finally:
        relay.kill()
    assert set(_authorizations(gate)) == {f"Bearer {KEY}"}
    assert KEY not in "\n".join(relay.printed)


def a_command_refuses_an_invalid_key_without_showing_it() -> None:
    for command in (["send", "1"], ["statsd"]):
        failed = subprocess.run(
            [sys.executable, "-m", "heartbeat_stream", *command, "--to", URL, "--write-key", "rk_secret"],
            capture_output=True,
            text=True,
            timeout=240.0,
            check=False,
        )
        assert failed.returncode == 1
        assert "write_key must begin with wk_" in failed.stderr
        assert "secret" not in failed.stderr


@pytest.mark.parametrize(
    "bad", ["", "rk_secret", "secret", "wk_", "wk_sec ret", "wk_sécret", "wk_s\r\nX: secret", "wk_" + "secret" * 50]
)
def constructors_refuse_an_invalid_key_without_showing_it(bad: str) -> None:
    for make in (Client, HeartbeatHandler, Sender):
        with pytest.raises(ValueError, match="write_key must begin with wk_") as raised:
            make(URL, write_key=bad)
        assert "sec" not in "".join(traceback.format_exception_only(raised.type, raised.value))


def a_key_of_another_type_is_refused() -> None:
    wrong: Any = b"wk_secret"
    with pytest.raises(TypeError, match="write_key must be a string, not bytes"):
        Client(URL, write_key=wrong)


def a_key_is_in_no_repr_and_no_log(gate: Gate, sender_to: SenderTo, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gate.faults = [Fault(True, None), Fault(False, (429, {})), Fault(False, (401, {}), body={"detail": "no"})]
    sender = sender_to(gate.url, write_key=KEY)
    sender.put({"n": 1})
    assert sender.flush(60.0)
    handler = HeartbeatHandler(URL, write_key=KEY)
    client = Client(URL, write_key=KEY)
    for one in (sender, handler, client, WriteKey(KEY)):
        assert KEY not in repr(one)
        assert KEY not in str(one)
        assert KEY not in repr(getattr(one, "__dict__", {}))
    assert KEY not in caplog.text
    handler.close()
    client.close(0.0)


def a_revoked_key_is_logged_once_and_nothing_repeated(
    gate: Gate, sender_to: SenderTo, caplog: pytest.LogCaptureFixture
) -> None:
    detail = "this is not a write key of this stream, or no longer one"
    gate.faults = [Fault(False, (401, {}), body={"detail": detail})] * 3
    sender = sender_to(gate.url, write_key=KEY)
    for _ in range(3):
        sender.put({"n": 1})
        assert sender.flush(60.0)
    numbers = sender.statistics()
    assert (numbers.requests, numbers.retries, numbers.rejected) == (3, 0, 3)
    ((level, text),) = _logged(caplog)
    assert level == logging.ERROR
    assert "was revoked" in text
    assert "not a write key of this stream" in text


def a_key_is_accepted_until_it_is_revoked(
    worker: Worker, sender_to: SenderTo, caplog: pytest.LogCaptureFixture
) -> None:
    stream = worker.new_stream(writers="keyed")
    key_id, key = worker.new_write_key(stream)
    keyed, another = sender_to(stream.url, write_key=key), sender_to(stream.url)
    for sender in (keyed, another):
        sender.put({"n": 1})
        assert sender.flush(60.0)
    assert (keyed.statistics().accepted, another.statistics().rejected) == (1, 1)
    assert stream.total() == 1
    assert "only writers with a write key, and this one has none" in caplog.text
    worker.end_write_key(stream, key_id)

    def is_refused() -> bool:
        keyed.put({"n": 1})
        assert keyed.flush(60.0)
        return keyed.statistics().rejected > 0

    # A shard that knew the key may accept it for a moment longer.
    eventually(is_refused)
    assert "was revoked, or belongs to another stream" in caplog.text
    assert key not in caplog.text


def a_missing_key_is_logged_once(gate: Gate, sender_to: SenderTo, caplog: pytest.LogCaptureFixture) -> None:
    gate.faults = [Fault(False, (401, {}))] * 2
    sender = sender_to(gate.url)
    for _ in range(2):
        sender.put({"n": 1})
        assert sender.flush(60.0)
    ((level, text),) = _logged(caplog)
    assert level == logging.ERROR
    assert "only writers with a write key, and this one has none" in text


def an_exhausted_budget_delays_points_and_loses_none(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    limits = {"detail": "this network's budget", "limits": [{"scope": "network", "retry_after": 4}]}
    gate.faults = [Fault(False, (429, {"Retry-After": "4", "Heartbeat-Limits": "4:late:network"}), body=limits)]
    sender = sender_to(gate.url)
    sender.put({"n": 7})
    eventually(lambda: gate.requests)
    assert not sender.flush(0.3), "Retry-After goes before any urgency"
    assert sender.flush(60.0)
    assert stream.total() == 7
    assert (sender.statistics().retries, sender.statistics().rejected) == (1, 0)
    assert judge(429, limits, "12", 1).retry_after_s == 12
    assert judge(429, limits, "12", 1).reason == "429 this network's budget"


def overflow_is_counted_and_logged_once(gate: Gate, sender_to: SenderTo, caplog: pytest.LogCaptureFixture) -> None:
    gate.faults = [Fault(False, (202, {}), body={"accepted": 3, "rejected": 0, "overflow": 2})] * 2
    sender = sender_to(gate.url, flush_interval=60.0)
    for _ in range(2):
        for _ in range(3):
            sender.put({"n": 1})
        assert sender.flush(60.0)
    numbers = sender.statistics()
    assert (numbers.accepted, numbers.overflow) == (6, 4)
    ((level, text),) = _logged(caplog)
    assert level == logging.WARNING
    assert "2 of 3 points are counted without their labels" in text


@pytest.mark.parametrize(("reported", "counted"), [(None, 0), (0, 0), (-1, 0), (5, 3), ("2", 0), (2.5, 0)])
def overflow_is_at_most_the_accepted_points(reported: object, counted: int) -> None:
    assert judge(202, {"accepted": 3, "rejected": 1, "overflow": reported}, None, 4).overflow == counted


def the_relay_reports_overflow(gate: Gate) -> None:
    gate.faults = [Fault(False, (202, {}), body={"accepted": 1, "rejected": 0, "overflow": 1})]
    relay = Relay(gate.url)
    try:
        relay.send(b"logins:1|c")
        relay.await_numbers(overflow=1)
    finally:
        relay.kill()
