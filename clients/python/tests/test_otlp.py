"""The unmodified OpenTelemetry SDKs and their exporters write to the real Worker."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from gate import Fault, Gate
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Meter, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from worker import ROOT, Stream

ROUNDS = 3
TIMES = 100


class Program:
    """A program that uses the SDK, configured by environment variables."""

    def __init__(self) -> None:
        self.answers: list[requests.Response] = []
        session = requests.Session()
        session.hooks["response"].append(lambda answer, **_: self.answers.append(answer))
        self._provider = MeterProvider(
            [PeriodicExportingMetricReader(OTLPMetricExporter(session=session), export_interval_millis=math.inf)],
            Resource.create({"service.name": "shop", "team": "blue", "service.instance.id": "6ba7b810"}),
            shutdown_on_exit=False,
            views=[View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())],
        )
        self.meter: Meter = self._provider.get_meter("test")

    def export(self) -> None:
        self._provider.force_flush()

    def end(self) -> None:
        self._provider.shutdown()


StartAt = Callable[..., Program]


@pytest.fixture
def start_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartAt]:
    """Starts programs that export to a stream's URL, with the given settings."""
    started: list[Program] = []

    def start(url: str, **settings: str) -> Program:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{url}/otlp")
        for name, value in settings.items():
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
        started.append(Program())
        return started[-1]

    yield start
    for program in started:
        program.end()


def use(program: Program) -> None:
    """Records each kind of measurement, and exports several times."""
    meter, observed = program.meter, iter(range(1, 100))
    hits, open_carts = meter.create_counter("hits"), meter.create_up_down_counter("carts")
    took, size, depth = meter.create_histogram("took"), meter.create_histogram("size"), meter.create_gauge("depth")
    meter.create_observable_counter("bytes", [lambda _: [Observation(1_000 * next(observed), {"disk": "a"})]])
    for rounds in range(1, ROUNDS + 1):
        for at in range(TIMES):
            hits.add(1, {"page": f"/{at % 2}", "team": "red"} if at % 10 else {"page": "/0"})
            took.record(at, {"page": f"/{at % 2}"})
            size.record(0.5 * at)
        open_carts.add(3)
        depth.set(10 * rounds)
        program.export()
    program.export()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def measurements_of_the_python_sdk_add_up(stream: Stream, start_at: StartAt, compression: str) -> None:
    program = start_at(stream.url, METRICS_TEMPORALITY_PREFERENCE="delta", COMPRESSION=compression)
    use(program)
    assert {answer.status_code for answer in program.answers} == {200}
    assert {answer.request.headers.get("Content-Encoding") for answer in program.answers} == {
        {"none": None, "gzip": "gzip"}[compression]
    }
    for answer in program.answers:
        assert ExportMetricsServiceResponse.FromString(answer.content) == ExportMetricsServiceResponse()
    numbers = {
        ("hits", "counter", "/0", "blue"): ROUNDS * TIMES / 10,
        ("hits", "counter", "/0", "red"): ROUNDS * TIMES * 4 / 10,
        ("hits", "counter", "/1", "red"): ROUNDS * TIMES * 5 / 10,
        ("took", "histogram", "/0", "blue"): ROUNDS * sum(range(0, TIMES, 2)),
        ("took", "histogram", "/1", "blue"): ROUNDS * sum(range(1, TIMES, 2)),
        ("size", "histogram", "", "blue"): ROUNDS * sum(range(TIMES)) / 2,
    }
    added = stream.by("metric", "type", "page", "team", where=["type=~counter|histogram", "metric!~bytes|otel.*"])
    assert added == pytest.approx(numbers, rel=1e-12)
    assert stream.total("count", where="metric=hits") == 3 * ROUNDS
    assert stream.total("sum", where="metric=bytes") == pytest.approx(1_000 * (ROUNDS + 1), rel=1e-12)
    assert stream.total("ratio", where="metric=took") == pytest.approx((TIMES - 1) / 2)
    # An up-down counter and a gauge report their level.
    assert (stream.total("min", where="metric=carts"), stream.total("max", where="metric=carts")) == (3, 3 * ROUNDS)
    assert (stream.total("min", where="metric=depth"), stream.total("max", where="metric=depth")) == (10, 10 * ROUNDS)
    assert set(stream.by("service.name", "service.instance.id", "telemetry.sdk.name")) == {("shop", "", "")}


def an_export_whose_response_is_lost_counts_once(gate: Gate, stream: Stream, start_at: StartAt) -> None:
    gate.faults = [Fault(True, None), Fault(True, (503, {})), Fault(True, (0, {}))]
    program = start_at(gate.url, METRICS_TEMPORALITY_PREFERENCE="delta", COMPRESSION="gzip")
    program.meter.create_counter("hits").add(7)
    program.export()
    assert len(gate.requests) == 3
    assert program.answers[-1].status_code == 200
    assert stream.total("sum") == 7


def cumulative_exports_are_told_which_setting_to_change(
    stream: Stream, start_at: StartAt, caplog: pytest.LogCaptureFixture
) -> None:
    program = start_at(stream.url)
    program.meter.create_counter("hits").add(7)
    program.export()
    status = Status.FromString(program.answers[0].content)
    assert (program.answers[0].status_code, status.code) == (400, 3)
    check(status.message)
    assert "Failed to export metrics batch code: 400, reason: Bad Request" in caplog.messages

    caplog.clear()
    program.meter.create_gauge("depth").set(5)
    program.meter.create_histogram("took").record(1)
    program.export()
    response = ExportMetricsServiceResponse.FromString(program.answers[1].content)
    # The third is the SDK's own measurement of how long the collection took.
    assert (program.answers[1].status_code, response.partial_success.rejected_data_points) == (200, 3)
    check(response.partial_success.error_message)
    # This exporter does not log the message of a successful response.
    assert caplog.messages == []
    assert stream.by("metric") == {("depth",): 5}


def check(message: str) -> None:
    for part in ('metric "hits": cumulative sums', "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta"):
        assert part in message


def two_programs_do_not_mix_their_numbers(stream: Stream, start_at: StartAt) -> None:
    settings: dict[str, Any] = {"METRICS_TEMPORALITY_PREFERENCE": "delta"}
    programs = [start_at(stream.url, **settings) for _ in range(2)]
    for program in programs:
        program.meter.create_counter("hits").add(1)
    for program in programs:
        program.export()
    assert stream.total("sum") == 2


@pytest.mark.parametrize("compression", ["none", "gzip"])
def measurements_of_the_npm_sdk_add_up(stream: Stream, compression: str) -> None:
    count = 300
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{stream.url}/otlp",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
    }
    command = [node(), str(Path(__file__).with_name("otlp.mjs")), str(count)]
    subprocess.run(command, check=True, timeout=180.0, env={**os.environ, **settings})
    numbers = {
        **{("npm.hits", "counter", f"/{page}", "npm"): 3 * 2 * count / 3 for page in range(3)},
        ("npm.took", "histogram", "", "npm"): 3 * count * 5,
    }
    added = stream.by("metric", "type", "page", "service.name", where="type=~counter|histogram")
    assert added == pytest.approx(numbers, rel=1e-12)
    assert stream.total("min", where="metric=npm.carts") == -4.5
    assert stream.total("ratio", where="metric=npm.depth") == 12


def the_programs_in_the_document_write(stream: Stream) -> None:
    document = (ROOT / "docs/otlp.md").read_text(encoding="utf-8")

    def block(language: str) -> str:
        found = re.search(rf"```{language}\n(.*?)```", document, re.DOTALL)
        assert found
        return found[1]

    url, _, stream_id = stream.url.partition("/v1/streams/")
    settings = {**os.environ, "URL": url, "ID": stream_id}
    programs = [[sys.executable, "-c", block("python")], [node(), "--input-type=module", "-e", block("js")]]
    for program in programs:
        script = f"set -eu\n{block('console')}\nexec {shlex.join(program)}"
        subprocess.run(["sh", "-c", script], check=True, timeout=180.0, cwd=ROOT, env=settings)
    assert stream.by("metric", "type", "plan", "service.name", where="metric!~otel.*") == pytest.approx(
        {
            ("signups", "counter", "free", "shop"): 1,
            ("signups", "counter", "pro", "shop"): 1,
            ("checkout", "histogram", "", "shop"): 320,
        }
    )


def node() -> str:
    found = shutil.which("node", path=f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}")
    assert found is not None
    return found
