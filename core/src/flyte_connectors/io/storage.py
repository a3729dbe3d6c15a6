"""Bytes at a URI: local paths with the standard library, object stores with obstore.

    /data/x, file:///data/x      this machine
    http://, https://            read only, with the standard library
    s3://, gs://, az://, ...     whatever obstore's ``from_url`` knows; credentials and endpoints
                                 come from the environment (``AWS_ENDPOINT_URL``, ...)

All functions block; code on an event loop calls them through ``asyncio.to_thread``.
Object stores need the extra: ``pip install "flyte-connectors[storage]"``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from flyte_connectors.errors import StorageError
from flyte_connectors.io.replacing import is_partial, replacing

OUTPUTS_FILE = "outputs.pb"
"""Name of the file that Flyte's back end reads outputs from, under the output prefix."""

_CHUNK_BYTES = 8 * 1024 * 1024


def is_remote(uri: str) -> bool:
    """Return whether a URI points outside this machine's file system."""
    return _scheme(uri) not in {"", "file"}


def local_path(uri: str) -> pathlib.Path:
    """Return a path or a ``file://`` URI as a path of this machine."""
    return pathlib.Path(unquote(urlsplit(uri).path) if _scheme(uri) == "file" else uri)


def join(prefix: str, name: str) -> str:
    """Return the URI of ``name`` below ``prefix``."""
    return f"{prefix.rstrip('/')}/{name.lstrip('/')}" if prefix else name


def read_bytes(uri: str) -> bytes:
    """Return all bytes at a URI.

    Raises:
        FileNotFoundError: Nothing is there.
        StorageError: The store refuses or can't be reached.
    """
    if not is_remote(uri):
        return local_path(uri).read_bytes()
    if _is_web(uri):
        from flyte_connectors.io import web  # only for web addresses

        return web.read_bytes(uri)
    with _object(uri) as (store, key):
        return bytes(_obstore().get(store, key).bytes())


def write_bytes(uri: str, data: bytes) -> None:
    """Write bytes to a URI, over whatever is there; local folders are made.

    A reader never sees half of it: a local file appears by renaming, an object by its upload's end.

    Raises:
        StorageError: The store refuses or can't be reached.
    """
    check_writable(uri)
    if is_remote(uri):
        with _object(uri) as (store, key):
            _obstore().put(store, key, data)
        return
    with replacing(local_path(uri)) as file:
        file.write(data)


def check_writable(uri: str) -> None:
    """Refuse a URI that can't be written, whatever is there. Raises StorageError."""
    if _is_web(uri):
        raise StorageError(f"{uri.partition('?')[0]}: web addresses can be read, not written")


def exists(uri: str) -> bool:
    """Return whether a file or object, or a folder with something in it, is at a URI."""
    if not is_remote(uri):
        return local_path(uri).exists()
    if _is_web(uri):
        from flyte_connectors.io import web

        return web.exists(uri)
    try:
        with _object(uri) as (store, key):
            _obstore().head(store, key)
    except FileNotFoundError:
        return next(_keys(uri), None) is not None
    return True


def list_files(prefix: str) -> list[str]:
    """Return the URIs of all files below a folder, at any depth, sorted.

    Raises:
        StorageError: The prefix is a web address, which can't be listed; or the store refuses or can't be reached.
    """
    if _is_web(prefix):
        text = "web addresses have no list of files: name each one as a File"
        raise StorageError(f"{prefix.partition('?')[0]}: {text}")
    if is_remote(prefix):
        return sorted(join(prefix, key) for key in _keys(prefix))
    files = (path for path in local_path(prefix).rglob("*") if path.is_file())
    return sorted(str(path) for path in files if not is_partial(path))


def download(uri: str, path: str | os.PathLike[str]) -> None:
    """Copy a file to a local path, piece by piece, as a whole or not at all. Raises as ``read_bytes`` does."""
    if not is_remote(uri):
        _copy(local_path(uri), pathlib.Path(path))
        return
    with replacing(pathlib.Path(path)) as file:
        if _is_web(uri):
            from flyte_connectors.io import web

            web.download(uri, file)
            return
        with _object(uri) as (store, key):
            for piece in _obstore().get(store, key).stream(min_chunk_size=_CHUNK_BYTES):
                file.write(piece)


def upload(path: str | os.PathLike[str], uri: str) -> None:
    """Copy a local file to a URI, piece by piece, as a whole or not at all. Raises as ``write_bytes`` does."""
    check_writable(uri)
    if not is_remote(uri):
        _copy(pathlib.Path(path), local_path(uri))
        return
    with _object(uri) as (store, key):
        _obstore().put(store, key, pathlib.Path(path))


def _is_web(uri: str) -> bool:
    return _scheme(uri) in {"http", "https"}


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    with source.open("rb") as read, replacing(target) as written:
        shutil.copyfileobj(read, written, _CHUNK_BYTES)


def _scheme(uri: str) -> str:
    scheme, separator, _ = uri.partition("://")
    return scheme.lower() if separator else ""


@functools.lru_cache(maxsize=64)
def _store(bucket: str) -> Any:
    from obstore.store import from_url

    return from_url(bucket)


def _keys(prefix: str) -> Iterator[str]:
    """Yield the keys below a folder, relative to it."""
    with _object(prefix) as (store, key):
        folder = f"{key.rstrip('/')}/" if key.strip("/") else ""
        for batch in _obstore().list(store, folder):
            for item in batch:
                yield item["path"][len(folder) :]


def _obstore() -> Any:
    try:
        import obstore
    except ImportError:
        text = 'object stores need the extra: pip install "flyte-connectors[storage]"'
        raise StorageError(text) from None
    return obstore


@contextlib.contextmanager
def _object(uri: str) -> Iterator[tuple[Any, str]]:
    """The store of a bucket and the key in it; obstore's errors, which carry pages of debug text, become ours."""
    shown = uri.partition("?")[0]
    errors = _obstore().exceptions
    try:
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")  # not as a URL: a key may have a question mark
        yield _store(f"{scheme}://{bucket}"), key.lstrip("/")
    except (FileNotFoundError, errors.NotFoundError):
        raise FileNotFoundError(f"{shown} not found: no such object or bucket") from None
    except (PermissionError, ValueError, errors.BaseError) as error:
        reason = str(error).partition("\n")[0]
        raise StorageError(f"{shown}: {reason}") from None
