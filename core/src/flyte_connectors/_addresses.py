"""Internal addresses: this machine, its network, and the metadata services of clouds.

Services at these addresses trust every client that can reach them. A connector service that connected to any
address in a request would give that access to every user who may run tasks.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NETWORKS = [
    (ipaddress.ip_network(network), kind)
    for kind, networks in {
        "unspecified": "0.0.0.0/8 ::/128",
        "loopback": "127.0.0.0/8 ::1/128",
        "link-local": "169.254.0.0/16 fe80::/10 fec0::/10",
        "multicast or broadcast": "224.0.0.0/4 255.255.255.255/32 ff00::/8",
        # Alibaba, Azure, Oracle, Amazon and Google; the rest use link-local addresses.
        "a cloud's metadata service": "100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 fd00:ec2::/32 fd20:ce::/64",
    }.items()
    for network in networks.split()
]

OWN = "this machine"
"""The kind of this machine's own public addresses."""

_LOW_32_BITS = [  # IPv6 networks in which the last 32 bits are an IPv4 address
    ipaddress.IPv6Network(network)
    for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
]
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)


def internal_kind(address: str) -> str | None:
    """Why an address is internal, such as `loopback`; None if it is not.

    An IPv6 address that embeds an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) is
    classified by the embedded one.

    Args:
        address: An IPv4 or IPv6 address, with or without a zone.

    Raises:
        ValueError: it is not an IP address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    for candidate in (parsed, *_carried(parsed)):
        for network, kind in _NETWORKS:
            if candidate in network:
                return kind
        if _is_own(candidate):
            return OWN
    return None


def _carried(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    number = int(address)
    if any(address in network for network in _LOW_32_BITS):
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address in _NAT64_LOCAL:  # RFC 6052: 16 bits, a byte of zeros, 16 bits
        yield ipaddress.IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _is_own(address: Address) -> bool:
    """Whether a packet to `address` would come from there, too. Nothing is sent."""
    is_ipv4 = isinstance(address, ipaddress.IPv4Address)
    family = socket.AF_INET if is_ipv4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            source: str = probe.getsockname()[0]
    except OSError:  # no route, or no such family
        return False
    return ipaddress.ip_address(source.partition("%")[0]) == address
