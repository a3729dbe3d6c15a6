"""Stores outputs that are too large for a message where Flyte's back end reads outputs that jobs write themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flyte_connectors.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from flyteidl2.connector import connector_pb2 as pb

LARGEST_IN_META = 32 * 1024  # bytes of a sync connector's result; the back end stores metas
LARGEST_IN_REPLY = 3 * 1024 * 1024  # bytes; the back end's client reads at most 4 MiB


async def store_above(limit: int, resource: pb.Resource, prefix: str) -> None:
    """Move the outputs of a resource of more than `limit` bytes to `<prefix>/outputs.pb`.

    Raises:
        ServiceUnavailableError: they can't be stored there.
    """
    if resource.ByteSize() <= limit or not resource.HasField("outputs"):
        return
    from flyte_connectors.io import storage  # only for large results

    uri = storage.join(prefix, storage.OUTPUTS_FILE)
    try:
        await asyncio.to_thread(storage.write_bytes, uri, resource.outputs.SerializeToString())
    except OSError as error:
        size = resource.outputs.ByteSize()
        message = f"outputs of {size} bytes can't be stored at {uri}: {error}"
        raise ServiceUnavailableError(message) from error
    resource.ClearField("outputs")
