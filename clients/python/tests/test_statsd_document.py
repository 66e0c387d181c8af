"""The examples of the relay in docs/statsd.md run as they are shown."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from relay import Relay
from worker import ROOT, Stream

DOCUMENT = (ROOT / "docs/statsd.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def relay(stream: Stream) -> Iterator[Relay]:
    """A relay as the document starts it, but on a free port and with the stream of the test."""
    install, start = block("console").splitlines()
    assert install.startswith("pip install ")
    command = shlex.split(start)
    assert command == ["heartbeat", "statsd", "--listen", "127.0.0.1:8125", "--to", "$URL/v1/streams/$ID"]
    relay = Relay(stream.url)
    yield relay
    relay.kill()


def the_programs_in_the_document_write_through_the_relay(relay: Relay, stream: Stream) -> None:
    in_python = block("python").replace("8125", str(relay.port))
    subprocess.run([sys.executable, "-c", in_python], check=True, timeout=180.0)
    node = shutil.which("node", path=f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}")
    in_javascript = block("js").replace("8125", str(relay.port))
    command = [str(node), "--input-type=module", "-e", in_javascript]
    subprocess.run(command, check=True, timeout=180.0, cwd=ROOT)
    relay.await_numbers(lines=4)
    assert relay.end() == 0
    assert stream.by("metric", "type", "site") == {
        ("signups", "counter", ""): 1,
        ("signups", "counter", "blog"): 1,
        ("checkout", "timer", ""): 320,
        ("queue", "gauge", "blog"): 7,
    }


def each_option_in_the_table_exists() -> None:
    documented = set(re.findall(r"^\| `(--?[a-z-]+)", DOCUMENT, re.MULTILINE))
    command = [sys.executable, "-m", "heartbeat_stream", "statsd", "--help"]
    help_text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180.0).stdout
    known = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)\b", help_text.split("options:")[-1]))
    assert documented == {"--to", "--listen", "--interval", "-l", "--report", "--exit-timeout"}
    assert documented <= known
    # This option has its own section, as the endpoint has it too.
    assert "--signed-gauges set" in DOCUMENT
    assert "--signed-gauges" in known
