"""Read a stream as a table, CSV, JSON, sparklines or a plot in the terminal."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from typing import Any
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from .. import _draw
from .._address import StreamAddress
from .._transport import USER_AGENT, pool_for
from . import CommandError
from ._options import add_stream, stream_of

_TIMEOUT_S = 60.0
# The columns beside a sparkline or a plot, for names and extremes.
_MARGIN_COLUMNS = 16
# The names of the server's own columns. A label with such a name gets a prefix, as in the server's CSV.
_OWN_COLUMN = re.compile(r"(time|other|sum|ratio|rate|count|min|max|p[0-9.]+)$|distinct:|label\.")
_PASSED_ON = ("from", "to", "step", "where", "by", "agg", "top")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the parameters of `rollup` (docs/api.md) under their own names."""
    add_stream(parser, "--stream")
    key = os.environ.get("HEARTBEAT_KEY")
    parser.add_argument(
        "--key", default=key, help="the read key; other users of this machine can see it, so prefer HEARTBEAT_KEY"
    )
    parser.add_argument("--from", help="the start of the window: -1h (default), -7d, Unix seconds, RFC 3339")
    parser.add_argument("--to", help="the end of the window (now)")
    parser.add_argument(
        "--step", help="10s, 1m, 5m, 1h, 1d, .. (by default, chosen to give a suitable number of steps)"
    )
    parser.add_argument(
        "--where", action="append", metavar="MATCHER", help="for example country=US or path=~/a.*; repeatable"
    )
    parser.add_argument("--by", metavar="LABELS", help="labels to group by, comma-separated, or * for all")
    parser.add_argument(
        "--agg", default="sum", help="sum, ratio, rate, count, min, max, p99, distinct:LABEL; comma-separated"
    )
    parser.add_argument("--top", help="the number of groups (100); the others are merged")
    formats = ("table", "csv", "json", "spark", "plot")
    parser.add_argument("--format", choices=formats, default="table", help="how to show it (table)")


def run(arguments: argparse.Namespace) -> int:
    """Queries and prints."""
    if arguments.format in ("csv", "json"):
        text = _ask(arguments, {"format": arguments.format}).decode()
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return 0
    answer = json.loads(_ask(arguments, {"format": "json"}))
    if arguments.format != "table":
        answer = _fitting(arguments, answer)
    show = {"table": _table, "spark": _spark, "plot": _plot}[arguments.format]
    for line in show(answer):
        print(line)
    if not answer["series"]:
        print("no points", file=sys.stderr)
    return 0


def _ask(arguments: argparse.Namespace, more: dict[str, str]) -> bytes:
    address = StreamAddress(stream_of(arguments))
    given = {name: getattr(arguments, name) for name in _PASSED_ON}
    query = {name: value for name, value in given.items() if value is not None}
    url = f"{address.rollup}?{urlencode({**query, **more}, doseq=True)}"
    headers = {"User-Agent": USER_AGENT}
    if arguments.key:
        headers["Authorization"] = f"Bearer {arguments.key}"
    try:
        response = pool_for(address).request("GET", url, headers=headers, timeout=_TIMEOUT_S, redirect=False)
    except HTTPError as error:
        raise CommandError(f"{address.host} cannot be reached: {type(error).__name__}") from None
    if response.status != 200:
        raise CommandError(_problem(response.status, response.data))
    return response.data


def _problem(status: int, body: bytes) -> str:
    try:
        problem = json.loads(body)
        said = problem.get("detail") or problem.get("title")
    except (ValueError, AttributeError):
        said = None
    hint = " (set HEARTBEAT_KEY to the stream's read key)" if status == 401 else ""
    return f"{status} {said or 'not a response from a Heartbeat'}{hint}"


def _fitting(arguments: argparse.Namespace, answer: dict[str, Any]) -> dict[str, Any]:
    """Queries again if the terminal has fewer columns than steps: only the server can merge ratios and quantiles."""
    columns = max(20, shutil.get_terminal_size().columns - _MARGIN_COLUMNS)
    if arguments.step is not None or len(answer["times"]) <= columns:
        return answer
    step = -(-len(answer["times"]) // columns) * answer["step"]
    fitting: dict[str, Any] = json.loads(_ask(arguments, {"format": "json", "step": f"{step}"}))
    return fitting


def _table(answer: dict[str, Any]) -> list[str]:
    aggs = answer["agg"]
    names = sorted({name for one in answer["series"] for name in one["labels"]})
    has_other = any(one.get("other") for one in answer["series"])
    rows = [
        [
            _clock(at),
            *(one["labels"].get(name, "") for name in names),
            *(["other" if one.get("other") else ""] * has_other),
        ]
        + [_draw.number(one[agg][step]) for agg in aggs]
        for step, at in enumerate(answer["times"])
        for one in answer["series"]
        if any(one[agg][step] is not None for agg in aggs)
    ]
    titles = [f"label.{name}" if _OWN_COLUMN.match(name) else name for name in names]
    return _draw.table(["time", *titles, *([""] * has_other), *aggs], rows, len(aggs))


def _spark(answer: dict[str, Any]) -> list[str]:
    lines = []
    for one in answer["series"]:
        for agg in answer["agg"]:
            known = [value for value in one[agg] if value is not None]
            extent = f"min {_draw.number(min(known))}  max {_draw.number(max(known))}" if known else "no values"
            lines += [f"{_name(one)}  {agg}  {extent}".lstrip(), _draw.sparkline(one[agg])]
    return lines


def _plot(answer: dict[str, Any]) -> list[str]:
    ends = answer["times"] or [answer["from"]]
    lines = []
    for one in answer["series"]:
        for agg in answer["agg"]:
            lines += [f"{_name(one)}  {agg}".lstrip(), *_draw.plot(one[agg], _clock(ends[0]), _clock(ends[-1]))]
    return lines


def _name(series: dict[str, Any]) -> str:
    if series.get("other"):
        return "other"
    return " ".join(f"{name}={value}" for name, value in series["labels"].items())


def _clock(at: float) -> str:
    """Formats a time in the terminal's time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
