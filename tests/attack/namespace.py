"""A network of one's own: every address in it is this machine's, and listens.

`enter` moves this process, and those that it starts, into new network and mount namespaces (namespaces(7)),
where the loopback interface has whatever addresses an attack needs, such as those of clouds' metadata
services, and names resolve as the attack wants. Nothing in it can reach another machine. Root may do that,
and elsewhere whoever may make user namespaces.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from .mounts import bind, own_mounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CLONE_NEWNET = 0x40000000
_RTM_NEWLINK, _RTM_NEWADDR = 16, 20
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE = 1, 4, 0x400
_NLMSG_ERROR = 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_NODAD = 2
_IFF_UP = 1
_LOOPBACK = 1  # its index, in every namespace


def enter(addresses: Iterable[str], names: Mapping[str, str], folder: Path) -> None:
    """Move this process into namespaces of its own.

    Args:
        addresses: What the loopback interface gets besides its own.
        names: Addresses by host name; no other name resolves.
        folder: For the files that say so.

    Raises:
        OSError: This process may not do that.
    """
    own_mounts(also=_CLONE_NEWNET)
    lines = [f"{address} {name}\n" for name, address in names.items()]
    for path, text in (("/etc/hosts", "".join(lines)), ("/etc/resolv.conf", "")):
        file = folder / Path(path).name
        file.write_text(text)
        bind(file, Path(path))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        up = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, _LOOPBACK, _IFF_UP, _IFF_UP)
        _ask(netlink, _RTM_NEWLINK, up)
        for address in addresses:
            _ask(netlink, _RTM_NEWADDR, _address(address))


def _address(text: str) -> bytes:
    """A message that gives the loopback interface an address (rtnetlink(7))."""
    address = ipaddress.ip_address(text)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    packed = address.packed
    head = struct.pack("=BBBBI", family, len(packed) * 8, _IFA_F_NODAD, 0, _LOOPBACK)
    attribute = struct.pack("=HH", 4 + len(packed), _IFA_LOCAL) + packed
    return head + attribute + struct.pack("=HH", 4 + len(packed), _IFA_ADDRESS) + packed


def _ask(netlink: socket.socket, kind: int, body: bytes) -> None:
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    answer = netlink.recv(4096)
    length, answered = struct.unpack_from("=IH", answer)
    if answered == _NLMSG_ERROR and length >= 20:
        number = -struct.unpack_from("=i", answer, 16)[0]
        if number:
            raise OSError(number, f"rtnetlink: {os.strerror(number)}")
