"""Runs creates: within the caller's deadline, and once per idempotency key where a create may not be repeated.

Flyte's back end gives CreateTask ten seconds and then starts a new attempt, whose job would be a second
one. So a create that may be repeated continues after the deadline, and its caller gets a meta that holds the
request instead of the job. Any replica can exchange that for the job's meta, by waiting for the create or by
repeating it under the same idempotency key. A create that may not be repeated is waited for; if it takes
longer than its caller's deadline, its job is deleted, because no later call can refer to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.security_pb2 import Connection
from flyteidl2.core.tasks_pb2 import TaskTemplate
from google.protobuf.message import DecodeError

from flyte_connectors import errors
from flyte_connectors._calls.context import CallContext, current
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._calls.retries import DEFAULT_TIMEOUT, SHARE
from flyte_connectors._dispatch import wire
from flyte_connectors._dispatch.arguments import with_secrets
from flyte_connectors._dispatch.creating import create_job, do_at_once, outcome_unknown
from flyte_connectors._dispatch.envelope import Envelope, seal, unseal
from flyte_connectors._dispatch.idempotency import idempotency_key
from flyte_connectors._dispatch.once_per_key import OncePerKey
from flyte_connectors._dispatch.project_secrets import of_project
from flyte_connectors.bound import BoundConnector
from flyte_connectors.secrets import secret_names

LARGEST_REQUEST = 64 * 1024
"""Bytes of a request that fits a meta; the create of a larger one is waited for to its end."""

_MAYBE_STARTED = "it is not known whether the job was started"
_UNCLAIMED_SECONDS = 1.0  # in which a caller whose deadline has passed may ask for the job again

Work: TypeAlias = "Callable[..., Coroutine[Any, Any, bytes]]"

Find: TypeAlias = "Callable[..., Coroutine[Any, Any, tuple[Connection | None, float | None]]]"

Created: TypeAlias = "Envelope | errors.ConnectorError"
"""The job that a create started, or why it has failed for good."""


class NotCreatedYetError(errors.ServiceUnavailableError):
    """The job of a meta that holds a request could not be created so far."""


class Creates:
    """The creates of this process.

    Args:
        guard: Runs the verbs.
        local: Whether this is a local run, in which the user is the operator.
        secrets_by: Whose secrets a task may name: the `service`'s, or its `project`'s.
        find: Adds the secrets that plugins find to those that came with a call.
    """

    def __init__(self, guard: CallGuard, *, local: bool, secrets_by: str, find: Find) -> None:
        self._guard = guard
        self._secrets_by = secrets_by
        self._find = find
        self._local = local
        self._secrets = partial(with_secrets, local=local)
        self._runs = OncePerKey(guard.unfinished)
        self._abandoned: dict[str, asyncio.Event] = {}  # each set when the request is repeated

    async def start(
        self,
        connector: BoundConnector,
        request: pb.CreateTaskRequest,
        timeout: float | None,
        *,
        limit: tuple[float, float] | None,
        again: bool,
    ) -> bytes:
        """The meta of the job that a request asks for, or one that holds the request.

        The caller waits `timeout` seconds, None to the end; `limit` is that of the job; `again` says that the caller
        does not know the outcome of its first request.

        Raises:
            ConnectorError: the request is invalid (nothing was started), or the connector raised it.
        """
        key, template = idempotency_key(request.task_execution_metadata.task_execution_id), request.template
        current.set(CallContext("create", connector.category.name, key))
        arguments, envelope = self._read(request, key)
        if limit is not None:
            envelope = envelope._replace(limit=limit)
        place = _place(connector, key)
        is_repeatable = connector.is_sync or connector.may_repeat_create(template)
        is_once = not is_repeatable
        if again and is_once and not self._runs.is_known(place):
            raise outcome_unknown(connector, _MAYBE_STARTED)
        must_wait = is_once or connector.is_sync
        seconds = None if timeout is None or must_wait else SHARE * timeout
        connection = request.connection if request.HasField("connection") else None
        if envelope.secrets:
            connection, timeout = await self._find(envelope.secrets, connection, timeout)
        with self._secrets(connector, arguments, envelope.secrets, connection):
            if connector.is_sync:
                work = partial(do_at_once, self._guard, connector, arguments, envelope, timeout)
            else:
                retrying = None if self._local else timeout or DEFAULT_TIMEOUT
                create = partial(create_job, self._guard, connector, arguments, envelope, retrying)
                work = partial(create, is_repeatable=is_repeatable)
            if is_once:
                return await self._run_once(place, work, timeout)
            meta = await self._runs.run(place, work, keep=False, seconds=seconds)
            if meta is None and request.ByteSize() > LARGEST_REQUEST:  # costs as much as writing the request
                meta = await self._runs.run(place, work, keep=False)
        return meta or seal(envelope._replace(request=_kept(request)), template.type)

    async def resume(
        self, connector: BoundConnector, envelope: Envelope, connection: Connection | None, timeout: float | None
    ) -> Created | None:
        """The outcome of a create that took longer than its caller's deadline; it is repeated if this replica does not know the outcome.

        Returns:
            The job; the error if the create failed for good; None if it still runs.

        Raises:
            InvalidResourceMetaError: the meta is not one of this connector.
            NotCreatedYetError: it failed with a transient error, or may not be repeated.
            AuthenticationError: a secret was not sent and is not mounted here.
        """
        known = self.known(connector, envelope)
        if known is not None:
            return known
        place = _place(connector, envelope.key)
        request = _held(connector, envelope)
        try:
            is_repeatable = connector.may_repeat_create(request.template)
            if not (self._runs.is_known(place) or is_repeatable):
                lost = outcome_unknown(connector, _MAYBE_STARTED)
                raise NotCreatedYetError(lost.message)
            limit = envelope.limit  # counts from the first create
            arguments, envelope = self._read(request, envelope.key)
            envelope = envelope._replace(limit=limit)
            connection, timeout = await self._find(envelope.secrets, connection, timeout)
            secrets = self._secrets(connector, arguments, envelope.secrets, connection)
        except errors.InvalidRequestError as error:  # another release has accepted it
            raise NotCreatedYetError(f"this replica can't repeat the create: {error}") from error
        try:
            with secrets:
                timeout = timeout or DEFAULT_TIMEOUT
                create = partial(create_job, self._guard, connector, arguments, envelope, timeout)
                create = partial(create, is_repeatable=is_repeatable)
                context = CallContext("create", connector.category.name, envelope.key)
                work = partial(_within, context, create)
                meta = await self._runs.run(place, work, keep=True, seconds=SHARE * timeout)
        except errors.ConnectorError as error:
            if error.retryable:
                raise NotCreatedYetError(error.message) from error
            return error
        return None if meta is None else unseal(meta, connector.category.name)

    def known(self, connector: BoundConnector, envelope: Envelope) -> Created | None:
        """The outcome of a create that took longer than its caller's deadline, as far as this replica knows it.

        Raises:
            InvalidResourceMetaError: the meta is not one of this connector.
        """
        outcome = self._runs.outcome(_place(connector, envelope.key))
        if isinstance(outcome, bytes):
            return unseal(outcome, connector.category.name)
        return outcome

    async def _run_once(self, place: str, create: Work, timeout: float | None) -> bytes:
        """Run a create that may not be repeated, to completion.

        A caller whose deadline passes starts a new attempt instead of repeating this request. So if no caller
        waits when the create completes, and none repeats the request soon, its job is deleted.
        """
        asked_again = self._abandoned.pop(place, None)
        if asked_again is not None:
            asked_again.set()
        began = time.monotonic()

        async def work() -> bytes:
            try:
                return await create(is_wanted=is_wanted)
            finally:
                self._abandoned.pop(place, None)

        async def is_wanted() -> bool:
            asked = self._abandoned.get(place)
            if asked is None or self._runs.is_waited_for(place):
                return True
            with contextlib.suppress(asyncio.TimeoutError):
                return await asyncio.wait_for(asked.wait(), _UNCLAIMED_SECONDS)
            return False

        try:
            meta = await self._runs.run(place, work, keep=True)
        except asyncio.CancelledError:
            if timeout is not None and time.monotonic() - began >= SHARE * timeout:
                self._abandoned[place] = asyncio.Event()
            raise
        assert meta is not None  # nothing limits the wait
        return meta

    def _read(self, request: pb.CreateTaskRequest, key: str) -> tuple[dict[str, Any], Envelope]:
        """The arguments of `create`, without the secrets, and what to store besides the meta.

        Raises:
            InvalidRequestError: an input, or the table of secrets, is not as declared.
        """
        template, metadata = request.template, request.task_execution_metadata
        arguments = {
            "task_template": template,
            "output_prefix": request.output_prefix,
            "inputs": wire.read_inputs(template, request.inputs),
            "task_execution_metadata": metadata,
            "idempotency_key": key,
        }
        envelope = _envelope(template, key)
        if self._secrets_by == "project":
            run = metadata.task_execution_id.node_execution_id.execution_id
            names = of_project(envelope.secrets, run.project, run.domain)
            envelope = envelope._replace(secrets=names)
        return arguments, envelope


async def _within(context: CallContext, create: Work) -> bytes:
    """What `create` returns, in a task whose log lines are those of `context`."""
    current.set(context)
    return await create()


def _place(connector: BoundConnector, key: str) -> str:
    """The key of a create, which includes the task type: keys of different task types are unrelated."""
    return f"{key} of {connector.category.name}:{connector.category.version}"


def _envelope(template: TaskTemplate, key: str) -> Envelope:
    return Envelope(b"", wire.declared_outputs(template), secret_names(template.custom), key)


def meta_holding(request: pb.CreateTaskRequest) -> bytes:
    """The meta of a job whose create may or may not have been carried out: the request instead.

    Raises:
        InvalidRequestError: the table of secrets is not as declared.
    """
    key = idempotency_key(request.task_execution_metadata.task_execution_id)
    envelope = _envelope(request.template, key)._replace(request=_kept(request))
    return seal(envelope, request.template.type)


def _kept(request: pb.CreateTaskRequest) -> bytes:
    """What a meta may hold of a request: all but the secrets that came with it."""
    kept = pb.CreateTaskRequest()
    kept.CopyFrom(request)
    kept.ClearField("connection")
    data: bytes = kept.SerializeToString()
    return data


def _held(connector: BoundConnector, envelope: Envelope) -> pb.CreateTaskRequest:
    """The request in a meta, which may be forged.

    Raises:
        InvalidResourceMetaError: it does not hold one for this connector.
    """
    try:
        request = pb.CreateTaskRequest.FromString(envelope.request)
    except DecodeError:
        request = pb.CreateTaskRequest()
    template, category = request.template, connector.category
    if (template.type, template.task_type_version) != (category.name, category.version):
        fault = f"it does not hold a request of task type {category}"
    elif not envelope.key:
        fault = "it holds a request without an idempotency key"
    else:
        return request
    message = f"{fault}: pass the meta that create returned"
    raise errors.InvalidResourceMetaError(message, field="resource_meta")
