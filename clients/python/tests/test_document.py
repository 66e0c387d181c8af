"""The examples in docs/python.md run as they are shown."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig

import programs
import pytest
from worker import ROOT, Stream, Worker

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
        timeout=60.0,
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
