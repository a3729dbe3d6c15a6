"""Reference training service: trains scikit-learn classifiers behind an HTTP API.

It is what the connector of this package talks to when there is no training service yet, and it
is a complete one: jobs survive a killed service, resume from their last epoch, and end with the
model that an undisturbed run gives.

A job passes through these modules, top to bottom:

- `cli` the command `flyte-model-training serve`
- `hosts` refuses what a page of another site sends
- `app` HTTP: routes, requests, replies; `openapi.json` describes them, `dashboard.html` shows a job
- `job_store` the jobs and their status, in SQLite
- `supervisor` one worker process per running job
- `worker` one job in its own process: fetch, resume, train, record
- `sources` a data set by URI, as bytes
- `dataset` a data set as features and labels
- `training` the epochs, scikit-learn only
- `job_files` what a job keeps on disk
- `training_spec` what a client asks for

It comes with the extra `service`. Of `flyte_connectors` it uses the HTTP client alone.
"""
