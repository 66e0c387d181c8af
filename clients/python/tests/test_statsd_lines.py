"""The lines and intervals of the relay, without sockets."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any, cast

import pytest

from heartbeat_stream import Sender
from heartbeat_stream.statsd import _interval, _relay
from heartbeat_stream.statsd._intake import Intake
from heartbeat_stream.statsd._interval import in_runs
from heartbeat_stream.statsd._relay import Relay

CASES = Path(__file__).resolve().parents[3] / "tests/statsd-lines.json"
NOW = 1_792_540_800.0


class Kept:
    """A double of the sender that keeps the points."""

    def __init__(self) -> None:
        self.points: list[dict[str, Any]] = []

    def put(self, point: dict[str, Any]) -> bool:
        self.points.append(point)
        return True


def relay(interval_s: float = 10.0, sets_signed: bool = False) -> tuple[Relay, list[dict[str, Any]]]:
    kept = Kept()
    return Relay(cast("Sender", kept), interval_s, (), sets_signed), kept.points


def relayed(*texts: bytes) -> list[dict[str, Any]]:
    one, points = relay()
    for text in texts:
        one.intake.take(text)
    one.finish()
    return points


def merged(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merges points as the relay does: a counter is one point per interval."""
    found: dict[str, dict[str, Any]] = {}
    for at, point in enumerate(points):
        key = json.dumps(point["v"], sort_keys=True) + ("" if point["v"]["type"] == "counter" else str(at))
        one = found.setdefault(key, {**point, "n": 0, "d": 0})
        one["n"], one["d"] = one["n"] + point["n"], one["d"] + point["d"]
    return sorted(found.values(), key=lambda point: json.dumps([point["v"], point["n"]], sort_keys=True))


def each_listed_line_is_parsed_as_by_the_server() -> None:
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    assert len(cases) > 130
    for case in cases:
        one, points = relay(sets_signed=case.get("signed_gauges") == "set")
        one.intake.take(case["line"].encode())
        one.finish()
        seen = [{"n": point["n"], "d": point.get("d", 1), "v": point["v"]} for point in points]
        assert merged(seen) == merged(case["points"]), case["line"]
        assert one.bad_lines == case.get("rejected", 0 if case["points"] else 1), case["line"]


def lines_with_several_types_match_statsd() -> None:
    # What statsd 0.9.0 from npm flushed after each line.
    recorded: dict[bytes, list[tuple[str, float | str]]] = {
        b"a:5664|ms:6176|ms": [("timer", 5664), ("timer", 6176)],
        b"a:1|c:2|c|@0.1:3|g": [("counter", 21), ("gauge", 3)],
        b"a:1|c:x|c:3|c": [("counter", 4)],
        b"a:x|s:y|s": [("set", "x"), ("set", "y")],
        b"temp:-3|g|#room:a\ntemp:-3|g|#room:a\ntemp:-3|g|#room:a": [("gauge", -9)],
    }
    for text, wanted in recorded.items():
        points = relayed(text)
        assert sorted((point["v"]["type"], point["v"].get("member", point["n"])) for point in points) == wanted


def a_signed_gauge_is_changed_or_set_as_configured() -> None:
    for sets_signed, wanted in ((False, -9), (True, -3)):
        one, points = relay(sets_signed=sets_signed)
        for _ in range(3):
            one.intake.take(b"temp:-3|g|#room:a")
        one.finish()
        assert [point["n"] for point in points] == [wanted]


def an_infinite_sum_is_counted_and_the_interval_kept() -> None:
    one, points = relay()
    huge = [b"c:1e308|c", b"c:1e308|c|@0.9", b"g:1e308|g\ng:+1e308|g"]
    for text in (*huge, *[b"t:1%03d" % (at % 700) + b"0" * 305 + b"|ms" for at in range(1_001)], b"good:1|c"):
        one.intake.take(text)
    one.finish()
    by_metric = {point["v"]["metric"]: point["n"] for point in points}
    assert (by_metric["c"], by_metric["g"], by_metric["good"], one.bad_lines) == (1e308, 1e308, 1, 2)


def equal_datagrams_are_counted_and_gauges_keep_their_order() -> None:
    gauges = (b"g:5|g", b"g:-2|g", b"g:5|g", b"g:-2|g")
    points = relayed(b"a:1|c", b"g:1|g\ng:+1|g", b"a:1|c", *gauges, b"a:2|c|@0.5", b"a:2|c|@0.5")
    by_metric = {point["v"]["metric"]: point for point in points}
    assert (by_metric["a"]["n"], by_metric["a"]["d"]) == (10, 6)
    assert by_metric["g"]["n"] == 3
    assert len(points) == 2


def a_gauge_outlasts_intervals_and_is_sent_only_if_written() -> None:
    one, points = relay()
    for text in (b"g:10|g", b"a:1|c", b"g:-3|g"):
        one.intake.take(text)
        one.finish()
    assert [(point["v"]["metric"], point["n"]) for point in points] == [("g", 10), ("a", 1), ("g", 7)]


def members_are_sent_once_and_lines_keep_their_own_time() -> None:
    points = relayed(b"u:x|s", b"u:x|s\nu:y|s", f"a:1|c|T{int(NOW)}".encode(), f"a:2|c|T{int(NOW)}".encode(), b"a:4|c")
    assert sorted(point["v"]["member"] for point in points if point["v"]["type"] == "set") == ["x", "y"]
    counters = [point for point in points if point["v"]["type"] == "counter"]
    assert [point["n"] for point in counters] == [3, 4]
    assert (counters[0]["t"], "p" in counters[0]) == (NOW, False)
    assert counters[1]["t"] > NOW - 1e9


def bad_lines_are_counted_and_good_ones_kept() -> None:
    one, points = relay()
    for text in (b"a:1|c\nbad\n\xff:1|c\na:x|c\na:1:y:2|h\n\n", b"bad", b"bad"):
        one.intake.take(text)
    one.finish()
    assert (one.lines, one.bad_lines, len(points)) == (7, 6, 1)
    assert one.last_error


def runs_keep_exact_sums_and_quantiles_within_a_run() -> None:
    chance = random.Random(7)
    values = [(float(chance.randrange(1_000_000)), 1.0, chance.choice((1, 1, 7))) for _ in range(20_000)]
    runs = list(in_runs(values, 1_000))
    total = sum(times for _, _, times in values)
    assert len(runs) == 1_000
    assert math.fsum(n for n, _ in runs) == math.fsum(value * times for value, _, times in values)
    assert sum(d for _, d in runs) == total
    assert max(d for _, d in runs) - min(d for _, d in runs) <= 1
    every = sorted(value for value, _, times in values for _ in range(times))
    for percent in (1, 50, 99):
        mean = runs[percent * 10 - 1]
        rank = every.index(next(value for value in every if value >= mean[0] / mean[1]))
        assert abs(rank / total - percent / 100) <= 0.0015


def few_values_are_sent_unmerged() -> None:
    points = relayed(*[b"t:%d|ms" % value for value in range(999)], b"t:5|ms|@0.5")
    assert sorted(point["n"] / point["d"] for point in points) == sorted([*range(999), 5])
    assert sum(point["d"] for point in points) == 1_001


def many_timer_series_share_the_points_of_an_interval() -> None:
    points = relayed(*[b"t%d:%d|ms" % (at % 100, at) for at in range(100_000)])
    assert len(points) <= _interval.MAX_TIMER_POINTS
    assert sum(point["n"] for point in points) == sum(range(100_000))
    assert sum(point["d"] for point in points) == 100_000


def series_beyond_the_limit_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_interval, "MAX_SERIES", 4)
    one, points = relay()
    for text in (b"a:1|c", b"b:1|ms", b"c:1|g", b"d:1|s", b"e:1|c", b"f:1|ms", b"h:1|g", b"i:1|s", b"a:2|c", b"e:1|c"):
        one.intake.take(text)
    one.finish()
    assert (one.dropped_lines, sorted(point["v"]["metric"] for point in points)) == (5, ["a", "b", "c", "h"])
    one.intake.take(b"e:1|c")
    one.finish()
    assert points[-1]["v"]["metric"] == "e"


def a_full_interval_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_relay, "MAX_HELD", 10)
    one, points = relay()
    for at in range(25):
        one.intake.take(b"u:%d|s" % at)
    one._finish_jobs()
    assert not points
    for _ in one._read():
        pass
    assert len(points) == 20


def the_intake_knows_when_it_must_be_read() -> None:
    intake = Intake()
    for at in range(4_000):
        assert not intake.is_large
        intake.take(b"%d" % at)
    assert intake.is_large
    assert not intake.is_full
    intake.take(b"x" * (8 << 20))
    assert intake.is_full
    assert len(list(intake.swap())) == 4_001
    assert not intake.is_large


def intervals_end_at_whole_multiples(monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW + 3.25
    monkeypatch.setattr("time.time", lambda: now)
    one, points = relay()
    for later in (NOW + 9.0, NOW + 10.004, NOW + 15.0, NOW + 20.0, NOW + 47.0, NOW + 49.9, NOW + 50.1):
        now = later
        one.step()
        one.intake.take(b"a:1|c")
    one.finish()
    ends = [(point["t"] - NOW, point["p"]) for point in points]
    assert ends == [(10, 6.75), (20, 10), (40, 10), (50, 10), (pytest.approx(50.1), pytest.approx(0.1))]
    assert sum(point["n"] for point in points) == 7


def no_period_spans_a_multiple_even_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW + 9.0
    monkeypatch.setattr("time.time", lambda: now)
    one, points = relay()
    one.intake.take(b"a:1|c")
    now = NOW + 12.5
    one.finish()
    one.intake.take(b"a:1|c")
    now = NOW + 14.0
    one.finish()
    assert [(point["t"] - NOW, point["p"]) for point in points] == [(10, 1), (14, 4)]


def a_clock_set_back_ends_the_interval_without_a_period(monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW + 1.0
    monkeypatch.setattr("time.time", lambda: now)
    one, points = relay()
    one.intake.take(b"a:1|c")
    now = NOW - 3_000.0
    one.step()
    assert [("p" in point, point["t"]) for point in points] == [(False, NOW - 3_000.0)]
    assert one.wait_s() <= 10.0
