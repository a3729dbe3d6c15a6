"""Which addresses a request may name: the operator's word, and never the service's own machine."""

from __future__ import annotations

import pytest
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
                "https://train.example.org/v1/../v2",
                "https://train.example.org/v1/%2E%2e/v2",
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
