"""The environment variables of a job, the later ones winning.

Sources:
    PATH HOME LANG ...    the few of the service that `launch.INHERITED` lists
    BATCH_JOB_...         what `preparing.variables` says, and before it whatever `env` says
    BATCH_JOB_INDEX       its index in its array, and
    BATCH_JOB_ARRAY       how many indexes that has, if it is in one
    BATCH_JOB_MARK        the job that the process belongs to; finds processes that have left the job's groups
"""

from __future__ import annotations

import os

from flyte_connectors_batch_job.backends.local import slots, tree
from flyte_connectors_batch_job.wrapper.preparing import variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job


def of_job(job: Job, folder: str, spec: dict[str, Any]) -> dict[str, str]:
    """All variables of the job whose own files are in `folder`; ours win over `env`."""
    ours = (tree.GUARDIAN_MARK, *slots.VARIABLES)
    inherited = {name: os.environ[name] for name in os.environ if name not in ours}
    return {
        **inherited,
        **variables(job.key, folder, spec),
        **({} if job.index is None else {"BATCH_JOB_INDEX": str(job.index), "BATCH_JOB_ARRAY": str(spec["array"])}),
        tree.MEMBER_MARK: job.mark,
    }
