"""Who may read the pages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors.service.auth import TokenFile
from werkzeug.test import Client

from flyte_connectors_console.access import COOKIE, HEADERS, Access, OneToken
from flyte_connectors_console.application import Console
from flyte_connectors_console.laptop_place import LaptopPlace

HERE = {"REMOTE_ADDR": "127.0.0.1"}
TOKEN = "a-token-of-the-service"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> LaptopPlace:
    """Without any run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        return LaptopPlace()


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    path = tmp_path / "tokens"
    path.write_text(f"another\n{TOKEN}\n")
    return TokenFile(str(path))


def client(place: LaptopPlace, tokens: Any = None, *hosts: str) -> Client:
    return Client(Console(place, Access(tokens, hosts)))


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://localhost:9090", 200),
        ("http://127.0.0.1:9090", 200),
        ("http://[::1]:9090", 200),
        ("https://connectors.example.com", 200),
        ("http://attacker.example:9090", 421),
        ("http://localhost.attacker.example", 421),
        ("http://127.0.0.1.nip.io", 421),
    ],
)
def test_an_unknown_host_name_is_refused(place: LaptopPlace, url: str, status: int) -> None:
    """No page of another site can give the console a name of its own."""
    browser = client(place, None, "connectors.example.com")
    assert browser.get("/jobs", base_url=url, environ_base=HERE).status_code == status


@pytest.mark.parametrize(
    ("headers", "remote", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "::1", 200),
        ({}, "10.1.2.3", 403),
        ({}, "", 403),
        ({"X-Forwarded-For": "10.1.2.3"}, "127.0.0.1", 403),
        ({"Forwarded": "for=10.1.2.3"}, "127.0.0.1", 403),
    ],
)
def test_without_tokens_only_this_machine_is_answered(
    place: LaptopPlace, headers: dict[str, str], remote: str, status: int
) -> None:
    """A client of a proxy on this machine is not on it."""
    reply = client(place).get("/jobs", headers=headers, environ_base={"REMOTE_ADDR": remote})
    assert reply.status_code == status


def test_a_token_is_asked_for_and_remembered(place: LaptopPlace, tokens: TokenFile) -> None:
    """By a cookie that scripts can't read, that holds no token, and leads to the page that was wanted."""
    browser = client(place, tokens)
    assert browser.get("/jobs?q=x").status_code == 401
    wrong = browser.post("/sign-in", data={"token": "wrong", "next": "/jobs?q=x"})
    assert (wrong.status_code, browser.get("/jobs").status_code) == (403, 401)
    right = browser.post("/sign-in", data={"token": TOKEN, "next": "/jobs?q=x"})
    assert (right.status_code, right.headers["Location"]) == (303, "/jobs?q=x")
    cookie = right.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert TOKEN not in cookie
    assert browser.get("/jobs").status_code == 200


@pytest.mark.parametrize(("url", "is_secure"), [("https://localhost", True), ("http://localhost", False)])
def test_a_cookie_that_was_given_over_tls_is_sent_over_tls_only(
    place: LaptopPlace, tokens: TokenFile, url: str, is_secure: bool
) -> None:
    """And one that was given without works without."""
    browser = client(place, tokens)
    reply = browser.post("/sign-in", base_url=url, data={"token": TOKEN})
    assert ("Secure" in reply.headers["Set-Cookie"]) == is_secure
    assert browser.get("/jobs", base_url=url).status_code == 200


def test_a_cookie_works_on_every_replica_until_its_token_ends(
    place: LaptopPlace, tokens: TokenFile, tmp_path: Path
) -> None:
    """Nothing about it is stored."""
    browser = client(place, tokens)
    browser.post("/sign-in", data={"token": TOKEN})
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    other = client(place, TokenFile(str(tmp_path / "tokens")))
    other.set_cookie(COOKIE, cookie.value)
    assert other.get("/jobs").status_code == 200
    (tmp_path / "tokens").write_text("another\n")
    assert other.get("/jobs").status_code == 401


@pytest.mark.parametrize("value", ["", ".", "9999999999.", "9999999999.abc", "x.y", "1.é", "9" * 400])
def test_a_forged_cookie_opens_nothing(place: LaptopPlace, tokens: TokenFile, value: str) -> None:
    """Nor does it break anything."""
    browser = client(place, tokens)
    browser.set_cookie(COOKIE, value)
    assert browser.get("/jobs").status_code == 401


def test_an_old_cookie_opens_nothing(place: LaptopPlace, tokens: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends after half a day."""
    browser = client(place, tokens)
    browser.post("/sign-in", data={"token": TOKEN})
    later = time.time() + 13 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert browser.get("/jobs").status_code == 401


def test_programs_send_the_token_itself(place: LaptopPlace, tokens: TokenFile) -> None:
    """As to the service."""
    browser = client(place, tokens)
    assert browser.get("/jobs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert browser.get("/jobs", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("following", ["//attacker.example", "https://attacker.example", "/\\attacker.example"])
def test_signing_in_leads_to_no_other_site(place: LaptopPlace, tokens: TokenFile, following: str) -> None:
    """Whatever the form says."""
    reply = client(place, tokens).post("/sign-in", data={"token": TOKEN, "next": following})
    assert reply.headers["Location"] == "/"


def test_the_address_of_the_laptop_signs_in(place: LaptopPlace) -> None:
    """Its token does not stay in the address bar."""
    token = OneToken()
    browser = client(place, token)
    reply = browser.get(f"/jobs?token={token.value}")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/jobs")
    assert browser.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ("POST", {"Origin": "http://attacker.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://localhost"}, 404),
    ],
)
def test_other_sites_may_only_link_to_the_pages(
    place: LaptopPlace, method: str, headers: dict[str, str], status: int
) -> None:
    """They can neither load anything nor send a form."""
    path = "/jobs" if method == "GET" else "/jobs/batch_job/-/cancel"
    assert client(place).open(path, method=method, headers=headers, environ_base=HERE).status_code == status


@pytest.mark.parametrize("path", ["/", "/jobs", "/nothing", "/static/job.js", "/static/../app.py", "/jobs/a/b"])
def test_every_answer_forbids_what_is_not_the_consoles_own(place: LaptopPlace, path: str) -> None:
    """Errors and files included; and no answer holds a script of its own."""
    reply = client(place).get(path, environ_base=HERE)
    assert reply.status_code in (200, 404)
    for name, value in HEADERS.items():
        assert reply.headers[name] == value
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    if reply.mimetype == "text/html":
        assert " style=" not in reply.text
        assert " onclick=" not in reply.text


def test_a_large_form_is_refused(place: LaptopPlace, tokens: TokenFile) -> None:
    """Before it is read."""
    reply = client(place, tokens).post("/sign-in", data={"token": "x" * 100_000})
    assert reply.status_code == 413
