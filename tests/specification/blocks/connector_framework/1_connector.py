from flytekit.extend.backend.base_connector import ConnectorRegistry, AsyncConnectorBase, ResourceMeta, Resource, TaskCategory
from flytekit.models.core.tasks import TaskTemplate
from flytekit.models.literals import LiteralMap
from flytekit.models.core.execution import TaskExecution
from dataclasses import dataclass
from typing import Optional, Dict, Any

@dataclass
class MyJobMeta(ResourceMeta):
    job_id: str

class MyAsyncConnector(AsyncConnectorBase):
    name = "MyCustomAsyncConnector"

    def __init__(self, task_type_name: str, task_type_version: int = 0):
        super().__init__(task_type_name=task_type_name, task_type_version=task_type_version, metadata_type=MyJobMeta)

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: Optional[LiteralMap],
        task_execution_metadata: Optional[Any],
        **kwargs,
    ) -> MyJobMeta:
        # Logic to submit job to external system
        print(f"Creating external job for task type: {task_template.type}")
        print(f"Inputs: {inputs.to_json()}")
        # Simulate job submission and return a job ID
        job_id = "my-external-job-123"
        return MyJobMeta(job_id=job_id)

    def get(self, resource_meta: MyJobMeta, **kwargs) -> Resource:
        # Logic to check job status in external system
        print(f"Getting status for job ID: {resource_meta.job_id}")
        # Simulate job completion
        return Resource(phase=TaskExecution.Phase.SUCCEEDED, message="Job completed successfully")

    def delete(self, resource_meta: MyJobMeta, **kwargs):
        # Logic to delete job in external system
        print(f"Deleting job ID: {resource_meta.job_id}")

# Register the connector
ConnectorRegistry.register(MyAsyncConnector(task_type_name="my_custom_task_type", task_type_version=1))
