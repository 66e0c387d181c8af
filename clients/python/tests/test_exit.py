"""The end of the interpreter: points are delivered, and an unreachable server delays it by at most two seconds."""

from __future__ import annotations

import socket
import time

import programs
from worker import Stream


def the_last_record_is_delivered_at_exit(stream: Stream) -> None:
    ran = programs.run(
        """
        import logging, sys
        from heartbeat_stream import HeartbeatHandler
        logging.getLogger().addHandler(HeartbeatHandler(sys.argv[1], flush_interval=60))
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("at the very end")
        """,
        stream.url,
    )
    assert stream.by("exception") == {("ZeroDivisionError",): 1}
    assert "Traceback" not in ran.stderr


def counts_are_delivered_when_the_program_fails(stream: Stream) -> None:
    programs.run(
        """
        import subprocess, sys
        child = subprocess.run([sys.executable, "-c", '''
        import sys
        from heartbeat_stream import Client
        client = Client(sys.argv[1])
        client.incr("jobs", 3)
        raise SystemExit(7)
        '''.replace("        ", ""), sys.argv[1]])
        assert child.returncode == 7, child
        """,
        stream.url,
    )
    assert stream.by("metric") == {("jobs",): 3}


def counts_from_an_atexit_handler_are_delivered(stream: Stream) -> None:
    programs.run(
        """
        import atexit, sys
        from heartbeat_stream import Client
        client = Client(sys.argv[1])
        atexit.register(client.incr, "last words")
        """,
        stream.url,
    )
    assert stream.by("metric") == {("last words",): 1}


def records_of_a_last_thread_are_delivered(stream: Stream) -> None:
    programs.run(
        """
        import logging, sys, threading
        from heartbeat_stream import HeartbeatHandler
        logging.getLogger("jobs").addHandler(HeartbeatHandler(sys.argv[1]))
        def work():
            try:
                raise KeyError("no such job")
            except KeyError:
                logging.getLogger("jobs").exception("in a thread")
        thread = threading.Thread(target=work)
        thread.start()
        """,
        stream.url,
    )
    assert stream.by("exception", "logger") == {("KeyError", "jobs"): 1}


def a_silent_server_delays_the_exit_by_at_most_two_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ran = programs.run(
            """
            import logging, sys, time
            from heartbeat_stream import Client, HeartbeatHandler
            logging.basicConfig()
            for stream in range(20):
                logging.getLogger().addHandler(HeartbeatHandler(f"{sys.argv[1]}{stream}"))
            Client(sys.argv[1] + "last").incr("unheard")
            logging.error("unheard")
            print(time.monotonic())
            """,
            f"http://127.0.0.1:{silent.getsockname()[1]}/v1/streams/",
        )
        took = time.monotonic() - float(ran.stdout)
    # Each on its own would take 42 s. The rest is for the end of the process on a slow machine.
    assert 1.9 <= took < 20.0, "all senders share the two seconds"
    assert "were not delivered" in ran.stderr
    assert "Traceback" not in ran.stderr
