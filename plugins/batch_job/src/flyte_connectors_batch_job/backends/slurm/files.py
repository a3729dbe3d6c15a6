"""The jobs' folder on this machine: what a back end asks of it, over SSH in the same way.

All paths are relative to the folder, and have up to three parts: a job, an index, a file. The job's user may
put anything in a file's place, so what is read is a regular file of bounded size, below real directories.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from flyte_connectors.errors import PermissionDeniedError, ServiceUnavailableError

from flyte_connectors_batch_job.backends.local import files as local
from flyte_connectors_batch_job.backends.slurm.settings import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DamagedFileError = local.DamagedFileError

STAGED = ".new-"
SHARED_BIT = stat.S_ISGID
"""Of the jobs' folder: then the jobs' folders belong to its group, too, and their jobs may be another user's."""


class NewFile(NamedTuple):
    """A file to write."""

    content: bytes
    executable: bool = False


class Files(Protocol):
    """What a back end asks of the jobs' folder.

    All raise ServiceUnavailableError if it can't be used now, and PermissionDeniedError if it may not be.
    """

    look_seconds: ClassVar[float]
    """How often a running job's folder may be looked at."""

    def publish(self, job: str, files: Mapping[str, NewFile]) -> bool:
        """Create the folder of a job, complete, or not at all. False if it exists."""
        ...

    def read(self, path: str, limit: int, offset: int = 0) -> bytes | None:
        """At most `limit` bytes of a file from an offset on; None if there is no file.

        Raises:
            DamagedFileError: it is not a regular file.
        """
        ...

    def size(self, path: str) -> int:
        """How many bytes there are at a path; 0 if nothing is there."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file, at once."""
        ...

    def link(self, path: str, target: str) -> bool:
        """Create a symbolic link. False if there is something: the first one wins."""
        ...

    def target(self, path: str) -> str | None:
        """Where a symbolic link leads; None if there is none."""
        ...

    def names(self, path: str) -> list[str]:
        """What is in a directory; empty if there is none."""
        ...


class LocalFiles:
    """A folder of this machine.

    Args:
        root: Its path.
    """

    look_seconds: ClassVar[float] = 10.0

    def __init__(self, root: str) -> None:
        self._root = root

    def publish(self, job: str, files: Mapping[str, NewFile]) -> bool:
        """See `Files`."""
        with self._explained():
            if (Path(self._root) / job).is_dir():
                return False
            Path(self._root).mkdir(mode=0o700, parents=True, exist_ok=True)
            shared = Path(self._root).stat().st_mode & SHARED_BIT
            staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=self._root))
            try:
                for name, file in files.items():
                    path = staged / name
                    path.write_bytes(file.content)
                    path.chmod(mode_of(file, shared=bool(shared)))
                if shared:
                    staged.chmod(0o2770)
                return _renamed(staged, Path(self._root) / job)
            finally:
                shutil.rmtree(staged, ignore_errors=True)

    def read(self, path: str, limit: int, offset: int = 0) -> bytes | None:
        """See `Files`."""
        with self._explained(), self._parent(path) as folder:
            if folder is None:
                return None
            file = local.open_regular(Path(path).name, folder=folder)
            if file is None:
                return None
            try:
                return os.pread(file, limit, offset)
            finally:
                os.close(file)

    def size(self, path: str) -> int:
        """See `Files`."""
        with self._explained(), self._parent(path) as folder:
            if folder is None:
                return 0
            try:
                return os.stat(Path(path).name, dir_fd=folder, follow_symlinks=False).st_size
            except FileNotFoundError:
                return 0

    def write(self, path: str, content: bytes) -> None:
        """See `Files`."""
        with self._explained():
            temporary = Path(self._root) / f"{path}.{os.urandom(4).hex()}"
            temporary.write_bytes(content)
            temporary.replace(Path(self._root) / path)

    def link(self, path: str, target: str) -> bool:
        """See `Files`."""
        with self._explained():
            try:
                (Path(self._root) / path).symlink_to(target)
            except FileExistsError:
                return False
            return True

    def target(self, path: str) -> str | None:
        """See `Files`."""
        with self._explained(), self._parent(path) as folder:
            if folder is None:
                return None
            try:
                return os.readlink(Path(path).name, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINVAL):  # EINVAL: it is not a link
                    return None
                raise

    def names(self, path: str) -> list[str]:
        """See `Files`."""
        with self._explained():
            try:
                return sorted(os.listdir(Path(self._root) / path))  # noqa: PTH208  (names alone)
            except (FileNotFoundError, NotADirectoryError):
                return []

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[int | None]:
        """A descriptor of a file's directory, no part of which but the root is a link; None if there is none."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        opened = []
        try:
            opened.append(os.open(self._root, flags))
            for part in Path(path).parts[:-1]:
                opened.append(os.open(part, flags | os.O_NOFOLLOW, dir_fd=opened[-1]))
        except (FileNotFoundError, NotADirectoryError):
            opened = _closed(opened)
        try:
            yield opened[-1] if opened else None
        finally:
            _closed(opened)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            message = f"no access to {self._root} ({FOLDER_VARIABLE}): {error.strerror}"
            raise PermissionDeniedError(message) from error
        except OSError as error:
            message = f"{self._root} ({FOLDER_VARIABLE}) can't be used now: {error.strerror}"
            raise ServiceUnavailableError(message) from error


def mode_of(file: NewFile, *, shared: bool) -> int:
    """The permissions of a file of a job."""
    if shared:
        return 0o770 if file.executable else 0o660
    return 0o700 if file.executable else 0o600


def _renamed(source: Path, target: Path) -> bool:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        return False
    return True


def _closed(descriptors: list[int]) -> list[int]:
    for descriptor in descriptors:
        os.close(descriptor)
    return []
