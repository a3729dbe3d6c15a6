"""The embedded back end: jobs as supervised process groups, their state in a spool directory.

    spool        where jobs live; submits one by one atomic rename
    launch       starts a job's supervisor in a process of its own
    job          one job's directory: who runs it, how it ended, which state that makes
    supervisor   the process that runs one job: time limit, cancellation, outcome
    group        the job's process group, which never outlives its supervisor
    outputs      what the job leaves as outputs
    environment  the variables that the job sees
    log          the log file's format: written by the supervisor, read by anybody
    usage        CPU and memory of running processes
    files        JSON files that appear whole or not at all

The supervisor's part (all but `spool` and `launch`) imports nothing but a little of the standard
library: each job costs one such process, so its start-up time and memory are the price of a job.
"""
