"""TLS and mutual TLS, with certificates that are read again when their files change."""

from __future__ import annotations

import logging
import pathlib
import ssl
from collections.abc import Mapping
from typing import Any

import grpc

from flyte_connectors.errors import SettingsError
from flyte_connectors.service.settings import ServiceSettings, flag_of

logger = logging.getLogger(__name__)

_FILES = ("tls_cert", "tls_key", "tls_client_ca")


def server_credentials(settings: ServiceSettings) -> grpc.ServerCredentials:
    """Credentials for the service's port.

    Raises:
        SettingsError: a file can't be read, is not a certificate, or not its key.
    """
    files = CertificateFiles(settings)

    def changed() -> grpc.ServerCertificateConfiguration | None:  # grpcio asks at each handshake
        pem = files.changed()
        return _configuration(pem) if pem else None

    return grpc.dynamic_ssl_server_credentials(
        _configuration(files.read()),
        changed,  # type: ignore[arg-type]  # None is for no change
        require_client_authentication=settings.tls_client_ca is not None,
    )


class _Connection(ssl.SSLSocket):
    """A browser that leaves a page does not end TLS; wsgiref logs that, but not what plain HTTP gives."""

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError(str(error)) from error


def https_context(settings: ServiceSettings) -> ssl.SSLContext:
    """The TLS context of a connection to the HTTP port, with the files as they are now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = _Connection
    context.load_cert_chain(str(settings.tls_cert), settings.tls_key)
    if settings.tls_client_ca:
        context.load_verify_locations(settings.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class CertificateFiles:
    """The PEM files, and whether they have changed since they were last read."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._paths = {name: getattr(settings, name) for name in _FILES if getattr(settings, name)}
        self._read_at: tuple[int, ...] = ()

    def read(self) -> dict[str, bytes]:
        """What the files hold now, by setting.

        Raises:
            SettingsError: a file can't be read, is not a certificate, or not its key.
        """
        self._read_at = self._stamps()
        pem = {name: self._read(name) for name in self._paths}
        self._check(pem)
        return pem

    def changed(self) -> dict[str, bytes] | None:
        """What the files hold now, if that has changed; None, and a warning, if it is invalid."""
        try:
            if self._stamps() == self._read_at:
                return None
            pem = self.read()
        except (SettingsError, OSError) as error:
            logger.warning("keeping the old certificate: %s", error)
            return None
        logger.info("read the certificate again")
        return pem

    def _read(self, name: str) -> bytes:
        path = self._paths[name]
        try:
            return pathlib.Path(path).read_bytes()
        except OSError as error:
            message = f"can't read {path}: {error.strerror}"
            raise SettingsError(message, field=flag_of(name)) from error

    def _check(self, pem: Mapping[str, bytes]) -> None:
        """Raise an error that names the invalid file; gRPC would only report that it can't listen."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name in pem.keys() - {"tls_key"}:
            try:
                context.load_verify_locations(cadata=pem[name].decode("ascii", "ignore"))
            except (ssl.SSLError, ValueError):  # an empty one is a ValueError
                message = f"{self._paths[name]} contains no PEM certificate"
                raise SettingsError(message, field=flag_of(name)) from None
        certificate, key = self._paths["tls_cert"], self._paths["tls_key"]
        try:
            context.load_cert_chain(certificate, key, password=lambda: "")
        except OSError:  # ssl.SSLError is one
            message = f"{key} is not the unencrypted PEM key of {certificate}"
            raise SettingsError(message, field=flag_of("tls_key")) from None

    def _stamps(self) -> tuple[int, ...]:
        stamps = []
        for path in self._paths.values():
            try:
                stamps.append(pathlib.Path(path).stat().st_mtime_ns)
            except OSError:
                stamps.append(-1)
        return tuple(stamps)


def _configuration(pem: Mapping[str, bytes]) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(pem["tls_key"], pem["tls_cert"])], root_certificates=pem.get("tls_client_ca")
    )
