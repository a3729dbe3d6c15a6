"""The batch script: what Slurm is given, and the files beside it.

Slurm keeps batch scripts where administrators read them, so values of the task are in files of the job's
folder: `command` sets the job's variables and runs its program, or the wrapper that copies its files.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_connectors_batch_job.backends.interface import GRACE_SECONDS
from flyte_connectors_batch_job.backends.slurm import job_secrets
from flyte_connectors_batch_job.backends.slurm.files import NewFile
from flyte_connectors_batch_job.wrapper import packing
from flyte_connectors_batch_job.wrapper.preparing import input_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.interface import JobRequest

WRAPPED = "wrapped.json"
"""What the wrapper of a job with files writes, beside the script's outcome."""

NO_FOLDER = 113
NOT_OWNER = 114
STARTED_TWICE = 115
NOT_SET_UP = 116
"""Exit codes of the script's own: 113 to 115 come without an outcome file."""

_TEMPLATE = Path(__file__).with_name("batch.sh")


def batch_script(folder: str, request: JobRequest, secret_command: str) -> str:
    """The text that Slurm is given for the job in `folder`, whose secrets a command prints."""
    config = request.config
    several = config.nodes is not None or config.tasks is not None
    settings = {
        "folder": folder,
        "seconds": f"{config.timeout_seconds:g}",
        "grace": f"{GRACE_SECONDS:g}",
        "modules": " ".join(config.modules),
        "directory": config.working_directory or "",
        "launcher": "srun --kill-on-bad-exit=1 --export=ALL" if several else "",
        "secrets": "\n".join(job_secrets.lines(config.secrets, secret_command)),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    return "\n".join(["#!/bin/bash", *lines, _TEMPLATE.read_text(encoding="utf-8")])


def job_files(job_id: str, folder: str, request: JobRequest) -> dict[str, NewFile]:
    """The files that the script uses, by name."""
    files = {
        "inputs.json": NewFile(json.dumps(dict(request.inputs)).encode()),
        "command": NewFile(_command(job_id, folder, request).encode()),
    }
    if request.files is not None:
        index = None if request.config.array is None else "BATCH_JOB_INDEX"
        outcome = f"{folder}/{{index}}/{WRAPPED}" if index else f"{folder}/0/{WRAPPED}"
        text = packing.script(job_id, request, outcome=outcome, index_variable=index)
        files["wrapper"] = NewFile(text.encode(), executable=True)
    elif request.config.script is not None:
        files["script"] = NewFile(request.config.script.encode(), executable=True)
    return files


def _command(job_id: str, folder: str, request: JobRequest) -> str:
    config = request.config
    variables: Mapping[str, Any] = {
        **config.env,
        **input_variables(request.inputs),
        "BATCH_JOB_ID": job_id,
    }
    if config.array is not None:
        variables = {**variables, "BATCH_JOB_ARRAY": str(config.array)}
    if config.script is None:
        words = list(config.command or ())
    else:
        path = f"{folder}/script"
        words = [path] if config.script.startswith("#!") else ["/bin/sh", path]
    if request.files is not None:
        return f"exec {shlex.quote(f'{folder}/wrapper')}\n"
    settings = [f"{name}={value}" for name, value in variables.items()]
    return f"exec env -- {shlex.join([*settings, *words])}\n"
