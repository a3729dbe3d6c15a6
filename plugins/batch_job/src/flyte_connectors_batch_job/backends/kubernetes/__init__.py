"""The Kubernetes back end: a `batch/v1` Job for each job, over HTTP.

    backend    what the connector calls
    settings   what the operator sets
    access     where the API server is, and what the service authenticates with: a pod's token, or a kubeconfig
    api        requests to the API server, from any thread, and what its refusals mean
    calls      one Job on the API server: created, read, and ended
    manifest   the Job of a request
    records    what is kept of the API's objects
    mirror     the jobs and pods of a namespace, kept up to date by one list and one watch for all of them
    states     the state of a job, by the records
    logs       one page of the log of a job's pods

What the service must be able to say of a job later is in the Job's annotations, so any replica can.
"""
