"""Runs the Worker that `make build` built, on workerd, with its own state."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3

ROOT = Path(__file__).resolve().parents[3]
OWNER_TOKEN = "owner-token-of-the-python-tests"
SIGNING_KEY = "signing-key-of-the-python-tests-0123456789"
START_DEADLINE_S = 300.0

_http = urllib3.PoolManager(retries=False, timeout=120.0)


class Stream(NamedTuple):
    """A stream of a running Worker."""

    url: str
    read_key: str

    def rollup(self, **query: Any) -> dict[str, Any]:
        """Queries the stream, by default the last hour."""
        headers = {"Authorization": f"Bearer {self.read_key}"}
        return _call("GET", f"{self.url}/rollup?{urlencode(query, doseq=True)}", headers)

    def total(self, agg: str = "sum", **query: Any) -> float:
        """The total of the last two hours, to nine digits: the parts of a period add up except for the last bit.

        It is that of the whole window and not of its steps, as midnight may be in it.
        """
        series = self.rollup(agg=agg, totals=1, **{"from": "-2h", "to": "-0s", "step": 86400, **query})["series"]
        return round(float(sum(one["total"][agg] or 0 for one in series)), 9)

    def by(self, *labels: str, agg: str = "sum", **query: Any) -> dict[tuple[str, ...], float]:
        """Totals by the values of labels."""
        series = self.rollup(agg=agg, by=",".join(labels), step=86400, totals=1, **query)["series"]
        found: dict[tuple[str, ...], float] = {}
        for one in series:
            found[tuple(one["labels"].get(name, "") for name in labels)] = round(one["total"][agg] or 0, 9)
        return found


class Worker:
    """A process that serves build/. It can be stopped, and restarted on the same port with the same state."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        node = shutil.which("node", path=f"{ROOT / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}")
        assert node is not None, "Node is missing"
        process = subprocess.Popen(
            # With --control it ends with its standard input, so it never outlives this process.
            [node, ROOT / "tools/serve.mjs", "--port", str(self.port), "--state", self._state, "--control"],
            env={**os.environ, "OWNER_TOKEN": OWNER_TOKEN, "SIGNING_KEY": SIGNING_KEY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process = process
        overdue = threading.Timer(START_DEADLINE_S, process.kill)
        overdue.start()
        assert process.stdout is not None
        ready = process.stdout.readline()
        overdue.cancel()
        assert ready.startswith("heartbeat ready on "), f"the Worker does not start: {ready!r}"
        self.port = int(ready.strip().rsplit(":", 1)[1])

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait(120.0)
            self._process = None

    def new_stream(self, **configuration: Any) -> Stream:
        headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
        made = _call("POST", f"{self.origin}/v1/streams", headers, {"name": "python", **configuration})
        return Stream(f"{self.origin}/v1/streams/{made['id']}", made["read_key"])

    def new_write_key(self, stream: Stream, name: str = "a writer") -> tuple[str, str]:
        """Makes a write key; returns its ID and the key."""
        headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
        made = _call("POST", f"{stream.url}/write-keys", headers, {"name": name})
        return made["id"], made["write_key"]

    def end_write_key(self, stream: Stream, key_id: str) -> None:
        headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
        assert _http.request("DELETE", f"{stream.url}/write-keys/{key_id}", headers=headers).status == 204


def _call(method: str, url: str, headers: dict[str, str], body: object = None) -> dict[str, Any]:
    response = _http.request(method, url, headers=headers, body=None if body is None else json.dumps(body))
    assert response.status < 300, f"{method} {url}: {response.status} {response.data!r}"
    answer: dict[str, Any] = json.loads(response.data)
    return answer
