"""A caller's arguments are accepted, or refused, counted and logged, without affecting others."""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import pytest
from gate import Gate
from worker import Stream

from heartbeat_stream import Client, HeartbeatHandler, Sender

URL = "http://127.0.0.1:9/v1/streams/gone"


class Broken:
    """A value whose conversions all raise."""

    def __str__(self) -> str:
        raise RuntimeError("no string")

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    __repr__ = __str__


class Colour(str, enum.Enum):
    RED = "red"


@pytest.fixture
def client(gate: Gate) -> Iterator[Client]:
    client = Client(gate.url, flush_interval=60.0)
    yield client
    client.close(0.0)


class Unhashable(str):
    """A name that cannot be the key of a dictionary."""

    __hash__ = None  # type: ignore[assignment]


NAMES = [404, None, b"bytes", "", True, 1.5, "n" * 257, "é" * 129, "a\nb", "a\x00", "\x85", "\ud800", ["a"], Broken()]


@pytest.mark.parametrize("call", ["incr", "decr", "ratio", "timing", "gauge", "set", "timer", "pipeline"])
def invalid_metric_names_are_dropped_alone(client: Client, gate: Gate, call: str) -> None:
    def measure(metric: Any) -> None:
        if call == "timer":
            with client.timer(metric):
                pass
        elif call == "pipeline":
            with client.pipeline() as pipeline:
                pipeline.incr("good", 0)
                pipeline.incr(metric)
        else:
            arguments = {"ratio": (1, 2), "timing": (1,), "gauge": (1,), "set": ("m",)}.get(call, ())
            getattr(client, call)(metric, *arguments)

    for _ in range(1_000):
        client.incr("good")
    for name in NAMES:
        measure(name)
    assert client.statistics().dropped == len(NAMES)
    assert client.flush(60.0)
    assert {point["v"]["metric"] for point in gate.points} == {"good"}
    assert sum(point["n"] for point in gate.points) == 1_000
    assert client.statistics().dropped == len(NAMES)
    assert client.statistics().rejected == 0


VALUES = [
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    "three",
    None,
    b"",
    [1],
    {},
    1j,
    Broken(),
    Decimal("NaN"),
    Decimal("1e999"),
]


@pytest.mark.parametrize("call", ["incr", "decr", "ratio", "timing", "gauge"])
def every_call_drops_values_that_are_not_numbers(client: Client, gate: Gate, call: str) -> None:
    measure = getattr(client, call)
    for value in VALUES:
        measure("bad", value, *([1] if call == "ratio" else []))
    if call == "ratio":
        for value in VALUES:
            measure("bad", 1, value)
        measure("bad", 1, -1)
    wanted = 2 * len(VALUES) + 1 if call == "ratio" else len(VALUES)
    assert client.statistics().dropped == wanted
    client.incr("good")
    assert client.flush(60.0)
    assert [point["v"]["metric"] for point in gate.points] == ["good"]


def every_numeric_type_is_accepted(client: Client, gate: Gate) -> None:
    class Scalar:
        """Not a Python number, but convertible to one, like a NumPy scalar."""

        def __float__(self) -> float:
            return 2.5

    for value in (1, 2.0, True, Decimal("2"), Fraction(1, 2), 2**53, -3, Scalar()):
        client.gauge(f"g {type(value).__name__} {float(value):g}", cast("float", value))
    assert client.flush(60.0)
    assert client.statistics().dropped == client.statistics().rejected == 0
    assert [point["n"] for point in gate.points] == [1, 2, 1, 2, 0.5, 2**53, -3, 2.5]


def an_unhashable_name_does_not_lose_the_rest_of_a_pipeline(client: Client, gate: Gate) -> None:
    with client.pipeline() as pipeline:
        pipeline.incr("before")
        pipeline.incr(Unhashable("bad"))
        pipeline.incr("after")
    client.incr(Unhashable("bad"))
    assert client.statistics().dropped == 2
    assert client.flush(60.0)
    assert sorted(point["v"]["metric"] for point in gate.points) == ["after", "before"]


@pytest.mark.parametrize("member", ["\n", "\r\n", "\x00", "\x85", "", None])
def an_empty_member_is_dropped(client: Client, gate: Gate, member: str | None) -> None:
    client.set("visitors", member)
    client.set("visitors", "ann")
    assert client.statistics().dropped == 1
    assert client.flush(60.0)
    assert [point["v"].get("member") for point in gate.points] == ["ann"]


def a_value_that_overflows_a_sum_is_dropped_alone(client: Client, gate: Gate) -> None:
    client.incr("c", 1e100)
    client.incr("c", 10**100)
    client.incr("c", 0.5)
    client.gauge("g", 1e100)
    client.gauge("g", 1e100, delta=True)
    client.timing("t", 1e100)
    for _ in range(1_001):
        client.timing("many", 1e100)
    with client.pipeline() as pipeline:
        pipeline.incr("c", 1e100)
        pipeline.incr("good")
    assert client.statistics().dropped == 3
    assert client.flush(60.0)
    sums = {point["v"]["metric"]: point["n"] for point in gate.points}
    assert (sums["c"], sums["g"], sums["t"], sums["good"]) == (1e100, 1e100, 1e100, 1)
    # The server has lower limits for writers without a write key, and checks each point separately.
    settled = client.statistics()
    assert settled.accepted + settled.rejected == len(gate.points)
    assert client.statistics().dropped >= 4


def labels_are_converted_to_strings_and_collections_dropped(client: Client, gate: Gate) -> None:
    bad = [["a"], ("a",), {"a": 1}, {1}, frozenset(), b"a", bytearray(b"a"), Broken()]
    for value in bad:
        client.incr("bad", 1, label=value)
    cast("Any", client).incr("bad", **{"": "no name"})
    client.set("bad", ["a"])
    client.set("bad", b"a")
    client.set("bad", "")
    client.set("bad", None)
    assert client.statistics().dropped == len(bad) + 5
    client.incr("good", 1, a=1, b=2.5, c=True, d=None, e=Decimal("1.0"), f=Colour.RED, g="\ud800", h="x" * 300)
    assert client.flush(60.0)
    assert client.statistics().rejected == 0
    (point,) = gate.points
    assert {name: value for name, value in point["v"].items() if len(name) == 1} == {
        "a": "1",
        "b": "2.5",
        "c": "true",
        "e": "1.0",
        "f": "red",
        "g": "?",
        "h": "x" * 256,
    }


def excess_labels_are_cut_and_the_measurement_counts(client: Client, stream: Stream) -> None:
    client.incr("many", 3, **{f"label{at:02}": at for at in range(40)})
    cast("Any", client).incr("many", 4, **{"n" * 100: "x", "a\nb": "c\td"})
    assert client.flush(60.0)
    assert stream.total() == 7
    assert client.statistics().rejected == client.statistics().dropped == 0


def arguments_of_the_statsd_and_datadog_clients_are_accepted(client: Client, gate: Gate) -> None:
    untyped = cast("Any", client)
    untyped.incr("hits", count=5, rate=1)
    untyped.incr("hits", value=2, tags=["page:/a:b", "beta"], sample_rate=1)
    untyped.decr("hits", count=1)
    untyped.incr("hits", delta=10, tags=None, sample_rate=None)
    untyped.timing("took", delta=320)
    untyped.timing("took", value=80, tags={"page": 7, "count": 3})
    untyped.gauge("queue", value=7, rate=1, tags=("a:b",))
    untyped.gauge("depth", 4, sample_rate=1)
    untyped.set("users", value="ann", rate=1)
    untyped.ratio("errors", 1, 2, tags={"metric": "x"}, sample_rate=1)
    with untyped.timer("block", tags=["a:b"], sample_rate=1):
        pass
    assert client.statistics().dropped == 0
    assert client.flush(60.0)
    seen = [
        ({key: value for key, value in point["v"].items() if key != "type"}, point["n"])
        for point in gate.points
        if point["v"]["metric"] != "block"
    ]
    assert seen == [
        ({"metric": "hits"}, 14),
        ({"metric": "hits", "page": "/a:b", "beta": "true"}, 2),
        ({"metric": "errors", "tag_metric": "x"}, 1),
        ({"metric": "took"}, 320),
        ({"metric": "took", "page": "7", "count": "3"}, 80),
        ({"metric": "queue", "a": "b"}, 7),
        ({"metric": "depth"}, 4),
        ({"metric": "users", "member": "ann"}, 1),
    ]
    assert [point["v"]["a"] for point in gate.points if point["v"]["metric"] == "block"] == ["b"]


def contradictory_or_invalid_arguments_are_dropped(client: Client) -> None:
    untyped = cast("Any", client)
    bad: list[Callable[[], Any]] = [
        lambda: untyped.incr("hits", 2, count=5),
        lambda: untyped.incr("hits", count=5, value=5),
        lambda: untyped.incr("hits", count="five"),
        lambda: untyped.incr("hits", count=None),
        lambda: untyped.incr("hits", rate="often"),
        lambda: untyped.incr("hits", rate=-0.5),
        lambda: untyped.incr("hits", rate=math.nan),
        lambda: untyped.incr("hits", rate=0.5, sample_rate=0.5),
        lambda: untyped.incr("hits", sample_rate=[1]),
        lambda: untyped.incr("hits", tags="a:b"),
        lambda: untyped.incr("hits", tags=7),
        lambda: untyped.incr("hits", tags=[7]),
        lambda: untyped.incr("hits", tags=[":b"]),
        lambda: untyped.incr("hits", tags={1: "b"}),
        lambda: untyped.incr("hits", tags=["a:b", "a:c"]),
        lambda: untyped.incr("hits", tags=["a:b"], a="c"),
        lambda: untyped.timing("took"),
        lambda: untyped.timing("took", 1, delta=2),
        lambda: untyped.set("users", "ann", value="bob"),
        lambda: untyped.set("users"),
        lambda: untyped.gauge("queue", 1, delta=Broken()),
        lambda: untyped.timer("took", rate="often").__enter__().__exit__(None, None, None),
    ]
    for number, call in enumerate(bad, start=1):
        call()
        assert client.statistics().dropped == number, f"call number {number}"


def each_kind_of_refusal_is_logged_once_with_its_reason(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    untyped = cast("Any", client)
    for status in (404, 404, 500):
        untyped.incr(status)
    untyped.incr("hits", route=["/a"])
    messages = [record.getMessage() for record in caplog.records if record.name == "heartbeat_stream"]
    assert [message.split("was refused: ")[1] for message in messages] == [
        "incr: a metric must be a string, not the integer 404",
        "incr: label 'route' must be a string, a number or a boolean, not a value of type list",
    ]


def constructors_raise_for_invalid_arguments(stream: Stream) -> None:
    bad_labels: list[Any] = [{1: "x"}, {"": "x"}, {None: "x"}, {"a": ["b"]}, {"a": b"b"}, ["a:b"], "a", 7]
    for labels in bad_labels:
        for make in (Client, HeartbeatHandler):
            with pytest.raises(TypeError, match="label"):
                make(stream.url, labels=labels)
    for extras in ([1], [None], 7, [""]):
        with pytest.raises(TypeError, match="extras"):
            HeartbeatHandler(stream.url, extras=cast("Any", extras))
    for url in (None, b"http://127.0.0.1/v1/streams/a", 7):
        with pytest.raises(TypeError, match="stream_url"):
            Sender(cast("Any", url))
    for seconds in (0, -1, math.nan, math.inf, 1e12):
        for name in ("flush_interval", "backoff", "backoff_max"):
            with pytest.raises(ValueError, match="above 0"):
                Sender(URL, **{name: seconds})  # type: ignore[arg-type]
    for rate in (0, -1, 1.5, math.nan):
        with pytest.raises(ValueError, match="sample rate"):
            Client(URL, sample_rate=rate)


def a_timer_without_a_name_raises(client: Client) -> None:
    untyped = cast("Any", client)
    with pytest.raises(TypeError, match="name of its metric"):

        @untyped.timer  # type: ignore[untyped-decorator]
        def search() -> None: ...

    with pytest.raises(TypeError, match="decorates a function"):
        untyped.timer("search")("words")

    @client.timer(cast("str", 404))
    def answer() -> int:
        return 42

    assert answer() == 42
    assert client.statistics().dropped == 1
    with client.timer("took", ms="5", value="x", n=1):
        pass
    assert client.statistics().dropped == 1


def an_invalid_point_is_dropped_alone(gate: Gate, stream: Stream) -> None:
    sender = Sender(gate.url)
    bad: list[Any] = [None, 7, "n", {"n": Decimal(1)}, {"n": math.nan}, {"n": 1, "v": {"a": "\ud800"}}, {"n": {1, 2}}]
    bad += [{"n": Broken()}, {Broken(): 1}, {"n": "x" * 70_000}]
    for point in bad:
        assert not sender.put(point)
    assert sender.statistics().dropped == len(bad)
    for point in (
        {"n": 1},
        {"n": 1, "d": -1},
        {"n": 1, "p": -1},
        {"n": "one"},
        {"n": 10**400},
        {"n": 2, "v": {"a": 1}},
        {},
    ):
        assert sender.put(point)
    assert sender.flush(60.0)
    assert (sender.statistics().accepted, sender.statistics().rejected) == (1, 6)
    assert stream.total() == 1
    sender.close()


def a_failing_source_keeps_the_points_it_yielded(gate: Gate) -> None:
    left = [{"n": 1}]

    def source() -> Iterator[dict[str, Any]]:
        while left:
            yield left.pop()
            raise RuntimeError("of the source")

    sender = Sender(gate.url)
    sender.add_source(source)
    assert sender.flush(60.0)
    assert [point["n"] for point in gate.points] == [1]
    assert sender.statistics().dropped == 1
    sender.close(0.0)


def every_log_record_becomes_a_point_or_is_counted(gate: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    handler = HeartbeatHandler(gate.url, "DEBUG", labels={"site": "blog"}, extras=["job", "msg"])
    logger = logging.Logger("odd")
    logger.addHandler(handler)
    logger.error("two %s %s", "arguments of", "three", "too many")
    logger.error("%d", "no number")
    logger.error(404)
    logger.error(None)
    logger.error({"a": 1}, extra={"job": ["a", "list"]})
    logger.error("bad", exc_info=(None, None, None))
    try:
        raise type("Unsaid", (Exception,), {"__str__": lambda _: 1 / 0})
    except Exception:
        logger.exception("of an exception without a string")
    strange: list[dict[str, Any]] = [
        {"name": None},
        {"name": 7},
        {"levelname": 5},
        {"exc_info": True},
        {"exc_info": (1, 2, 3)},
    ]
    for attributes in strange:
        logger.handle(logging.makeLogRecord({"name": "made", "levelno": logging.ERROR, **attributes}))
    assert handler.statistics().dropped == 0
    logger.error("lost", extra={"job": Broken()})
    logger.handle(logging.makeLogRecord({"name": "made", "levelno": logging.ERROR, "created": "now"}))
    logger.handle(logging.makeLogRecord({"name": "made", "levelno": logging.ERROR, "created": math.nan}))
    assert handler.statistics().dropped == 3
    assert "Traceback" in capsys.readouterr().err
    handler.flush()
    numbers = handler.statistics()
    assert (numbers.accepted, numbers.rejected, numbers.dropped) == (7 + len(strange), 0, 3)
    handler.close()
