from flytekit.core.shim_task import ShimTaskExecutor
from flytekit.models.core import tasks as _task_model
from typing import Any, Dict

class MyCustomExecutor(ShimTaskExecutor):
    def execute_from_model(self, tt: _task_model.TaskTemplate, **kwargs) -> Any:
        # Access custom data from the task template
        custom_data = tt.custom
        # Perform business logic using inputs and custom_data
        print(f"Executing with custom data: {custom_data}")
        print(f"Inputs: {kwargs}")
        # Return outputs
        return {"output_key": f"Processed {kwargs.get('input_key', 'nothing')}"}
