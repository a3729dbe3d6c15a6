from flytekit.core.python_customized_container_task import PythonCustomizedContainerTask
from flytekit.core.resources import Resources
from flytekit.core.interface import Interface
from flytekit.models.core import tasks as _task_model
from flytekit.core.task import TaskMetadata
from flytekit.core.type_engine import TypeEngine
from flytekit.core.context_manager import FlyteContext
from flytekit.models.literals import LiteralMap
from flytekit.models.types import LiteralType
from flytekit.models.core.types import BlobType, BlobTypeFormat
from flytekit.models.types import SimpleType
from flytekit.models.interface import Variable
from flytekit.models.literals import Literal, Scalar, Primitive, StringValue

class MyCustomTaskConfig:
    def __init__(self, message: str):
        self.message = message

class MyCustomTask(PythonCustomizedContainerTask[MyCustomTaskConfig]):
    def __init__(self, name: str, config: MyCustomTaskConfig, **kwargs):
        super().__init__(
            name=name,
            task_config=config,
            container_image="my-custom-image:latest", # Replace with your actual image
            executor_type=MyCustomExecutor,
            task_type="my_custom_task_type",
            interface=Interface(
                inputs={"input_key": str},
                outputs={"output_key": str}
            ),
            **kwargs
        )

    def get_custom(self, settings) -> Dict[str, Any]:
        # Serialize custom configuration for the executor
        return {"config_message": self.task_config.message}

# Example usage:
# my_task = MyCustomTask(name="my_first_custom_task", config=MyCustomTaskConfig(message="Hello from config!"))
# @task(task_config=MyCustomTaskConfig(message="Hello from config!"))
# def my_custom_task_func(input_key: str) -> str:
#     # This function body is not executed, only its signature is used for interface
#     pass
# my_custom_task_func._task_instance = MyCustomTask(
#     name="my_custom_task_func",
#     config=MyCustomTaskConfig(message="Hello from config!"),
#     interface=my_custom_task_func.python_interface,
# )
