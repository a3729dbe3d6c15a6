from flyte.connectors import AsyncConnectorExecutorMixin
from flyte.extend import TaskTemplate
from flyte.models import NativeInterface

class BatchJobTask(AsyncConnectorExecutorMixin, TaskTemplate):
    def __init__(self, name: str, **kwargs):
        super().__init__(
            name=name,
            interface=NativeInterface(inputs={}, outputs={"result": str}),
            task_type="batch_job",
            image=None,
            **kwargs,
        )
