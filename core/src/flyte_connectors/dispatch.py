"""The shared call path: a request in, a reply out, with no transport in sight.

The gRPC adapter and the local executor both end here, which is why what works locally works
remotely. Each method reads top to bottom: find the connector, read the request, call the verb under
the guard, write the reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors import wire
from flyte_connectors.call_context import CallContext, current
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.endpoints import unrestricted
from flyte_connectors.envelope import Envelope, seal, unseal
from flyte_connectors.errors import (
    ConnectorError,
    InternalError,
    InvalidRequestError,
    InvalidResourceMetaError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from flyte_connectors.idempotency import idempotency_key
from flyte_connectors.registry import find_metadata
from flyte_connectors.retries import Backoff
from flyte_connectors.secrets import holds_secret, protected, redact, resolve, secret_names

if TYPE_CHECKING:
    from flyte_connectors.absorb import TransientFaults
    from flyte_connectors.binding import BoundConnector, Verb
    from flyte_connectors.guard import CallGuard
    from flyte_connectors.registry import Registry

logger = logging.getLogger(__name__)

_LARGEST_IN_META = 32 * 1024  # bytes of a sync connector's result; the back end stores metas
_NOTHING = contextlib.nullcontext()
_ARGUMENTS = frozenset(
    {
        "task_template",
        "output_prefix",
        "inputs",
        "task_execution_metadata",
        "idempotency_key",
        "resource_meta",
        "token",
        "lines",
        "queries",
        "start_time",
        "end_time",
        "step",
        "self",
    }
)


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
        names = secret_names(template.custom)
        arguments = {
            "task_template": template,
            "output_prefix": request.output_prefix,
            "inputs": wire.read_inputs(template, request.inputs),
            "task_execution_metadata": request.task_execution_metadata,
            "idempotency_key": key,
        }
        envelope = Envelope(b"", wire.declared_outputs(template), names, key)
        current.set(CallContext("create", template.type, key))
        with self._secrets(connector, arguments, names, request):
            start = self._do if connector.is_sync else self._create
            work = start(connector, arguments, envelope, timeout)
            return await self.guard.finish(work, f"create of {key}")

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
        arguments = {
            "resource_meta": _decode(connector, envelope.meta),
            "output_prefix": request.output_prefix,
        }
        verb = connector.verb("get")
        current.set(CallContext("get", category.name, envelope.key))

        report = partial(self._report, verb, arguments, envelope, response.resource)
        with self._secrets(connector, arguments, envelope.secrets, request):
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
            arguments = {"resource_meta": _decode(connector, envelope.meta)}
            with self._secrets(connector, arguments, envelope.secrets, request):
                await self._delete(connector.verb("delete"), arguments, timeout)
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
            "resource_meta": _decode(connector, envelope.meta),
            "queries": list(request.queries),
            "start_time": request.start_time.ToDatetime(timezone.utc) if start else None,
            "end_time": request.end_time.ToDatetime(timezone.utc) if end else None,
            "step": request.step.ToTimedelta() if request.HasField("step") else None,
        }
        with self._secrets(connector, arguments, envelope.secrets):
            response = await self.guard.call(verb, arguments, timeout=timeout)
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
            "resource_meta": _decode(connector, envelope.meta),
            "token": request.token,
            "lines": request.lines,
        }
        with self._secrets(connector, arguments, envelope.secrets):
            async for item in self.guard.stream(verb, arguments):
                yield item

    def get_connector(self, name: str) -> pb.Connector:
        """The metadata of the connector called `name`.

        Raises:
            ConnectorNotFoundError: there is none.
        """
        return find_metadata(self.registry, name)

    def list_connectors(self) -> pb.ListConnectorsResponse:
        """The metadata of all connectors, from memory."""
        return pb.ListConnectorsResponse(connectors=self.registry.metadata().values())

    async def _report(
        self,
        verb: Verb,
        arguments: Mapping[str, Any],
        envelope: Envelope,
        message: pb.Resource,
        timeout: float | None,
    ) -> None:
        """Have the connector say how the job is, within `timeout` seconds."""
        resource = await self.guard.call(verb, arguments, timeout=timeout)
        wire.write_resource(resource, envelope.outputs, verb.connector.category.name, message)

    async def _create(
        self,
        connector: BoundConnector,
        arguments: Mapping[str, Any],
        envelope: Envelope,
        timeout: float | None,
    ) -> pb.CreateTaskResponse:
        # No time limit for a try: a job half submitted is worse than a late answer.
        create = partial(self.guard.call, connector.verb("create"), arguments)
        meta = await self._persistently(create, timeout)
        try:
            data = _encode(connector, meta)
        except Exception as error:
            await self._take_back(connector, arguments, meta)
            message = f"{connector.name} returned a meta that can't be stored; the job was deleted"
            raise InternalError(redact(f"{message}: {error}")) from error
        data = seal(envelope._replace(meta=data), connector.category.name)
        return pb.CreateTaskResponse(resource_meta=data)

    async def _do(
        self,
        connector: BoundConnector,
        arguments: Mapping[str, Any],
        envelope: Envelope,
        timeout: float | None,
    ) -> pb.CreateTaskResponse:
        resource = await self.guard.call(connector.verb("do"), arguments, timeout=timeout)
        message = pb.Resource()
        wire.write_resource(resource, envelope.outputs, connector.category.name, message)
        if message.phase not in TERMINAL_PHASES:
            text = f"{connector.name} returned a resource that is not finished from do"
            raise InternalError(text)
        if message.ByteSize() > _LARGEST_IN_META:
            await _store_outputs(message, arguments["output_prefix"])
        finished = envelope._replace(outputs=None, finished=message.SerializeToString())
        return pb.CreateTaskResponse(resource_meta=seal(finished, connector.category.name))

    async def _take_back(
        self, connector: BoundConnector, arguments: Mapping[str, Any], meta: Any
    ) -> None:
        """Delete a job that nobody could ever ask for again."""
        try:
            await self._delete(connector.verb("delete"), {**arguments, "resource_meta": meta}, None)
        except Exception:
            logger.exception("%s could not take back %r", connector.name, meta)

    async def _delete(
        self, verb: Verb, arguments: Mapping[str, Any], timeout: float | None
    ) -> None:
        delete = partial(self.guard.call, verb, arguments, timeout=timeout)
        try:
            await self._persistently(delete, timeout)
        except JobNotFoundError:
            logger.info("%s: the job to delete is gone already", verb.connector.name)

    async def _persistently(self, call: Callable[[], Awaitable[Any]], timeout: float | None) -> Any:
        """The result of `call`, tried again after passing faults; idempotent verbs only.

        A local run tries again by itself, for longer.
        """
        backoff = Backoff(timeout)
        while True:
            try:
                return await call()
            except ConnectorError as error:
                if self._local or not await backoff.again(error):
                    raise

    def _secrets(
        self,
        connector: BoundConnector,
        arguments: dict[str, Any],
        names: Mapping[str, str],
        request: pb.CreateTaskRequest | pb.GetTaskRequest | pb.DeleteTaskRequest | None = None,
    ) -> contextlib.AbstractContextManager[None]:
        """Add secrets and configs to `arguments`; protects the secrets within the block it guards."""
        connected = request is not None and request.HasField("connection")
        own = connector.own_secrets
        if not (names or own or connected):
            return unrestricted() if self._local else _NOTHING
        sent, configs = wire.read_connection(request.connection) if connected else ({}, {})
        named = own | names.keys() | sent.keys()
        clash = (named | configs.keys()) & (_ARGUMENTS | {"cls"})
        clash |= named & configs.keys()
        if clash:
            message = "this name is taken by an argument of the connector: choose another one"
            raise InvalidRequestError(message, field=f"custom.secrets.{min(clash)}")
        secrets = resolve(names, sent, local=self._local)
        for key in own - secrets.keys():
            secrets[key] = connector.plugin.secret(key)
        arguments.update(configs)
        arguments.update(secrets)
        if not self._local:
            return protected(secrets)
        stack = contextlib.ExitStack()
        stack.enter_context(unrestricted())
        stack.enter_context(protected(secrets))
        return stack


def _decode(connector: BoundConnector, data: bytes) -> Any:
    try:
        return connector.metadata_type.decode(data)
    except Exception as error:
        message = f"not a meta of {connector.name} (task type {connector.category}): {error}"
        raise InvalidResourceMetaError(message, field="resource_meta") from error


def _encode(connector: BoundConnector, meta: Any) -> bytes:
    if not isinstance(meta, connector.metadata_type):
        expected = connector.metadata_type.__name__
        message = f"create returned {type(meta).__name__}, not {expected}"
        raise TypeError(message)
    data: bytes = meta.encode()
    if holds_secret(data):
        message = "it holds a secret"
        raise ValueError(message)
    return data


async def _store_outputs(resource: pb.Resource, prefix: str) -> None:
    """Move large outputs to where the back end looks for outputs that a resource does not have.

    Raises:
        ServiceUnavailableError: they can't be stored there.
    """
    from flyte_connectors import storage  # only for large results

    uri = storage.join(prefix, storage.OUTPUTS_FILE)
    try:
        await asyncio.to_thread(storage.write_bytes, uri, resource.outputs.SerializeToString())
    except OSError as error:
        size = resource.outputs.ByteSize()
        message = f"outputs of {size} bytes can't be stored at {uri}: {error}"
        raise ServiceUnavailableError(message) from error
    resource.ClearField("outputs")


def _finished(envelope: Envelope, task_type: str) -> pb.Resource:
    if not envelope.finished:
        message = f"not of task type '{task_type}': pass what its create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return pb.Resource.FromString(envelope.finished)
