"""`flyte-connectors check --endpoint HOST:PORT --task-template F`: test a connector service."""

from __future__ import annotations

import argparse
import asyncio
import json

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.common_pb2 import Inputs

from flyte_connectors.cli.job_clients import service_at
from flyte_connectors.cli.messages import read_message
from flyte_connectors.testing.check import Finding, check_service


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    add = parser.add_argument
    add(
        "--endpoint",
        required=True,
        metavar="HOST:PORT",
        help="the service; https://HOST:PORT for TLS",
    )
    add(
        "--task-template",
        required=True,
        metavar="F",
        help="file with a serialized TaskTemplate that the service accepts",
    )
    add("--inputs", metavar="F", help="file with the task's serialized Inputs, if it has any")
    add(
        "--output-prefix",
        default="",
        metavar="P",
        help="folder or URI prefix where its jobs may write outputs",
    )
    add("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> int:
    """Print a line for each rule; exit code 1 if one is broken, or if the service can't be asked."""
    request = pb.CreateTaskRequest(
        template=read_message("--task-template", options.task_template, TaskTemplate()),
        inputs=read_message("--inputs", options.inputs, Inputs()) if options.inputs else None,
        output_prefix=options.output_prefix,
    )
    findings: list[Finding] = []
    try:
        asyncio.run(_check(options.endpoint, request, findings, quiet=options.json))
    finally:
        if options.json and findings:
            print(json.dumps([finding._asdict() for finding in findings], indent=2))
    return 1 if any(finding.fault for finding in findings) else 0


async def _check(
    endpoint: str, request: pb.CreateTaskRequest, findings: list[Finding], *, quiet: bool
) -> None:
    async with service_at(endpoint) as service:
        async for finding in check_service(service, request):
            findings.append(finding)
            if not quiet:
                _show(finding)


def _show(finding: Finding) -> None:
    print(f"{finding.verdict.value:9} {finding.rule}", flush=True)
    if finding.fault:
        print(f"          {finding.fault}", flush=True)
