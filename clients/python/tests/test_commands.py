"""The installed `heartbeat` command."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import urllib3
from worker import Stream, Worker

from heartbeat_stream import _draw

HEARTBEAT = Path(sysconfig.get_path("scripts")) / "heartbeat"


def heartbeat(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEARTBEAT_")}
    return subprocess.run(
        [HEARTBEAT, *arguments],
        input=given,
        env={**clean, "COLUMNS": "80", "TZ": "UTC", **environment},
        capture_output=True,
        text=True,
        timeout=240.0,
        check=False,
    )


def send_writes_a_point_and_query_shows_it(stream: Stream) -> None:
    sent = heartbeat("send", "--to", stream.url, "12", "-d", "3", "-l", "country=US", "--label", "path=/a=b")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
    environment = {"HEARTBEAT_STREAM": stream.url, "HEARTBEAT_KEY": stream.read_key}
    table = heartbeat("query", "--by", "country,path", "--agg", "sum,ratio", **environment)
    assert table.returncode == 0, table.stderr
    head, row = table.stdout.splitlines()
    assert head.split() == ["time", "country", "path", "sum", "ratio"]
    assert row.split()[2:] == ["US", "/a=b", "12", "4"]
    assert len(head) == len(row)


def send_reads_standard_input_and_names_the_bad_line(stream: Stream) -> None:
    lines = "".join(json.dumps({"n": n, "v": {"of": "stdin"}}) + "\n" for n in range(25_000))
    assert heartbeat("send", "--to", stream.url, "-", given=lines).returncode == 0
    assert stream.total() == sum(range(25_000))
    bad = heartbeat("send", "--to", stream.url, "-", given='{"n":1}\n{"n":\n')
    assert bad.returncode == 1
    assert bad.stderr.startswith("heartbeat send: line 2: ")
    rejected = heartbeat("send", "--to", stream.url, "-", given='{"n":1}\n{"n":"two"}\n')
    assert rejected.returncode == 1
    assert "1 of 2 points were rejected" in rejected.stderr
    assert "n must be a finite number" in rejected.stderr


def send_reports_what_is_wrong(worker: Worker, stream: Stream) -> None:
    for arguments, message in [
        ((stream.url, "x"), "n must be a number or -"),
        ((f"{worker.origin}/v1/streams/{'a' * 32}", "1"), "404"),
        (("http://127.0.0.1:9/v1/streams/gone", "1", "--timeout", "0.3"), "did not answer"),
        (("http://127.0.0.1/streams/gone", "1"), "stream_url must be"),
    ]:
        failed = heartbeat("send", "--to", *arguments)
        assert failed.returncode == 1
        assert message in failed.stderr
        assert "Traceback" not in failed.stderr
    assert heartbeat("send", "1").stderr.startswith("heartbeat send: which stream?")


def query_prints_each_format(stream: Stream) -> None:
    environment = {"HEARTBEAT_STREAM": stream.url, "HEARTBEAT_KEY": stream.read_key}
    heartbeat("send", "--to", stream.url, "3", "-l", "country=US")

    csv = heartbeat("query", "--by", "country", "--format", "csv", **environment).stdout
    assert csv.splitlines()[0] == "time,country,sum"
    assert csv.splitlines()[1].endswith(",US,3")
    answer = json.loads(heartbeat("query", "--by", "country", "--format", "json", **environment).stdout)
    assert answer["series"][0]["labels"] == {"country": "US"}
    spark = heartbeat("query", "--by", "country", "--format", "spark", **environment).stdout.splitlines()
    assert spark[0] == "country=US  sum  min 3  max 3"
    assert re.fullmatch(" *▄ *", spark[1])
    assert len(spark[1]) <= 64
    plot = heartbeat("query", "--by", "country", "--format", "plot", **environment).stdout.splitlines()
    assert plot[0] == "country=US  sum"
    assert re.fullmatch("3 │ *█", plot[1])
    assert max(map(len, plot)) <= 80
    nothing = heartbeat("query", "--where", "country=FR", **environment)
    assert (nothing.returncode, nothing.stderr) == (0, "no points\n")


def a_label_named_like_a_column_gets_a_prefix(stream: Stream) -> None:
    environment = {"HEARTBEAT_STREAM": stream.url, "HEARTBEAT_KEY": stream.read_key}
    labels = {"sum": "999", "time": "never", "p9.9": "a", "distinct:x": "b", "label.y": "c", "summer": "d"}
    heartbeat("send", "--to", stream.url, "3", *(word for label in labels.items() for word in ("-l", "=".join(label))))
    table = heartbeat("query", "--by", "*", **environment)
    head, row = (line.split() for line in table.stdout.splitlines())
    prefixed = ["label.distinct:x", "label.label.y", "label.p9.9", "label.sum", "summer", "label.time"]
    assert head == ["time", *prefixed, "sum"]
    assert row[2:] == ["b", "c", "a", "999", "d", "never", "3"]


def csv_is_printed_as_the_server_writes_it(stream: Stream) -> None:
    environment = {"HEARTBEAT_STREAM": stream.url, "HEARTBEAT_KEY": stream.read_key}
    heartbeat("send", "--to", stream.url, "3", "-l", "sum=999", "-l", "who==1+1", "-l", 'a=x, "y"')
    printed = subprocess.run(
        [HEARTBEAT, "query", "--by", "*", "--format", "csv", "--from", "-1d", "--step", "1d"],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=240.0,
        check=True,
    ).stdout
    headers = {"Authorization": f"Bearer {stream.read_key}"}
    url = f"{stream.url}/rollup?by=*&agg=sum&format=csv&from=-1d&step=1d"
    served = urllib3.PoolManager().request("GET", url, headers=headers).data
    assert printed.splitlines()[0] == served.splitlines()[0]
    assert printed == served


def query_reports_a_missing_or_wrong_key(worker: Worker, stream: Stream) -> None:
    refused = heartbeat("query", HEARTBEAT_STREAM=stream.url)
    assert refused.returncode == 1
    assert "401" in refused.stderr
    assert "HEARTBEAT_KEY" in refused.stderr
    wrong = heartbeat("query", "--key", "rk_secret", HEARTBEAT_STREAM=stream.url)
    assert "rk_secret" not in wrong.stderr
    public = worker.new_stream(public_read=True)
    assert heartbeat("query", "--stream", public.url).returncode == 0
    bad = heartbeat("query", "--stream", public.url, "--agg", "mean")
    assert "400" in bad.stderr
    assert "mean" in bad.stderr
    assert "cannot be reached" in heartbeat("query", "--stream", "http://127.0.0.1:9/v1/streams/gone").stderr


def a_closed_pipe_is_not_reported(stream: Stream) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    query = subprocess.run(
        [HEARTBEAT, "query", "--stream", stream.url, "--key", stream.read_key, "--format", "csv"],
        stdout=writes,
        stderr=subprocess.PIPE,
        timeout=240.0,
        check=False,
    )
    os.close(writes)
    assert (query.returncode, query.stderr) == (1, b"")


def the_package_is_typed_and_runs_as_a_module() -> None:
    assert importlib.resources.files("heartbeat_stream").joinpath("py.typed").is_file()
    ran = subprocess.run([sys.executable, "-m", "heartbeat_stream", "--version"], capture_output=True, check=True)
    assert ran.stdout.strip() == importlib.metadata.version("heartbeat_stream").encode()


def the_command_shows_its_version_and_commands() -> None:
    assert heartbeat("--version").stdout == "0.1.0\n"
    shown = heartbeat("--help").stdout
    assert "send " in shown
    assert "query " in shown
    assert heartbeat().returncode == 2


def sparklines_tables_and_plots_are_exact() -> None:
    assert _draw.sparkline([0, None, 7, 3.5]) == "▁ █▅"
    assert _draw.sparkline([None]) == " "
    assert _draw.table(["time", "sum"], [["a", "1"], ["bb", "1,000"]], 1) == [
        "time    sum",
        "a         1",
        "bb    1,000",
    ]
    plot = _draw.plot([0.0, 8.0, 4.0, None], "a", "b")
    assert plot[0] == "8 │ █"
    assert plot[4] == "  │ ██"
    assert plot[7] == "0 │▁██"
    assert plot[8] == "  └────"
    assert plot[9] == "   a  b"
    assert _draw.plot([-4.0, 4.0], "a", "b")[7] == "-4 │▁█"


@pytest.mark.parametrize("value", [0.000123456789, 123456.7, -5.0])
def numbers_have_at_most_six_digits(value: float) -> None:
    assert len(re.sub(r"[^1-9]", "", _draw.number(value))) <= 6
