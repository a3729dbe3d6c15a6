"""A connector that reports its process; for `serve --module`."""

from __future__ import annotations

import os
from typing import Any

from flyte_connectors import ConnectorRegistry, Phase, Resource, SyncConnector

print("a word of a module at its import", flush=True)


class Whereabouts(SyncConnector):
    """Answers with its process id, after printing as much as its task asks for."""

    name = "Whereabouts"
    task_type_name = "whereabouts"

    async def do(self, task_template: Any, **kwargs: Any) -> Resource:
        """The process id."""
        if "print" in task_template.custom:
            print("x" * int(task_template.custom["print"]), flush=True)
        return Resource(phase=Phase.SUCCEEDED, outputs={"pid": os.getpid()})


ConnectorRegistry.register(Whereabouts, override=True)
