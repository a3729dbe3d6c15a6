"""A connector that runs functions: its jobs are processes, each with a folder."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
from dataclasses import dataclass

from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    Phase,
    Resource,
    ResourceMeta,
    TaskPlugins,
)
from flyte_connectors.authoring import read_custom
from flyte_connectors_functions import (
    FunctionReference,
    JobFunctionTask,
    ended,
    function_call,
    reported,
)

JOBS = pathlib.Path("jobs").absolute()
RUN = 'echo $$ > "$0/pid"; "$@" > "$0/log" 2>&1; touch "$0/ended"'
START = ["sh", "-c", 'setsid sh -c "$@" &', "sh", RUN]  # in a group of its own, beside this process


@dataclass
class ProcessConfig:
    """What a job needs; `function` is set by its task."""

    python: str = sys.executable
    function: FunctionReference | None = None


@dataclass
class ProcessJob(ResourceMeta):
    """What identifies a job."""

    job_id: str
    prefix: str


class ProcessConnector(AsyncConnector[ProcessJob]):
    """Runs task type `process_job`."""

    name = "Process Connector"
    task_type_name = "process_job"
    metadata_type = ProcessJob

    def create(
        self, task_template, output_prefix, inputs, task_execution_metadata, *, idempotency_key, **_
    ):
        """Start the process of this key, once."""
        config = read_custom(ProcessConfig, task_template.custom)
        call = function_call(
            task_template, config.function, inputs, output_prefix, task_execution_metadata
        )
        command = [config.python, *call.store(idempotency_key)]
        folder = JOBS / idempotency_key
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            subprocess.run([*START, folder, *command], check=True)
        return ProcessJob(idempotency_key, output_prefix)

    def get(self, resource_meta, **_):
        """Ask the folder whether it runs, and the output prefix how it has ended."""
        if (JOBS / resource_meta.job_id / "ended").exists():
            return ended(resource_meta.prefix)
        report = reported(resource_meta.prefix)
        return Resource(Phase.RUNNING, message=report.message, custom_info=report.details)

    def delete(self, resource_meta, **_):
        """Stop the process; that it is gone is fine."""
        folder = JOBS / resource_meta.job_id
        with contextlib.suppress(OSError):
            os.killpg(int((folder / "pid").read_text()), signal.SIGTERM)
            (folder / "ended").touch()


class ProcessFunctionTask(JobFunctionTask):
    """A function whose body runs in a process."""

    connector_task_type = "process_job"


ConnectorRegistry.register(ProcessConnector)
TaskPlugins.register_pythontask_plugin(ProcessConfig, ProcessFunctionTask)
