"""JSON files that other processes see whole or not at all, and that survive a power cut."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read_json(path: str) -> dict[str, Any] | None:
    """The object in the file, or None if there is no such file."""
    try:
        with open(path, "rb") as file:
            content: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    return content


def exists(path: str) -> bool:
    """Like `os.path.exists`, but an unreadable directory is an error instead of "no"."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def write_json(path: str, content: dict[str, Any], *, durable: bool = True) -> None:
    """Create or replace the file.

    Args:
        path: Where; a file of a similar name appears beside it for a moment.
        content: What `json` can write.
        durable: Whether to wait until the disk has it.
    """
    temporary = _write_beside(path, content, durable=durable)
    os.replace(temporary, path)
    if durable:
        sync_directory(os.path.dirname(path))


def write_json_once(path: str, content: dict[str, Any]) -> bool:
    """Create the file, durably. False if it exists already: the first writer wins, for ever."""
    temporary = _write_beside(path, content, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    sync_directory(os.path.dirname(path))
    return True


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
        if exists(temporary):
            os.unlink(temporary)
        raise
    return temporary
