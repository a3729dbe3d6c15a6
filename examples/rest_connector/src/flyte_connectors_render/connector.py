"""The connector: each verb in a few lines over the client of Render."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_render.client import connect
from flyte_connectors_render.config import RenderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.core.tasks_pb2 import TaskTemplate

PHASES = {
    "waiting": Phase.QUEUED,
    "drawing": Phase.RUNNING,
    "ready": Phase.SUCCEEDED,
    "broken": Phase.FAILED,
    "stopped": Phase.ABORTED,
}
"""Phase for each state that the service documents; any other counts as RUNNING."""


@dataclasses.dataclass
class RenderJobMeta(ResourceMeta):
    """What identifies a job: all that Flyte keeps of it between the calls.

    Args:
        job_id: The service's id of it.
    """

    job_id: str


class RenderConnector(AsyncConnector[RenderJobMeta]):
    """Runs task type `render`. The service chooses the id; the idempotency key is a header.

    The secrets of a task, which are in `kwargs`, go to the client as they come.
    """

    name = "Render Connector"
    task_type_name = "render"
    metadata_type = RenderJobMeta

    async def create(
        self,
        task_template: TaskTemplate,
        inputs: Mapping[str, Any],
        *,
        idempotency_key: str,
        **kwargs: Any,
    ) -> RenderJobMeta:
        """Start the job of this key: one, however often this is called."""
        config = RenderConfig.from_custom(task_template.custom)
        scene = inputs.get("scene")
        if not scene:
            raise InvalidRequestError("must be a text that is not empty", field="inputs.scene")
        job_id = await connect(**kwargs).submit(idempotency_key, scene, config.samples)
        return RenderJobMeta(job_id)

    async def get(self, resource_meta: RenderJobMeta, **kwargs: Any) -> Resource:
        """The job's state."""
        job = await connect(**kwargs).status(resource_meta.job_id)
        phase = PHASES.get(job["status"], Phase.RUNNING)
        if phase == Phase.SUCCEEDED:
            return Resource(phase, outputs={"picture": job["picture"]})
        progress = {"progress": job["percent"] / 100} if phase == Phase.RUNNING else None
        return Resource(phase, message=job["error"], custom_info=progress)

    async def delete(self, resource_meta: RenderJobMeta, **kwargs: Any) -> None:
        """Cancel the job; one that has ended stays as it is."""
        await connect(**kwargs).stop(resource_meta.job_id)
