"""The Slurm back end: jobs on a cluster, their files in a folder that its nodes and the service share.

In the order of a job's life:

    backend      what the connector calls
    settings     which cluster, and how it is reached
    cluster      the cluster of those settings: its channel, its files, what was last seen of it
    folder       one job's folder: what it runs, who owns it, how it ended
    order        what is asked of Slurm for a job
    script       the batch script: starts the job's command once, limits its time, writes how it ended
    placing      exactly one released job per key
    view         one question about all jobs, whose answer serves every `get` for a while
    question     the questions to Slurm for jobs that are polled together
    progress     how a job is now
    states       what Slurm's states mean
    verdict      how a job ended, by its files and by Slurm
    log          pages of the log
    usage        CPU and memory, and how much of what was asked for was used

Ways to Slurm and to the files:

    channel      what a way has to offer; what is known of a job
    commands     by sbatch, squeue, scontrol, scancel, sacct
    rest         by slurmrestd
    files        files on this machine
    ssh          commands and files on another machine
    loop         the event loop that the asynchronous clients run on
    faults       what Slurm's complaints mean
"""
