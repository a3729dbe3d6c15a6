"""Which addresses are allowed, and with which credentials."""

from __future__ import annotations

import pytest
from flyte_connectors.errors import InvalidRequestError, PermissionDeniedError
from flyte_connectors_model_training.endpoints import VARIABLE, checked_endpoint


def check(url: str, *, with_credentials: bool = False) -> str:
    """Check a URL that `custom.endpoint` names."""
    return checked_endpoint(url, "custom.endpoint", with_credentials=with_credentials)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "train.example.org",
        "ftp://train.example.org",
        "file:///etc/passwd",
        "http://",
        "http://host:99999/",
        "http://host:0/",
        "http://[::1",
        "http://ho st/",
        "http://host/\r\nX: y",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidRequestError, match=r"^custom.endpoint: .* is no URL"):
        check(url)


@pytest.mark.parametrize("url", ["http://user:pw@host/", "http://host/?key=1", "http://host/#a"])
def test_a_url_holds_no_credentials(url: str) -> None:
    """They would end up in metas and logs; the error does not repeat them."""
    with pytest.raises(InvalidRequestError, match="use auth") as caught:
        check(url)
    assert "pw" not in str(caught.value)


def test_without_a_list_any_address_but_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret goes to a listed host only."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert check("http://anywhere.example.org/jobs/") == "http://anywhere.example.org/jobs"
    with pytest.raises(PermissionDeniedError, match=f"add anywhere.example.org to {VARIABLE}"):
        check("http://anywhere.example.org/jobs", with_credentials=True)


@pytest.mark.parametrize(
    ("entry", "url", "is_allowed"),
    [
        ("host.org", "http://host.org/jobs", True),
        ("host.org", "https://HOST.org:8443/jobs", True),
        ("host.org", "http://host.org.evil.net/jobs", False),
        ("host.org", "http://evil-host.org/jobs", False),
        ("host.org:8443", "http://host.org:8443/jobs", True),
        ("host.org:8443", "http://host.org/jobs", False),
        ("*.host.org", "http://a.host.org/jobs", True),
        ("*.host.org", "http://host.org/jobs", False),
        ("*.host.org", "http://evilhost.org/jobs", False),
        ("https://host.org", "https://host.org/any/path", True),
        ("https://host.org", "http://host.org/", False),
        ("https://host.org", "https://host.org:8443/", False),
        ("https://host.org/v1", "https://host.org/v1/jobs", True),
        ("https://host.org/v1", "https://host.org/v10", False),
        ("https://host.org/v1", "https://host.org/v1/../admin", False),
        ("https://host.org/v1", "https://host.org/v1/%2E%2E/admin", False),
        ("other.org, host.org", "http://host.org/jobs", True),
        ("[::1]:8000", "http://[::1]:8000/jobs", True),
    ],
)
def test_a_listed_address_is_allowed_and_no_other(
    monkeypatch: pytest.MonkeyPatch, entry: str, url: str, is_allowed: bool
) -> None:
    """Host, port, wildcard, origin and path, each compared as a whole."""
    monkeypatch.setenv(VARIABLE, entry)
    for with_credentials in (False, True):
        if is_allowed:
            assert check(url, with_credentials=with_credentials) == url
        else:
            with pytest.raises(PermissionDeniedError, match=f"{VARIABLE} does not list it"):
                check(url, with_credentials=with_credentials)
