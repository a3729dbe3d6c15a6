"""`python -m tests.official.published`: every published connector that is installed, hosted and called once.

Prints a table: where it comes from, its task type, and what a user sees of `create` and `get` without an
account: the code, and the vendor's own text, masked and bounded. Exit code 1 if an answer says nothing about its
cause, if a call never comes back, or if the table in `docs/moving.md` is another one; `--write` writes that.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import sys
import typing
import warnings
from typing import Any

from flyte_connectors import NativeInterface, TaskTemplate
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import Envelope, seal
from flyte_connectors._registry.discovery import Status, load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.bound import BoundConnector
from flyte_connectors.errors import ConnectorError, InternalError
from flyte_connectors.testing.harness import execution_of
from flyteidl2.connector import connector_pb2 as pb
from google.protobuf import json_format

from tests.docs.markdown import DOCS

PAGE = DOCS / "moving.md"
SECONDS = 25.0
WIDTH = 88
OURS = "flyte-connectors"
LARGEST = 1_200
OPAQUE = "the log has it"

JOBS = {
    "bigquery_query_job_task": "queries, on an emulator",
    "boto": "by moto",
    "sagemaker-endpoint": "by moto",
    "slurm_script": "on Slurm, by SSH",
}
"""Whose jobs go through a vendor's server in `tests.official.vendors`."""

_HEAD = "| package | task type | `create` answers | `get` answers | a job here |\n|---|---|---|---|---|\n"
_TABLE = re.compile(r"\| package \| task type \|.*\n\|[-|]+\|\n(?:\|.*\n)*")
_ANSWER = re.compile(r"(?P<code>[A-Z_]+) (?:(?:create|get) of )?[^:]+: (?P<kind>\w+)(?::|$)")

CUSTOM: dict[str, dict[str, Any]] = {
    "airflow": {"task_module": "airflow.operators.bash", "task_name": "BashOperator"},
    "bigquery_query_job_task": {"ProjectID": "p", "Location": "US", "Domain": "d"},
    "snowflake": {"account": "no-such-account", "user": "u", "database": "d", "schema": "s",
                  "warehouse": "w"},
    "databricks": {"databricksConf": {"run_name": "r", "new_cluster": {}},
                   "databricksInstance": "127.0.0.1:1", "sparkConf": {}},
    "slurm": {"connection": {"host": "127.0.0.1", "port": 1, "username": "u"}, "script": "true"},
    "slurm_script": {"connection": {"host": "127.0.0.1", "port": 1, "username": "u"}, "script": "true"},
    "openai-batch": {"openai_organization": "o", "config": {}},
    "chatgpt": {"openai_organization": "o", "chatgpt_config": {"model": "m"}},
    "boto": {"service": "sagemaker", "method": "create_model", "config": {}, "region": "us-east-1",
             "images": {}},
    "sagemaker-endpoint": {"config": {"EndpointName": "e", "EndpointConfigName": "c"},
                           "region": "us-east-1"},
}  # fmt: skip


@dataclasses.dataclass
class Row:
    """What one connector answers."""

    source: str
    task_type: str
    kind: str
    create: str
    get: str

    def line(self) -> str:
        """Its line of the documents' table."""
        package = self.source.partition(" ")[0]
        job = JOBS.get(self.task_type, "")
        return f"| {package} | `{self.task_type}` | {_seen(self.create)} | {_seen(self.get)} |{job and ' '}{job} |"

    @property
    def is_bad(self) -> bool:
        """Whether an answer says nothing about its cause, or never came."""
        answers = (self.create, self.get)
        return any(OPAQUE in answer or answer.startswith("HANGS") for answer in answers)


def _seen(answer: str) -> str:
    """An answer as the table has it: its code, and the exception's class."""
    if not answer or answer.startswith("OK"):
        return "answers at once"
    if " not a meta of " in answer:
        return "`INVALID_ARGUMENT` the meta is not one of its"
    found = _ANSWER.match(answer)
    return f"`{found['code']}` {found['kind']}" if found else answer


def template_of(task_type: str, version: int) -> Any:
    """A task of a type, as far as its connector looks at it before it asks its vendor."""
    task = TaskTemplate("published", NativeInterface({}, {}), task_type, task_type_version=version)
    template = task.to_proto()
    of_aws = {"config": {}, "region": "us-east-1"} if task_type.startswith("sagemaker") else {}
    json_format.ParseDict(CUSTOM.get(task_type, of_aws), template.custom)
    template.sql.statement = "SELECT 1"
    if task_type != "airflow":  # its own container is the connector
        template.container.image = "image"
        template.container.args.extend(["run"])
    return template


def meta_of(bound: BoundConnector) -> bytes:
    """A meta of a job that the vendor does not know."""
    official = bound.metadata_type.official_type
    hints = typing.get_type_hints(official)
    values = {
        field.name: _value(hints[field.name], field.name)
        for field in dataclasses.fields(official)
        if field.name == "region"
        or (field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)
    }
    return seal(Envelope(bound.metadata_type(official(**values), []).encode()), bound.category.name)


def _value(hint: Any, name: str) -> Any:
    plain = typing.get_origin(hint) or hint
    known = {int: 1, float: 1.0, bool: False, dict: {}, list: []}
    if name == "ssh_config":
        return {"host": "127.0.0.1", "port": 1}
    if "instance" in name:
        return "127.0.0.1:1"
    return known.get(plain, "no-such")


async def answer(call: Any) -> str:
    """What a user sees of a call."""
    try:
        reply = await asyncio.wait_for(call, SECONDS)
    except ConnectorError as error:
        text = error.message
        assert len(text) < LARGEST
        mark = OPAQUE if isinstance(error, InternalError) and "log has it" in text else ""
        return f"{error.code} {text} {mark}".strip()
    except asyncio.TimeoutError:
        return f"HANGS for {SECONDS:g} s"
    return f"OK {type(reply).__name__}"


async def row_of(bound: BoundConnector, dispatcher: Dispatcher) -> Row:
    """Call a connector's create, and its get."""
    category = bound.category
    request = execution_of(pb.CreateTaskRequest(template=template_of(category.name, category.version)))
    create = await answer(dispatcher.create(request, SECONDS))
    if bound.is_sync:
        return Row(bound.source, category.name, "sync", create, "")
    get = pb.GetTaskRequest(resource_meta=meta_of(bound))
    get.task_category.name, get.task_category.version = category.name, category.version
    return Row(bound.source, category.name, "async", create, await answer(dispatcher.get(get, SECONDS)))


async def rows() -> list[Row]:
    """A row for each connector that others have published."""
    registry, guard = Registry(), CallGuard()
    reports = load_plugins(registry)
    for report in reports:
        if report.status is not Status.LOADED:
            print(f"{report.status.value}: {report.entry_point} ({report.source}): {report.reason}")
    dispatcher = Dispatcher(registry, guard)
    theirs = [bound for bound in registry if not bound.source.startswith(OURS)]
    found = [await row_of(bound, dispatcher) for bound in theirs]
    await guard.drain(1)
    return sorted(found, key=lambda row: (row.source, row.task_type))


def main() -> int:
    """0 if every answer says what is wrong, and the documents say what is answered."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    found = asyncio.run(rows())
    for row in found:
        print(f"{row.source:40} {row.task_type:38} {row.kind:5}{'  BAD' if row.is_bad else ''}")
        print(f"    create  {row.create[:WIDTH]}")
        if row.get:
            print(f"    get     {row.get[:WIDTH]}")
    bad = sum(row.is_bad for row in found)
    print(f"{len(found)} connectors, {bad} with an answer that says nothing")
    text = PAGE.read_text()
    table = _HEAD + "".join(f"{row.line()}\n" for row in found)
    is_documented = table in text
    if not is_documented and "--write" in sys.argv:
        PAGE.write_text(_TABLE.sub(lambda _: table, text, count=1))
    elif not is_documented:
        print(f"{table}{PAGE} has another table: python -m tests.official.published --write")
    return int(bad > 0 or not (is_documented or "--write" in sys.argv))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    import os

    os._exit(code)  # vendors' threads may hang
