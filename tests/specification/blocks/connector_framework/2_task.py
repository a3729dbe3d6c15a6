from flytekit import task, workflow
from flytekit.extend.backend.base_connector import AsyncConnectorExecutorMixin
from flytekit.types.literal import LiteralType
from flytekit.models.core.types import TaskTemplate
from flytekit.models.interface import TypedInterface
from flytekit.models.literals import LiteralMap, Scalar, Primitive, StringValue
from flytekit.models.types import SimpleType

# Assume MyAsyncConnector is defined and registered as above

@task(task_type="my_custom_task_type", task_type_version=1)
class MyConnectorTask(AsyncConnectorExecutorMixin):
    def __init__(self):
        super().__init__(
            task_type="my_custom_task_type",
            task_type_version=1,
            # Define the task's interface for local execution
            interface=TypedInterface(
                inputs={"input_str": LiteralType(simple=SimpleType.STRING)},
                outputs={"output_str": LiteralType(simple=SimpleType.STRING)},
            ),
        )

    def _get_full_task_template(self) -> TaskTemplate:
        # This method is usually handled by Flytekit's serialization,
        # but for a minimal local example, we might need to mock it.
        # In a real scenario, this task would be decorated with @task
        # and Flytekit would generate the template.
        return TaskTemplate(
            id=None,
            type="my_custom_task_type",
            task_type_version=1,
            interface=self.interface,
            metadata=None,
            custom={},
        )

    def execute(self, input_str: str) -> str:
        # The actual execution logic for the task, which will internally
        # call the connector's methods via the mixin.
        # The mixin's execute method will handle the interaction with the connector.
        # We need to call the mixin's execute method with the inputs as a dictionary.
        outputs_literal_map = super().execute(input_str=input_str)
        # Extract the output from the LiteralMap
        return outputs_literal_map.literals["output_str"].scalar.primitive.string_value

@workflow
def my_connector_workflow(input_val: str) -> str:
    return MyConnectorTask()(input_str=input_val)

if __name__ == "__main__":
    # This will run the task locally using MyAsyncConnector
    result = my_connector_workflow(input_val="hello world")
    print(f"Workflow result: {result}")
