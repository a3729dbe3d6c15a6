"""The shared call path: a request in, a reply out, independent of the transport.

The gRPC adapter and the local client both call it, so local and remote runs behave alike. Each method reads
top to bottom: find the connector, read the request, call the verb under
the guard, write the reply.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from google.protobuf.message import DecodeError

from flyte_connectors import errors
from flyte_connectors._calls.context import CallContext, current
from flyte_connectors._calls.per_loop import PerLoop
from flyte_connectors._calls.retries import DEFAULT_TIMEOUT, SHARE, Backoff
from flyte_connectors._dispatch import wire
from flyte_connectors._dispatch.arguments import with_secrets
from flyte_connectors._dispatch.creates import Creates
from flyte_connectors._dispatch.creating import delete_job
from flyte_connectors._dispatch.envelope import Envelope, unseal
from flyte_connectors._dispatch.large_outputs import LARGEST_IN_REPLY, store_above
from flyte_connectors._dispatch.project_secrets import with_found
from flyte_connectors._dispatch.redaction import redacted
from flyte_connectors._dispatch.time_limits import Timers, is_over, limit_of, write_exceeded
from flyte_connectors._registry.table import find_metadata
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.secrets import outside_calls

if TYPE_CHECKING:
    from flyte_connectors._calls.guard import CallGuard
    from flyte_connectors._dispatch.gathering import Gathering
    from flyte_connectors._dispatch.transient_faults import TransientFaults
    from flyte_connectors._registry.table import Registry
    from flyte_connectors.bound import BoundConnector

SUCCEEDED: int = TaskExecution.SUCCEEDED  # looked up there, it costs as much as the rest of its line
_JobRequest: TypeAlias = "pb.GetTaskRequest | pb.DeleteTaskRequest | pb.GetTaskMetricsRequest | pb.GetTaskLogsRequest"


class Dispatcher:
    """Serves the requests of `flyteidl2.connector` from a registry.

    Args:
        registry: The connectors.
        guard: Runs their verbs.
        faults: Replies of `get` while a job's state can't be read; None raises the error.
        local: Whether this is a local run, in which the user is the operator: secrets may name any
            environment variable, and every endpoint is allowed.
        secrets_by: Whose secrets a task may name: the `service`'s, or its `project`'s.
    """

    def __init__(
        self,
        registry: Registry,
        guard: CallGuard,
        *,
        faults: TransientFaults | None = None,
        local: bool = False,
        secrets_by: str = "service",
    ) -> None:
        self.registry = registry
        self.guard = guard
        self._faults = faults
        self._find = partial(with_found, registry)
        self._creates = Creates(guard, local=local, secrets_by=secrets_by, find=self._find)
        self._secrets = partial(with_secrets, local=local)
        self._is_persistent = not local  # a local run tries again by itself, for longer
        self._timers = Timers(self.get)

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
        limit = limit_of(template) if self._is_persistent else None  # a local run has its own
        meta = await self._creates.start(connector, request, timeout, limit=limit, again=again)
        if limit is not None and not connector.is_sync:
            category = pb.TaskCategory(name=template.type, version=template.task_type_version)
            poll = pb.GetTaskRequest(resource_meta=meta, task_category=category)
            self._timers.start(poll, unseal(meta, template.type))
        return pb.CreateTaskResponse(resource_meta=meta)

    async def get(self, request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        """Report the state of a job.

        Raises:
            ConnectorError: the meta is invalid, or the connector raised it.
        """
        connector, envelope = self._job(request, "get")
        if connector.is_sync:
            return pb.GetTaskResponse(resource=_finished(envelope, connector.category.name))
        response = pb.GetTaskResponse()
        faults = self._faults
        ask = self._ask if envelope.limit is None else self._ask_in_time
        if faults is None:
            await ask(connector, envelope, request, response.resource, timeout)
            return response
        began, left = time.monotonic(), SHARE * (timeout or DEFAULT_TIMEOUT)
        backoff = None
        while True:
            try:
                await ask(connector, envelope, request, response.resource, left)
            except errors.ConnectorError as error:
                backoff = backoff or Backoff(timeout, began)
                response.Clear()
                if await faults.covered(request.resource_meta, error, backoff, response.resource):
                    return response
                left = backoff.left()
            else:
                if faults.failing:
                    faults.answered(request.resource_meta)
                return response

    async def delete(self, request: pb.DeleteTaskRequest, timeout: float | None = None) -> pb.DeleteTaskResponse:
        """Cancel a job; one that is gone, or whose create has failed, counts as cancelled.

        Raises:
            ConnectorError: the meta is invalid, or the connector raised it.
        """
        connector, envelope = self._job(request, "delete")
        if connector.is_sync:
            return pb.DeleteTaskResponse()
        connection = request.connection if request.HasField("connection") else None
        if envelope.request:
            began = time.monotonic()
            created = await self._creates.resume(connector, envelope, connection, timeout)
            if isinstance(created, errors.ConnectorError):
                return pb.DeleteTaskResponse()
            if created is None:
                raise errors.ServiceUnavailableError("the job is still being created: try again")
            envelope, timeout = created, _left(timeout, began)
        arguments = {"resource_meta": _decode(connector, envelope.meta)}
        if envelope.secrets:
            connection, timeout = await self._find(envelope.secrets, connection, timeout)
        with self._secrets(connector, arguments, envelope.secrets, connection):
            persist = self._is_persistent
            try:
                await delete_job(self.guard, connector, arguments, timeout, persist=persist)
            finally:
                if "get_many" in connector.verbs:
                    self._gathering.get().forget(connector, envelope.meta)
        return pb.DeleteTaskResponse()

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report the metrics of a job; none while it is being created.

        Raises:
            ConnectorError: the meta is invalid, or the connector raised it.
        """
        connector, sealed = self._job(request, "get_metrics", is_optional=True)
        envelope = self._started(connector, sealed)
        if envelope is None:
            return pb.GetTaskMetricsResponse()
        arguments = {
            "resource_meta": _decode(connector, envelope.meta),
            "queries": list(request.queries),
            **wire.read_period(request),
        }
        connection, timeout = await self._find(envelope.secrets, None, timeout)
        with self._secrets(connector, arguments, envelope.secrets, connection):
            verb = connector.verb("get_metrics")
            response = redacted(await self.guard.call(verb, arguments, timeout=timeout))
        if not isinstance(response, pb.GetTaskMetricsResponse):
            message = f"{connector.name} returned {type(response).__name__} from get_metrics"
            raise errors.ContractError(message)
        return response

    async def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield the `GetTaskLogsResponse` and `LogLine` messages of the connector.

        Nothing while the job is being created.

        Raises:
            ConnectorError: the meta or the token is invalid, or the connector raised it.
        """
        connector, sealed = self._job(request, "get_logs", is_optional=True)
        envelope = self._started(connector, sealed)
        if envelope is None:
            return
        arguments = {"resource_meta": _decode(connector, envelope.meta), "token": request.token, "lines": request.lines}
        connection, _ = await self._find(envelope.secrets, None, None)
        with self._secrets(connector, arguments, envelope.secrets, connection) as call:
            async for item in self.guard.stream(connector.verb("get_logs"), arguments):
                yield item if not (call.values or outside_calls.values) else redacted(item)

    def get_connector(self, name: str) -> pb.Connector:
        """The metadata of the connector called `name`.

        Raises:
            ConnectorNotFoundError: there is none.
        """
        return find_metadata(self.registry, name)

    def list_connectors(self) -> pb.ListConnectorsResponse:
        """The metadata of all connectors, from memory."""
        return pb.ListConnectorsResponse(connectors=self.registry.metadata().values())

    @functools.cached_property
    def _gathering(self) -> PerLoop[Gathering]:
        from flyte_connectors._dispatch.gathering import Gathering  # for connectors with get_many

        return PerLoop(partial(Gathering, self.guard))

    async def _ask(
        self,
        connector: BoundConnector,
        envelope: Envelope,
        request: pb.GetTaskRequest,
        message: pb.Resource,
        timeout: float | None,
    ) -> None:
        """Call the connector's `get`, within `timeout` seconds."""
        connection = request.connection if request.HasField("connection") else None
        if envelope.request:
            began = time.monotonic()
            created = await self._creates.resume(connector, envelope, connection, timeout)
            if not isinstance(created, Envelope):
                _write_without_job(created, message)
                return
            envelope, timeout = created, _left(timeout, began)
        arguments = {"resource_meta": _decode(connector, envelope.meta), "output_prefix": request.output_prefix}
        if envelope.secrets:
            connection, timeout = await self._find(envelope.secrets, connection, timeout)
        with self._secrets(connector, arguments, envelope.secrets, connection):
            if "get_many" in connector.verbs:
                gathering = self._gathering.get()
                resource = await gathering.get(connector, envelope.meta, arguments, timeout)
            else:
                verb = connector.verbs.get("get") or connector.verb("get")
                resource = await self.guard.call(verb, arguments, timeout=timeout)
            wire.write_resource(resource, envelope.outputs, connector.category.name, message)
            if message.phase == SUCCEEDED and message.ByteSize() > LARGEST_IN_REPLY:
                await store_above(LARGEST_IN_REPLY, message, request.output_prefix)

    def _job(self, request: _JobRequest, verb: str, *, is_optional: bool = False) -> tuple[BoundConnector, Envelope]:
        """The connector of a job and what its meta holds; `verb` and the job are named in log lines."""
        category = request.task_category
        connector = self.registry.find(category.name, category.version)
        if is_optional:
            connector.verb(verb)
        envelope = unseal(request.resource_meta, category.name)
        current.set(CallContext(verb, category.name, envelope.key))
        return connector, envelope

    async def _ask_in_time(
        self,
        connector: BoundConnector,
        envelope: Envelope,
        request: pb.GetTaskRequest,
        message: pb.Resource,
        timeout: float | None,
    ) -> None:
        """Call the connector's `get`; cancel a job whose time limit has passed."""
        meta, category = request.resource_meta, request.task_category
        if not is_over(envelope):
            await self._ask(connector, envelope, request, message, timeout)
            if message.phase in TERMINAL_PHASES:
                self._timers.stop(meta)
            else:
                self._timers.start(request, envelope)
            return
        began = time.monotonic()
        with contextlib.suppress(errors.ConnectorError):  # what can't be read is cancelled, too
            await self._ask(connector, envelope, request, message, timeout and timeout / 2)
            if message.phase in TERMINAL_PHASES and message.phase != TaskExecution.ABORTED:
                return
        if message.phase != TaskExecution.ABORTED:
            end = pb.DeleteTaskRequest(resource_meta=meta, task_category=category)
            if request.HasField("connection"):
                end.connection.CopyFrom(request.connection)
            await self.delete(end, _left(timeout, began))
        write_exceeded(envelope, message)

    def _started(self, connector: BoundConnector, envelope: Envelope) -> Envelope | None:
        """The envelope of a job for a verb that only reads; None unless the job is known to have started."""
        if not envelope.request:
            return envelope
        created = self._creates.known(connector, envelope)
        return created if isinstance(created, Envelope) else None


def _left(timeout: float | None, began: float) -> float | None:
    """The rest of `timeout` seconds since a time of the monotonic clock."""
    return None if timeout is None else max(timeout - (time.monotonic() - began), 0.001)


def _write_without_job(error: errors.ConnectorError | None, message: pb.Resource) -> None:
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
        raise errors.InvalidResourceMetaError(message, field="resource_meta") from error


def _finished(envelope: Envelope, task_type: str) -> pb.Resource:
    try:
        resource = pb.Resource.FromString(envelope.finished)
    except DecodeError:
        resource = pb.Resource()
    if resource.phase not in TERMINAL_PHASES:
        message = f"not of task type '{task_type}': pass the meta that create returned"
        raise errors.InvalidResourceMetaError(message, field="resource_meta")
    return resource
