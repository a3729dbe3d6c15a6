"""The task side: what a workflow author declares and calls.

interface.py      NativeInterface: names, types and defaults of inputs and outputs
resources.py      Resources: what a container gets to run with
template.py       TaskTemplate: a task and its protobuf form
current_run.py    which run a call belongs to
calls.py          calling a task like a function, from sync and async code alike
mixins.py         executor mixins: a call becomes a job of the task's connector
function_task.py  FunctionTask: a task made of a function
environment.py    TaskEnvironment
shim.py           shim tasks, which run from their serialized template and inputs
running.py        run(task, ...) and what it returns
"""
