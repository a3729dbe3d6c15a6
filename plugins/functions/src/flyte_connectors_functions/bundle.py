"""The code of a function as one file, which is named by its content and stored once."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import storage
from flyte_connectors.tasks.current_run import OUTPUT_VARIABLE, state_dir

from flyte_connectors_functions import code

LARGEST = 10 * 1024 * 1024
"""Most bytes of the files together: what is larger is data, and belongs in a `File`."""

_DATE = (1980, 1, 1, 0, 0, 0)  # the same for the same content


class Bundle(NamedTuple):
    """A stored bundle.

    Attributes:
        uri: Where it is; empty if the code is installed where the job runs.
        digest: SHA-256 of its bytes, in hexadecimal.
    """

    uri: str = ""
    digest: str = ""


def stored(module: str) -> Bundle:
    """The bundle of a module's code, stored where jobs read it. Blocks.

    It is made once in a process: what is changed in a file later is not what was imported here.

    Raises:
        InvalidRequestError: the code is too large; the error names the largest file.
        StorageError: it can't be stored.
    """
    content = _content(module)
    if not content:
        return Bundle()
    return _stored(content, hashlib.sha256(content).hexdigest(), _folder())


def stored_lock(lock: str) -> Bundle:
    """A lock of `uv` and the `pyproject.toml` beside it, stored where jobs read them. Blocks.

    Args:
        lock: Path of the `uv.lock`.

    Raises:
        InvalidRequestError: one of the two does not exist.
        StorageError: they can't be stored.
    """
    files = {"uv.lock": Path(lock), "pyproject.toml": Path(lock).with_name("pyproject.toml")}
    for file in files.values():
        if not file.is_file():
            raise InvalidRequestError(f"{file} does not exist", field="plugin_config.uv_lock")
    content = pack("uv", files)
    return _stored(content, hashlib.sha256(content).hexdigest(), _folder())


@functools.lru_cache(maxsize=32)
def _stored(content: bytes, digest: str, folder: str) -> Bundle:
    uri = storage.join(folder, f"{digest}.zip")
    if not storage.exists(uri):
        storage.write_bytes(uri, content)
    return Bundle(uri, digest)


def _folder() -> str:
    """Where bundles are: beside the outputs of all runs, or else in the folder of the run history."""
    prefix = os.environ.get(OUTPUT_VARIABLE)
    return storage.join(prefix, "code") if prefix else (state_dir() / "code").absolute().as_uri()


@functools.lru_cache(maxsize=32)
def _content(module: str) -> bytes:
    files = code.files_of(module)
    return pack(module, files) if files else b""


def pack(module: str, files: Mapping[str, Path]) -> bytes:
    """A ZIP file of `files`, the same bytes for the same files.

    Raises:
        InvalidRequestError: they are larger than `LARGEST`.
    """
    sizes = {name: file.stat().st_size for name, file in files.items()}
    if sum(sizes.values()) > LARGEST:
        largest = max(sizes, key=lambda name: sizes[name])
        text = (
            f"the code of module '{module}' has {_mebibytes(sum(sizes.values()))}, more than "
            f"{_mebibytes(LARGEST)}, of which {largest} has {_mebibytes(sizes[largest])}: name it in "
            ".gitignore, or pass it as a File"
        )
        raise InvalidRequestError(text)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
