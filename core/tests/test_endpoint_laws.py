"""Laws of the endpoint rules: what is listed and nothing else; the own machine under no disguise."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from unittest import mock
from urllib.parse import urlsplit

import pytest
from flyte_connectors.endpoints import VARIABLE, checked_endpoint, unrestricted
from flyte_connectors.errors import ConnectorError, InvalidRequestError, PermissionDeniedError
from hypothesis import assume, given
from hypothesis import strategies as st

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(".".join)
PORTS = st.integers(1, 65535)
SCHEMES = st.sampled_from(["http", "https"])
PATHS = st.lists(LABELS, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
URLS = st.builds("{}://{}:{}{}".format, SCHEMES, HOSTS, PORTS, PATHS)


def allowed(url: str, listed: str | None = None, *, with_credentials: bool = False) -> bool:
    """Whether a request may name `url`, where the operator has listed these entries."""
    changed = {} if listed is None else {VARIABLE: listed}
    with mock.patch.dict("os.environ", changed):
        try:
            checked_endpoint(url, "custom.endpoint", with_credentials=with_credentials)
        except PermissionDeniedError:
            return False
        return True


@given(scheme=SCHEMES, host=HOSTS, port=PORTS, path=PATHS, below=PATHS)
def test_every_form_of_an_entry_allows_its_url(scheme: str, host: str, port: int, path: str, below: str) -> None:
    """The host, the host and port, the domain above it, and the origin with a path."""
    url = f"{scheme}://{host}:{port}{path}{below}"
    domain = host.partition(".")[2]
    for entry in (host, f"{host}:{port}", f"*.{domain}", f"{scheme}://{host}:{port}{path}"):
        assert allowed(url, f"other.example.net, {entry}", with_credentials=True)


@given(url=URLS, entry=URLS)
def test_an_origin_allows_nothing_but_itself(url: str, entry: str) -> None:
    """Scheme, host and port are equal, and the path is below, or it is refused."""
    ours, theirs = urlsplit(url), urlsplit(entry)
    folders = theirs.path.split("/")
    is_below = ours.path.split("/")[: len(folders)] == folders or not theirs.path
    same = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
    assert allowed(url, entry) == (same and is_below)
    assert allowed(f"{entry}/more", entry)
    assert not theirs.path or not allowed(f"{entry}more", entry)


@given(host=HOSTS, prefix=LABELS, suffix=LABELS)
def test_a_host_is_not_a_part_of_a_name(host: str, prefix: str, suffix: str) -> None:
    """Neither what begins nor what ends like a listed one."""
    for other in (f"{prefix}{host}", f"{prefix}.{host}", f"{host}{suffix}x", f"{host}.{suffix}"):
        assert not allowed(f"http://{other}", host)
    assert not allowed(f"http://{prefix}{host}", f"*.{host}")
    assert not allowed(f"http://{host}", f"*.{host}")
    assert allowed(f"http://{prefix}.{host}", f"*.{host}")


def _spellings(address: ipaddress.IPv4Address) -> list[str]:
    """What the C library's `inet_aton` takes for this address."""
    number = int(address)
    a, b, c, d = address.packed
    return [
        str(address),
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"[::ffff:{address}]",
        f"[::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}]",
    ]


@given(
    address=st.sampled_from(["127.0.0.0/8", "169.254.0.0/16"]).flatmap(
        lambda network: st.ip_addresses(v=4, network=network)
    ),
    port=PORTS,
)
def test_the_own_machine_is_refused_under_every_spelling(address: ipaddress.IPv4Address, port: int) -> None:
    """Loopback and link-local, where cloud metadata services are; a listed one is the operator's word."""
    for spelling in _spellings(address):
        assert not allowed(f"http://{spelling}:{port}/latest/meta-data")
    assert allowed(f"http://{address}:{port}", f"{address}:{port}")


@given(url=URLS)
def test_credentials_of_the_service_go_to_listed_hosts_only(url: str) -> None:
    """Without a list they go nowhere, whatever else may be named."""
    assert not allowed(url, with_credentials=True)
    assert not allowed(url, "", with_credentials=True)
    assert not allowed(url, "")
    assert allowed(url)


SIGNS = "\\/@:?#;%[]() \t\r\n.\N{FULLWIDTH SOLIDUS}"
ODD = st.lists(HOSTS | st.sampled_from(SIGNS), max_size=6).map("".join)


@given(text=st.text() | st.builds("{}://{}".format, SCHEMES, ODD))
def test_any_text_is_refused_or_a_url_with_a_host(text: str) -> None:
    """Never another error; what passes has nothing in it that a client could read differently."""
    url, fault = "", ""
    try:
        url = checked_endpoint(text, "custom.endpoint", with_credentials=False)
    except ConnectorError as error:
        fault = str(error)
    if fault:
        assert fault.startswith("custom.endpoint: ")
        assert "\n" not in fault
        return
    parts = urlsplit(url)
    assert parts.scheme in {"http", "https"}
    assert re.fullmatch(r"[\w.-]+|[0-9a-f.:]+", str(parts.hostname), re.ASCII)
    assert url.isascii()
    assert not set(url) & set("@?#\\ \t\r\n")


@pytest.mark.parametrize(
    "disguise",
    [
        "http://localhost\\.example.org",
        "http://evil.example.net\\.example.org",
        "http://evil.example.net;.example.org",
        "http://%6cocalhost.example.org",
        "http://[::1%25lo]",
        "http://train.example.org/v1?",
        "http://train.example.org/v1#",
        "http://train.example.org/v1/..\\v2",
    ],
)
def test_what_clients_read_differently_is_refused(disguise: str) -> None:
    """urllib3 ends a host at a backslash, others decode it; what is appended to `?` is no path."""
    with pytest.raises(InvalidRequestError, match=r"^custom\.endpoint: "):
        allowed(disguise, "*.example.org")


@given(url=URLS, host=st.sampled_from(["localhost", "127.0.0.1", "[::1]", "169.254.169.254"]))
def test_a_local_run_may_name_any_url(url: str, host: str) -> None:
    """User and operator are one: lists and the own machine are no limits, and the block ends."""
    own = f"http://{host}:1"
    with unrestricted():
        assert allowed(own, "other.example.net", with_credentials=True)
        assert allowed(url, "other.example.net", with_credentials=True)
    assert not allowed(own)


@given(url=URLS)
def test_what_is_allowed_again_is_the_same(url: str) -> None:
    """The result has no slash at its end, and is allowed itself."""
    assume(allowed(url))
    once = checked_endpoint(f"{url}/", "field", with_credentials=False)
    assert once == url.rstrip("/")
    assert checked_endpoint(once, "field", with_credentials=False) == once


def test_an_abandoned_block_does_not_lift_the_limits_elsewhere() -> None:
    """A block that fails is left like one that ends."""
    with contextlib.suppress(RuntimeError), unrestricted():
        raise RuntimeError
    assert not allowed("http://localhost:1")
    with pytest.raises(InvalidRequestError):
        checked_endpoint("localhost", "field", with_credentials=False)
