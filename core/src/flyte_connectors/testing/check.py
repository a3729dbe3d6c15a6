"""Rules that are tested over gRPC against any connector service, in any language.

They do not need control of the external system, so they are fewer than those of `ConnectorConformance`. Each
rule about jobs starts the task once more, in a new run, and deletes its job.
"""

from __future__ import annotations

import enum
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from flyteidl2.connector import connector_pb2 as pb
from google.protobuf.message import Message

from flyte_connectors.client.remote import RemoteService
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    DeadlineExceededError,
    InvalidRequestError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from flyte_connectors.secrets import secret_names
from flyte_connectors.testing.harness import CANARY, execution_of


class Verdict(str, enum.Enum):
    """The result of one rule."""

    KEPT = "ok"
    BROKEN = "BROKEN"
    NOT_ASKED = "not asked"


class Finding(NamedTuple):
    """The result of one rule.

    Attributes:
        rule: The rule, in words.
        fault: What the service did instead; empty unless the rule is broken.
        verdict: Whether it is kept, broken, or could not be tested, because the service did not answer or
            does not accept the task.
    """

    rule: str
    fault: str
    verdict: Verdict


_UNREACHABLE = (
    ServiceUnavailableError,
    DeadlineExceededError,
    InvalidRequestError,  # its address is wrong
    AuthenticationError,
    PermissionDeniedError,
)


async def check_service(service: RemoteService, request: pb.CreateTaskRequest) -> AsyncIterator[Finding]:
    """Test each rule in turn.

    Args:
        service: The service.
        request: A request that it accepts.

    Yields:
        A finding for each rule of `RULES`.

    Raises:
        ConnectorError: the service can't be asked; raised after the findings.
    """
    unreachable = await _why_unreachable(service)
    is_accepted = True
    for rule in RULES:
        fault = ""
        asks = unreachable is None and (is_accepted or rule not in _ABOUT_JOBS)
        if asks:
            try:
                fault = await rule(service, execution_of(request))
            except ConnectorError as error:
                fault = f"{error.code}: {error.message}"
            unreachable = await _why_unreachable(service)
        if rule is _accepts_the_task:
            is_accepted = not fault
        verdict = Verdict.BROKEN if fault else Verdict.KEPT
        if not asks or unreachable is not None:
            fault, verdict = "", Verdict.NOT_ASKED
        yield Finding((rule.__doc__ or "").rstrip("."), fault, verdict)
    if unreachable is not None:
        raise unreachable


async def print_findings(service: RemoteService, request: pb.CreateTaskRequest, *, as_json: bool) -> bool:
    """Test each rule, and print a line for each, or JSON; returns whether all are kept.

    Raises:
        ConnectorError: the service can't be asked; raised after the findings are printed.
    """
    findings: list[Finding] = []
    try:
        async with service:
            async for finding in check_service(service, request):
                findings.append(finding)
                if not as_json:
                    print(f"{finding.verdict.value:9} {finding.rule}", flush=True)  # noqa: T201
                    if finding.fault:
                        print(f"          {finding.fault}", flush=True)  # noqa: T201
    finally:
        if as_json and findings:
            print(json.dumps([finding._asdict() for finding in findings], indent=2))  # noqa: T201
    return not any(finding.fault for finding in findings)


async def _why_unreachable(service: RemoteService) -> ConnectorError | None:
    try:
        await service.list_connectors()
    except _UNREACHABLE as error:
        return error
    except ConnectorError:
        pass  # an answer, with which the first rule deals
    return None


async def _lists_the_type(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """ListConnectors names the task type and version."""
    wanted = (request.template.type, request.template.task_type_version)
    listed = {
        (category.name, category.version)
        for connector in (await service.list_connectors()).connectors
        for category in connector.supported_task_categories
    }
    return "" if wanted in listed else f"it lists {sorted(listed)}"


async def _refuses_unknown_types(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """CreateTask of an unknown task type is an error."""
    request.template.type = "no_such_type_of_the_kit"
    return await _unless_refused(service.create(request), {"NOT_FOUND", "INVALID_ARGUMENT"})


async def _accepts_the_task(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """CreateTask accepts the task."""
    meta = (await service.create(request)).resource_meta
    await service.delete(_delete(request, meta))
    return ""


async def _replays_to_the_same_job(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """CreateTask of the same execution answers with the same job."""
    metas = [(await service.create(request)).resource_meta for _ in range(2)]
    for meta in metas:
        await service.delete(_delete(request, meta))
    return "" if metas[0] == metas[1] else "the replay got another resource_meta"


async def _reports_a_phase(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """GetTask reports a phase other than UNDEFINED."""
    meta = (await service.create(request)).resource_meta
    phase = (await service.get(_get(request, meta))).resource.phase
    await service.delete(_delete(request, meta))
    return "" if phase else "it reported UNDEFINED"


async def _deletes_again(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """DeleteTask can be repeated, and the job is over then."""
    meta = (await service.create(request)).resource_meta
    for _ in range(3):
        await service.delete(_delete(request, meta))
    phase = (await service.get(_get(request, meta))).resource.phase
    return "" if phase in TERMINAL_PHASES else f"a deleted job is {Phase(phase).name}"


async def _refuses_corrupt_metas(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """GetTask of an empty or corrupt resource_meta is INVALID_ARGUMENT."""
    faults = [
        await _unless_refused(service.get(_get(request, meta)), {"INVALID_ARGUMENT"})
        for meta in (b"", b"\xff\xfe nothing")
    ]
    return "; ".join(dict.fromkeys(filter(None, faults)))


async def _keeps_secrets(service: RemoteService, request: pb.CreateTaskRequest) -> str:
    """Secrets in a request do not appear in replies or errors."""
    own = secret_names(request.template.custom)
    # A secret that the connector uses may get it refused, which is an answer as well.
    for names in filter(None, (["kit_secret"], list(own))):
        secrets = {name: f"{CANARY}-{name}" for name in names}
        replies = await _replies(service, execution_of(request), secrets)
        leaked = [name for name, value in secrets.items() if value.encode() in replies]
        if leaked:
            return f"a reply holds the secret {leaked[0]}"
    return ""


async def _replies(service: RemoteService, request: pb.CreateTaskRequest, secrets: Mapping[str, str]) -> bytes:
    """All replies of the service about one job, errors included."""
    request.connection.secrets.update(secrets)
    try:
        meta = (await service.create(request)).resource_meta
    except ConnectorError as error:
        return error.message.encode()
    get, delete = _get(request, meta), _delete(request, meta)
    get.connection.CopyFrom(request.connection)
    delete.connection.CopyFrom(request.connection)
    calls = (service.get(get), service.delete(delete), service.get(get))
    return meta + b"".join([await _said(call) for call in calls])


async def _said(call: Awaitable[Message]) -> bytes:
    try:
        return (await call).SerializeToString()
    except ConnectorError as error:
        return error.message.encode()


Rule = Callable[[RemoteService, pb.CreateTaskRequest], Awaitable[str]]

_ABOUT_JOBS: tuple[Rule, ...] = (
    _replays_to_the_same_job,
    _reports_a_phase,
    _deletes_again,
    _keeps_secrets,
)
RULES: tuple[Rule, ...] = (
    _lists_the_type,
    _refuses_unknown_types,
    _refuses_corrupt_metas,
    _accepts_the_task,
    *_ABOUT_JOBS,
)
"""Each answers with what the service did instead of keeping it, or nothing."""


async def _unless_refused(call: Awaitable[object], codes: set[str]) -> str:
    try:
        await call
    except ConnectorError as error:
        return "" if error.code in codes else f"it answered {error.code}: {error.message}"
    return "it was accepted"


def _get(request: pb.CreateTaskRequest, meta: bytes) -> pb.GetTaskRequest:
    return pb.GetTaskRequest(resource_meta=meta, task_category=_category(request))


def _delete(request: pb.CreateTaskRequest, meta: bytes) -> pb.DeleteTaskRequest:
    return pb.DeleteTaskRequest(resource_meta=meta, task_category=_category(request))


def _category(request: pb.CreateTaskRequest) -> dict[str, object]:
    return {"name": request.template.type, "version": request.template.task_type_version}
