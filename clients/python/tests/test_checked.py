"""What a caller gives, where it enters: it is understood, or refused, counted and logged, alone."""

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
    """Nothing of it can be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

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
    """A name that no dictionary takes."""

    __hash__ = None  # type: ignore[assignment]


NAMES = [404, None, b"bytes", "", True, 1.5, "n" * 257, "é" * 129, "a\nb", "a\x00", "\x85", "\ud800", ["a"], Broken()]


@pytest.mark.parametrize("call", ["incr", "decr", "ratio", "timing", "gauge", "set", "timer", "pipeline"])
def a_name_that_is_none_is_counted_and_takes_nothing_with_it(client: Client, gate: Gate, call: str) -> None:
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
    assert client.flush()
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
def a_value_that_is_no_number_is_counted_in_every_call(client: Client, gate: Gate, call: str) -> None:
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
    assert client.flush()
    assert [point["v"]["metric"] for point in gate.points] == ["good"]


def every_kind_of_number_is_one(client: Client, gate: Gate) -> None:
    class Scalar:
        """As numpy's are: no number of Python, but one that says what it is."""

        def __float__(self) -> float:
            return 2.5

    for value in (1, 2.0, True, Decimal("2"), Fraction(1, 2), 2**53, -3, Scalar()):
        client.gauge(f"g {type(value).__name__} {float(value):g}", cast("float", value))
    assert client.flush()
    assert client.statistics().dropped == client.statistics().rejected == 0
    assert [point["n"] for point in gate.points] == [1, 2, 1, 2, 0.5, 2**53, -3, 2.5]


def one_name_that_fails_when_it_is_counted_takes_nothing_of_its_pipeline_with_it(client: Client, gate: Gate) -> None:
    with client.pipeline() as pipeline:
        pipeline.incr("before")
        pipeline.incr(Unhashable("bad"))
        pipeline.incr("after")
    client.incr(Unhashable("bad"))
    assert client.statistics().dropped == 2
    assert client.flush()
    assert sorted(point["v"]["metric"] for point in gate.points) == ["after", "before"]


@pytest.mark.parametrize("member", ["\n", "\r\n", "\x00", "\x85", "", None])
def a_member_without_a_text_is_counted_and_is_no_point(client: Client, gate: Gate, member: str | None) -> None:
    client.set("visitors", member)
    client.set("visitors", "ann")
    assert client.statistics().dropped == 1
    assert client.flush()
    assert [point["v"].get("member") for point in gate.points] == ["ann"]


def sums_beyond_what_a_point_holds_lose_only_what_does_not_fit(client: Client, gate: Gate) -> None:
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
    assert client.flush()
    sums = {point["v"]["metric"]: point["n"] for point in gate.points}
    assert (sums["c"], sums["g"], sums["t"], sums["good"]) == (1e100, 1e100, 1e100, 1)
    # The server takes less of whoever has no write key, each point by itself.
    settled = client.statistics()
    assert settled.accepted + settled.rejected == len(gate.points)
    assert client.statistics().dropped >= 4


def a_label_that_is_none_is_counted_and_all_that_have_a_text_are_labels(client: Client, gate: Gate) -> None:
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
    assert client.flush()
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


def of_too_many_labels_the_first_stay_and_the_measurement_counts(client: Client, stream: Stream) -> None:
    client.incr("many", 3, **{f"label{at:02}": at for at in range(40)})
    cast("Any", client).incr("many", 4, **{"n" * 100: "x", "a\nb": "c\td"})
    assert client.flush()
    assert stream.total() == 7
    assert client.statistics().rejected == client.statistics().dropped == 0


def what_clients_of_statsd_and_datadog_write_is_understood(client: Client, gate: Gate) -> None:
    anything = cast("Any", client)
    anything.incr("hits", count=5, rate=1)
    anything.incr("hits", value=2, tags=["page:/a:b", "beta"], sample_rate=1)
    anything.decr("hits", count=1)
    anything.incr("hits", delta=10, tags=None, sample_rate=None)
    anything.timing("took", delta=320)
    anything.timing("took", value=80, tags={"page": 7, "count": 3})
    anything.gauge("queue", value=7, rate=1, tags=("a:b",))
    anything.gauge("depth", 4, sample_rate=1)
    anything.set("users", value="ann", rate=1)
    anything.ratio("errors", 1, 2, tags={"metric": "x"}, sample_rate=1)
    with anything.timer("block", tags=["a:b"], sample_rate=1):
        pass
    assert client.statistics().dropped == 0
    assert client.flush()
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


def words_that_contradict_or_mean_nothing_are_counted(client: Client) -> None:
    anything = cast("Any", client)
    bad: list[Callable[[], Any]] = [
        lambda: anything.incr("hits", 2, count=5),
        lambda: anything.incr("hits", count=5, value=5),
        lambda: anything.incr("hits", count="five"),
        lambda: anything.incr("hits", count=None),
        lambda: anything.incr("hits", rate="often"),
        lambda: anything.incr("hits", rate=-0.5),
        lambda: anything.incr("hits", rate=math.nan),
        lambda: anything.incr("hits", rate=0.5, sample_rate=0.5),
        lambda: anything.incr("hits", sample_rate=[1]),
        lambda: anything.incr("hits", tags="a:b"),
        lambda: anything.incr("hits", tags=7),
        lambda: anything.incr("hits", tags=[7]),
        lambda: anything.incr("hits", tags=[":b"]),
        lambda: anything.incr("hits", tags={1: "b"}),
        lambda: anything.incr("hits", tags=["a:b", "a:c"]),
        lambda: anything.incr("hits", tags=["a:b"], a="c"),
        lambda: anything.timing("took"),
        lambda: anything.timing("took", 1, delta=2),
        lambda: anything.set("users", "ann", value="bob"),
        lambda: anything.set("users"),
        lambda: anything.gauge("queue", 1, delta=Broken()),
        lambda: anything.timer("took", rate="often").__enter__().__exit__(None, None, None),
    ]
    for number, call in enumerate(bad, start=1):
        call()
        assert client.statistics().dropped == number, f"the call number {number}"


def what_is_refused_is_logged_in_words_once_of_its_kind(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    anything = cast("Any", client)
    for status in (404, 404, 500):
        anything.incr(status)
    anything.incr("hits", route=["/a"])
    messages = [record.getMessage() for record in caplog.records if record.name == "heartbeat_stream"]
    assert [message.split("was refused: ")[1] for message in messages] == [
        "incr: a metric must be a string, not the integer 404",
        "incr: label 'route' must be a string, a number or a boolean, not a value of type list",
    ]


def a_client_or_handler_with_a_mistake_is_not_made(stream: Stream) -> None:
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


def a_timer_says_at_once_that_it_lacks_a_name(client: Client) -> None:
    anything = cast("Any", client)
    with pytest.raises(TypeError, match="name of its metric"):

        @anything.timer  # type: ignore[untyped-decorator]
        def search() -> None: ...

    with pytest.raises(TypeError, match="decorates a function"):
        anything.timer("search")("words")

    @client.timer(cast("str", 404))
    def answer() -> int:
        return 42

    assert answer() == 42
    assert client.statistics().dropped == 1
    with client.timer("took", ms="5", value="x", n=1):
        pass
    assert client.statistics().dropped == 1


def a_point_that_is_none_is_counted_alone(gate: Gate, stream: Stream) -> None:
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
    assert sender.flush()
    assert (sender.statistics().accepted, sender.statistics().rejected) == (1, 6)
    assert stream.total() == 1
    sender.close()


def a_source_that_fails_loses_only_what_it_had_not_said(gate: Gate) -> None:
    left = [{"n": 1}]

    def source() -> Iterator[dict[str, Any]]:
        while left:
            yield left.pop()
            raise RuntimeError("of the source")

    sender = Sender(gate.url)
    sender.add_source(source)
    assert sender.flush()
    assert [point["n"] for point in gate.points] == [1]
    assert sender.statistics().dropped == 1
    sender.close(0.0)


def records_of_any_kind_are_points_or_are_counted(gate: Gate, capsys: pytest.CaptureFixture[str]) -> None:
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
        logger.exception("of an exception without a text")
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
