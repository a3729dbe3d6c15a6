"""The local back end: jobs as processes on this machine, their state in a spool directory.

In the order of a job's life:

    backend      what the connector calls
    spool        the directory of all jobs: its identity; submits a job by one atomic rename
    arrays       jobs that run the same, each with its own index, seen as one
    queue        which jobs may run now, and which wait for slots
    turns        starts the jobs whose turn it is
    launch       starts a job's keeper, a separate process
    keeper       that process: starts the supervisor, watches it, cleans up if it dies
    supervisor   the process that runs one job: time limit, cancellation, result
    command      what the supervisor starts, and with which rights
    tree         finds and kills all processes of a job, also those that try to hide
    job          one job's directory, and the job's state by its files
    guardians    whether keeper or supervisor are alive
    records      the supervisor's records of its job, which it restores if the job removes them

Used by these:

    identity     the spool's id
    slots        how much jobs may use together, and how much one takes
    processes    the system's table of processes
    cgroup       a control group for the job, where the system allows one
    limits       of memory and CPU, by control groups
    kernel       the few system calls that Python does not offer
    outputs      what the job leaves as outputs
    environment  the variables that the job sees
    pages        a page of a job's log, or of an array's
    log          the log file's format: written by the supervisor, read by every process
    usage        CPU and memory of running processes
    files        safe reading of files that a job may have replaced; atomic writing of JSON files
    cleaning     removes old jobs

The supervisor's part (all but `backend`, `spool`, `arrays`, `pages`, `turns` and `cleaning`) imports nothing but a little of the
standard library: each job costs two such processes, so their start-up time and memory are the cost
of a job.
"""
