"""Certificates and keys: readable, of one pair, and of today; and the file of tokens."""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from flyte_connectors.client.connection_faults import CA_VARIABLE
from flyte_connectors.service.settings import ServiceSettings, flag_of

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "certificates"
SOON = datetime.timedelta(days=30)


def check(settings: ServiceSettings) -> Iterator[Finding]:
    """A finding for each file that holds a certificate, a key or tokens."""
    files = {
        flag_of("tls_cert"): settings.tls_cert,
        flag_of("tls_client_ca"): settings.tls_client_ca,
        CA_VARIABLE: os.environ.get(CA_VARIABLE),
    }
    for setting, file in files.items():
        if file:
            yield from _of_file(setting, file)
    if settings.tls_cert and settings.tls_key:
        yield from _pair(settings.tls_cert, settings.tls_key)
    if settings.auth_token_file:
        yield _tokens(settings.auth_token_file)


def _of_file(setting: str, file: str) -> Iterator[Finding]:
    subject = f"{setting} {file}"
    try:
        found = x509.load_pem_x509_certificates(Path(file).read_bytes())
    except OSError as error:
        text = f"can't be read: {error.strerror}"
        yield Finding(CHECK, Status.FAULT, subject, text, "correct the path or its permissions")
        return
    except ValueError:
        fix = "give a PEM file: -----BEGIN CERTIFICATE-----"
        yield Finding(CHECK, Status.FAULT, subject, "holds no certificate", fix)
        return
    now = datetime.datetime.now(datetime.timezone.utc)
    for certificate in found:
        name = certificate.subject.rfc4514_string()
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > ends:
            text = f"{name} expired on {ends:%Y-%m-%d}"
            fix = "renew it; the service reads the file again by itself"
            yield Finding(CHECK, Status.FAULT, subject, text, fix)
        elif now < begins:
            text = f"{name} is valid from {begins:%Y-%m-%d %H:%M} UTC only"
            fix = "set this machine's clock, or issue it again"
            yield Finding(CHECK, Status.FAULT, subject, text, fix)
        elif now > ends - SOON:
            text = f"{name} expires on {ends:%Y-%m-%d}"
            yield Finding(CHECK, Status.WARNING, subject, text, "renew it")
        else:
            yield Finding(CHECK, Status.OK, subject, f"{name}, until {ends:%Y-%m-%d}")


def _pair(cert: str, key: str) -> Iterator[Finding]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        text = f"is not the key of {cert}" if "MISMATCH" in str(error) else "can't be read as a key"
        fix = "give the PEM file of the key that the certificate was issued for, not encrypted"
        yield Finding(CHECK, Status.FAULT, f"{flag_of('tls_key')} {key}", text, fix)
    except OSError as error:
        if Path(cert).exists():  # else it was said already
            text = f"can't be read: {error.strerror}"
            fix = "correct the path or its permissions"
            yield Finding(CHECK, Status.FAULT, f"{flag_of('tls_key')} {key}", text, fix)


def _tokens(file: str) -> Finding:
    subject = f"{flag_of('auth_token_file')} {file}"
    try:
        lines = Path(file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        text = f"can't be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        return Finding(CHECK, Status.FAULT, subject, text, "correct the path or its permissions")
    if not lines:
        fix = "write a token into it, on a line"
        return Finding(CHECK, Status.FAULT, subject, "holds no token, so no client is accepted", fix)
    return Finding(CHECK, Status.OK, subject, f"{len(lines)} token{'s' * (len(lines) != 1)}")
