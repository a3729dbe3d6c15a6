"""The shared call path: a request in, a reply out, independent of the transport.

The gRPC adapter and the local client both call it, so local and remote runs behave alike. Each method reads
top to bottom: find the connector, read the request, call the verb under
the guard, write the reply.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from google.protobuf.message import DecodeError

from flyte_connectors._calls.context import CallContext, current
from flyte_connectors._calls.retries import Backoff
from flyte_connectors._dispatch import wire
from flyte_connectors._dispatch.arguments import with_secrets
from flyte_connectors._dispatch.creates import Creates
from flyte_connectors._dispatch.creating import delete_job
from flyte_connectors._dispatch.envelope import Envelope, unseal
from flyte_connectors._dispatch.large_outputs import LARGEST_IN_REPLY, store_above
from flyte_connectors._dispatch.redaction import redacted
from flyte_connectors._registry.table import find_metadata
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.errors import (
    ConnectorError,
    ContractError,
    InvalidResourceMetaError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    from flyteidl2.core.security_pb2 import Connection

    from flyte_connectors._calls.guard import CallGuard
    from flyte_connectors._dispatch.transient_faults import TransientFaults
    from flyte_connectors._registry.table import Registry
    from flyte_connectors.bound import BoundConnector


class Dispatcher:
    """Serves the requests of `flyteidl2.connector` from a registry.

    Args:
        registry: The connectors.
        guard: Runs their verbs.
        faults: Replies of `get` while a job's state can't be read; None raises the error.
        local: Whether this is a local run, in which the user is the operator: secrets may name any
            environment variable, and every endpoint is allowed.
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
        self._creates = Creates(guard, local=local)
        self._local = local

    async def create(
        self, request: pb.CreateTaskRequest, timeout: float | None = None, *, again: bool = False
    ) -> pb.CreateTaskResponse:
        """Start a job; the create completes even if the caller disconnects.

        Args:
            request: What to start.
            timeout: Seconds that the caller waits.
            again: Whether the caller repeats a request whose outcome it does not know.

        Raises:
            ConnectorError: the request is invalid (nothing was started), or the connector raised it.
        """
        template = request.template
        connector = self.registry.find(template.type, template.task_type_version)
        meta = await self._creates.start(connector, request, timeout, again=again)
        return pb.CreateTaskResponse(resource_meta=meta)

    async def get(
        self, request: pb.GetTaskRequest, timeout: float | None = None
    ) -> pb.GetTaskResponse:
        """Report the state of a job.

        Raises:
            ConnectorError: the meta is invalid, or the connector raised it.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        envelope = unseal(request.resource_meta, category.name)
        if connector.is_sync:
            return pb.GetTaskResponse(resource=_finished(envelope, category.name))
        response = pb.GetTaskResponse()
        current.set(CallContext("get", category.name, envelope.key))
        faults = self._faults
        if faults is None:
            await self._ask(connector, envelope, request, response.resource, timeout)
            return response
        job, backoff = request.resource_meta, Backoff(timeout)
        while True:
            try:
                await self._ask(connector, envelope, request, response.resource, backoff.left())
            except ConnectorError as error:
                response.Clear()
                if await faults.covered(job, error, backoff, response.resource):
                    return response
            else:
                faults.answered(job)
                return response

    async def delete(
        self, request: pb.DeleteTaskRequest, timeout: float | None = None
    ) -> pb.DeleteTaskResponse:
        """Cancel a job; one that is gone, or whose create has failed, counts as cancelled.

        Raises:
            ConnectorError: the meta is invalid, or the connector raised it.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        envelope = unseal(request.resource_meta, category.name)
        if connector.is_sync:
            return pb.DeleteTaskResponse()
        current.set(CallContext("delete", category.name, envelope.key))
        connection = _connection(request)
        if envelope.request:
            began = time.monotonic()
            created = await self._creates.resume(connector, envelope, connection, timeout)
            if isinstance(created, ConnectorError):
                return pb.DeleteTaskResponse()
            if created is None:
                raise ServiceUnavailableError("the job is still being created: try again")
            envelope, timeout = created, _left(timeout, began)
        arguments = {"resource_meta": _decode(connector, envelope.meta)}
        secrets = with_secrets(
            connector, arguments, envelope.secrets, connection, local=self._local
        )
        with secrets:
            persist = not self._local  # a local run tries again by itself, for longer
            await delete_job(self.guard, connector, arguments, timeout, persist=persist)
        return pb.DeleteTaskResponse()

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report the metrics of a job; none while it is being created.

        Raises:
            ConnectorError: the meta is invalid, or the connector raised it.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        verb = connector.verb("get_metrics")
        envelope = self._started(connector, request.resource_meta)
        if envelope is None:
            return pb.GetTaskMetricsResponse()
        current.set(CallContext("get_metrics", category.name, envelope.key))
        arguments = {
            "resource_meta": _decode(connector, envelope.meta),
            "queries": list(request.queries),
            **wire.read_period(request),
        }
        with with_secrets(connector, arguments, envelope.secrets, None, local=self._local):
            response = redacted(await self.guard.call(verb, arguments, timeout=timeout))
        if not isinstance(response, pb.GetTaskMetricsResponse):
            message = f"{connector.name} returned {type(response).__name__} from get_metrics"
            raise ContractError(message)
        return response

    async def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield the `GetTaskLogsResponse` and `LogLine` messages of the connector.

        Nothing while the job is being created.

        Raises:
            ConnectorError: the meta or the token is invalid, or the connector raised it.
        """
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        verb = connector.verb("get_logs")
        envelope = self._started(connector, request.resource_meta)
        if envelope is None:
            return
        current.set(CallContext("get_logs", category.name, envelope.key))
        arguments = {
            "resource_meta": _decode(connector, envelope.meta),
            "token": request.token,
            "lines": request.lines,
        }
        with with_secrets(connector, arguments, envelope.secrets, None, local=self._local):
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

    async def _ask(
        self,
        connector: BoundConnector,
        envelope: Envelope,
        request: pb.GetTaskRequest,
        message: pb.Resource,
        timeout: float | None,
    ) -> None:
        """Call the connector's `get`, within `timeout` seconds."""
        connection = _connection(request)
        if envelope.request:
            began = time.monotonic()
            created = await self._creates.resume(connector, envelope, connection, timeout)
            if not isinstance(created, Envelope):
                _write_without_job(created, message)
                return
            envelope, timeout = created, _left(timeout, began)
        arguments = {
            "resource_meta": _decode(connector, envelope.meta),
            "output_prefix": request.output_prefix,
        }
        secrets = with_secrets(
            connector, arguments, envelope.secrets, connection, local=self._local
        )
        with secrets:
            resource = await self.guard.call(connector.verb("get"), arguments, timeout=timeout)
            wire.write_resource(resource, envelope.outputs, connector.category.name, message)
            if message.phase == TaskExecution.SUCCEEDED:
                await store_above(LARGEST_IN_REPLY, message, request.output_prefix)

    def _started(self, connector: BoundConnector, resource_meta: bytes) -> Envelope | None:
        """The envelope of a job for a verb that only reads; None unless the job is known to have started.

        Raises:
            InvalidResourceMetaError: the meta is empty, damaged or another connector's.
        """
        envelope = unseal(resource_meta, connector.category.name)
        if not envelope.request:
            return envelope
        created = self._creates.known(connector, envelope)
        return created if isinstance(created, Envelope) else None


def _connection(request: pb.GetTaskRequest | pb.DeleteTaskRequest) -> Connection | None:
    return request.connection if request.HasField("connection") else None


def _left(timeout: float | None, began: float) -> float | None:
    """The rest of `timeout` seconds since a time of the monotonic clock."""
    return None if timeout is None else max(timeout - (time.monotonic() - began), 0.001)


def _write_without_job(error: ConnectorError | None, message: pb.Resource) -> None:
    """Fill `message` for a create that has failed for good, or still runs."""
    if error is None:
        message.phase = TaskExecution.INITIALIZING
        message.message = "the job is still being created"
        return
    may_pass = error.retryable or error.outcome_unknown
    message.phase = TaskExecution.RETRYABLE_FAILED if may_pass else TaskExecution.FAILED
    message.message = error.message


def _decode(connector: BoundConnector, data: bytes) -> Any:
    try:
        return connector.metadata_type.decode(data)
    except Exception as error:
        message = f"not a meta of {connector.name} (task type {connector.category}): {error}"
        raise InvalidResourceMetaError(message, field="resource_meta") from error


def _finished(envelope: Envelope, task_type: str) -> pb.Resource:
    try:
        resource = pb.Resource.FromString(envelope.finished)
    except DecodeError:
        resource = pb.Resource()
    if resource.phase not in TERMINAL_PHASES:
        message = f"not of task type '{task_type}': pass the meta that create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return resource
