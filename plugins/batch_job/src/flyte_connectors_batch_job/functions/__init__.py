"""Functions as batch jobs: the body of a task runs where its configuration says.

In the order of reading:

    task         BatchFunctionTask, what `TaskEnvironment` makes of a function
    location     the module and name by which a job imports a function, and why it could not
    code         the files that go with it
    bundle       these files as one, stored by its content
    request      the job of a function, as the service submits it
    call         the call of a function, as the service writes it and reads its answer
    runner       the program of the job: imports the function, calls it, writes what it returns
    faults       exceptions in one line
    report       for functions: progress, metrics and messages
    reports      what the service reads of them
    context      for functions: which run and attempt they are part of

The client writes the bundle; the service passes on where it is, and neither imports nor unpacks it.
`location`, `code`, `bundle`, `report` and `context` know nothing of batch jobs.
"""

from __future__ import annotations

from flyte_connectors_batch_job.functions import report
from flyte_connectors_batch_job.functions.context import TaskContext, task_context

__all__ = ["TaskContext", "report", "task_context"]
