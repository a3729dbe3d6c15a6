"""What may have become of a file of a job."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _written(data: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        _gone(path)
        path.write_bytes(data)

    return damage


def _half(path: Path) -> None:
    if path.is_file():
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


def _pipe(path: Path) -> None:
    _gone(path)
    os.mkfifo(path)


def _folder(path: Path) -> None:
    _gone(path)
    (path / "inside").mkdir(parents=True)


def _link(target: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        _gone(path)
        path.symlink_to(target)

    return damage


def _sparse(path: Path) -> None:
    _gone(path)
    with path.open("wb") as file:
        file.truncate(4 << 30)


def _closed(path: Path) -> None:
    if path.exists():
        path.chmod(0)


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "gone": _gone,
    "empty": _written(b""),
    "half": _half,
    "not JSON": _written(b"\xff\xfe{nonsense"),
    "JSON of another kind": _written(b"[1, 2]"),
    "JSON null": _written(b"null"),
    "an object without its fields": _written(b"{}"),
    "an object of other types": _written(b'{"state": 3, "at": "x", "outputs": [], "message": {}}'),
    "an unknown state": _written(b'{"state": "later", "spool": 5}'),
    "deep JSON": _written(b"[" * 100_000),
    "a pipe": _pipe,
    "a folder": _folder,
    "a dangling link": _link("nowhere"),
    "a link to itself": _link("."),
    "a link to /dev/zero": _link("/dev/zero"),
    "4 GiB": _sparse,
    "without permissions": _closed,
}
