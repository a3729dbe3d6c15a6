"""Functions as jobs of any connector: a library for authors of plugins, and what functions themselves use.

In the order of reading:

    task         JobFunctionTask, what `TaskEnvironment` makes of a function; plugins derive their own from it
    location     the module and name by which a job imports a function, and why it could not
    code         the files that go with it
    requirements what they import besides
    bundle       these files as one, stored by its content
    call         FunctionCall: what the connector hands to the job
    literals     values, and the files among them, as they travel
    calling      the part of a job: imports the function, calls it, writes what it returns
    faults       exceptions in one line
    __main__     the program of a job whose connector copies no files
    endings      how such a job has ended
    mirror       copies what is reported to where the connector can read it
    report       for functions: progress, metrics and messages
    reports      what the connector reads of them
    context      for functions: which run and attempt they are part of

The client writes the bundle; the service passes on where it is, and neither imports nor unpacks it. Only the
job's own process does.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flyte_connectors_functions import report
    from flyte_connectors_functions.call import FunctionCall, FunctionReference, function_call
    from flyte_connectors_functions.context import TaskContext, task_context
    from flyte_connectors_functions.endings import ended, reported
    from flyte_connectors_functions.task import JobFunctionTask

__all__ = [
    "FunctionCall",
    "FunctionReference",
    "JobFunctionTask",
    "TaskContext",
    "ended",
    "function_call",
    "report",
    "reported",
    "task_context",
]

_HOMES = {
    "FunctionCall": "call",
    "FunctionReference": "call",
    "JobFunctionTask": "task",
    "TaskContext": "context",
    "ended": "endings",
    "reported": "endings",
    "function_call": "call",
    "task_context": "context",
}


def __getattr__(name: str) -> object:
    if name == "report":
        return importlib.import_module(f"{__name__}.report")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
