"""Fixtures: one Worker for all tests, and a new stream for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from gate import Gate
from worker import Stream, Worker

from heartbeat_stream import Sender


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("state"))
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def stream(worker: Worker) -> Stream:
    return worker.new_stream()


@pytest.fixture
def gate(stream: Stream) -> Iterator[Gate]:
    gate = Gate(stream)
    yield gate
    gate.close()


@pytest.fixture
def sender_to() -> Iterator[Callable[..., Sender]]:
    """Makes senders that repeat quickly, and closes them."""
    made: list[Sender] = []

    def make(url: str, **options: float) -> Sender:
        quick = {"flush_interval": 0.05, "backoff": 0.02, "backoff_max": 0.2}
        sender = Sender(url, **{**quick, **options})  # type: ignore[arg-type]
        made.append(sender)
        return sender

    yield make
    for sender in made:
        sender.close(0.0)
