"""Start a job and build its resource meta; delete the job if the meta can't be stored."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors import errors
from flyte_connectors._calls.retries import Backoff
from flyte_connectors._dispatch import wire
from flyte_connectors._dispatch.envelope import Envelope, seal
from flyte_connectors._dispatch.large_outputs import LARGEST_IN_META, store_above
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.secrets import holds_secret, redact

if TYPE_CHECKING:
    from flyte_connectors._calls.guard import CallGuard
    from flyte_connectors.bound import BoundConnector

logger = logging.getLogger(__name__)


async def create_job(  # noqa: PLR0913  (who calls, what, and for whom)
    guard: CallGuard,
    connector: BoundConnector,
    arguments: Mapping[str, Any],
    envelope: Envelope,
    timeout: float | None,
    *,
    is_repeatable: bool,
    is_wanted: Callable[[], Awaitable[bool]] | None = None,
) -> bytes:
    """Start a job with an async connector.

    Args:
        guard: Runs its verbs.
        connector: The connector.
        arguments: The arguments of `create`.
        envelope: What to store besides the meta.
        timeout: Seconds for which transient errors are retried; None does not retry. A single try is not
            limited: an interrupted submission is worse than a late reply.
        is_repeatable: Whether the create may be repeated.
        is_wanted: Says, once the job is started, whether its caller still waits; None if it always does.

    Returns:
        The sealed meta.

    Raises:
        CreateOutcomeUnknownError: a job may have been started, and the create may not be repeated.
        ContractError: the meta can't be stored; the job was deleted.
        ConnectorError: the connector raised it.
    """
    create = partial(guard.call, connector.verb("create"), arguments)
    try:
        meta = await _persistently(create, timeout, is_repeatable=is_repeatable)
    except errors.CreateOutcomeUnknownError:
        raise
    except errors.ConnectorError as error:
        if is_repeatable or not error.outcome_unknown:
            raise
        raise outcome_unknown(connector, f"{error.message}; a job may have been started") from error
    try:
        data = _encode(connector, meta)
    except Exception as error:
        await _take_back(guard, connector, arguments, meta)
        message = f"{connector.name} returned a meta that can't be stored; the job was deleted"
        raise errors.ContractError(redact(f"{message}: {error}")) from error
    if is_wanted is not None and not await is_wanted():
        await _take_back(guard, connector, arguments, meta)
        message = (
            f"the create of {connector.name} took longer than its caller's deadline and can't be repeated, "
            "so its job was deleted: give CreateTask a longer deadline"
        )
        raise errors.ConnectorError(message, outcome_unknown=False)
    return seal(Envelope(data, *envelope[1:]), connector.category.name)


async def do_at_once(
    guard: CallGuard, connector: BoundConnector, arguments: Mapping[str, Any], envelope: Envelope, timeout: float | None
) -> bytes:
    """Run `do` of a sync connector; its result is stored in the meta until the first GetTask.

    Returns:
        The sealed result.

    Raises:
        ContractError: the resource is not finished.
        ConnectorError: the connector raised it, or the result can't be stored.
    """
    resource = await guard.call(connector.verb("do"), arguments, timeout=timeout)
    message = pb.Resource()
    wire.write_resource(resource, envelope.outputs, connector.category.name, message)
    if message.phase not in TERMINAL_PHASES:
        raise errors.ContractError(f"{connector.name} returned a resource that is not finished from do")
    await store_above(LARGEST_IN_META, message, arguments["output_prefix"])
    finished = envelope._replace(outputs=None, finished=message.SerializeToString())
    return seal(finished, connector.category.name)


async def delete_job(
    guard: CallGuard, connector: BoundConnector, arguments: Mapping[str, Any], timeout: float | None, *, persist: bool
) -> None:
    """Cancel a job; one that no longer exists counts as cancelled.

    With `persist`, transient errors are retried within `timeout` seconds.

    Raises:
        ConnectorError: the connector raised it.
    """
    delete = partial(guard.call, connector.verb("delete"), arguments, timeout=timeout)
    try:
        await (_persistently(delete, timeout) if persist else delete())
    except errors.JobNotFoundError:
        logger.info("%s: the job to delete does not exist any more", connector.name)


async def _persistently(
    call: Callable[[], Awaitable[Any]], timeout: float | None, *, is_repeatable: bool = True
) -> Any:
    """The result of `call`, retried for `timeout` seconds after transient errors, if it may be repeated."""
    began, backoff = time.monotonic(), None
    while True:
        try:
            return await call()
        except errors.ConnectorError as error:
            may_repeat = is_repeatable or not error.outcome_unknown
            backoff = backoff or Backoff(timeout, began)
            if timeout is None or not may_repeat or not await backoff.again(error):
                raise


def outcome_unknown(connector: BoundConnector, why: str) -> errors.CreateOutcomeUnknownError:
    """The error of a create that may not be repeated."""
    return errors.CreateOutcomeUnknownError(
        f"{why}, and {connector.name} can't repeat a create: check the external system before you run the task again"
    )


async def _take_back(guard: CallGuard, connector: BoundConnector, arguments: Mapping[str, Any], meta: Any) -> None:
    """Delete a job that no later call can refer to."""
    try:
        of_delete = {**arguments, "resource_meta": meta}
        await delete_job(guard, connector, of_delete, None, persist=False)
    except Exception:
        logger.exception("%s could not delete %r", connector.name, meta)


def _encode(connector: BoundConnector, meta: Any) -> bytes:
    if not isinstance(meta, connector.metadata_type):
        expected = connector.metadata_type.__name__
        raise TypeError(f"create returned {type(meta).__name__}, not {expected}")
    data: bytes = meta.encode()
    if holds_secret(data):
        raise ValueError("it holds a secret")
    return data
