"""Which addresses a request may name: the operator's word, and never the service's own machine."""

from __future__ import annotations

import pytest
from flyte_connectors._allow_list import AllowListError, parse_entry
from flyte_connectors.endpoints import VARIABLE, checked_endpoint, unrestricted
from flyte_connectors.errors import InvalidRequestError, PermissionDeniedError


def check(url: str, *, with_credentials: bool = False) -> str:
    return checked_endpoint(url, "custom.endpoint", with_credentials=with_credentials)


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        (
            "train.example.org",
            ["http://train.example.org", "https://TRAIN.example.org:8443/v1"],
            [
                "http://example.org",
                "http://train.example.org.evil.net",
                "http://a.train.example.org",
            ],
        ),
        (
            "train.example.org:8443",
            ["https://train.example.org:8443"],
            ["https://train.example.org", "http://train.example.org:80"],
        ),
        (
            "*.example.org",
            ["http://a.example.org", "http://a.b.example.org"],
            ["http://example.org", "http://evilexample.org"],
        ),
        (
            "https://train.example.org/v1",
            ["https://train.example.org/v1", "https://train.example.org:443/v1/jobs"],
            [
                "http://train.example.org/v1",
                "https://train.example.org/v10",
            ],
        ),
        (
            "127.0.0.1:9000",
            ["http://127.0.0.1:9000"],
            ["http://127.0.0.1:9001", "http://localhost:9000"],
        ),
    ],
)
def test_the_list_is_the_operators(
    monkeypatch: pytest.MonkeyPatch, entry: str, allowed: list[str], refused: list[str]
) -> None:
    """Hosts, ports, domains and origins; what is listed may also get the service's credentials."""
    monkeypatch.setenv(VARIABLE, f"other.example.net, {entry}")
    for url in allowed:
        assert check(url, with_credentials=True) == url
    for url in refused:
        with pytest.raises(PermissionDeniedError, match=r"^custom\.endpoint: .* does not list it"):
            check(url)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "[fe80::1]",
        "metadata.google.internal",
    ],
)
def test_the_services_own_machine_has_to_be_listed(host: str) -> None:
    """However its address is written; cloud metadata services are there, too."""
    with pytest.raises(PermissionDeniedError, match="own machine or network"):
        check(f"http://{host}/")


def test_without_a_list_other_hosts_are_fine_for_the_users_own_credentials() -> None:
    """The service's credentials go to listed hosts only."""
    assert check("https://train.example.org/v1/") == "https://train.example.org/v1"
    with pytest.raises(PermissionDeniedError, match="credentials go to listed hosts only"):
        check("https://train.example.org", with_credentials=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "train.example.org",
        "ftp://train.example.org",
        "file:///etc/passwd",
        "http://",
        "http://host:port",
        "http://host:0",
        "http://host:99999",
        "http://host\n.example.org",
        "http://ho st",
        "http://user:pw@host",
        "http://host?token=x",
        "http://host#x",
        "http://\N{CIRCLED LATIN SMALL LETTER L}ocalhost",  # clients normalize it to localhost
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    """Also in a local run."""
    with pytest.raises(InvalidRequestError, match=r"^custom\.endpoint: "):
        check(url)
    with unrestricted(), pytest.raises(InvalidRequestError):
        check(url)


def test_in_a_local_run_everything_is_allowed() -> None:
    """User and operator are one."""
    with unrestricted():
        assert check("http://localhost:8000/", with_credentials=True) == "http://localhost:8000"
    with pytest.raises(PermissionDeniedError):
        check("http://localhost:8000/")


@pytest.mark.parametrize("text", ["", "  ", ","])
def test_an_empty_list_allows_nothing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is not the missing list."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(PermissionDeniedError, match="does not list it"):
        check("https://train.example.org")


@pytest.mark.parametrize(
    ("entry", "way_out"),
    [
        ("host:84433", "use 1 to 65535"),
        ("host:0", "use 1 to 65535"),
        ("host:", "use 1 to 65535"),
        ("host:https", "use 1 to 65535"),
        ("htps://host", "use http or https"),
        ("://host", "use http or https"),
        ("ftp://host", "use http or https"),
        ("https:/host", "a path needs a scheme"),
        ("https//host", "a path needs a scheme"),
        ("host/v1", "a path needs a scheme"),
        ("10.0.0.0/8", "networks can't be listed"),
        ("fe80::/10", "networks can't be listed"),
        ("https://", "host name"),
        ("https:///v1", "host name"),
        ("*", "example.org"),
        ("*.", "host name"),
        ("a.*.org", "example.org"),
        ("*a.org", "example.org"),
        ("host*", "example.org"),
        ("*.127.0.0.1", "no hosts below"),
        ("*.[::1]", "IPv6"),
        ("::1", "in brackets"),
        ("::1:8443", "in brackets"),
        ("[::1", "not valid"),
        ("[::1]x", "not valid"),
        ("[fe80::1%eth0]", "leave out"),
        ("127.1", "four numbers"),
        ("0x7f000001", "four numbers"),
        ("user@host", "user and password"),
        ("https://user:pw@host", "user and password"),
        ("host name", "separate entries by commas"),
        ("host\tname", "white space"),
        ("host?x", "leave out"),
        ("host#x", "leave out"),
        ("host\\x", "leave out"),
        ("https://host/%2e%2e", "leave out"),
        ("https://host/..", "plain part"),
        ("https://host/a//b", "empty part"),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example.org", "xn--"),
        ("host..", "host name"),
        ("-host", "host name"),
    ],
)
def test_an_entry_with_a_mistake_says_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, entry: str, way_out: str
) -> None:
    """A list with a mistake in it allows nothing."""
    with pytest.raises(AllowListError, match=way_out) as caught:
        parse_entry(entry)
    assert repr(entry) in str(caught.value)
    monkeypatch.setenv(VARIABLE, f"train.example.org,{entry}")
    with pytest.raises(PermissionDeniedError, match="no endpoint is allowed"):
        check("https://train.example.org")


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("TRAIN.Example.ORG.", "https://train.example.org"),
        ("train.example.org", "https://train.EXAMPLE.org."),
        ("https://train.example.org", "https://train.example.org:443"),
        ("https://train.example.org:443", "https://train.example.org"),
        ("[2001:db8::7]", "https://[2001:0DB8:0:0:0:0:0:7]:8443"),
        ("[2001:db8:0:0::7]:443", "https://[2001:db8::7]"),
        ("HTTPS://train.example.org/v1/", "https://train.example.org/v1/jobs"),
    ],
)
def test_one_host_in_two_spellings_is_one(monkeypatch: pytest.MonkeyPatch, entry: str, url: str) -> None:
    """As HTTP clients read it."""
    monkeypatch.setenv(VARIABLE, entry)
    assert check(url, with_credentials=True) == url


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../v2",
        "/v1/%2E%2e/v2",
        "/v1/%252e%252e/v2",
        "/v1/..%2fv2",
        "/v1//v2",
        "/./v1",
        "/v1/..;/v2",
    ],
)
def test_a_path_that_servers_read_differently_is_refused(path: str) -> None:
    """With a list or without."""
    with pytest.raises(InvalidRequestError, match=r"^custom\.endpoint: the path"):
        check(f"https://train.example.org{path}")


@pytest.mark.parametrize(
    "address",
    [
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1:a9fe:a9:fe00::]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:7f00:1::1]",
        "[::169.254.169.254]",
        "[::ffff:0:169.254.169.254]",
        "[2001:db8::5efe:7f00:1]",
        "[ff02::1]",
        "metadata",
    ],
)
def test_metadata_services_have_to_be_listed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """In every form that carries their IPv4 address, too."""
    with pytest.raises(PermissionDeniedError, match="own machine or network"):
        check(f"http://{address}/latest")
    monkeypatch.setenv(VARIABLE, address)
    assert check(f"http://{address}/latest")


def test_the_services_own_name_has_to_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reaches its ports from inside needs no token."""
    monkeypatch.setattr("socket.gethostname", lambda: "Connectors.cluster.local")
    for host in ("connectors", "connectors.cluster.local"):
        with pytest.raises(PermissionDeniedError, match="own machine"):
            check(f"http://{host}:9090/metrics")
