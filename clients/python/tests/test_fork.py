"""Forks: the parent sends what was queued before, once, and each child delivers its own points."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import programs
import pytest
from eventually import eventually
from gate import Fault, Gate
from worker import Stream

from heartbeat_stream import Client

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def points_queued_before_a_fork_are_sent_once_by_the_parent(stream: Stream) -> None:
    programs.run(
        """
        import os, sys
        from heartbeat_stream import Client, Sender
        sender = Sender(sys.argv[1], flush_interval=60)
        client = Client(sys.argv[1])
        for n in range(100):
            sender.put({"n": 1, "v": {"by": "parent"}})
        client.incr("jobs", by="parent")
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                assert sender.statistics().queued == 0
                sender.put({"n": 1, "v": {"by": "child"}})
                client.incr("jobs", by="child")
                sys.exit()
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        """,
        stream.url,
    )
    assert stream.by("by", "metric") == {
        ("parent", ""): 100,
        ("parent", "jobs"): 1,
        ("child", ""): 3,
        ("child", "jobs"): 3,
    }


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def a_fork_during_a_request_does_not_block_the_child(gate: Gate, stream: Stream) -> None:
    until = threading.Event()
    gate.faults = [Fault(True, (0, {}), until)]
    client = Client(gate.url, flush_interval=0.05)
    client.incr("requests")
    eventually(lambda: gate.requests)
    children = []
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            client.incr("requests")
            # Skips pytest's own work at exit.
            os._exit(0 if client.flush(120.0) else 1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 10
    assert stream.total() == 10
    until.set()
    assert client.flush(60.0)
    assert stream.total() == 11
    client.close()


def a_child_forked_without_pythons_hooks_delivers_its_points(stream: Stream) -> None:
    # Like the workers of uWSGI, which are forked without calling Python's hooks of os.fork.
    programs.run(
        """
        import logging, os, sys, types, weakref
        from heartbeat_stream import Client, HeartbeatHandler, Sender, _process
        sender = Sender(sys.argv[1], flush_interval=60)
        client = Client(sys.argv[1], flush_interval=60)
        handler = HeartbeatHandler(sys.argv[1], flush_interval=60)
        log = logging.getLogger("site")
        log.addHandler(handler)
        def report(by):
            sender.put({"n": 1, "v": {"by": by}})
            client.incr("requests", by=by)
            log.error("bad")
        # Now each sender has a thread, which does not exist in the child.
        report("parent")
        known, current = _process._resettable, _process._current
        _process._resettable, _process._current = weakref.WeakSet(), types.SimpleNamespace()
        pid = os.fork()
        _process._resettable, _process._current = known, current
        if pid == 0:
            report("child")
            assert sender.statistics().queued == handler.statistics().queued == 1
            assert sender.flush(60) and client.flush(60)
            handler.flush()
            os._exit(0 if handler.statistics().accepted == 1 else 1)
        assert os.waitpid(pid, 0)[1] == 0
        """,
        stream.url,
    )
    assert stream.by("by", where="by!=") == {("parent",): 2, ("child",): 2}
    assert stream.by("logger", where="logger=site") == {("site",): 2}


def multiprocessing_processes_deliver_at_their_end(stream: Stream) -> None:
    for method in ("fork", "spawn", "forkserver"):
        programs.run(
            """
            import sys
            sys.path.insert(0, sys.argv[3])
            import multiprocessing, logging
            import work_of_a_pool as pool
            context = multiprocessing.get_context(sys.argv[2])
            processes = [context.Process(target=pool.fail, args=(sys.argv[1], sys.argv[2])) for _ in range(2)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
                assert process.exitcode == 0
            """,
            stream.url,
            method,
            str(Path(__file__).parent),
        )
    assert stream.by("method", "exception") == {(method, "ValueError"): 2 for method in ("fork", "spawn", "forkserver")}


def preforked_gunicorn_workers_deliver_their_own_points(stream: Stream, tmp_path: Path) -> None:
    bound = tmp_path / "port"
    gunicorn = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "--workers=3", "--bind=127.0.0.1:0", "site_of_gunicorn:site"],
        cwd=Path(__file__).parent,
        env={**os.environ, "STREAM": stream.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert gunicorn.stderr is not None
        for line in gunicorn.stderr:
            if "Listening at: " in line:
                bound.write_text(line.split("Listening at: ")[1].split()[0])
                break
        site = bound.read_text()
        served: list[str] = []

        def several_served() -> bool:
            served.append(urllib.request.urlopen(site, timeout=120.0).read().decode())
            return len(set(served)) > 1 and len(served) >= 60

        eventually(several_served, look_every_s=0.0)
        # No worker has sent anything yet, as the interval is a minute. They send at their end.
        gunicorn.send_signal(signal.SIGTERM)
        assert gunicorn.wait(120.0) == 0
    finally:
        # SIGTERM, not SIGKILL, which the workers would outlive.
        gunicorn.terminate()
        gunicorn.communicate(timeout=120.0)
    assert stream.by("exception", "pid", where="exception!=") == {
        ("LookupError", pid): served.count(pid) for pid in set(served)
    } | {("ImportError", "master"): 1}
    assert stream.by("metric", where="metric=requests") == {("requests",): len(served)}
