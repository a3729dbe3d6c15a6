"""A task of the batch job plugin, whose every run shows in the vendor's books.

The job registers itself at the vendor by a POST, which makes a new job there each time: so a batch job
that ran twice is two jobs, wherever it ran.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from flyteidl2.core.identifier_pb2 import Identifier
from flyteidl2.core.interface_pb2 import TypedInterface
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.core.types_pb2 import INTEGER, STRING
from google.protobuf.struct_pb2 import Struct

from .replicas import ROOT
from .task import Task, variables

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import asyncio, json, os, sys, time
sys.path.insert(0, {root!r})
from tests.backend.vendor_client import call
job = json.loads({job!r})
asyncio.run(call("POST", {url!r}, job))
time.sleep(job["seconds"])
outputs = {{"double": 2 * job["value"], "label": job["task"]}}
with open(os.environ["BATCH_JOB_OUTPUTS"], "w") as file:
    json.dump(outputs, file)
"""


class BatchTask(Task):
    """Runs task type `batch_job`."""

    def template(self) -> TaskTemplate:
        """The task, whose program says which attempt it is."""
        job: dict[str, Any] = {
            "task": self.name,
            "value": self.value,
            "attempt": self.state.attempt,
            "seconds": self.seconds,
        }
        url = f"{self.endpoint}/jobs"
        program = PROGRAM.format(root=str(ROOT), job=json.dumps(job), url=url)
        custom = Struct()
        custom.update({"command": [sys.executable, "-c", program], "timeout_seconds": 120})
        return TaskTemplate(
            id=Identifier(project="chaos", domain="development", name="batch_job", version="v1"),
            type="batch_job",
            interface=TypedInterface(
                inputs=variables(name=STRING, value=INTEGER),
                outputs=variables(label=STRING, double=INTEGER),
            ),
            custom=custom,
        )


SLOTS = {"FLYTE_BATCH_JOB_SLOTS": "64"}
"""Jobs wait for a vendor: as many slots as there are cores would only keep them in the queue."""


def shared_spool(directory: Path, _: int) -> dict[str, str]:
    """The environment of a replica that shares its spool with all others."""
    return {
        "FLYTE_BATCH_JOB_SPOOL": f"{directory}/spool",
        "FLYTE_BATCH_JOB_SPOOL_SHARED": "true",
        **SLOTS,
    }


def own_spool(directory: Path, replica: int) -> dict[str, str]:
    """The environment of a replica whose spool no other sees."""
    return {"FLYTE_BATCH_JOB_SPOOL": f"{directory}/spool-{replica}", **SLOTS}
