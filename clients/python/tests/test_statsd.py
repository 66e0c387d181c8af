"""The relay as a process, between unmodified statsd clients and the real Worker."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import statsd
import urllib3
from datadog.dogstatsd.base import DogStatsd
from eventually import eventually
from gate import Fault, Gate
from relay import Relay, kill_all, lasting_interval
from worker import ROOT, Stream, Worker

RelayTo = Callable[..., Relay]


@pytest.fixture
def relay_to() -> Iterator[RelayTo]:
    """Makes relays, and kills them after the test."""
    made: list[Relay] = []

    def make(url: str, *options: str, **timing: float) -> Relay:
        made.append(Relay(url, *options, **timing))
        return made[-1]

    yield make
    kill_all(made)


TIMES = 900


def use(client: Any, after_each: Callable[[int], object] = lambda _: None) -> None:
    """Writes with a statsd client as an application does."""
    for at in range(TIMES):
        client.incr("hits")
        client.incr(f"page.{at % 10}", at)
        client.timing("took", at % 100)
        after_each(at + 1)
    client.decr("hits", 10)
    client.gauge("depth", 10)
    client.gauge("depth", -4)
    client.gauge("depth", 9, delta=True)
    client.set("users", "ann")
    client.set("users", "bob")
    client.set("users", "ann")


def check(stream: Stream) -> None:
    """Checks that the stream has exactly what `use` wrote."""
    by_metric = stream.by("metric", "type")
    pages = {f"page.{digit}": sum(range(digit, TIMES, 10)) for digit in range(10)}
    assert {metric: by_metric[metric, "counter"] for metric in ("hits", *pages)} == {"hits": TIMES - 10, **pages}
    assert by_metric["took", "timer"] == sum(at % 100 for at in range(TIMES))
    assert stream.total("ratio", where="metric=took") == pytest.approx(49.5)
    assert abs(stream.total("p50", where="metric=took") - 49) <= 1.5
    assert stream.total("distinct:member", where="metric=users") == 2


@pytest.mark.parametrize("protocol", ["udp", "tcp", "pipeline"])
def the_python_statsd_client_writes_through_the_relay(worker: Worker, relay_to: RelayTo, protocol: str) -> None:
    stream = worker.new_stream(distinct=["member"])
    relay = relay_to(stream.url)
    if protocol == "tcp":
        client: Any = statsd.TCPStatsClient(port=relay.port)
        use(client)
        client.close()
    elif protocol == "udp":
        # By default the kernel keeps only a few hundred datagrams, so wait until they are received.
        def wait(times: int) -> None:
            if times % 75 == 0:
                eventually(lambda: relay.numbers().get("datagrams", 0) >= 3 * times)

        use(statsd.StatsClient(port=relay.port), wait)
    else:
        with statsd.StatsClient(port=relay.port).pipeline() as pipeline:
            use(pipeline)
    relay.await_numbers(lines=3 * TIMES + 8)
    assert relay.end() == 0
    check(stream)
    numbers = relay.numbers()
    assert {name: numbers[name] for name in ("bad_lines", "rejected", "dropped", "queued")} == {
        "bad_lines": 0,
        "rejected": 0,
        "dropped": 0,
        "queued": 0,
    }
    assert numbers["stored"] == numbers["points"]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def the_npm_statsd_client_writes_through_the_relay(worker: Worker, relay_to: RelayTo, protocol: str) -> None:
    stream = worker.new_stream(distinct=["member"])
    relay = relay_to(stream.url, "--label", "host=web-1")
    node = shutil.which("node", path=f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}")
    script = Path(__file__).with_name("hot_shots.mjs")
    ran = subprocess.run([str(node), script, str(relay.port), protocol, "3000"], check=False, timeout=180.0)
    assert ran.returncode == 0
    relay.await_numbers(lines=6_007)
    assert relay.end() == 0
    assert stream.by("metric", "page", "env", "host", where="type=counter") == {
        ("npm.hits", "/0", "test", "web-1"): 1_999,
        ("npm.hits", "/1", "test", "web-1"): 2_000,
        ("npm.hits", "/2", "test", "web-1"): 2_000,
    }
    assert stream.total("sum", where="metric=npm.took") == 13_500
    assert stream.total("max", where="metric=npm.depth") == 12 or stream.total("max", where="metric=npm.depth") == 7
    assert stream.total("min", where="metric=npm.depth") == 7
    assert stream.total("distinct:member", where="metric=npm.users") == 2
    assert stream.by("type", "kind", "b", where="metric=npm.size") == {("histogram", "a", "true"): 7}
    assert stream.by("type", where="metric=npm.share") == {("distribution",): 0.5}


@pytest.mark.parametrize("options", [(), ("--signed-gauges", "change"), ("--signed-gauges", "set")])
def the_option_decides_what_a_negative_gauge_means(stream: Stream, relay_to: RelayTo, options: tuple[str, ...]) -> None:
    relay = relay_to(stream.url, *options)
    of_datadog = DogStatsd("127.0.0.1", relay.port, disable_telemetry=True, origin_detection_enabled=False)
    of_statsd = statsd.StatsClient("127.0.0.1", relay.port)
    for _ in range(3):
        of_datadog.gauge("datadog", -3, tags=["room:a"])
        of_datadog.gauge("untagged", -3)
        of_statsd.gauge("statsd", -3)
    node = shutil.which("node", path=f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}")
    script = Path(__file__).with_name("hot_shots_gauge.mjs")
    subprocess.run([str(node), script, str(relay.port)], check=True, timeout=180.0)
    relay.await_numbers(lines=9 + 3 + 3)
    assert relay.end() == 0
    sets = options[-1:] == ("set",)
    assert stream.by("metric", agg="min") == {
        ("datadog",): -3 if sets else -9,
        ("untagged",): -3 if sets else -9,
        # This client sends a 0 first, which is right for both options.
        ("statsd",): -3,
        ("hot-shots",): -3 if sets else -9,
    }


def many_equal_datagrams_become_few_points_and_requests(gate: Gate, stream: Stream, relay_to: RelayTo) -> None:
    relay = relay_to(gate.url, interval=lasting_interval())
    pieces = [b"".join(b"hits:1|c\npages:%d|c|#site:%d\n" % (at, at % 5) for at in range(100)) * 10] * 50
    relay.stream(*pieces)
    relay.await_numbers(tcp_lines=100_000)
    assert relay.end() == 0
    assert len(gate.requests) == 1
    assert len(gate.points) == 6
    # A point whose period spans two steps is spread over both, so their sum may differ in the last digit.
    assert stream.by("metric") == pytest.approx({("hits",): 50_000, ("pages",): sum(range(100)) * 500}, rel=1e-12)
    assert all(0 < point["p"] < 600 for point in gate.points)
    assert stream.total("ratio", where="metric=hits", step=86400) == pytest.approx(1)


def a_relay_puts_each_interval_into_its_own_step(gate: Gate, relay_to: RelayTo) -> None:
    relay = relay_to(gate.url, interval=0.5)
    relay.send(b"a:1|c")
    eventually(lambda: gate.points)
    relay.send(b"a:1|c")
    eventually(lambda: len(gate.points) == 2)
    assert all(point["t"] % 0.5 == 0 for point in gate.points)
    assert gate.points[0]["p"] <= 0.5
    assert gate.points[1]["p"] == 0.5
    assert relay.end() == 0


def lost_responses_and_outages_lose_and_double_nothing(stream: Stream, relay_to: RelayTo) -> None:
    gate = Gate(stream)
    relay = relay_to(gate.url)
    gate.faults += [Fault(True, None), Fault(False, (503, {})), Fault(False, None)]
    relay.send(b"a:1|c")
    relay.await_numbers(stored=1, queued=0)
    port = gate.port
    gate.close()
    relay.send(b"a:10|c")
    retries = relay.numbers()["retries"]
    eventually(lambda: relay.numbers().get("queued") and relay.numbers()["retries"] > retries)
    relay.send(b"a:100|c")
    relay.await_numbers(lines=3)
    gate = Gate(stream, port)
    eventually(lambda: stream.total() == 111)
    assert relay.end() == 0
    assert stream.total() == 111
    gate.close()


def the_end_delivers_earlier_lines(stream: Stream, relay_to: RelayTo) -> None:
    relay = relay_to(stream.url, interval=3_600.0)
    connection = socket.create_connection(relay.address)
    connection.sendall(b"a:1|c\na:2|c")
    relay.send(*[b"a:1|c"] * 50)
    eventually(lambda: relay.numbers().get("connections") == 1)
    assert relay.end() == 0
    assert stream.total() == pytest.approx(53, rel=1e-12)
    connection.close()


def the_end_delivers_lines_still_in_the_kernel(stream: Stream, relay_to: RelayTo) -> None:
    relay = relay_to(stream.url, interval=3_600.0)
    with socket.create_connection(relay.address) as connection:
        eventually(lambda: relay.numbers().get("connections") == 1)
        # The relay is stopped while lines arrive, and resumes with SIGTERM pending.
        relay.signal(signal.SIGSTOP)
        connection.sendall(b"a:1|c\n" * 20_000)
        relay.send(*[b"a:1|c"] * 1_200)
        relay.signal(signal.SIGTERM)
        relay.signal(signal.SIGCONT)
        assert relay.end() == 0
    numbers = relay.numbers()
    assert numbers["datagrams"] + numbers.get("kernel_dropped", 0) == 1_200
    assert stream.total() == pytest.approx(20_000 + numbers["datagrams"], rel=1e-12)


def the_end_is_in_time_and_reports_undelivered_points(relay_to: RelayTo) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/streams/abc"
        relay = relay_to(url, "--exit-timeout", "0.5", interval=3_600.0)
        relay.send(b"a:1|c\nb:1|c")
        relay.await_numbers(datagrams=1)
        began = time.monotonic()
        assert relay.end() == 1
        assert time.monotonic() - began < 5.0
        assert relay.numbers()["queued"] == 2


def bad_lines_are_counted_and_the_last_is_reported(stream: Stream, relay_to: RelayTo) -> None:
    relay = relay_to(stream.url)
    relay.send(b"a:1|c\nhello\nb:x|c", b"_sc|db|0", b"\xff\xfe", b"")
    relay.await_numbers(lines=5, bad_lines=4)
    assert relay.end() == 0
    assert any("last_error=" in line for line in relay.printed)
    assert stream.total() == 1


def endless_lines_and_connections_are_bounded(stream: Stream, relay_to: RelayTo) -> None:
    relay = relay_to(stream.url)
    relay.stream(b"a:1|c\n" + b"x" * 9_000, b"x" * 100_000, b"y:1|c\na:2|c\n", b"z" * 8_193 + b"\na:4|c")
    relay.await_numbers(long_lines=2, lines=3)
    kept = [socket.create_connection(relay.address) for _ in range(300)]
    eventually(lambda: relay.numbers()["refused_connections"] >= 44)
    relay.send(b"a:8|c")
    kept[0].sendall(b"a:16|c\n")
    relay.await_numbers(lines=5)
    for connection in kept:
        connection.close()
    relay.await_numbers(connections=0)
    relay.stream(b"a:32|c\n")
    relay.await_numbers(lines=6)
    assert relay.end() == 0
    assert stream.total() == 63


def the_relay_and_the_endpoint_agree_on_the_same_lines(worker: Worker, relay_to: RelayTo) -> None:
    lines = b"".join(
        b"hits:%d|c|@0.5|#k:%d\ntook;k=%d:%d:%d|ms\nsize:%d|h|@0.25\nuser:%d|s\n"
        % (at, at % 3, at % 2, at, at, at, at % 7)
        for at in range(400)
    )
    by_relay, by_endpoint = worker.new_stream(distinct=["member"]), worker.new_stream(distinct=["member"])
    relay = relay_to(by_relay.url)
    relay.stream(lines)
    relay.await_numbers(lines=1_600)
    assert relay.end() == 0
    answer = urllib3.PoolManager().request("POST", f"{by_endpoint.url}/statsd", body=lines)
    assert (answer.status, answer.json()["accepted"]) == (202, 2_000)
    # The relay sends members of a set once per interval, the endpoint each time.
    for agg, where in (("sum", "type!=set"), ("ratio", "type!=set"), ("distinct:member", "type=set")):
        query = {"agg": agg, "where": where}
        assert by_relay.by("metric", "type", "k", **query) == by_endpoint.by("metric", "type", "k", **query)


def a_taken_port_and_invalid_options_are_reported(stream: Stream, relay_to: RelayTo) -> None:
    taken = relay_to(stream.url).port

    def fails(*options: str) -> str:
        command = [sys.executable, "-m", "heartbeat_stream", "statsd", *options]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120.0, check=False)
        assert ran.returncode in (1, 2)
        return ran.stderr

    assert f"cannot listen at 127.0.0.1:{taken}" in fails("--listen", f"127.0.0.1:{taken}", "--to", stream.url)
    assert "is not HOST:PORT" in fails("--listen", "8125", "--to", stream.url)
    assert "is not HOST:PORT" in fails("--listen", "127.0.0.1:65536", "--to", stream.url)
    assert "number of seconds" in fails("--interval", "0", "--to", stream.url)
    assert "stream_url must be" in fails("--listen", "127.0.0.1:0", "--to", "https://example.com/")


def the_datagram_rate_is_measured(stream: Stream, relay_to: RelayTo, capsys: pytest.CaptureFixture[str]) -> None:
    relay = relay_to(stream.url, interval=1.0)
    seconds, flood = 2.0, Path(__file__).with_name("flood.py")
    ran = subprocess.run(
        [sys.executable, flood, str(relay.port), str(seconds)],
        capture_output=True,
        text=True,
        check=True,
        timeout=180.0,
    )
    sent = int(ran.stdout)
    eventually(lambda: relay.numbers()["datagrams"] + relay.numbers().get("kernel_dropped", 0) >= sent)
    assert relay.end() == 0
    numbers = relay.numbers()
    # Each received datagram was counted once.
    assert stream.total(where="metric=flood") == numbers["datagrams"]
    with capsys.disabled():
        received, dropped = numbers["datagrams"], numbers.get("kernel_dropped", 0)
        print(
            f"\nstatsd relay: {received / seconds:,.0f} datagrams per second received of {sent / seconds:,.0f} sent"
            f" ({dropped / sent:.1%} dropped by the kernel), in {numbers['requests']} requests"
        )


def many_clients_write_at_the_same_time(stream: Stream, relay_to: RelayTo) -> None:
    relay = relay_to(stream.url)

    def write(number: int) -> None:
        client = statsd.TCPStatsClient(port=relay.port)
        for _ in range(500):
            client.incr(f"client.{number}")
        client.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    relay.await_numbers(lines=4_000)
    assert relay.end() == 0
    assert stream.by("metric") == {(f"client.{number}",): 500 for number in range(8)}
