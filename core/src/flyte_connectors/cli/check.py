"""`flyte-connectors check --endpoint HOST:PORT --task-template F`: does a connector service keep the rules?"""

from __future__ import annotations

import argparse
import asyncio
import json

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.common_pb2 import Inputs

from flyte_connectors.cli.messages import read_message
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.testing.check import Finding, check_service


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.add_argument(
        "--endpoint",
        required=True,
        metavar="HOST:PORT",
        help="the service; https://HOST:PORT for TLS",
    )
    parser.add_argument(
        "--task-template", required=True, metavar="F", help="a task that the service accepts"
    )
    parser.add_argument("--inputs", metavar="F", help="the task's inputs, if it has any")
    parser.add_argument(
        "--output-prefix", default="", metavar="P", help="where its jobs may write outputs"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> int:
    """Print a line for each rule; exit code 1 if one is broken."""
    request = pb.CreateTaskRequest(
        template=read_message("--task-template", options.task_template, TaskTemplate()),
        inputs=read_message("--inputs", options.inputs, Inputs()) if options.inputs else None,
        output_prefix=options.output_prefix,
    )
    findings = asyncio.run(_check(options.endpoint, request, quiet=options.json))
    if options.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    return 1 if any(finding.fault for finding in findings) else 0


async def _check(endpoint: str, request: pb.CreateTaskRequest, *, quiet: bool) -> list[Finding]:
    findings = []
    async with RemoteService.from_environment(endpoint) as service:
        async for finding in check_service(service, request):
            findings.append(finding)
            if not quiet:
                print(f"{'BROKEN' if finding.fault else 'ok':7} {finding.rule}", flush=True)
                if finding.fault:
                    print(f"        {finding.fault}", flush=True)
    return findings
