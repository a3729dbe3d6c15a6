"""Copies of a training's files in the task's storage, which outlive the training service.

A copy has a place that depends on the job alone, and appears there as a whole: to make it twice does no harm.
A large one may take longer than a call; it goes on meanwhile, and the next call asks for it again.
"""

from __future__ import annotations

import asyncio
import posixpath
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flyte_connectors.endpoints import is_unrestricted
from flyte_connectors.errors import ServiceUnavailableError, StorageError
from flyte_connectors.io import storage

if TYPE_CHECKING:
    from flyte_connectors_model_training.platforms import TrainingPlatform

CALL_SECONDS = 5.0
"""How long a call waits for a copy."""

_running: dict[tuple[int, str], asyncio.Task[None]] = {}


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
        ConnectorError: The file can't be had.
    """
    if not prefix or not uri.lower().startswith(("http://", "https://")):
        return uri
    name = posixpath.basename(unquote(urlsplit(uri).path)) or output
    target = storage.join(storage.join(prefix, output), name)
    if await _exists(target):
        return target
    key = (id(asyncio.get_running_loop()), target)
    task = _running.get(key)
    if task is None:
        task = _running[key] = asyncio.create_task(_copy(platform, uri, target))
    await asyncio.wait({task}, timeout=CALL_SECONDS)
    if not task.done():
        return None
    _running.pop(key, None)
    task.result()
    return target


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
