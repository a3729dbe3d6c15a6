"""`flyte-connectors execute`: run a shim task from its serialized template and inputs, in a container.

Reads `flyteidl2.core.TaskTemplate` and `flyteidl2.task.Inputs`, writes `outputs.pb`
(`flyteidl2.task.Outputs`) or `error.pb` (`flyteidl2.core.ErrorDocument`) under the output prefix, as
Flyte's back end expects of a container.
"""

from __future__ import annotations

import argparse
import logging
import pathlib
import sys
import traceback

from flyte_connectors.cli.messages import read_message
from flyte_connectors.errors import ConnectorError
from flyte_connectors.io import storage
from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument, ExecutionError
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.common_pb2 import Inputs

from flyte_connectors_official.shim_tasks import TaskTemplateResolver

ERROR_FILE = "error.pb"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `execute`."""
    add = parser.add_argument
    add("--task-template", required=True, metavar="F", help="path or URI")
    add("--executor", required=True, metavar="MODULE:CLASS", help="what to run")
    add("--inputs", required=True, metavar="F", help="path or URI")
    add("--output-prefix", required=True, metavar="P", help="folder or URI prefix")


def run(options: argparse.Namespace) -> int:
    """Run the task; an error is reported to the back end in a file, and by exit code 1."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.path.insert(0, str(pathlib.Path.cwd()))
    try:
        template = read_message("--task-template", options.task_template, TaskTemplate())
        inputs = read_message("--inputs", options.inputs, Inputs())
        task = TaskTemplateResolver.load_task(["--executor", options.executor], template)
        outputs = task.dispatch_execute(inputs)
    except Exception as error:
        document = _error_document(error)
        storage.write_bytes(storage.join(options.output_prefix, ERROR_FILE), document)
        if isinstance(error, ConnectorError):
            raise
        traceback.print_exc()
        return 1
    uri = storage.join(options.output_prefix, storage.OUTPUTS_FILE)
    storage.write_bytes(uri, outputs.SerializeToString())
    print(uri)
    return 0


def _error_document(error: Exception) -> bytes:
    retryable = isinstance(error, ConnectorError) and error.retryable
    known = isinstance(error, ConnectorError)
    kind = ContainerError.RECOVERABLE if retryable else ContainerError.NON_RECOVERABLE
    document = ErrorDocument(
        error=ContainerError(
            code=error.code if isinstance(error, ConnectorError) else type(error).__name__,
            message=str(error) if known else f"{type(error).__name__}: {error}",
            kind=kind,
            origin=ExecutionError.USER,
        )
    )
    return document.SerializeToString()
