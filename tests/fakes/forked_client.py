"""A client of a service that is used before and after a fork: by this process, then by its child.

python -m tests.fakes.forked_client HOST:PORT     prints what the child got, or its error
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import ConnectorError
from flyteidl2.connector import connector_pb2 as pb

SECONDS = 20


async def call(address: str) -> str:
    """What the service says about a task type that it does not have."""
    async with RemoteService(address) as service:
        try:
            await service.get(pb.GetTaskRequest(task_category=pb.TaskCategory(name="nothing")))
        except ConnectorError as error:
            return error.message
    return "an answer"


def main(address: str) -> int:
    """Call it in both; the child's exit code."""
    print(asyncio.run(call(address)), flush=True)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(SECONDS)  # ends a child that hangs
    print(asyncio.run(call(address)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
