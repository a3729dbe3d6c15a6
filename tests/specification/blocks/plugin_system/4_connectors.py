from flytekit.extend.backend.base_connector import SyncConnectorBase, AsyncConnectorBase, Resource, ResourceMeta
from flytekit.models.core.tasks import TaskTemplate
from flytekit.models.literals import LiteralMap
from flytekit.models.core.execution import TaskExecution
from typing import Optional, Dict, Any

# Example Sync Connector
class MySyncConnector(SyncConnectorBase):
    name = "MySyncConnector"
    def __init__(self, **kwargs):
        super().__init__(task_type_name="my_sync_task", **kwargs)

    def do(self, task_template: TaskTemplate, output_prefix: str, inputs: Optional[LiteralMap] = None, **kwargs) -> Resource:
        print(f"Executing sync task: {task_template.id.name}")
        print(f"Inputs: {inputs.to_json()}")
        # Simulate external call
        result_data = {"sync_output": "hello from sync connector"}
        return Resource(phase=TaskExecution.SUCCEEDED, outputs=result_data)

# Example Async Connector
class MyAsyncResourceMeta(ResourceMeta):
    job_id: str

class MyAsyncConnector(AsyncConnectorBase):
    name = "MyAsyncConnector"
    def __init__(self, **kwargs):
        super().__init__(task_type_name="my_async_task", metadata_type=MyAsyncResourceMeta, **kwargs)

    def create(self, task_template: TaskTemplate, output_prefix: str, inputs: Optional[LiteralMap], task_execution_metadata: Optional[Any], **kwargs) -> ResourceMeta:
        print(f"Creating async job: {task_template.id.name}")
        # Simulate creating an external job and getting an ID
        job_id = f"job-{hash(task_template.id.name)}"
        return MyAsyncResourceMeta(job_id=job_id)

    def get(self, resource_meta: ResourceMeta, **kwargs) -> Resource:
        meta = resource_meta # type: MyAsyncResourceMeta
        print(f"Getting status for job: {meta.job_id}")
        # Simulate polling external job status
        if meta.job_id.endswith("completed"): # Simplified logic
            return Resource(phase=TaskExecution.SUCCEEDED, outputs={"async_output": f"Job {meta.job_id} finished"})
        return Resource(phase=TaskExecution.RUNNING, message="Job still running...")

    def delete(self, resource_meta: ResourceMeta, **kwargs):
        meta = resource_meta # type: MyAsyncResourceMeta
        print(f"Deleting job: {meta.job_id}")
        # Simulate deleting external job
        pass
