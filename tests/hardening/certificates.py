"""Certificates for a test: authorities, and what they sign, as PEM files."""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Pair(NamedTuple):
    """A certificate and its private key, PEM; the certificate's serial number."""

    certificate: bytes
    key: bytes
    serial: int


class Authority:
    """An authority that signs certificates for this machine.

    Attributes:
        certificate: Its own certificate, PEM.
    """

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = _builder(self._name, self._name, self._key).add_extension(constraints, critical=True)
        self.certificate = _pem(certificate.sign(self._key, hashes.SHA256()))

    def sign(self, name: str = "localhost", *, host: str = "", age: datetime.timedelta = DAY) -> Pair:
        """A certificate for 127.0.0.1 and `localhost`, for servers and clients alike.

        Args:
            name: Its common name.
            host: Another host name that it is for instead.
            age: Time since it was signed; it is valid for two days.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        hosts = [x509.DNSName(host)] if host else here
        builder = _builder(_name(name), self._name, key, age).add_extension(
            x509.SubjectAlternativeName(hosts), critical=False
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Pair(_pem(certificate), private, certificate.serial_number)


def put(path: Path, content: bytes | None) -> bytes:
    """Write a file as a rotation does, in one step, or remove it; what it held before."""
    before = path.read_bytes() if path.exists() else b""
    if content is None:
        path.unlink()
        return before
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    if path.exists():  # two writes may fall within one tick of the file system's clock
        later = path.stat().st_mtime_ns + 1_000_000
        os.utime(draft, ns=(later, later))
    draft.replace(path)
    return before


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    age: datetime.timedelta = DAY,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - age)
        .not_valid_after(now - age + 2 * DAY)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
