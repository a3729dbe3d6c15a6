"""`flyte-connectors check --endpoint HOST:PORT --task-template F`: test a connector service."""

from __future__ import annotations

import argparse
import asyncio

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.common_pb2 import Inputs

from flyte_connectors.cli.job_clients import service_at
from flyte_connectors.cli.messages import read_message
from flyte_connectors.testing.check import print_findings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    add = parser.add_argument
    add("--endpoint", required=True, metavar="HOST:PORT", help="the service; https:// for TLS")
    text = "file with a serialized TaskTemplate that the service accepts"
    add("--task-template", required=True, metavar="F", help=text)
    add("--inputs", metavar="F", help="file with the task's serialized Inputs, if it has any")
    text = "folder or URI prefix where its jobs may write outputs"
    add("--output-prefix", default="", metavar="P", help=text)
    add("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> int:
    """Print a line for each rule; exit code 1 if one is broken, or if the service can't be asked."""
    request = pb.CreateTaskRequest(
        template=read_message("--task-template", options.task_template, TaskTemplate()),
        inputs=read_message("--inputs", options.inputs, Inputs()) if options.inputs else None,
        output_prefix=options.output_prefix,
    )
    checked = print_findings(service_at(options.endpoint), request, as_json=options.json)
    return 0 if asyncio.run(checked) else 1
