"""Fetches a data set by URI, as bytes: regular files below allowed folders, web addresses, S3.

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
from pyarrow.fs import S3FileSystem

from flyte_connectors_training_service.sources import DatasetError
from flyte_connectors_training_service.training_spec import without_credentials

if TYPE_CHECKING:
    from flyte_connectors.http import Reply

    from flyte_connectors_training_service.sources import Sources

MAX_DATASET_BYTES = 4 * 1024**3
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
_WEB_SECONDS = 6 * 3600.0
_MAX_REDIRECTS = 5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def fetch(uri: str, destination: IO[bytes], sources: Sources) -> None:
    """Copy a data set into `destination`, if it may come from there.

    S3 reads credentials from the environment, and `AWS_ENDPOINT_URL` where it is not Amazon's.

    Raises:
        DatasetError: It is unreachable, missing, forbidden, not a regular file or larger than 4 GiB.
    """
    scheme = urlsplit(uri).scheme
    bounded = _Bounded(destination)
    try:
        if scheme == "file":
            _fetch_file(uri, bounded, sources.roots)
        elif scheme == "s3":
            with s3_store().open_input_stream(s3_key(uri)) as source:
                shutil.copyfileobj(source, bounded)
        else:
            asyncio.run(_fetch_web(uri, bounded, reaches_loopback=sources.serves_loopback_only))
    except (OSError, ConnectorError, httpx.InvalidURL) as error:
        message = f"dataset_uri {without_credentials(uri)!r} cannot be read: {_reason(error)}"
        raise DatasetError(message) from error


def _fetch_file(uri: str, destination: _Bounded, roots: tuple[Path, ...] | None) -> None:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        shown = without_credentials(uri)
        message = f"dataset_uri {shown!r} names another host: a file is file:///path"
        raise DatasetError(message)
    path = Path(unquote(parts.path)).resolve(strict=True)
    if roots is not None and not any(path.is_relative_to(root) for root in roots):
        message = "it is not below a --data-root of the service"
        raise OSError(message)
    # A fifo would block, and a link may have been put there since.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with open(descriptor, "rb") as source:  # noqa: PTH123, a descriptor
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            message = "Is a directory"
            raise OSError(message)
        if not stat.S_ISREG(status.st_mode):
            message = "it is not a regular file"
            raise OSError(message)
        destination.expect(status.st_size)
        shutil.copyfileobj(source, destination)


async def _fetch_web(uri: str, destination: _Bounded, *, reaches_loopback: bool) -> None:
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


async def _get(url: httpx.URL, destination: _Bounded, *, trusted: bool) -> Reply:
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


class _Bounded:
    """A writer that refuses more than `MAX_DATASET_BYTES`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._room = MAX_DATASET_BYTES

    def expect(self, size: int) -> None:
        """Refuse a size that does not fit on the disk, before anything is written."""
        if size > self._room:
            message = f"it is larger than {MAX_DATASET_BYTES} bytes"
            raise DatasetError(message)

    def write(self, data: bytes) -> int:
        self.expect(len(data))
        self._room -= len(data)
        return self._file.write(data)


def s3_store() -> S3FileSystem:
    """Answer the S3 that the environment names, with its credentials."""
    return S3FileSystem(
        endpoint_override=os.environ.get("AWS_ENDPOINT_URL"),
        region=os.environ.get("AWS_REGION", "us-east-1"),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_SILENCE_SECONDS,
    )


def s3_key(uri: str) -> str:
    """Answer bucket and key of an `s3://` URI, as Arrow writes them."""
    parts = urlsplit(uri)
    return f"{parts.netloc}{unquote(parts.path)}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
