"""The reference training service: trains scikit-learn classifiers behind an HTTP API.

Jobs survive a killed service, resume after their last epoch, and end with the model that an
undisturbed run gives. Its interface is the command `flyte-model-training` and the HTTP API; to import
there is `testing` only.

A job passes through these modules, top to bottom:

- `cli` the command `flyte-model-training serve`
- `hosts` refuses requests from pages of other sites
- `app` HTTP: routes, requests, replies; `openapi.json` describes them, `dashboards` and `static/` show jobs
- `job_store` the jobs and their status, in SQLite
- `supervisor` one worker process per running job
- `worker` one job in its own process: fetch, resume, train, record
- `sources` where data sets may come from
- `fetching` a data set by URI, as bytes
- `dataset` a data set as features and labels
- `training` the epochs, scikit-learn only
- `job_files` what a job keeps on disk
- `training_spec` what a client asks for

`train_once` is the command `flyte-model-training train`: one job without the service.
"""

from __future__ import annotations

__all__ = ()
