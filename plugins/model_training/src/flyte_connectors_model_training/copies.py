"""Copies of a training's files in the task's storage, which outlive the training service.

A copy has a place that depends on the job alone, and appears there as a whole: to make it twice does no harm.
A large one may take longer than a call; it goes on meanwhile, and the next call asks for it again.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flyte_connectors.endpoints import is_unrestricted
from flyte_connectors.errors import (
    InvalidRequestError,
    PermissionDeniedError,
    ServiceUnavailableError,
    StorageError,
)
from flyte_connectors.io import storage

if TYPE_CHECKING:
    from flyte_connectors_model_training.platforms import TrainingPlatform

CALL_SECONDS = 5.0
"""How long a call waits for a copy."""

_logger = logging.getLogger(__name__)
_running: dict[str, asyncio.Task[None]] = {}


def target_prefix(output_prefix: str, job_id: str) -> str:
    """Answer where the copies of a job's files go; empty where there is no place.

    A service writes to object stores only, never to its own disk; a local run writes where its user may.
    """
    if not output_prefix or output_prefix.lower().startswith(("http:", "https:")):
        return ""
    if not storage.is_remote(output_prefix) and not is_unrestricted():
        return ""
    return storage.join(output_prefix, job_id)


async def copied(platform: TrainingPlatform, uri: str, prefix: str, output: str) -> str | None:
    """Answer where the copy of a file is; None if it is not complete yet.

    Args:
        platform: Where it comes from.
        uri: What to copy; what is not at an `http(s)://` URI is in storage already.
        prefix: Where copies go; empty for nowhere.
        output: Name of the output.

    Raises:
        ServiceUnavailableError: The storage or the service fails.
        ConnectorError: The service has no such file.
    """
    if not prefix or not uri.lower().startswith(("http://", "https://")):
        return uri
    name = posixpath.basename(unquote(urlsplit(uri).path)) or output
    target = storage.join(storage.join(prefix, output), name)
    if await _exists(target):
        return target
    task = _task_of(target) or _start(platform, uri, target)
    await asyncio.wait({task}, timeout=CALL_SECONDS)
    if not task.done():
        return None
    _running.pop(target, None)
    try:
        task.result()
    except (PermissionDeniedError, InvalidRequestError) as error:
        # The training has succeeded all the same, and its file is where the service says.
        _logger.warning("output %s is not copied: %s", output, error)
        return uri
    return target


def _task_of(target: str) -> asyncio.Task[None] | None:
    """The copy that an earlier call on this event loop has started."""
    task = _running.get(target)
    is_usable = task is not None and task.get_loop() is asyncio.get_running_loop()
    return task if is_usable and task and not task.cancelled() else None


def _start(platform: TrainingPlatform, uri: str, target: str) -> asyncio.Task[None]:
    task = _running[target] = asyncio.create_task(_copy(platform, uri, target))
    return task


async def _exists(target: str) -> bool:
    try:
        return await asyncio.to_thread(storage.exists, target)
    except (StorageError, OSError) as error:
        raise _unavailable(error) from error


async def _copy(platform: TrainingPlatform, uri: str, target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        with path.open("wb") as file:
            await platform.download(uri, file.write)
        try:
            await asyncio.to_thread(storage.upload, path, target)
        except (StorageError, OSError) as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        f"the training has ended, but its files can't be copied to the task's storage: {error}"
    )
