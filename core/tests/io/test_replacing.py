"""Local files that are written by several at once, read meanwhile, and not finished."""

from __future__ import annotations

import os
import pathlib
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flyte_connectors.io import storage
from flyte_connectors.io.replacing import replacing

WRITERS = 4
ROUNDS = 30
SIZE = 200_000


def _write(path: str, letter: int) -> None:
    for _ in range(ROUNDS):
        storage.write_bytes(path, bytes([letter]) * SIZE)


def _upload(path: str, letter: int) -> None:
    source = pathlib.Path(f"{path}.{letter}")
    source.write_bytes(bytes([letter]) * SIZE)
    for _ in range(ROUNDS):
        storage.upload(source, path)


def _download(path: str, letter: int) -> None:
    source = pathlib.Path(f"{path}.{letter}")
    source.write_bytes(bytes([letter]) * SIZE)
    for _ in range(ROUNDS):
        storage.download(str(source), path)


@pytest.mark.parametrize("write", [_write, _upload, _download])
def test_threads_may_write_one_file(tmp_path: pathlib.Path, write: Callable[[str, int], None]) -> None:
    """Nobody fails, and a reader sees what one of them has written, from the first to the last byte."""
    path = tmp_path / "outputs.pb"
    path.write_bytes(b"0" * SIZE)
    torn: list[bytes] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            data = storage.read_bytes(str(path))
            if len(data) != SIZE or len(set(data)) != 1:
                torn.append(data)

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reading = pool.submit(read)
        writing = [pool.submit(write, str(path), ord("a") + n) for n in range(WRITERS)]
        errors = [future.exception() for future in writing]
        ended.set()
        reading.result()
    assert errors == [None] * WRITERS
    assert not torn
    assert not list(tmp_path.glob(".*"))


def _fail_half_way(path: pathlib.Path) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError


def test_a_write_that_fails_leaves_all_as_it_was(tmp_path: pathlib.Path) -> None:
    """The old file, and nothing beside it."""
    path = tmp_path / "outputs.pb"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        _fail_half_way(path)
    assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError):
        storage.download(str(tmp_path / "nothing"), path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        storage.write_bytes(str(tmp_path / "folder"), b"new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder", "outputs.pb"]


def test_what_is_not_finished_is_not_listed(tmp_path: pathlib.Path) -> None:
    """Neither while it is written nor after its writer was killed."""
    with replacing(tmp_path / "a" / "data") as file:
        file.write(b"half")
        file.flush()
        assert storage.list_files(str(tmp_path)) == []
    assert storage.list_files(str(tmp_path)) == [str(tmp_path / "a" / "data")]


def test_a_file_has_the_usual_rights_and_any_name(tmp_path: pathlib.Path) -> None:
    """Those of the process's mask; a name may be as long as the system allows."""
    mask = os.umask(0o027)
    try:
        path = tmp_path / ("n" * 255)
        storage.write_bytes(str(path), b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
