"""Points arrive once, whatever the network does, and the caller never waits."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from eventually import eventually
from gate import Fault, Gate
from worker import Stream, Worker

from heartbeat_stream import Sender
from heartbeat_stream._queue import KEY_REMEMBERED_S, Batch
from heartbeat_stream._transport import Answer, Verdict, judge

SenderTo = Callable[..., Sender]


def a_point_arrives_as_it_was_put(stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(stream.url)
    assert sender.put({"n": 12, "d": 3, "p": 10, "v": {"country": "US"}})
    assert sender.flush(60.0)
    assert stream.total("sum", where="country=US") == pytest.approx(12)
    assert stream.total("ratio", by="country") == pytest.approx(4)
    numbers = sender.statistics()
    assert (numbers.accepted, numbers.queued, numbers.requests) == (1, 0, 1)


def a_point_is_sent_after_the_flush_interval(stream: Stream, sender_to: SenderTo) -> None:
    sender_to(stream.url).put({"n": 1})
    eventually(lambda: stream.total() == 1)


def many_points_take_few_gzipped_requests_on_one_connection(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    # Only full batches are sent before the flush, however long putting takes.
    sender = sender_to(gate.url, flush_interval=60.0)
    for n in range(12_000):
        sender.put({"n": 1, "v": {"worker": str(n % 8)}})
    assert sender.flush(120.0)
    assert stream.total() == 12_000
    sizes = [len(request.points) for request in gate.requests]
    assert sum(sizes) == 12_000
    assert max(sizes) <= 5_000
    assert len(sizes) <= 6
    assert len({request.key for request in gate.requests}) == len(sizes)
    assert len({request.connection for request in gate.requests}) == 1
    assert gate.requests[0].headers["Content-Encoding"] == "gzip"
    assert gate.requests[0].headers["User-Agent"].startswith("heartbeat_stream/")


def a_batch_stays_below_the_servers_byte_limit(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(gate.url)
    labels = {f"label{at}": "é" * 100 for at in range(16)}
    for _ in range(500):
        sender.put({"n": 1, "v": labels})
    assert sender.flush(120.0)
    assert stream.total() == 500
    assert len(gate.requests) > 1


def points_keep_the_time_when_they_were_put(gate: Gate, sender_to: SenderTo) -> None:
    sender = sender_to(gate.url)
    gate.faults = [Fault(False, (503, {}))] * 3
    before = time.time()
    sender.put({"n": 1})
    sender.put({"n": 1, "t": 1792540800.25})
    after = time.time()
    assert sender.flush(60.0)
    first, second = gate.requests[-1].points
    assert before - 0.001 <= first["t"] <= after + 0.001
    assert second["t"] == 1792540800.25


def a_batch_whose_response_is_lost_counts_once(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    gate.faults = [Fault(True, None), Fault(True, (502, {})), Fault(True, None)]
    sender = sender_to(gate.url, flush_interval=60.0)
    for _ in range(10):
        sender.put({"n": 1})
    assert sender.flush(60.0)
    assert stream.total() == 10
    assert len(gate.requests) == 4
    assert len({request.key for request in gate.requests}) == 1
    numbers = sender.statistics()
    assert (numbers.accepted, numbers.retries, numbers.may_be_doubled) == (10, 3, 0)


def a_batch_knows_when_its_key_may_be_forgotten() -> None:
    batch = Batch([b'{"n":1}'])
    assert not batch.may_be_doubled(1e6)
    batch.mark_unsure(100.0)
    batch.mark_unsure(500.0)
    assert not batch.may_be_doubled(100.0 + KEY_REMEMBERED_S)
    assert batch.may_be_doubled(100.1 + KEY_REMEMBERED_S)


def batches_repeated_after_their_key_expired_are_counted(
    gate: Gate, sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heartbeat_stream._queue.KEY_REMEMBERED_S", 0.2)
    gate.faults = [Fault(True, None)] + [Fault(False, (429, {}))] * 3
    # Both are in one batch.
    sender = sender_to(gate.url, backoff=0.2, flush_interval=2.0)
    sender.put({"n": 1})
    sender.put({"n": 1})
    eventually(lambda: sender.statistics().accepted == 2)
    assert sender.statistics().may_be_doubled == 2


def a_batch_that_never_arrived_is_not_counted_as_doubled(sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heartbeat_stream._queue.KEY_REMEMBERED_S", 0.0)
    sender = sender_to("http://127.0.0.1:9/v1/streams/gone")
    sender.put({"n": 1})
    eventually(lambda: sender.statistics().retries > 2)
    assert sender.statistics().may_be_doubled == 0


@pytest.mark.parametrize(
    ("status", "slug", "verdict"),
    [
        (202, "", Verdict.STORED),
        (301, "", Verdict.REFUSED),
        (400, "invalid-points", Verdict.REFUSED),
        (408, "", Verdict.NOT_STORED),
        (413, "too-large", Verdict.REFUSED),
        (429, "rate-limited", Verdict.NOT_STORED),
        (500, "internal", Verdict.UNSURE),
        (501, "not-implemented", Verdict.REFUSED),
        (503, "overloaded", Verdict.NOT_STORED),
        (503, "not-configured", Verdict.NOT_STORED),
        (503, "unavailable", Verdict.UNSURE),
        (522, "", Verdict.UNSURE),
    ],
)
def each_status_has_its_verdict(status: int, slug: str, verdict: Verdict) -> None:
    assert judge(status, {"type": f"https://HOST/problems#{slug}", "accepted": 5}, "3", 5).verdict is verdict


def a_success_without_a_count_is_unsure() -> None:
    assert judge(200, {}, None, 5).verdict is Verdict.UNSURE


def retry_after_has_two_forms_and_a_limit() -> None:
    assert judge(503, {}, "7", 1).retry_after_s == 7
    assert judge(503, {}, "Fri, 01 Jan 2100 00:00:00 GMT", 1).retry_after_s == 600
    assert judge(503, {}, "soon", 1).retry_after_s is None
    assert judge(503, {}, None, 1).retry_after_s is None


@pytest.mark.parametrize("scheme", ["", "http://"])
def the_environments_proxy_and_no_proxy_are_obeyed(
    scheme: str, gate: Gate, sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"{scheme}127.0.0.1:{gate.port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    gate.faults = [Fault(False, (202, {}))]
    sender = sender_to("http://heartbeat.invalid/v1/streams/far")
    sender.put({"n": 1})
    assert sender.flush(60.0)
    assert len(gate.requests) == 1
    direct = sender_to(gate.url)
    monkeypatch.setenv("http_proxy", "127.0.0.1:9")
    direct.put({"n": 1})
    assert direct.flush(60.0)


def close_delivers_even_if_no_thread_can_start(
    stream: Stream, sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = sender_to(stream.url)

    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails)
        assert sender.put({"n": 1})
        sender.close(60.0)
    assert stream.total() == 1


def retry_after_is_obeyed_even_during_flush(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    gate.faults = [Fault(False, (429, {"Retry-After": "4"}))]
    sender = sender_to(gate.url)
    sender.put({"n": 1})
    began = time.monotonic()
    eventually(lambda: gate.requests)
    assert not sender.flush(0.3)
    assert len(gate.requests) == 1
    assert sender.flush(60.0)
    assert time.monotonic() - began >= 4.0
    assert stream.total() == 1


def retry_after_is_followed_by_the_backoff(gate: Gate, sender_to: SenderTo) -> None:
    gate.faults = [Fault(False, (429, {"Retry-After": "1"})), Fault(False, (202, {}))]
    # The backoff adds half to all of a second.
    sender = sender_to(gate.url, backoff=1.0, backoff_max=1.0)
    sender.put({"n": 1})
    eventually(lambda: len(gate.requests) == 2)
    first, second = gate.requests
    assert second.at - first.at >= 1.5


def attempts_are_apart_by_the_backoff(gate: Gate, sender_to: SenderTo) -> None:
    gate.faults = [Fault(False, (503, {})), Fault(False, (503, {})), Fault(False, (202, {}))]
    sender = sender_to(gate.url, backoff=0.3, backoff_max=1.0)
    sender.put({"n": 1})
    eventually(lambda: len(gate.requests) == 3)
    first, second, third = gate.requests
    assert second.at - first.at >= 0.15
    assert third.at - second.at >= 0.3


def the_backoff_doubles_up_to_its_maximum(sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(least: float, most: float) -> float:
        drawn.append((least, most))
        return 0.0

    monkeypatch.setattr("random.uniform", draw)
    sender = sender_to("http://127.0.0.1:9/v1/streams/gone", backoff=0.5, backoff_max=3.0)
    sender.put({"n": 1})
    eventually(lambda: len(drawn) >= 5)
    assert drawn[:5] == [(0.25, 0.5), (0.5, 1.0), (1.0, 2.0), (1.5, 3.0), (1.5, 3.0)]


def flush_shortens_the_wait_between_attempts(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    gate.faults = [Fault(False, (503, {}))]
    sender = sender_to(gate.url, backoff=60.0, backoff_max=60.0)
    sender.put({"n": 1})
    eventually(lambda: gate.requests)
    assert sender.flush(120.0)
    assert stream.total() == 1


def a_refused_batch_is_not_repeated_and_logged_once(
    worker: Worker, sender_to: SenderTo, caplog: pytest.LogCaptureFixture
) -> None:
    forged = f"{worker.origin}/v1/streams/{'a' * 32}"
    sender = sender_to(forged)
    for _ in range(2):
        sender.put({"n": 1})
        assert sender.flush(60.0)
    numbers = sender.statistics()
    assert (numbers.requests, numbers.rejected, numbers.accepted) == (2, 2, 0)
    logged = [record for record in caplog.records if record.name == "heartbeat_stream"]
    assert len(logged) == 1
    assert "404" in logged[0].getMessage()
    assert "aaaa" not in logged[0].getMessage(), "whoever knows the ID can write, so it must not be logged"


def invalid_points_are_counted_and_valid_ones_kept(
    stream: Stream, sender_to: SenderTo, caplog: pytest.LogCaptureFixture
) -> None:
    sender = sender_to(stream.url, flush_interval=60.0)
    sender.put({"n": 1})
    sender.put({"n": "two"})
    sender.put({"n": 3, "kv": {}})
    assert sender.flush(60.0)
    numbers = sender.statistics()
    assert (numbers.accepted, numbers.rejected) == (1, 2)
    assert stream.total() == 1
    assert "rejected 2 of 3" in caplog.text


def points_that_are_not_json_are_dropped_and_counted(stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(stream.url)
    for bad in (
        {"n": float("nan")},
        {"n": object()},
        {"n": 1, "v": {"a": "\ud800"}},
        {"n": 1, "v": {"a": "x" * 70_000}},
    ):
        assert not sender.put(bad)
    assert sender.flush(60.0)
    assert sender.statistics().dropped == 4


def a_caller_never_waits_for_a_silent_server(gate: Gate, stream: Stream, sender_to: SenderTo) -> None:
    until = threading.Event()
    gate.faults = [Fault(True, (0, {}), until)]
    sender = sender_to(gate.url, queue_points=1_000)
    sender.put({"n": 1})
    eventually(lambda: gate.requests)
    began = time.perf_counter()
    taken = sum(sender.put({"n": 1}) for _ in range(3_000))
    assert time.perf_counter() - began < 60.0, "the gate holds the response for longer"
    assert taken == 999, "the point in flight counts too"
    numbers = sender.statistics()
    assert (numbers.queued, numbers.dropped) == (1_000, 2_001)
    until.set()
    assert sender.flush(120.0)
    assert stream.total() == 1_000


def answered_points_free_their_room_in_the_queue(stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(stream.url, queue_points=10, flush_interval=60.0)
    for _ in range(3):
        assert all(sender.put({"n": 1}) for _ in range(10))
        assert not sender.put({"n": 1})
        assert sender.flush(60.0)
    assert stream.total() == 30


def the_queue_is_bounded_in_bytes(sender_to: SenderTo) -> None:
    sender = sender_to("http://127.0.0.1:9/v1/streams/gone", queue_bytes=1_000)
    taken = sum(sender.put({"n": 1, "t": 1, "v": {"a": "b" * 74}}) for _ in range(20))
    assert taken == 10


def an_outage_loses_and_doubles_nothing(tmp_path: Path, sender_to: SenderTo, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(tmp_path)
    worker.start()
    stream = worker.new_stream()
    sender = sender_to(stream.url)
    put = 0
    for _ in range(2_000):
        put += sender.put({"n": 1})
    worker.stop()
    for _ in range(20_000):
        put += sender.put({"n": 1})
    before = sender.statistics().retries
    eventually(lambda: sender.statistics().retries > before + 5)
    assert not sender.flush(0.1)
    assert "takes no points (NewConnectionError)" in caplog.text
    worker.start()
    try:
        eventually(lambda: sender.statistics().queued == 0)
        assert put == 22_000
        assert stream.total() == put
        assert sender.statistics().dropped == 0
    finally:
        worker.stop()


def a_listener_that_reopens_is_found(stream: Stream, sender_to: SenderTo) -> None:
    gate = Gate(stream)
    sender = sender_to(gate.url)
    sender.put({"n": 1})
    assert sender.flush(60.0)
    gate.close()
    sender.put({"n": 1})
    eventually(lambda: sender.statistics().retries > 2)
    again = Gate(stream, gate.port)
    assert sender.flush(60.0)
    again.close()
    assert stream.total() == 2


def threads_lose_no_points(stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(stream.url)
    threads = [
        threading.Thread(target=lambda: [sender.put({"n": 1}) for _ in range(2_000)], daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120.0)
    assert sender.flush(120.0)
    assert stream.total() == 16_000
    assert sender.statistics().accepted == 16_000


def close_delivers_and_takes_no_more_points(stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(stream.url, flush_interval=60.0)
    sender.put({"n": 1})
    sender.close(60.0)
    assert not sender.put({"n": 1})
    assert stream.total() == 1
    assert sender.statistics().dropped == 1


def close_closes_the_connection(gate: Gate, sender_to: SenderTo) -> None:
    sender = sender_to(gate.url)
    sender.put({"n": 1})
    assert sender.flush(60.0)
    assert gate.closed == 0
    sender.close()
    eventually(lambda: gate.closed == 1)


def close_gives_up_in_time(sender_to: SenderTo, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = sender_to(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/streams/silent")
        sender.put({"n": 1})
        began = time.monotonic()
        sender.close(0.5)
        sender.close(60.0)
        assert time.monotonic() - began < 30.0, "the first deadline holds"
    assert "1 points" in caplog.text


def a_hanging_request_does_not_delay_close(sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch) -> None:
    until = threading.Event()

    def hangs(*_: object) -> Answer:
        until.wait(120.0)
        return Answer(Verdict.NOT_STORED)

    monkeypatch.setattr("heartbeat_stream._transport.Transport.post", hangs)
    sender = sender_to("http://127.0.0.1:9/v1/streams/gone")
    sender.put({"n": 1})
    began = time.monotonic()
    sender.close(0.3)
    assert not sender.flush()
    sender.close()
    assert time.monotonic() - began < 60.0, "the request hangs for longer"
    until.set()


def a_destructor_may_put_while_its_thread_puts(stream: Stream, sender_to: SenderTo) -> None:
    sender = sender_to(stream.url)
    with sender._changed:
        sender.put({"n": 1})
    assert sender.flush(60.0)


def a_failing_source_is_logged_and_others_deliver(
    stream: Stream, sender_to: SenderTo, caplog: pytest.LogCaptureFixture
) -> None:
    sender = sender_to(stream.url)

    def fails() -> list[dict[str, float]]:
        raise RuntimeError("no")

    sender.add_source(fails)
    sender.add_source(lambda: [{"n": 5}])
    sender.wake()
    eventually(lambda: stream.total() == 5)
    assert "a source of points failed" in caplog.text


def an_invalid_address_is_refused_without_being_shown() -> None:
    for bad in ("", "host/v1/streams/secret", "ftp://host/v1/streams/secret", "https://host/streams/secret"):
        with pytest.raises(ValueError, match="stream_url") as raised:
            Sender(bad)
        assert "secret" not in str(raised.value)
    for bad in ("https://host/v1/streams/a?key=secret", "https://u:secret@host/v1/streams/a"):
        with pytest.raises(ValueError, match="password, query"):
            Sender(bad)
    assert Sender(" https://host:8443/v1/streams/a/ ")._address.points == "https://host:8443/v1/streams/a/points"
    with pytest.raises(ValueError, match="at least 1"):
        Sender("https://host/v1/streams/a", queue_points=0)


def the_packages_logger_has_no_level_of_its_own() -> None:
    assert logging.getLogger("heartbeat_stream").level == logging.NOTSET
