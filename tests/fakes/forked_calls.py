"""A task that is called before and after a fork: by this process, then by its child.

python -m tests.fakes.forked_calls        prints what the child got, or its error
"""

from __future__ import annotations

import os
import signal
import sys

from flyte_connectors.errors import ConnectorError

from tests.fakes.tasks import FakeTask

SECONDS = 20


def main(task_type: str) -> int:
    """Call the task in both; the child's exit code."""
    task = FakeTask("doubled", {"x": int}, {"x": int}, task_type=task_type)
    task(x=1)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(SECONDS)  # ends a child that hangs
    try:
        print("got", task(x=2), flush=True)
    except ConnectorError as error:
        print(error, flush=True)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
