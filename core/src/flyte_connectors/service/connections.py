"""The TCP connections of a server, as the operating system sees them.

grpcio can stop a server only in one step: from then on it cancels every call that it reads, even calls sent
before the client could know. To stop reading first, the sockets are needed. grpcio does not expose them, so
they are looked up among the open files of this process.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import ipaddress
import os
import pathlib
import socket
import stat
import termios
from collections.abc import Collection, Iterator
from typing import TypeAlias
from urllib.parse import unquote

_OPEN_FILES = next((folder for folder in map(pathlib.Path, ("/proc/self/fd", "/dev/fd")) if folder.is_dir()), None)
_NEVER = 2**31 - 1  # bytes; the kernel lowers it to what its buffers hold
_AT_ONCE = 1  # byte

Peer: TypeAlias = tuple[str, int]
"""IP address and port of a client."""


class Connections:
    """The connections that clients have to one port of this process.

    Where the system does not list a process's open files there are none, and nothing is done.

    Args:
        port: The port that the server listens on.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def pause_reading(self, but: Collection[Peer] = ()) -> int:
        """Leave what clients send from now on in the kernel's buffers.

        Args:
            but: Clients that are read from, also if they were paused before.

        Returns:
            How many others had been read from until now: new ones, all but the first time.
        """
        paused = 0
        for peer, connection in self._open():
            enough = _AT_ONCE if peer in but else _NEVER
            with contextlib.suppress(OSError):  # not on this system, or it has just been closed
                before = connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, enough)
                paused += before <= _AT_ONCE < enough
        return paused

    @property
    def unread(self) -> int:
        """Bytes that clients have sent and the server has not read."""
        waiting = array.array("i", [0])
        total = 0
        for _, connection in self._open():
            fcntl.ioctl(connection, termios.FIONREAD, waiting)
            total += waiting[0]
        return total

    def close(self, but: Collection[Peer]) -> None:
        """Close the connections to all clients but those in `but`."""
        for peer, connection in self._open():
            if peer not in but:
                with contextlib.suppress(OSError):  # it has just been closed
                    connection.shutdown(socket.SHUT_RDWR)

    def _open(self) -> Iterator[tuple[Peer, socket.socket]]:
        for file in _OPEN_FILES.iterdir() if _OPEN_FILES else ():
            with contextlib.suppress(OSError), _socket_of(int(file.name)) as copy:
                is_ip = copy.family in (socket.AF_INET, socket.AF_INET6)
                if is_ip and copy.getsockname()[1] == self._port:
                    yield _peer(*copy.getpeername()[:2]), copy  # one that listens has no peer


def _socket_of(number: int) -> socket.socket:
    """A copy of the socket that is open under `number`.

    Raises:
        OSError: none is.
    """
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    return socket.socket(fileno=os.dup(number))


def peer_of(name: str) -> Peer:
    """The client that gRPC calls `name`, such as `ipv4:10.0.0.1:5000` or `ipv6:%5B::1%5D:5000`."""
    host, _, port = unquote(name.partition(":")[2]).rpartition(":")
    return _peer(host.strip("[]"), int(port))


def _peer(host: str, port: int) -> Peer:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), port
