"""Safe reading of files that a job may have replaced; atomic writing of JSON files.

A job runs as the same user as its supervisor, so it can put anything in a file's place: a named pipe that
blocks every reader, a link to another file, gigabytes. What is read here is a regular file of
bounded size, or an error.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 64 * 1024 * 1024
"""Limit of the files that this back end itself writes: the largest holds a task's inputs."""

_READ_BYTES = 1024 * 1024
_SAFELY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST)
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class DamagedFileError(Exception):
    """The file is there, and is not what it should be; the text says what it is."""


def open_regular(path: str, *, folder: int | None = None) -> int | None:
    """A descriptor to read a regular file with, or None if there is no file.

    Args:
        path: Where it is; a symbolic link is not followed.
        folder: Descriptor of the directory that a relative `path` starts from.

    Raises:
        DamagedFileError: it is not a regular file.
    """
    try:
        file = os.open(path, _SAFELY, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            message = "is a symbolic link, not a regular file"
        elif error.errno == errno.ENXIO:
            message = "is a socket, not a regular file"
        else:
            raise
        raise DamagedFileError(message) from error
    kind = stat.S_IFMT(os.fstat(file).st_mode)
    if kind != stat.S_IFREG:
        os.close(file)
        message = f"is {_KINDS.get(kind, 'something else')}, not a regular file"
        raise DamagedFileError(message)
    return file


def read(path: str, *, limit: int = MAX_BYTES, folder: int | None = None, owned: bool = False) -> bytes | None:
    """The bytes of a regular file, or None if there is no file.

    Args:
        path: Where it is.
        limit: Most bytes that it may have.
        folder: Descriptor of the directory that a relative `path` starts from.
        owned: Whether it has to belong to the owner of that directory.

    Raises:
        DamagedFileError: it is not a regular file, larger than `limit`, or another user's.
    """
    descriptor = open_regular(path, folder=folder)
    if descriptor is None:
        return None
    if owned and folder is not None and os.fstat(descriptor).st_uid != os.fstat(folder).st_uid:
        os.close(descriptor)
        message = "belongs to another user"
        raise DamagedFileError(message)
    try:
        data = b""
        while len(data) <= limit and (part := os.read(descriptor, _READ_BYTES)):
            data += part
    finally:
        os.close(descriptor)
    if len(data) > limit:
        message = f"holds more than {limit} bytes"
        raise DamagedFileError(message)
    return data


def read_end(folder: str, name: str, size: int) -> bytes:
    """At most the last `size` bytes of a regular file in a folder; empty if there is none.

    Raises:
        OSError: it can't be read.
    """
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        descriptor = open_regular(name, folder=directory)
    except DamagedFileError:
        return b""
    finally:
        os.close(directory)
    if descriptor is None:
        return b""
    try:
        return os.pread(descriptor, size, max(os.fstat(descriptor).st_size - size, 0))
    finally:
        os.close(descriptor)


def read_json(path: str) -> dict[str, Any] | None:
    """The object in the file, or None if there is no such file.

    Raises:
        DamagedFileError: the file is not a regular one, or does not hold a JSON object.
    """
    data = read(path)
    if data is None:
        return None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"is not valid JSON: {error}"
        raise DamagedFileError(message) from error
    if not isinstance(content, dict):
        message = f"holds a JSON {type(content).__name__}, expected an object"
        raise DamagedFileError(message)
    return content


def read_json_if_sound(path: str) -> dict[str, Any]:
    """The object in the file; empty if there is none, or none that can be read."""
    try:
        return read_json(path) or {}
    except DamagedFileError:
        return {}


def exists(path: str) -> bool:
    """Whether there is anything; an unreadable directory is an error instead of "no"."""
    return inode(path) is not None


def inode(path: str) -> int | None:
    """The identity of this file, which a replacement does not have; None if there is none."""
    try:
        return os.stat(path, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


def write_json(path: str, content: dict[str, Any], *, durable: bool = True) -> None:
    """Create or replace the file, whatever is in its place.

    Args:
        path: Where; a file of a similar name appears beside it for a moment.
        content: What `json` can write.
        durable: Whether to wait until the disk has it.
    """
    temporary = _write_beside(path, content, durable=durable)
    try:
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
        os.rename(path, f"{temporary}.was")  # a directory: it can't be replaced
        os.replace(temporary, path)
    if durable:
        sync_directory(os.path.dirname(path))


def write_json_once(path: str, content: dict[str, Any]) -> bool:
    """Create the file, durably. False if it exists already: the first writer wins."""
    temporary = _write_beside(path, content, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    sync_directory(os.path.dirname(path))
    return True


def remove(path: str) -> None:
    """Remove the file; whatever else is there goes out of the way."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):  # macOS says the latter of a directory
        os.rename(path, f"{path}.{os.urandom(4).hex()}.was")


def sync_directory(path: str) -> None:
    """Wait until the disk has the directory's entries."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_beside(path: str, content: dict[str, Any], *, durable: bool) -> str:
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return temporary
