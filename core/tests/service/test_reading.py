"""What a drain sees of connections and threads: whether all that was sent has arrived."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from flyte_connectors.service import grpc_threads
from flyte_connectors.service.connections import Connections

linux = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="only Linux tells of other threads")


def test_a_connection_that_comes_during_a_drain_is_told_from_those_before() -> None:
    """It was read from until now, so calls of its may be on their way."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        connections = Connections(port)
        with socket.create_connection(("127.0.0.1", port)), listening.accept()[0]:
            assert connections.pause_reading() == 1
            assert connections.pause_reading() == 0
            with socket.create_connection(("127.0.0.1", port)), listening.accept()[0]:
                assert connections.pause_reading() == 1


@linux
def test_a_thread_of_grpcio_that_wants_a_processor_is_busy() -> None:
    """Also while it does not get one: what it has read has not arrived yet."""
    ends = threading.Event()

    def _poll_wrapper() -> None:  # as the one of grpc.aio
        while not ends.is_set():
            pass

    def elsewhere() -> None:
        while not ends.is_set():
            pass

    others, delivering = threading.Thread(target=elsewhere), threading.Thread(target=_poll_wrapper)
    others.start()
    try:
        assert not any(grpc_threads.are_busy() for _ in range(20))
        delivering.start()
        deadline = time.monotonic() + 10
        while not grpc_threads.are_busy():  # it waits for the interpreter, too, and is idle then
            assert time.monotonic() < deadline
    finally:
        ends.set()
        others.join()
        delivering.join()
    assert not grpc_threads.are_busy()
