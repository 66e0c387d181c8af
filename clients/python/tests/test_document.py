"""The examples in docs/python.md run as they are shown, and PROTOCOL.md agrees with the code."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import programs
import pytest
from worker import ROOT, Stream, Worker

from heartbeat_stream import Client, HeartbeatHandler, Sender, Statistics, _gathered, _process, _queue, _sender
from heartbeat_stream import _transport as transport
from heartbeat_stream.commands import statsd

PROTOCOL = (ROOT / "clients/python/PROTOCOL.md").read_text()
DOCUMENT = (ROOT / "docs/python.md").read_text()
ADDRESS = "https://HOST/v1/streams/ID"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def every_program_in_the_document_writes_what_it_says(worker: Worker) -> None:
    blocks = _blocks("python")
    wanted = [
        ("exception,level", {("ZeroDivisionError", "ERROR"): 1}),
        ("level,site,job", {("WARNING", "blog", "nightly"): 1}),
        ("exception,level", {("LookupError", "CRITICAL"): 1}),
    ]
    assert len(blocks) == len(wanted) + 1
    for block, (labels, sums) in zip(blocks, wanted):
        stream = worker.new_stream()
        assert ADDRESS in block
        # The program that raises fails on purpose.
        programs.run(block.replace(ADDRESS, stream.url), status=1 if "\nraise " in block else 0)
        assert stream.by(*labels.split(",")) == sums
    stream = worker.new_stream(distinct=["member"])
    programs.run(blocks[-1].replace(ADDRESS, stream.url))
    of_metrics = stream.by("metric", "type")
    assert {kind for _, kind in of_metrics} == {"counter", "ratio", "gauge", "timer", "set"}
    assert of_metrics["requests", "counter"] == pytest.approx(3)
    assert of_metrics["queue", "gauge"] == 16
    assert of_metrics["checkout", "timer"] == 80
    assert len(of_metrics) == 11


def every_command_in_the_document_succeeds(stream: Stream) -> None:
    (block,) = _blocks("sh")
    server, _, name = stream.url.partition("/v1/streams/")
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env={**os.environ, "PATH": path, "URL": server, "ID": name, "KEY": stream.read_key},
        capture_output=True,
        text=True,
        timeout=240.0,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert re.search(r"US +12 +4\n", ran.stdout)
    assert "country=DE" in ran.stdout


def the_document_is_short_and_installs_this_package() -> None:
    assert len(DOCUMENT.splitlines()) <= 150
    (install,) = _blocks("console")
    assert install.strip().split()[-1] == "./clients/python"
    assert (ROOT / "clients/python/pyproject.toml").is_file()


def every_test_and_module_in_the_protocol_exists() -> None:
    assert len(PROTOCOL.splitlines()) <= 150
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = re.findall(r"`([a-z]+(?:_[a-z0-9]+){2,})`", PROTOCOL)
    assert len(named) >= 15
    for name in named:
        assert name in Statistics._fields or name == "worker_max_tasks_per_child" or f"def {name}(" in tests, name
    for module in re.findall(r"`(_[a-z]+\.py)`", PROTOCOL):
        assert (ROOT / "clients/python/src/heartbeat_stream" / module).is_file()


def the_numbers_in_the_protocol_are_those_of_the_code() -> None:
    def default(of: type, argument: str) -> object:
        return inspect.signature(of).parameters[argument].default

    points, size = default(Sender, "queue_points"), default(Sender, "queue_bytes")
    assert (points, size) == (100_000, 32 << 20)
    assert "| queue | 100,000 points, 32 MiB |" in PROTOCOL
    assert (statsd._QUEUE_POINTS, statsd._QUEUE_BYTES) == (200_000, 64 << 20)
    intervals = [default(of, "flush_interval") for of in (Sender, HeartbeatHandler, Client)]
    assert intervals == [1, 1, 10]
    assert "| `flush_interval` | 1 s, a `Client` 10 s |" in PROTOCOL
    for row in (
        f"`backoff` ({default(Sender, 'backoff')} s)",
        f"`backoff_max` ({default(Sender, 'backoff_max'):.0f} s)",
        f"at most {transport._MAX_RETRY_AFTER_S:.0f} s for a server",
        f"the wait is at most {_sender._URGENT_BACKOFF_S} s",
        f"unsettled {_queue.KEY_REMEMBERED_S:.0f} s after",
        f"failed {_sender._WARN_ATTEMPTS} times",
        f"within {_process.EXIT_TIMEOUT_S:.0f} s for all",
        f"| batch | {_queue.MAX_BATCH_POINTS:,} points, {_queue.MAX_BATCH_BYTES >> 10} KiB |",
        f"| point | {_queue.MAX_POINT_BYTES >> 10} KiB |",
        f"| from {_queue._MIN_GZIP_BYTES:,} bytes |",
        f"| {transport.CONNECT_TIMEOUT_S:.0f} s, {transport.READ_TIMEOUT_S:.0f} s |",
        f"| response that is read | {transport._MAX_RESPONSE_BYTES >> 10} KiB |",
        f"| {_gathered.MAX_GATHERED:,} values and series |",
    ):
        assert row in PROTOCOL, row
