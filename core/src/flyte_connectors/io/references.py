"""References to stored data that tasks pass around: `File`, `Dir` and `DataFrame`.

A reference is a URI with a description; the data stays where it is until it is opened.
Methods ending in ``_sync`` block; those of the same name without it are awaited and do the same in
a thread. The names are those of ``flyte.io``.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import dataclasses
import io
import pathlib
import posixpath
import tempfile
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from flyte_connectors.io import storage

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Self

    PathLike = str | os.PathLike[str]

_Frame = TypeVar("_Frame")

_REMOTE_MODES = frozenset({"r", "rt", "tr", "rb", "br", "w", "wt", "tw", "wb", "bw"})


@dataclasses.dataclass
class _Reference(abc.ABC):
    """What `File` and `Dir` share: their fields, and the way to take a copy."""

    path: str
    name: str | None = None
    format: str = ""
    hash: str | None = None

    def __post_init__(self) -> None:
        if self.name is None:
            self.name = posixpath.basename(self.path.rstrip("/"))

    def __class_getitem__(cls, _item: Any) -> type[Self]:
        return cls  # File["csv"] says something to the reader only

    @classmethod
    def from_local_sync(cls, local_path: PathLike, remote_destination: str | None = None) -> Self:
        """Return a reference to something local, copied to ``remote_destination`` if that is given.

        Raises:
            FileNotFoundError: There is no such file or folder.
            StorageError: The destination refuses it.
        """
        path = pathlib.Path(local_path)
        cls._check(path)
        if remote_destination is None:
            return cls(path=str(path.absolute()))
        cls._upload(path, remote_destination)
        return cls(path=remote_destination, name=path.name)

    @classmethod
    async def from_local(cls, local_path: PathLike, remote_destination: str | None = None) -> Self:
        """Do what `from_local_sync` does, in a thread."""
        return await asyncio.to_thread(cls.from_local_sync, local_path, remote_destination)

    def download_sync(self, local_path: PathLike | None = None) -> str:
        """Copy it to a local path or folder (a temporary one if none); return where it is."""
        if local_path is None and not storage.is_remote(self.path):
            return str(storage.local_path(self.path))
        return str(self._download(local_path))

    async def download(self, local_path: PathLike | None = None) -> str:
        """Do what `download_sync` does, in a thread."""
        return await asyncio.to_thread(self.download_sync, local_path)

    def exists_sync(self) -> bool:
        """Return whether something is stored at the path. Raises StorageError if that can't be asked."""
        return storage.exists(self.path)

    async def exists(self) -> bool:
        """Return whether something is stored at the path."""
        return await asyncio.to_thread(self.exists_sync)

    @classmethod
    @abc.abstractmethod
    def _check(cls, path: pathlib.Path) -> None: ...

    @classmethod
    @abc.abstractmethod
    def _upload(cls, path: pathlib.Path, destination: str) -> None: ...

    @abc.abstractmethod
    def _download(self, local_path: PathLike | None) -> pathlib.Path: ...

    def _target(self, local_path: PathLike | None) -> pathlib.Path:
        name = self.name or "data"
        if local_path is None:
            return pathlib.Path(tempfile.mkdtemp(prefix="flyte-")) / name
        path = pathlib.Path(local_path)
        return path / name if path.is_dir() else path


@dataclasses.dataclass
class File(_Reference):
    """A reference to one file.

    Args:
        path: Local path or URI.
        name: File name for people; the last part of the path if not given.
        format: What is in it, such as ``csv``; goes into the literal.
        hash: Key under which caches know the content.
    """

    @classmethod
    def from_existing_remote(cls, remote_path: str, file_cache_key: str | None = None) -> Self:
        """Return a reference to a file that is stored already."""
        return cls(path=remote_path, hash=file_cache_key)

    @classmethod
    def _check(cls, path: pathlib.Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}")

    @classmethod
    def _upload(cls, path: pathlib.Path, destination: str) -> None:
        storage.upload(path, destination)

    def _download(self, local_path: PathLike | None) -> pathlib.Path:
        target = self._target(local_path)
        storage.download(self.path, target)
        return target

    @contextlib.contextmanager
    def open_sync(self, mode: str = "rb", *, encoding: str = "utf-8") -> Iterator[IO[Any]]:
        """Open the file; a remote one passes through memory as a whole.

        Args:
            mode: ``rb``, ``r``, ``wb`` or ``w``; what was written to a remote file is stored when the
                block ends without an error. Other modes, such as ``a``, are for local files only.
            encoding: Encoding of text.

        Raises:
            ValueError: The mode is not one for this file.
            FileNotFoundError: Nothing is there.
            StorageError: The store refuses or can't be reached.
        """
        text = None if "b" in mode else encoding
        if not storage.is_remote(self.path):
            with storage.local_path(self.path).open(mode, encoding=text) as file:
                yield file
            return
        if mode not in _REMOTE_MODES:
            wanted = "a remote file is read ('r', 'rb') or written as a whole ('w', 'wb')"
            raise ValueError(f"{self.path} can't be opened with mode {mode!r}: {wanted}")
        writes = "w" in mode
        if writes:
            storage.check_writable(self.path)
        buffer = io.BytesIO(b"" if writes else storage.read_bytes(self.path))
        file = io.TextIOWrapper(buffer, encoding=text) if text else buffer
        yield file
        if writes:
            file.flush()
            storage.write_bytes(self.path, buffer.getvalue())

    @contextlib.asynccontextmanager
    async def open(self, mode: str = "rb", *, encoding: str = "utf-8") -> AsyncIterator[_AsyncFile]:
        """Do what `open_sync` does in threads; ``read`` and ``write`` of the file are awaited."""
        opened = self.open_sync(mode, encoding=encoding)
        file = await asyncio.to_thread(opened.__enter__)
        try:
            yield _AsyncFile(file)
        except BaseException as error:
            await asyncio.to_thread(opened.__exit__, type(error), error, error.__traceback__)
            raise
        await asyncio.to_thread(opened.__exit__, None, None, None)


class _AsyncFile:
    """An open file whose reads and writes are awaited."""

    def __init__(self, file: IO[Any]) -> None:
        self._file = file

    async def read(self, size: int = -1) -> Any:
        return await asyncio.to_thread(self._file.read, size)

    async def write(self, data: Any) -> int:
        return await asyncio.to_thread(self._file.write, data)


@dataclasses.dataclass
class Dir(_Reference):
    """A reference to a folder with files. Arguments as those of `File`."""

    @classmethod
    def from_existing_remote(cls, remote_path: str, dir_cache_key: str | None = None) -> Self:
        """Return a reference to a folder that is stored already."""
        return cls(path=remote_path, hash=dir_cache_key)

    @classmethod
    def _check(cls, path: pathlib.Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(f"there is no folder {str(path)!r}")

    @classmethod
    def _upload(cls, path: pathlib.Path, destination: str) -> None:
        for file in storage.list_files(str(path)):
            inside = pathlib.Path(file).relative_to(path).as_posix()
            storage.upload(file, storage.join(destination, inside))

    def _download(self, local_path: PathLike | None) -> pathlib.Path:
        target = self._target(None) if local_path is None else pathlib.Path(local_path)
        prefix = storage.join(self.path, "") if storage.is_remote(self.path) else ""
        root = storage.local_path(self.path)
        for path in storage.list_files(self.path):
            inside = path[len(prefix) :] if prefix else str(pathlib.Path(path).relative_to(root))
            storage.download(path, target / inside)
        return target

    def list_files_sync(self) -> list[File]:
        """Return the files in the folder and below it, sorted by path."""
        return [File(path=path) for path in storage.list_files(self.path)]

    async def list_files(self) -> list[File]:
        """Do what `list_files_sync` does, in a thread."""
        return await asyncio.to_thread(self.list_files_sync)

    def get_file_sync(self, file_name: str) -> File | None:
        """Return the file of that name in the folder, None where there is none."""
        file = File(path=storage.join(self.path, file_name))
        return file if file.exists_sync() else None

    async def get_file(self, file_name: str) -> File | None:
        """Do what `get_file_sync` does, in a thread."""
        return await asyncio.to_thread(self.get_file_sync, file_name)


@dataclasses.dataclass
class DataFrame:
    """A reference to a table: in a file (parquet, csv) or in a database (``bq://...``).

    Args:
        uri: Where the table is.
        format: How it is stored, such as ``parquet``; may be empty where the URI says it.
        hash: Key under which caches know the content.
        columns: Python type by column name, as far as known.
    """

    uri: str | None = None
    format: str | None = ""
    hash: str | None = None
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_existing_remote(
        cls,
        remote_path: str,
        format: str | None = None,  # noqa: A002 (the official name)
        **kwargs: Any,
    ) -> Self:
        """Return a reference to a table that is stored already."""
        return cls(uri=remote_path, format=format or "", **kwargs)

    @classmethod
    def from_local_sync(cls, df: Any, remote_destination: str | None = None) -> Self:
        """Write a frame of pandas, polars or pyarrow and return the reference to it.

        Args:
            df: The frame.
            remote_destination: URI of a parquet file, or of a table of a plugin; a new temporary file if
                not given.
        """
        folder = "" if remote_destination else tempfile.mkdtemp(prefix="flyte-")
        uri = remote_destination or storage.join(folder, "data.parquet")
        from flyte_connectors.io import frames  # few tasks have tables

        uri, stored_as = frames.write(df, uri)
        return cls(uri=uri, format=stored_as)

    @classmethod
    async def from_local(cls, df: Any, remote_destination: str | None = None) -> Self:
        """Do what `from_local_sync` does, in a thread."""
        return await asyncio.to_thread(cls.from_local_sync, df, remote_destination)

    def open(self, dataframe_type: type[_Frame]) -> OpenFrame[_Frame]:
        """Choose the class to read the table as: ``await frame.open(pandas.DataFrame).all()``."""
        return OpenFrame(self, dataframe_type)


class OpenFrame(Generic[_Frame]):
    """A table about to be read as frames of one class."""

    def __init__(self, frame: DataFrame, dataframe_type: type[_Frame]) -> None:
        self._frame = frame
        self._type = dataframe_type

    def all_sync(self) -> _Frame:
        """Return the whole table; only the declared columns, where columns are declared.

        Raises:
            FrameError: The protocol, the format or the class is not supported.
            FileNotFoundError: Nothing is there.
        """
        if not self._frame.uri:
            raise ValueError("the DataFrame has no uri, so there is nothing to read")
        columns = list(self._frame.columns)
        from flyte_connectors.io import frames

        loaded: _Frame = frames.read(self._frame.uri, self._frame.format or "", columns, self._type)
        return loaded

    async def all(self) -> _Frame:
        """Do what `all_sync` does, in a thread."""
        return await asyncio.to_thread(self.all_sync)
