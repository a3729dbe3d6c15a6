"""Commands and files on another machine over SSH: `pip install flyte-connectors-batch-job[ssh]`.

One connection serves the whole process, and is opened again when it has broken. The host has to be known:
its key is checked against the user's `known_hosts`, or the operator's file.
"""

from __future__ import annotations

import asyncio
import logging
import os
import posixpath
import shlex
import stat
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from flyte_connectors.errors import (
    AuthenticationError,
    PermissionDeniedError,
    ServiceUnavailableError,
)

from flyte_connectors_batch_job.backends.slurm import loop
from flyte_connectors_batch_job.backends.slurm.commands import Ran
from flyte_connectors_batch_job.backends.slurm.files import (
    SHARED_BIT,
    STAGED,
    DamagedFileError,
    NewFile,
    mode_of,
)
from flyte_connectors_batch_job.backends.slurm.settings import ADDRESS_VARIABLE, FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from flyte_connectors_batch_job.backends.slurm.settings import SlurmSettings

T = TypeVar("T")

CONNECT_SECONDS = 10.0
FILE_SECONDS = 15.0
KEEPALIVE_SECONDS = 15


class Connection:
    """The connection to a machine, opened when it is needed.

    Args:
        settings: Where it is, and with which key.
    """

    def __init__(self, settings: SlurmSettings) -> None:
        url = urlsplit(settings.address)
        self._settings = settings
        self._host, self._port, self._user = url.hostname or "", url.port, url.username
        self._open: Any = None
        self._sftp: Any = None
        self._opening: asyncio.Lock | None = None

    def run(self, command: Sequence[str], text: str, seconds: float) -> Ran:
        """See `commands.Runner`."""
        return self.call(self._run(shlex.join(command), text), seconds, f"{command[0]} on {self._host}")

    def call(self, coroutine: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
        """The result of a coroutine of this connection; a failure of it closes the connection."""
        asyncssh = _asyncssh()
        try:
            return loop.run(coroutine, seconds, what)
        except asyncssh.SFTPError:
            raise
        except (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable) as error:
            message = f"{self._host} ({ADDRESS_VARIABLE}) can't be reached over SSH: {error.reason}"
            raise AuthenticationError(message) from error
        except (OSError, asyncssh.Error, ServiceUnavailableError) as error:
            self._forget()
            if isinstance(error, ServiceUnavailableError):
                raise
            reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or error
            message = f"{self._host} ({ADDRESS_VARIABLE}) can't be reached over SSH: {reason}"
            raise ServiceUnavailableError(message) from error

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._open is not None:
            loop.run(self._close(), CONNECT_SECONDS, self._host)

    async def _close(self) -> None:
        opened, self._open, self._sftp = self._open, None, None
        opened.close()
        await opened.wait_closed()

    async def sftp(self) -> Any:
        """The client for files."""
        connection = await self._connected()
        if self._sftp is None:
            self._sftp = await connection.start_sftp_client()
        return self._sftp

    async def _run(self, command: str, text: str) -> Ran:
        connection = await self._connected()
        done = await connection.run(f"LC_ALL=C {command}", input=text, check=False, errors="replace")
        code = done.exit_status
        return Ran(1 if code is None else code, str(done.stdout or ""), str(done.stderr or ""))

    async def _connected(self) -> Any:
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._open is None or self._open.is_closed():
                self._sftp = None
                self._open = await _asyncssh().connect(self._host, **self._options())
            return self._open

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        wanted = {
            "port": self._port,
            "username": self._user,
            "client_keys": [settings.ssh_key] if settings.ssh_key else None,
            "known_hosts": settings.ssh_known_hosts or None,
            "connect_timeout": CONNECT_SECONDS,
            "keepalive_interval": KEEPALIVE_SECONDS,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _forget(self) -> None:
        broken, self._open, self._sftp = self._open, None, None
        if broken is not None:
            loop.later(broken.abort)


class RemoteFiles:
    """The jobs' folder on another machine, over SFTP.

    Args:
        connection: The connection to it.
        root: The folder's path there.
    """

    look_seconds: ClassVar[float] = 60.0

    def __init__(self, connection: Connection, root: str) -> None:
        self.close = connection.close
        self._connection = connection
        self._root = root

    def publish(self, job: str, files: Mapping[str, NewFile]) -> bool:
        """See `files.Files`."""

        async def publish(sftp: Any) -> bool:
            target = posixpath.join(self._root, job)
            if await sftp.isdir(target):
                return False
            await sftp.makedirs(self._root, exist_ok=True)
            shared = bool((await sftp.stat(self._root)).permissions & SHARED_BIT)
            staged = posixpath.join(self._root, f"{STAGED}{os.urandom(8).hex()}")
            await sftp.mkdir(staged)
            await sftp.chmod(staged, 0o2770 if shared else 0o700)
            for name, file in files.items():
                path = posixpath.join(staged, name)
                async with sftp.open(path, "wb") as out:
                    await out.write(file.content)
                await sftp.chmod(path, mode_of(file, shared=shared))
            try:
                await sftp.posix_rename(staged, target)
            except _asyncssh().SFTPError:
                await sftp.rmtree(staged, ignore_errors=True)
                if not await sftp.isdir(target):
                    raise
                return False
            return True

        return self._call(publish)

    def read(self, path: str, limit: int, offset: int = 0) -> bytes | None:
        """See `files.Files`."""

        async def read(sftp: Any) -> bytes | None:
            where = posixpath.join(self._root, path)
            try:
                kind = (await sftp.lstat(where)).permissions
            except _asyncssh().SFTPNoSuchFile:
                return None
            if not stat.S_ISREG(kind):
                message = "is not a regular file"
                raise DamagedFileError(message)
            async with sftp.open(where, "rb") as file:
                found: bytes = await file.read(limit, offset)
                return found

        return self._call(read)

    def size(self, path: str) -> int:
        """See `files.Files`."""

        async def size(sftp: Any) -> int:
            try:
                return (await sftp.lstat(posixpath.join(self._root, path))).size or 0
            except _asyncssh().SFTPNoSuchFile:
                return 0

        return self._call(size)

    def write(self, path: str, content: bytes) -> None:
        """See `files.Files`."""

        async def write(sftp: Any) -> None:
            where = posixpath.join(self._root, path)
            temporary = f"{where}.{os.urandom(4).hex()}"
            async with sftp.open(temporary, "wb") as out:
                await out.write(content)
            await sftp.posix_rename(temporary, where)

        self._call(write)

    def link(self, path: str, target: str) -> bool:
        """See `files.Files`."""

        async def link(sftp: Any) -> bool:
            where = posixpath.join(self._root, path)
            try:
                await sftp.symlink(target, where)
            except _asyncssh().SFTPError:
                if not await sftp.islink(where) and not await sftp.exists(where):
                    raise
                return False
            return True

        return self._call(link)

    def target(self, path: str) -> str | None:
        """See `files.Files`."""

        async def target(sftp: Any) -> str | None:
            where = posixpath.join(self._root, path)
            if not await sftp.islink(where):
                return None
            return str(await sftp.readlink(where))

        return self._call(target)

    def names(self, path: str) -> list[str]:
        """See `files.Files`."""

        async def names(sftp: Any) -> list[str]:
            try:
                found = await sftp.listdir(posixpath.join(self._root, path))
            except _asyncssh().SFTPNoSuchFile:
                return []
            return sorted(set(found) - {".", ".."})

        return self._call(names)

    def _call(self, action: Callable[[Any], Awaitable[T]]) -> T:
        async def act() -> T:
            return await action(await self._connection.sftp())

        asyncssh = _asyncssh()
        where = f"{self._root} ({FOLDER_VARIABLE})"
        try:
            return self._connection.call(act(), FILE_SECONDS, where)
        except asyncssh.SFTPPermissionDenied as error:
            raise PermissionDeniedError(f"no access to {where}: {error.reason}") from error
        except asyncssh.SFTPError as error:
            message = f"{where} can't be used now: {error.reason}"
            raise ServiceUnavailableError(message) from error


def _asyncssh() -> Any:
    try:
        import asyncssh
    except ImportError as error:
        message = "SSH needs asyncssh: pip install flyte-connectors-batch-job[ssh]"
        raise ServiceUnavailableError(message, outcome_unknown=False) from error
    logger = logging.getLogger("asyncssh")
    if logger.level == logging.NOTSET:  # at INFO it has several lines for each command
        logger.setLevel(logging.WARNING)
    return asyncssh
