"""The environment variables of a job, the later ones winning.

Sources:
    PATH HOME LANG ...    the few of the service that `launch.INHERITED` lists
    whatever `env` says
    BATCH_JOB_ID          the job's id
    BATCH_JOB_INPUTS      file with all inputs as one JSON object
    BATCH_JOB_OUTPUTS     file for the outputs as one JSON object
    BATCH_JOB_INPUT_X     input `x`, if it is a scalar that fits: strings as they are, else JSON
    BATCH_JOB_MARK        the job that the process belongs to; finds processes that have left the job's groups
"""

from __future__ import annotations

import json
import os
import re

from flyte_connectors_batch_job.backends.local import outputs, slots, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job

# Linux refuses single variables of 128 KiB (MAX_ARG_STRLEN, execve(2)); the file has them all.
MAX_INPUT_BYTES = 32 * 1024


def of_job(job: Job, folder: str, spec: dict[str, Any]) -> dict[str, str]:
    """All variables of the job whose own files are in `folder`; ours win over `env`."""
    ours = (tree.GUARDIAN_MARK, *slots.VARIABLES)
    inherited = {name: os.environ[name] for name in os.environ if name not in ours}
    return {
        **inherited,
        **spec["env"],
        **input_variables(spec["inputs"]),
        "BATCH_JOB_ID": job.id,
        "BATCH_JOB_INPUTS": os.path.join(folder, "inputs.json"),
        "BATCH_JOB_OUTPUTS": os.path.join(folder, outputs.NAME),
        tree.MEMBER_MARK: job.mark,
    }


def input_variables(inputs: Mapping[str, Any]) -> dict[str, str]:
    """`BATCH_JOB_INPUT_X` for each input that is a scalar and fits."""
    return {
        "BATCH_JOB_INPUT_" + re.sub(r"\W", "_", name).upper(): text
        for name, value in sorted(inputs.items())
        if (text := _text(value)) is not None
    }


def _text(value: object) -> str | None:
    if value is None or isinstance(value, (list, dict)):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    fits = "\0" not in text and len(text.encode()) <= MAX_INPUT_BYTES
    return text if fits else None
