"""Fetches a data set by URI, as bytes: regular files below allowed folders, web addresses, object stores.

What is fetched is limited while it is read. An error never quotes what was read.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx
from flyte_connectors import endpoints
from flyte_connectors.errors import ConnectorError
from flyte_connectors.http import Client, Limits, basic
from pyarrow.fs import FileSelector, FileType

from flyte_connectors_training_service import object_stores, parts
from flyte_connectors_training_service.parts import MAX_DATASET_BYTES, Destination
from flyte_connectors_training_service.sources import DatasetError
from flyte_connectors_training_service.training_spec import without_credentials

if TYPE_CHECKING:
    from flyte_connectors.http import Reply

    from flyte_connectors_training_service.sources import Sources

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
_WEB_SECONDS = 6 * 3600.0
_MAX_REDIRECTS = 5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def fetch(uri: str, destination: IO[bytes], sources: Sources) -> None:
    """Copy a data set into `destination`, if it may come from there; a folder's files become one.

    Raises:
        DatasetError: It is unreachable, missing, forbidden, not a regular file or larger than 4 GiB.
    """
    scheme = urlsplit(uri).scheme
    bounded = Destination(destination)
    try:
        if scheme == "file":
            _fetch_file(uri, bounded, sources.roots)
        elif scheme in object_stores.SCHEMES:
            _fetch_object(uri, bounded)
        else:
            asyncio.run(_fetch_web(uri, bounded, reaches_loopback=sources.serves_loopback_only))
    except (OSError, ConnectorError, httpx.InvalidURL) as error:
        message = f"dataset_uri {without_credentials(uri)!r} cannot be read: {_reason(error)}"
        raise DatasetError(message) from error


def _fetch_file(uri: str, destination: Destination, roots: tuple[Path, ...] | None) -> None:
    split = urlsplit(uri)
    if split.netloc not in ("", "localhost"):
        shown = without_credentials(uri)
        message = f"dataset_uri {shown!r} names another host: a file is file:///path"
        raise DatasetError(message)
    path = Path(unquote(split.path)).resolve(strict=True)
    if roots is not None and not any(path.is_relative_to(root) for root in roots):
        message = "it is not below a --data-root of the service"
        raise OSError(message)
    if path.is_dir():
        # Links are left out: they may lead elsewhere.
        names = sorted(file.name for file in os.scandir(path) if file.is_file(follow_symlinks=False))
        parts.join(names, lambda name, part: _copy_file(path / name, part), destination)
        return
    _copy_file(path, destination)


def _copy_file(path: Path, destination: Destination) -> None:
    # A fifo would block, and a link may have been put there since.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with open(descriptor, "rb") as source:  # noqa: PTH123, a descriptor
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            message = "it is not a regular file"
            raise OSError(message)
        destination.expect(status.st_size)
        shutil.copyfileobj(source, destination)


def _fetch_object(uri: str, destination: Destination) -> None:
    store, key = object_stores.store(uri), object_stores.key(uri)

    def copy(name: str, part: Destination) -> None:
        with store.open_input_stream(name) as source:
            shutil.copyfileobj(source, part)

    if store.get_file_info(key.rstrip("/")).type != FileType.Directory:
        copy(key, destination)
        return
    listed = store.get_file_info(FileSelector(key.rstrip("/")))
    names = sorted(info.path for info in listed if info.type == FileType.File)
    parts.join(names, copy, destination)


async def _fetch_web(uri: str, destination: Destination, *, reaches_loopback: bool) -> None:
    url, hops = httpx.URL(uri), _MAX_REDIRECTS
    is_own = reaches_loopback and endpoints.VARIABLE not in os.environ
    reply = await _get(url, destination, trusted=is_own and url.host in _LOOPBACK)
    while 300 <= reply.status < 400 and "location" in reply.headers and hops:  # noqa: PLR2004
        target = url.join(reply.headers["location"])
        if url.scheme == "https" and target.scheme != "https":
            message = "it redirects from https to http"
            raise OSError(message)
        url, hops = target, hops - 1
        reply = await _get(url, destination, trusted=False)
    if not reply.is_success:
        message = f"HTTP {reply.status}"
        raise OSError(message)


async def _get(url: httpx.URL, destination: Destination, *, trusted: bool) -> Reply:
    limits = Limits(
        connect_seconds=_CONNECT_SECONDS,
        reply_seconds=_WEB_SECONDS,
        silence_seconds=_SILENCE_SECONDS,
        reply_bytes=MAX_DATASET_BYTES + 2**20,  # `destination` refuses before, in its own words
    )
    origin = str(url.copy_with(userinfo=b"", raw_path=b"/", fragment=None))
    # The credentials are those of the client, not this service's.
    headers = basic(url.username, url.password) if url.userinfo else None
    client = Client(origin, field="dataset_uri", headers=headers, trusted=trusted, limits=limits)
    return await client.download(str(url.copy_with(userinfo=b"")), destination.write)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
