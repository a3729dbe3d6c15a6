"""Files at URIs, copied piece by piece: local folders, web addresses, object stores.

    /data/x, file:///data/x      this machine
    http://, https://            read only
    s3://, gs://, az://, ...     with obstore, which takes credentials and endpoints from the environment
                                 (`AWS_ENDPOINT_URL`, ...)

What object stores and the web need is imported when it is: most files are local. Memory stays below a few pieces, whatever is copied. No error shows the query of a URI.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat

from flyte_connectors_batch_job.wrapper.copying import (
    DEFAULT_TYPE,
    PIECE_BYTES,
    Allowance,
    counted,
    note_type,
    type_of,
)
from flyte_connectors_batch_job.wrapper.faults import TransferError
from flyte_connectors_batch_job.wrapper.uris import (
    OBJECT_STORES,
    WEB,
    local_path,
    scheme_of,
    shown,
)

TYPE_CHECKING = False  # `typing` would cost each job some milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


def fetch_file(uri: str, path: str, allowance: Allowance) -> None:
    """Copy a file to a new local one.

    Raises:
        FileNotFoundError: Nothing is there.
        IsADirectoryError: A folder is there.
        TransferError: It can't be read, or is too large.
        OSError: The local file can't be written.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        kind = scheme_of(uri)
        if kind == "file":
            _read_local(local_path(uri), file, allowance)
        elif kind in WEB:
            from flyte_connectors_batch_job.wrapper import web

            web.read(uri, file, allowance)
        else:
            from flyte_connectors_batch_job.wrapper import objects

            bucket, key = objects.bucket_and_key(uri)
            objects.read(bucket, key, file, allowance)


def fetch_folder(uri: str, folder: str, allowance: Allowance) -> int:
    """Copy all files below a folder to a new local one. Returns how many there are.

    Raises:
        FileNotFoundError: Nothing is there.
        TransferError: It can't be read, is too large, or holds what no folder here can hold.
        OSError: A local file can't be written.
    """
    os.makedirs(folder)
    if scheme_of(uri) == "file":
        return _fetch_local_folder(local_path(uri), folder, allowance)
    from flyte_connectors_batch_job.wrapper import objects

    bucket, key = objects.bucket_and_key(uri)
    key = key.rstrip("/")
    found = objects.keys(bucket, key, allowance)
    for name in found:
        path = _path_below(folder, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                objects.read(bucket, f"{key}/{name}" if key else name, file, allowance)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise TransferError(f"{name!r} is both a file and a folder") from error
    return len(found)


def store(file: BinaryIO, uri: str, name: str) -> None:
    """Copy an open file to a URI, over whatever is there; readers see all of it or nothing.

    Args:
        file: At its beginning. What it says about its content type is kept, else its name decides.
        uri: A path, or an address in an object store.
        name: Name of the file.

    Raises:
        TransferError: It can't be stored.
    """
    kind = scheme_of(uri)
    if kind == "file":
        _write_local(file, local_path(uri))
        return
    if kind not in OBJECT_STORES:
        raise TransferError(f"{shown(uri)}: {kind}:// can't be written")
    import mimetypes

    from flyte_connectors_batch_job.wrapper import objects

    content_type = type_of(file) or mimetypes.guess_type(name)[0] or DEFAULT_TYPE
    objects.write(file, uri, content_type)


def store_bytes(data: bytes, uri: str) -> None:
    """Write bytes to a URI, over whatever is there. Raises TransferError if that fails."""
    store(io.BytesIO(data), uri, "outcome.json")


def read_bytes(uri: str, limit: int) -> bytes:
    """The bytes at a URI.

    Raises:
        FileNotFoundError: Nothing is there.
        TransferError: It can't be read, or holds more than `limit` bytes.
    """
    import tempfile

    allowance = Allowance(limit)
    with tempfile.TemporaryFile() as file:
        if scheme_of(uri) == "file":
            _read_local(local_path(uri), file, allowance)
        else:
            from flyte_connectors_batch_job.wrapper import objects

            objects.read(*objects.bucket_and_key(uri), file, allowance)
        file.seek(0)
        return file.read()


def make_folder(uri: str) -> None:
    """Make a folder, where folders exist without files in them."""
    if scheme_of(uri) == "file":
        with _writing(local_path(uri)):
            os.makedirs(local_path(uri), exist_ok=True)


def _read_local(path: str, target: BinaryIO, allowance: Allowance) -> None:
    with open(path, "rb", opener=_open_without_blocking) as source:
        status = os.fstat(source.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise TransferError(f"{path} is not a regular file")
        allowance.check(status.st_size)
        note_type(target, type_of(source))
        while piece := source.read(PIECE_BYTES):  # it may grow, or have no size, as in /proc
            allowance.take(len(piece))
            target.write(piece)


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def _fetch_local_folder(source: str, target: str, allowance: Allowance) -> int:
    """Copy regular files; a link is followed to what lies in the folder, and to nothing else."""
    if not os.path.isdir(source):
        raise FileNotFoundError(source)
    inside = os.path.realpath(source) + os.sep
    count = 0

    def fail(error: OSError) -> None:
        raise TransferError(f"{error.filename}: {error.strerror}") from error

    for folder, folders, names in os.walk(source, onerror=fail):
        copied = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(copied, exist_ok=True)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*names, *links]:
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.realpath(path).startswith(inside):
                raise TransferError(f"{path} is a symbolic link that leads out of the folder")
            if name in links:
                raise TransferError(f"{path} is a symbolic link to a folder")
            count = counted(count)
            with open(os.path.join(copied, name), "xb") as file:
                _read_local(path, file, allowance)
    return count


def _write_local(file: BinaryIO, path: str) -> None:
    with _writing(path):
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        partial = os.path.join(folder, f".{os.urandom(8).hex()}.partial")
        try:
            with open(partial, "xb") as target:
                note_type(target, type_of(file))
                while piece := file.read(PIECE_BYTES):
                    target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise TransferError(f"{path}: {reason}", may_retry=True) from error


def _path_below(folder: str, name: str) -> str:
    parts = name.split("/")
    if "\0" in name or not {"", ".", ".."}.isdisjoint(parts):
        raise TransferError(f"{name!r} can't be the path of a file")
    return os.path.join(folder, *parts)
