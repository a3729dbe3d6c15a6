"""The forms in which secrets are recognized."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import time
import urllib.parse
from collections.abc import Callable

import pytest
from flyte_connectors._masking import MASK, Masker
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(
    base64.b64encode(bytes(range(start, start + 48))).decode() for start in range(0, 192, 16)
)
SERVICE_ACCOUNT = {
    "type": "service_account",
    "project_id": "my-project-of-12345",
    "private_key_id": "0123456789abcdef0123456789abcdef01234567",
    "private_key": PRIVATE_KEY + "\n-----END PRIVATE KEY-----\n",
    "client_email": "robot@my-project.iam.gserviceaccount.com",
    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    "nested": {"refresh_token": "1//0g-refresh-me", "client_secret": "GOCSPX-client"},
}

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quote": lambda secret: urllib.parse.quote(secret, safe=""),
    "quote, slashes left": urllib.parse.quote,
    "quote, delimiters left": lambda secret: urllib.parse.quote(secret, safe="!$&'()*+,;=:@/?~"),
    "quote_plus": urllib.parse.quote_plus,
    "quote twice": lambda secret: urllib.parse.quote(urllib.parse.quote(secret)),
    "quote, lower case": lambda secret: re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(secret)),
    "quote, every byte": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON, other alphabets left": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret))[3:-3],
    "JSON, slashes escaped": lambda secret: json.dumps(secret)[1:-1].replace("/", r"\/"),
    "repr": lambda secret: repr(secret)[1:-1],
    "repr of bytes": lambda secret: repr(secret.encode())[2:-1],
    "repr in repr": lambda secret: repr([repr(secret)])[2:-2],
    "HTML": html.escape,
    "shell": lambda secret: shlex.quote(secret) if "'" not in secret else secret,
    "white space folded": lambda secret: " ".join(secret.split()),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "base64, quoted": lambda secret: urllib.parse.quote_plus(base64.b64encode(secret.encode())),
    "hex": lambda secret: secret.encode().hex(),
    "HEX": lambda secret: secret.encode().hex().upper(),
}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), max_size=60)
SECRETS = TEXT.map(str.strip).filter(lambda secret: len(secret) >= 6)
PLAIN = st.text("abcdefghijklmnopqrstuvwxyz ", max_size=20)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30)
@given(secret=SECRETS)
def test_a_secret_is_masked_in_every_form(form: str, secret: str) -> None:
    """The text around it stays."""
    spelled = FORMS[form](secret)
    shown = Masker([secret]).mask(f"(<{spelled}>)")
    assert spelled.strip() not in shown
    assert re.fullmatch(r"""\(<[\\"']{0,2}\*\*\*[\\"']{0,2}>\)""", shown)


@given(secret=SECRETS, user=st.text("abcdefgh", min_size=1, max_size=7), tail=PLAIN)
def test_basic_credentials_are_masked(secret: str, user: str, tail: str) -> None:
    """Whatever stands before and after the secret in what is encoded; in the URL alphabet, too."""
    masker = Masker([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(f"{user}:{secret}{tail}".encode()).decode()
        assert masker.mask(f"Authorization: Basic {encoded}.") == f"Authorization: Basic {MASK}."
        assert masker.mask(f"Basic {encoded.rstrip('=')}") == f"Basic {MASK}"


@given(secret=st.text(st.characters(max_codepoint=255), min_size=6).filter(str.strip))
def test_latin_1_is_an_encoding_too(secret: str) -> None:
    """Older clients send credentials in it."""
    if len(secret.strip()) < 4:
        return
    encoded = base64.b64encode(f"user:{secret.strip()}".encode("latin-1")).decode()
    assert Masker([secret]).mask(encoded) == MASK


@pytest.mark.parametrize("line", PRIVATE_KEY.splitlines()[1:])
def test_each_line_of_a_key_is_a_secret(line: str) -> None:
    """A log shows a file line by line."""
    assert Masker([PRIVATE_KEY]).mask(f"read {line}") == f"read {MASK}"
    assert Masker([PRIVATE_KEY]).mask("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


@pytest.mark.parametrize("indent", [None, 2])
def test_the_secrets_of_a_document_are_masked_one_by_one(indent: int | None) -> None:
    """Clients parse a service account's key and show its parts; what is not a secret stays readable."""
    masker = Masker([json.dumps(SERVICE_ACCOUNT, indent=indent)])
    for part in ("1//0g-refresh-me", "GOCSPX-client", PRIVATE_KEY.splitlines()[3], PRIVATE_KEY):
        assert part not in masker.mask(f"could not use {part}")
    basic = base64.b64encode(b"client-id:GOCSPX-client").decode()
    assert masker.mask(f"Basic {basic}") == f"Basic {MASK}"
    for part in ("my-project-of-12345", "robot@my-project.iam", "https://accounts.google.com"):
        assert masker.mask(f"in {part}") == f"in {part}"


@pytest.mark.parametrize(
    ("secret", "part"),
    [
        ("Bearer eyJhbGciOiJI.eyJzdWIi", "eyJhbGciOiJI.eyJzdWIi"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("postgresql://me:pa%24%24word@host/db", "pa$$word"),
        ("postgresql://me:pa%24%24word@host/db", "pa%24%24word"),
        ("host=db user=me password=hunter2-and-3", "hunter2-and-3"),
        ("[default]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
        ('api_key: "k3y-of-the-vendor"\nregion: eu', "k3y-of-the-vendor"),
        ('["token-number-1", "token-number-2"]', "token-number-2"),
    ],
)
def test_what_a_secret_is_made_of_is_secret(secret: str, part: str) -> None:
    """Errors of drivers show the password of an address, not the address."""
    assert Masker([secret]).mask(f"login with '{part}' failed") == f"login with '{MASK}' failed"


def test_a_short_part_of_a_secret_is_no_secret_by_itself() -> None:
    """Masked, but no reason to refuse a job whose meta has the same word; a long part is."""
    masker = Masker(["postgresql://me:postgres@host/db", '{"token": "a-token-of-some-length"}'])
    assert masker.mask("password postgres") == f"password {MASK}"
    assert not masker.found_in('{"database": "postgres"}')
    assert masker.found_in('{"a": "a-token-of-some-length"}')
    assert Masker(["postgres", "postgresql://me:postgres@host/db"]).found_in("postgres")


def test_what_is_no_secret_stays() -> None:
    """Names of hosts, users and databases, and common words."""
    masker = Masker(["host=db.example.com user=me password=hunter2-and-3 sslmode=require"])
    text = "db.example.com refused me: sslmode is require"
    assert masker.mask(text) == text


@pytest.mark.parametrize("text", ["{", "[[[[", "{" * 5000, "://[", "a://b:c@[", "=", "\ud800abcd"])
def test_odd_secrets_are_secrets(text: str) -> None:
    """Broken JSON, broken addresses, deep nesting, lone surrogates."""
    secret = text + "-secret-of-this-test"
    assert Masker([secret]).mask(f"<{secret}>") == f"<{MASK}>"


def test_a_secret_within_another_is_masked_with_it() -> None:
    """The longest first, whichever comes first."""
    masker = Masker(["inner", "outer-inner-outer"])
    assert masker.mask("outer-inner-outer, inner") == f"{MASK}, {MASK}"


RUNS = ["\\", "%25", "&amp;", " ", "+", "\\n", "a", "=", '\\"', "Zm9v"]


@pytest.mark.parametrize("run", RUNS)
def test_hostile_texts_take_no_longer_than_others(run: str) -> None:
    """A job chooses what it logs, and may know its secret: a pattern that backtracks would stop the service."""
    secrets = [
        r"abcdef \ \\ \\\ g",
        'abcdef " \n " \n " g',
        "abcdef && %% ++ g",
        "abcdef" + "=" * 20,
    ]
    masker = Masker(secrets)
    encoded = base64.b64encode(b"abcdef").decode()
    parts = ["abcdef", encoded, b"abcdef".hex(), *(secret[:-1] for secret in secrets)]
    began = time.process_time()
    for part in parts:
        masker.mask(part + run * 5_000)
        masker.mask((part + run * 20) * 200)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "part", ["x", " ", "=", "x=", "x:y ", "{", '{"a":', "secret", "%", "\\", "://", "a b\n", "[1,"]
)
@pytest.mark.parametrize("form", ["{}", '{{"{}": "value-of-it"}}'])
def test_hostile_secrets_take_no_longer_than_others(part: str, form: str) -> None:
    """A request brings what it likes as a secret."""
    began = time.process_time()
    secret = form.format(part * (200_000 // len(part)))
    Masker([secret]).mask("a text with a few x, = and secrets: x=1")
    assert time.process_time() - began < 2


def test_a_long_log_is_masked_quickly() -> None:
    """10,000 lines, with a key file and a password to look for."""
    masker = Masker([json.dumps(SERVICE_ACCOUNT), "hunter2-and-3"])
    lines = [f"2026-11-28T07:00:00Z step {number} loss=0.1234 lr=3e-4" for number in range(10_000)]
    began = time.process_time()
    for line in lines:
        masker.mask(line)
    assert time.process_time() - began < 0.5
