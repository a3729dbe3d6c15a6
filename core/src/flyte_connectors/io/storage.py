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
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flyte_connectors.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUTS_FILE = "outputs.pb"
"""Name of the file that Flyte's back end reads outputs from, under the output prefix."""

_WEB = frozenset({"http", "https"})
_WEB_TIMEOUT = 30.0  # seconds without an answer
_CHUNK_BYTES = 8 * 1024 * 1024


def is_remote(uri: str) -> bool:
    """Tell whether a URI points outside this machine's file system."""
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
    if _scheme(uri) in _WEB:
        with _web(uri) as answer:
            return bytes(answer.read())
    with _translated(uri):
        store, key = _object(uri)
        return bytes(_obstore().get(store, key).bytes())


def write_bytes(uri: str, data: bytes) -> None:
    """Write bytes to a URI, over whatever is there; local folders are made.

    A reader never sees half of it: a local file appears by renaming, an object by its upload's end.

    Raises:
        StorageError: The store refuses or can't be reached.
    """
    if is_remote(uri):
        with _translated(uri):
            store, key = _object(uri)
            _obstore().put(store, key, data)
        return
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def exists(uri: str) -> bool:
    """Tell whether a file or object, or a folder with something in it, is at a URI."""
    if not is_remote(uri):
        return local_path(uri).exists()
    try:
        with _translated(uri):
            store, key = _object(uri)
            _obstore().head(store, key)
    except FileNotFoundError:
        return next(_keys(uri), None) is not None
    return True


def list_files(prefix: str) -> list[str]:
    """Return the URIs of all files below a folder, at any depth, sorted."""
    if is_remote(prefix):
        return sorted(join(prefix, key) for key in _keys(prefix))
    return sorted(str(path) for path in local_path(prefix).rglob("*") if path.is_file())


def download(uri: str, path: str | os.PathLike[str]) -> None:
    """Copy a file to a local path, piece by piece. Raises as ``read_bytes`` does."""
    target = pathlib.Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not is_remote(uri):
        shutil.copyfile(local_path(uri), target)
        return
    if _scheme(uri) in _WEB:
        with _web(uri) as answer, pathlib.Path(path).open("wb") as file:
            shutil.copyfileobj(answer, file, _CHUNK_BYTES)
        return
    with _translated(uri):
        store, key = _object(uri)
        pieces = _obstore().get(store, key).stream(min_chunk_size=_CHUNK_BYTES)
        with target.open("wb") as file:
            for piece in pieces:
                file.write(piece)


def upload(path: str | os.PathLike[str], uri: str) -> None:
    """Copy a local file to a URI, piece by piece. Raises as ``write_bytes`` does."""
    if not is_remote(uri):
        target = local_path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return
    with _translated(uri):
        store, key = _object(uri)
        _obstore().put(store, key, pathlib.Path(path))


@contextlib.contextmanager
def _web(uri: str) -> Iterator[Any]:
    """The answer to a GET, read from like a file."""
    from urllib import error, request  # only for web addresses

    try:
        with request.urlopen(uri, timeout=_WEB_TIMEOUT) as answer:  # noqa: S310  (http or https)
            yield answer
    except error.HTTPError as fault:
        if fault.code == HTTPStatus.NOT_FOUND:
            raise FileNotFoundError(f"{uri} does not exist") from None
        raise StorageError(f"{uri}: the server answered {fault.code} {fault.reason}") from None
    except OSError as fault:
        reason = getattr(fault, "reason", fault)
        raise StorageError(f"{uri} can't be read: {reason}") from fault


def _scheme(uri: str) -> str:
    scheme, separator, _ = uri.partition("://")
    return scheme.lower() if separator else ""


def _object(uri: str) -> tuple[Any, str]:
    """Return the store of a bucket and the key in it."""
    parts = urlsplit(uri, allow_fragments=False)
    return _store(f"{parts.scheme}://{parts.netloc}"), parts.path.lstrip("/")


@functools.lru_cache(maxsize=64)
def _store(bucket: str) -> Any:
    _obstore()
    from obstore.store import from_url

    return from_url(bucket)


def _keys(prefix: str) -> Iterator[str]:
    """Yield the keys below a folder, relative to it."""
    with _translated(prefix):
        store, folder = _object(prefix)
        folder = f"{folder.rstrip('/')}/" if folder.strip("/") else ""
        for batch in _obstore().list(store, folder):
            for item in batch:
                yield item["path"][len(folder) :]


def _obstore() -> Any:
    try:
        import obstore
    except ImportError:
        raise StorageError(
            'object stores need the extra: pip install "flyte-connectors[storage]"'
        ) from None
    return obstore


@contextlib.contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Turn obstore's errors, which carry pages of debug text, into ours."""
    shown = uri.partition("?")[0]
    errors = _obstore().exceptions
    try:
        yield
    except (FileNotFoundError, errors.NotFoundError):
        raise FileNotFoundError(f"{shown} not found: no such object or bucket") from None
    except (PermissionError, ValueError, errors.BaseError) as error:
        reason = str(error).partition("\n")[0]
        raise StorageError(f"{shown}: {reason}") from None
