from flytekit.extend.backend.base_connector import TaskCategory
my_task_category = TaskCategory(name="my_external_job", version=1)
