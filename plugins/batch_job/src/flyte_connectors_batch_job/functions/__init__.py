"""Functions as batch jobs, by `flyte_connectors_functions`.

task         BatchFunctionTask, what `TaskEnvironment` makes of a function
request      the job of a function, as the service submits it
copied       the files among its inputs and outputs, which the wrapper copies
runner       the program of the job
states       the state of a job with what its function reports
"""
