"""The local back end: jobs as processes on this machine, their state in a spool directory.

In the order of a job's life:

    spool        the directory of all jobs: its identity; submits a job by one atomic rename
    launch       starts a job's keeper in a process of its own
    keeper       that process: starts the supervisor, watches it, cleans up if it dies
    supervisor   the process that runs one job: time limit, cancellation, outcome
    command      what the supervisor starts, and with which rights
    tree         finds and ends all processes of a job, however they hide
    job          one job's directory: whether it has begun, how it ended, which state that makes
    guardians    whether keeper or supervisor are alive
    records      what the supervisor writes down about its job, and restores if the job removes it

Tools of these:

    identity     the spool's id
    processes    the system's table of processes
    cgroup       a control group of the job's own, where the system lets us make one
    kernel       the few system calls that Python does not offer
    outputs      what the job leaves as outputs
    environment  the variables that the job sees
    log          the log file's format: written by the supervisor, read by anybody
    usage        CPU and memory of running processes
    files        files that may be anything, read safely; JSON files that appear whole or not at all
    cleaning     removes what ended long ago

The supervisor's part (all but `spool`, `launch` and `cleaning`) imports nothing but a little of the
standard library: each job costs two such processes, so their start-up time and memory are the cost
of a job.
"""
