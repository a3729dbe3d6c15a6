"""Cancels jobs, and reports which ones were not cancelled.

A run that is interrupted deletes its job. While that fails, the user learns at once that the job still runs,
for how long cancelling is retried and how to cancel it later; at the end, whether it was cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors._calls.retries import Retrying
from flyte_connectors.errors import ConnectorError, ConnectorNotFoundError, DeadlineExceededError

if TYPE_CHECKING:
    from flyte_connectors._calls.retries import Waiting
    from flyte_connectors.client.connector_client import ConnectorClient

T = TypeVar("T")

CANCEL_SECONDS = 60.0
"""Seconds for which a cancellation that fails with transient errors is retried."""

_SILENCE_SECONDS = 2.0  # without an answer, after which the user is informed


async def cancel_job(
    client: ConnectorClient,
    request: pb.DeleteTaskRequest,
    seconds: float = CANCEL_SECONDS,
    waiting: Waiting | None = None,
    *,
    also: tuple[type[ConnectorError], ...] = (),
) -> None:
    """Cancel a job; transient errors are retried.

    Args:
        client: Where the connector is.
        request: Which job.
        seconds: Seconds for which it is retried.
        waiting: Called with each error before a retry, and the seconds until it.
        also: Classes of errors that are retried here besides the retryable ones.

    Raises:
        ConnectorError: it could not be cancelled.
    """
    await Retrying(seconds, waiting, also=also).call(lambda: client.delete(request))


async def cancel_left_job(
    client: ConnectorClient, request: pb.DeleteTaskRequest, seconds: float, not_yet: Waiting
) -> ConnectorError | None:
    """Cancel the job of a run, even if the caller is cancelled meanwhile.

    Args:
        client: Where the connector is.
        request: Which job.
        seconds: Seconds for which it is retried.
        not_yet: Called with each error, and while there is no answer.

    Returns:
        Why it could not be cancelled; None if it was.
    """
    cancelling = asyncio.ensure_future(cancel_job(client, request, seconds, not_yet, also=(ConnectorNotFoundError,)))
    loop = asyncio.get_running_loop()
    silence = DeadlineExceededError("no answer so far")
    timer = loop.call_later(_SILENCE_SECONDS, not_yet, silence, seconds)
    try:
        await to_the_end(cancelling)
    except ConnectorError as error:
        return error
    finally:
        timer.cancel()
    return None


async def to_the_end(work: asyncio.Future[T]) -> T:
    """The result of `work`, however often the caller is cancelled meanwhile."""
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError, ConnectorError):
            await asyncio.shield(work)
    return work.result()
