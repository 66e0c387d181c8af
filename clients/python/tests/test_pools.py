"""Workers of pools end by `os._exit`, which skips Python's work at exit: they deliver before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from eventually import eventually
from worker import Stream

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

HERE = Path(__file__).parent


class Celery:
    """A Celery worker with a prefork pool, whose broker is a folder."""

    def __init__(self, stream: Stream, folder: Path, *options: str) -> None:
        self._env = {**os.environ, "STREAM": stream.url, "BROKER": str(folder)}
        self._log = (folder / "log").open("w")
        (folder / "control").mkdir()
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "tasks_of_celery",
            "worker",
            "--pool=prefork",
            "--concurrency=1",
        ]
        self._process = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--without-heartbeat", *options],
            cwd=HERE,
            env=self._env,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def call(self, task: str, times: int) -> None:
        program = (
            "import sys, tasks_of_celery as t; [getattr(t, sys.argv[1]).delay(n) for n in range(int(sys.argv[2]))]"
        )
        command = [sys.executable, "-c", program, task, str(times)]
        subprocess.run(command, cwd=HERE, env=self._env, check=True, timeout=240.0)

    def end(self) -> None:
        """Shuts down after the current tasks."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(240.0)
        self._log.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def celery(stream: Stream, folder: Path, request: pytest.FixtureRequest) -> Iterator[Celery]:
    worker = Celery(stream, folder, *getattr(request, "param", ()))
    yield worker
    worker.end()


@pytest.mark.parametrize("celery", [("--max-tasks-per-child=1",)], indirect=True)
def celery_workers_deliver_before_they_are_replaced(celery: Celery, stream: Stream) -> None:
    celery.call("work", 6)
    eventually(lambda: stream.total() == 12, 240.0)
    assert stream.by("exception", where="exception=LookupError") == {("LookupError",): 6}
    assert stream.by("of", where="metric=tasks") == {(f"work {number}",): 1 for number in range(6)}


@pytest.mark.parametrize("celery", [("--loglevel=INFO",)], indirect=True)
def a_celery_worker_delivers_at_shutdown(celery: Celery, stream: Stream, folder: Path) -> None:
    celery.call("work", 3)
    # No worker is replaced, so nothing is sent before the interval of a minute ends, or the pool does.
    eventually(lambda: (folder / "log").read_text().count("succeeded in") == 3, 240.0)
    assert stream.total() == 0
    celery.end()
    assert stream.total() == 6


def billiard_processes_deliver_at_their_end(stream: Stream) -> None:
    programs.run(
        """
        import sys
        sys.path.insert(0, sys.argv[2])
        import billiard
        import work_of_a_pool as pool
        processes = [billiard.Process(target=pool.fail, args=(sys.argv[1], "billiard")) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
        """,
        stream.url,
        str(HERE),
    )
    assert stream.by("method", "exception") == {("billiard", "ValueError"): 2}


def executors_and_closed_pools_deliver_at_their_end(stream: Stream) -> None:
    programs.run(
        """
        import sys
        sys.path.insert(0, sys.argv[2])
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import work_of_a_pool as pool
        with ProcessPoolExecutor(2) as executor:
            list(executor.map(pool.count, [sys.argv[1]] * 4, ["executor"] * 4))
        workers = multiprocessing.Pool(2, maxtasksperchild=1)
        workers.starmap(pool.count, [(sys.argv[1], "pool")] * 4, chunksize=1)
        workers.close()
        workers.join()
        """,
        stream.url,
        str(HERE),
    )
    assert stream.by("method") == {("executor",): 4, ("pool",): 4}


def os_exit_loses_only_points_not_flushed_or_closed(stream: Stream) -> None:
    programs.run(
        """
        import os, sys
        from heartbeat_stream import Client
        client = Client(sys.argv[1], flush_interval=60)
        for ends in ("flush", "close", "neither"):
            pid = os.fork()
            if pid == 0:
                client.incr("children", ends=ends)
                if ends == "flush":
                    client.flush()
                elif ends == "close":
                    client.close()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        """,
        stream.url,
    )
    assert stream.by("ends") == {("flush",): 1, ("close",): 1}, "as PROTOCOL.md says, the third is lost"


def sigterm_loses_points_unless_a_handler_exits(stream: Stream) -> None:
    program = """
        import os, signal, sys
        from heartbeat_stream import Client
        if sys.argv[2] == "exits":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        client = Client(sys.argv[1], flush_interval=60)
        client.incr("ended", how=sys.argv[2])
        os.kill(os.getpid(), signal.SIGTERM)
        """
    programs.run(program, stream.url, "exits")
    programs.run(program, stream.url, "dies", status=-signal.SIGTERM)
    assert stream.by("how") == {("exits",): 1}, "as PROTOCOL.md says, the other is lost"
