"""URLs, paths and ids that lead elsewhere than they seem to, made by a grammar."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator

from .spies import BASE, VENDOR_NAME, VENDOR_PORT

EVIL = "evil.example.invalid"
OWN_NAME = "own-host.example.invalid"
LOOPBACK, EVIL_ADDRESS, OWN_ADDRESS = "127.0.0.1", "198.51.100.66", "198.51.100.7"
METADATA = ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
METADATA_6 = ("fd00:ec2::254", "fd20:ce::254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1")
NAMES = {
    VENDOR_NAME: "198.51.100.10",
    EVIL: EVIL_ADDRESS,
    OWN_NAME: OWN_ADDRESS,
    "localhost": LOOPBACK,
    "loop.example.invalid": LOOPBACK,
    "loop6.example.invalid": "::1",
    "meta.example.invalid": METADATA[0],
    "meta6.example.invalid": METADATA_6[0],
    "nat64.example.invalid": METADATA_6[2],
    "metadata.google.internal": METADATA[0],
    "metadata": METADATA[0],
    "mapped.example.invalid": "::ffff:169.254.169.254",
    f"{VENDOR_NAME}.{EVIL}": EVIL_ADDRESS,
    f"x{VENDOR_NAME}": EVIL_ADDRESS,
    f"x.{VENDOR_NAME}": EVIL_ADDRESS,
}
"""Addresses by name, in the namespace of the attack."""

ADDRESSES = ("198.51.100.10", EVIL_ADDRESS, OWN_ADDRESS, *METADATA, *METADATA_6)


def spellings(address: str) -> Iterator[str]:
    """Ways to write an IPv4 address that some software understands."""
    parts = [int(part) for part in address.split(".")]
    number = int(ipaddress.IPv4Address(address))
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield ".".join(map(hex, parts))
    yield ".".join(f"{part:04o}" for part in parts)
    yield f"{parts[0]}.{int.from_bytes(bytes(parts[1:]), 'big')}"
    yield f"{parts[0]}.{parts[1]}.{parts[2] * 256 + parts[3]}"
    yield f"{parts[0] + 256}.{parts[1]}.{parts[2]}.{parts[3]}"
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]"
    yield f"[0:0:0:0:0:ffff:{address}]"
    yield f"[::{address}]"
    yield f"[64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}]"
    yield f"[64:ff9b::{address}]"
    yield f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]"
    yield f"[::ffff:{address}%25lo]"
    yield "".join(f"%{ord(letter):02x}" for letter in address)
    yield address.replace(".", "\u3002")
    yield address.replace(".", "\uff0e")
    yield "".join(chr(0xFF10 + int(letter)) if letter.isdigit() else letter for letter in address)
    yield address.translate({ord("1"): "\u2460", ord("2"): "\u2461"})


def internal_hosts() -> Iterator[str]:
    """Hosts that are this machine's own, or a cloud's metadata."""
    for address in (LOOPBACK, *METADATA):
        yield from spellings(address)
    yield from (f"[{address}]" for address in METADATA_6)
    yield from (
        "[fd00:0ec2:0:0:0:0:0:254]",
        "[FD00:EC2::254]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
    )
    yield from ("0", "0.0.0.0", "127.1", "127.0.1", "127.255.255.254", OWN_NAME, OWN_ADDRESS)
    internal = ("localhost", "LocalHost", "localhost.", "a.localhost", "\uff4cocalhost")
    yield from internal
    yield from (name for name in NAMES if name.startswith(("loop", "meta", "nat", "mapped")))
    yield from (f"{name}." for name in NAMES if name.startswith(("loop", "meta")))


def foreign_hosts() -> Iterator[str]:
    """Hosts that the operator has not listed, though some look alike."""
    yield from (EVIL, EVIL_ADDRESS, f"{VENDOR_NAME}.{EVIL}", f"x{VENDOR_NAME}", f"x.{VENDOR_NAME}")
    yield from (EVIL.upper(), f"{EVIL}.", "\uff45vil.example.invalid", "198.51.100.10")


def urls() -> Iterator[str]:
    """Endpoints that are not the one that is listed."""
    hosts = [*internal_hosts(), *foreign_hosts()]
    for host in hosts:
        yield f"http://{host}/v1"
        yield f"http://{host}:{VENDOR_PORT}/v1"
        yield f"https://{host}/v1"
    vendor = f"{VENDOR_NAME}:{VENDOR_PORT}"
    for host in (EVIL, METADATA[0], "localhost"):
        for joint in (
            "@",
            "%40",
            "\\@",
            "#@",
            "?@",
            "/@",
            ":80@",
            ";@",
            ",",
            " ",
            "\t",
            "\0@",
            "\n@",
        ):
            yield f"http://{vendor}{joint}{host}/v1"
            yield f"http://{host}{joint}{vendor}/v1"
            yield f"http://{VENDOR_NAME}{joint}{host}:{VENDOR_PORT}/v1"
        for scheme in (
            "http:",
            "http:/",
            "http:///",
            "//",
            "HTTP://",
            " http://",
            "\thttp://",
            "ftp://",
        ):
            yield f"{scheme}{host}/v1"
        for scheme in ("http:\\\\", "file://", "gopher://", "ws://", "http+unix://", "http://\\"):
            yield f"{scheme}{host}/v1"
    yield from (f"http://{VENDOR_NAME}{port}/v1" for port in ("", ":80", ":8080", ":08000x", ":-1"))
    yield from (f"{BASE}{way}" for way in ways_up())
    yield from (f"http://{vendor}{path}" for path in ("", "/", "/V1", "/v", "/v1x", "/v10", "/%761/.."))


def ways_up() -> Iterator[str]:
    """Paths that lead above the path before them."""
    for dots in (
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "..;",
        "%252e%252e",
        "\u2025",
        "\uff0e\uff0e",
        "..%00",
    ):
        for slash, count in itertools.product(("/", "\\", "%2f", "%5c", "//", "%252f"), (1, 2, 4)):
            yield slash + (dots + slash) * count + "latest"


def paths() -> Iterator[str]:
    """What may be pasted to a URL: for `job_path`, `logs_path`, `metrics_path`."""
    for host in (EVIL, METADATA[0], "localhost", f"[{METADATA_6[0]}]"):
        for joint in (
            "@",
            ":80@",
            ":x@",
            ".",
            "\\@",
            "/@",
            "//",
            "/\\",
            "\\\\",
            "?@",
            "#@",
            ";@",
            "%40",
        ):
            yield f"{joint}{host}/{{job_id}}"
        yield f"http://{host}/{{job_id}}"
        yield f".{host}@{host}/"
    yield from (
        ":80/{job_id}",
        ":8080/",
        "0/{job_id}",
        ".evil.example.invalid/",
        "\r\nHost: evil/",
        "\0",
    )
    yield from (f"{way}{{job_id}}" for way in ways_up())
    yield from (f"/{{job_id}}{way}" for way in ways_up())
    yield from ("{job_id}", "/{job_id}{job_id}", "?{job_id}", "#{job_id}", "/{job_id}?x=/../..")


def ids() -> Iterator[str]:
    """Job ids that are more than a name."""
    yield from (
        "..",
        ".",
        "...",
        "%2e%2e",
        "%2e",
        "/",
        "//",
        "\\",
        "?",
        "#",
        "a?b",
        "a#b",
        "{job_id}",
    )
    yield from (
        f"@{EVIL}",
        f"//{EVIL}/x",
        f"http://{EVIL}/x",
        f"..@{EVIL}",
        "\0",
        "a\r\nHost: evil",
        "a b",
    )
    yield from (way.lstrip("/") for way in ways_up())


def redirects() -> Iterator[str]:
    """Where a vendor may try to send us."""
    for host in (EVIL, "localhost", LOOPBACK, *METADATA, *(f"[{each}]" for each in METADATA_6)):
        yield f"http://{host}/latest"
        yield f"//{host}/latest"
    yield from (
        "/admin",
        "/v1/../admin",
        "../admin",
        f"http://{VENDOR_NAME}/v1",
        "https:/latest",
        "\\\\evil",
    )
