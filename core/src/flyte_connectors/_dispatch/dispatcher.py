"""The shared call path: a request in, a reply out, with no transport in sight.

The gRPC adapter and the local executor both end here, which is why what works locally works
remotely. Each method reads top to bottom: find the connector, read the request, call the verb under
the guard, write the reply.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution

from flyte_connectors._calls.context import CallContext, current
from flyte_connectors._calls.retries import DEFAULT_TIMEOUT, SHARE
from flyte_connectors._dispatch import wire
from flyte_connectors._dispatch.arguments import with_secrets
from flyte_connectors._dispatch.creating import create_job, delete_job, do_at_once
from flyte_connectors._dispatch.envelope import Envelope, seal, unseal
from flyte_connectors._dispatch.idempotency import idempotency_key
from flyte_connectors._dispatch.large_outputs import LARGEST_IN_REPLY, store_above
from flyte_connectors._dispatch.redaction import redacted
from flyte_connectors._dispatch.slow_creates import LARGEST_REQUEST, SlowCreates
from flyte_connectors._registry.table import find_metadata
from flyte_connectors.errors import (
    InternalError,
    InvalidResourceMetaError,
    ServiceUnavailableError,
)
from flyte_connectors.secrets import secret_names

if TYPE_CHECKING:
    from flyte_connectors._calls.guard import CallGuard
    from flyte_connectors._dispatch.transient_faults import TransientFaults
    from flyte_connectors._registry.table import Registry
    from flyte_connectors.bound import BoundConnector


class Dispatcher:
    """Serves the requests of `flyteidl2.connector` from a registry.

    Args:
        registry: The connectors.
        guard: What their verbs run under.
        faults: Answers for `get` while a job can't be asked about; None raises the error.
        local: Whether user and operator are one, as in a local run: any environment variable may then
            be named as a secret, and any endpoint be called.
    """

    def __init__(
        self,
        registry: Registry,
        guard: CallGuard,
        *,
        faults: TransientFaults | None = None,
        local: bool = False,
    ) -> None:
        self.registry = registry
        self.guard = guard
        self._faults = faults
        self._creates = SlowCreates(guard)
        self._local = local

    async def create(
        self, request: pb.CreateTaskRequest, timeout: float | None = None
    ) -> pb.CreateTaskResponse:
        """Start a job, to the end even if the caller leaves.

        Raises:
            ConnectorError: the request is bad (then nothing was started), or the connector's word.
        """
        template = request.template
        connector = self.registry.find(template.type, template.task_type_version)
        key = idempotency_key(request.task_execution_metadata.task_execution_id)
        current.set(CallContext("create", template.type, key))
        arguments = {
            "task_template": template,
            "output_prefix": request.output_prefix,
            "inputs": wire.read_inputs(template, request.inputs),
            "task_execution_metadata": request.task_execution_metadata,
            "idempotency_key": key,
        }
        names = secret_names(template.custom)
        envelope = Envelope(b"", wire.declared_outputs(template), names, key)
        work = partial(self._start, connector, arguments, envelope, timeout)
        with self._secrets(connector, arguments, names, request):
            # A local run waits as long as it takes; so does one whose request no meta can hold.
            can_wait = connector.is_sync or request.ByteSize() > LARGEST_REQUEST
            seconds = None if timeout is None or can_wait else SHARE * timeout
            reply = await self._creates.outcome(key, work, seconds)
        return reply or _creating(envelope, request)

    async def get(
        self, request: pb.GetTaskRequest, timeout: float | None = None
    ) -> pb.GetTaskResponse:
        """Report the state of a job.

        Raises:
            ConnectorError: the meta is bad, or the connector's word.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        envelope = unseal(request.resource_meta, category.name)
        if connector.is_sync:
            return pb.GetTaskResponse(resource=_finished(envelope, category.name))
        response = pb.GetTaskResponse()
        current.set(CallContext("get", category.name, envelope.key))
        report = partial(self._report, connector, envelope, request, response.resource)
        if self._faults is None:
            await report(timeout)
        else:
            job = request.resource_meta
            await self._faults.answer(job, timeout, report, instead=response.resource)
        return response

    async def delete(
        self, request: pb.DeleteTaskRequest, timeout: float | None = None
    ) -> pb.DeleteTaskResponse:
        """Cancel a job; one that is gone counts as cancelled.

        Raises:
            ConnectorError: the meta is bad, or the connector's word.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        envelope = unseal(request.resource_meta, category.name)
        if not connector.is_sync:
            current.set(CallContext("delete", category.name, envelope.key))
            meta = await self._meta(connector, envelope, request, timeout)
            arguments = {"resource_meta": meta}
            with self._secrets(connector, arguments, envelope.secrets, request):
                persist = not self._local  # a local run tries again by itself, for longer
                await delete_job(self.guard, connector, arguments, timeout, persist=persist)
        return pb.DeleteTaskResponse()

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report the metrics of a job.

        Raises:
            ConnectorError: the meta is bad, or the connector's word.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        verb = connector.verb("get_metrics")
        envelope = unseal(request.resource_meta, category.name)
        current.set(CallContext("get_metrics", category.name, envelope.key))
        start, end = request.HasField("start_time"), request.HasField("end_time")
        arguments = {
            "resource_meta": await self._meta(connector, envelope, None, timeout),
            "queries": list(request.queries),
            "start_time": request.start_time.ToDatetime(timezone.utc) if start else None,
            "end_time": request.end_time.ToDatetime(timezone.utc) if end else None,
            "step": request.step.ToTimedelta() if request.HasField("step") else None,
        }
        with self._secrets(connector, arguments, envelope.secrets):
            response = redacted(await self.guard.call(verb, arguments, timeout=timeout))
        if not isinstance(response, pb.GetTaskMetricsResponse):
            message = f"{connector.name} returned {type(response).__name__} from get_metrics"
            raise InternalError(message)
        return response

    async def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield what the connector does: `GetTaskLogsResponse` and `LogLine` messages.

        Raises:
            ConnectorError: the meta or the token is bad, or the connector's word.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        verb = connector.verb("get_logs")
        envelope = unseal(request.resource_meta, category.name)
        current.set(CallContext("get_logs", category.name, envelope.key))
        arguments = {
            "resource_meta": await self._meta(connector, envelope, None, None),
            "token": request.token,
            "lines": request.lines,
        }
        with self._secrets(connector, arguments, envelope.secrets):
            async for item in self.guard.stream(verb, arguments):
                yield redacted(item)

    def get_connector(self, name: str) -> pb.Connector:
        """The metadata of the connector called `name`.

        Raises:
            ConnectorNotFoundError: there is none.
        """
        return find_metadata(self.registry, name)

    def list_connectors(self) -> pb.ListConnectorsResponse:
        """The metadata of all connectors, from memory."""
        return pb.ListConnectorsResponse(connectors=self.registry.metadata().values())

    async def _start(
        self,
        connector: BoundConnector,
        arguments: Mapping[str, Any],
        envelope: Envelope,
        timeout: float | None,
    ) -> pb.CreateTaskResponse:
        if connector.is_sync:
            return await do_at_once(self.guard, connector, arguments, envelope, timeout)
        patience = None if self._local else timeout or DEFAULT_TIMEOUT
        return await create_job(self.guard, connector, arguments, envelope, patience)

    async def _report(
        self,
        connector: BoundConnector,
        envelope: Envelope,
        request: pb.GetTaskRequest,
        message: pb.Resource,
        timeout: float | None,
    ) -> None:
        """Have the connector say how the job is, within `timeout` seconds."""
        try:
            meta = await self._meta(connector, envelope, request, timeout)
        except _StillCreatingError as error:
            message.phase = TaskExecution.INITIALIZING
            message.message = error.message
            return
        arguments = {"resource_meta": meta, "output_prefix": request.output_prefix}
        with self._secrets(connector, arguments, envelope.secrets, request):
            resource = await self.guard.call(connector.verb("get"), arguments, timeout=timeout)
            wire.write_resource(resource, envelope.outputs, connector.category.name, message)
            if message.phase == TaskExecution.SUCCEEDED:
                await store_above(LARGEST_IN_REPLY, message, request.output_prefix)

    async def _meta(
        self,
        connector: BoundConnector,
        envelope: Envelope,
        request: pb.GetTaskRequest | pb.DeleteTaskRequest | None,
        timeout: float | None,
    ) -> Any:
        """The connector's meta of a job, whose create may still be running.

        Raises:
            _StillCreatingError: it is, and goes on.
            ConnectorError: the meta is bad, or the create failed.
        """
        if not envelope.request:
            return _decode(connector, envelope.meta)
        create = pb.CreateTaskRequest.FromString(envelope.request)
        if request is not None and request.HasField("connection"):
            create.connection.CopyFrom(request.connection)
        reply = await self.create(create, timeout or DEFAULT_TIMEOUT)
        created = unseal(reply.resource_meta, connector.category.name)
        if created.request:
            raise _StillCreatingError("the job is still being created: ask again")
        return _decode(connector, created.meta)

    def _secrets(
        self,
        connector: BoundConnector,
        arguments: dict[str, Any],
        names: Mapping[str, str],
        request: pb.CreateTaskRequest | pb.GetTaskRequest | pb.DeleteTaskRequest | None = None,
    ) -> contextlib.AbstractContextManager[object]:
        connected = request is not None and request.HasField("connection")
        connection = request.connection if request is not None and connected else None
        return with_secrets(connector, arguments, names, connection, local=self._local)


class _StillCreatingError(ServiceUnavailableError):
    """The job's create is still running."""


def _creating(envelope: Envelope, request: pb.CreateTaskRequest) -> pb.CreateTaskResponse:
    """The reply for a job whose create goes on: the request, without its secrets, instead of a meta."""
    kept = pb.CreateTaskRequest()
    kept.CopyFrom(request)
    kept.ClearField("connection")
    sealed = seal(envelope._replace(request=kept.SerializeToString()), request.template.type)
    return pb.CreateTaskResponse(resource_meta=sealed)


def _decode(connector: BoundConnector, data: bytes) -> Any:
    try:
        return connector.metadata_type.decode(data)
    except Exception as error:
        message = f"not a meta of {connector.name} (task type {connector.category}): {error}"
        raise InvalidResourceMetaError(message, field="resource_meta") from error


def _finished(envelope: Envelope, task_type: str) -> pb.Resource:
    if not envelope.finished:
        message = f"not of task type '{task_type}': pass what its create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return pb.Resource.FromString(envelope.finished)
