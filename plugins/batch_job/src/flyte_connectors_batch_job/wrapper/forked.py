"""Copying in a forked process: its memory and the libraries it loads are gone when it ends.

A fork, and no new program: credentials in this process's memory never stand in the environment of
another, where processes of the same user could read them.
"""

from __future__ import annotations

import json
import os
import signal

from flyte_connectors_batch_job.backends.local import kernel
from flyte_connectors_batch_job.wrapper.faults import TransferError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TIMEOUTS = ("AWS_TIMEOUT", "GOOGLE_TIMEOUT", "AZURE_TIMEOUT")
_REQUEST_SECONDS = "600 seconds"
"""What obstore waits for an answer: a store that puts a large object together takes its time."""

READ_BYTES = 64 * 1024


def start(function: Callable[[], Any]) -> tuple[int, int]:
    """Call a function in a child.

    Args:
        function: Returns what JSON can write.

    Returns:
        The child's process id, and a descriptor to read from what `result` takes.
    """
    answer, own = os.pipe()
    pid = os.fork()
    if pid:
        os.close(own)
        return pid, answer
    try:
        _be_child()
        _write(own, _called(function))
    finally:
        os._exit(0)


def call(function: Callable[[], Any]) -> Any:
    """Call a function in a child; wait for it. Returns what it returns, raises TransferError."""
    pid, answer = start(function)
    data = b""
    try:
        while part := os.read(answer, READ_BYTES):
            data += part
    finally:
        os.close(answer)
        os.waitpid(pid, 0)
    return result(data)


def result(data: bytes) -> Any:
    """What the function returned, by all that was read. Raises the TransferError that it raised."""
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise TransferError("the process that copies files was killed", may_retry=True) from error
    if "fault" in answer:
        raise TransferError(answer["fault"], may_retry=answer["may_retry"])
    return answer["result"]


def _be_child() -> None:
    kernel.die_with_parent()
    for name in _TIMEOUTS:
        os.environ.setdefault(name, _REQUEST_SECONDS)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)


def _called(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"result": function()}
    except TransferError as error:
        return {"fault": str(error), "may_retry": error.may_retry}
    except Exception as error:
        message = f"copying files failed: {type(error).__name__}: {error}"
        return {"fault": " ".join(message.split()), "may_retry": True}


def _write(descriptor: int, content: dict[str, Any]) -> None:
    with open(descriptor, "wb") as file:
        file.write(json.dumps(content).encode())
