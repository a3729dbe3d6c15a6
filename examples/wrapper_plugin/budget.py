"""A plugin that wraps the calls of all connectors: so many jobs may be started in an hour, and no more."""

import os
import time
from collections import deque

from flyte_connectors import hookimpl
from flyte_connectors.errors import PermissionDeniedError

MOST = int(os.environ.get("BUDGET_PER_HOUR", "100"))
HOUR = 3600.0

started = deque()


@hookimpl
def wrap_verb(verb, call):
    """Wrap `create`; other verbs pass as they are. Composed once for each verb of each connector."""
    if verb.name != "create":
        return call

    async def within_budget(arguments):
        now = time.monotonic()
        while started and started[0] < now - HOUR:
            started.popleft()
        if len(started) >= MOST:
            minutes = (HOUR - (now - started[0])) / 60
            raise PermissionDeniedError(
                f"{MOST} jobs were started within an hour: try again in {minutes:.0f} minutes"
            )
        started.append(now)
        return await call(arguments)

    return within_budget
