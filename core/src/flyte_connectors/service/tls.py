"""TLS and mutual TLS, with certificates that are read again when their files change."""

from __future__ import annotations

import logging
import pathlib

import grpc

from flyte_connectors.service.settings import ServiceSettings, SettingsError, flag_of

logger = logging.getLogger(__name__)

_FILES = ("tls_cert", "tls_key", "tls_client_ca")


def server_credentials(settings: ServiceSettings) -> grpc.ServerCredentials | None:
    """Credentials for the service's port; None if it is to be plaintext.

    Raises:
        SettingsError: a file can't be read, or is no certificate.
    """
    if settings.tls_cert is None:
        return None
    files = _CertificateFiles(settings)
    return grpc.dynamic_ssl_server_credentials(
        files.configuration(),
        files.changed_configuration,  # type: ignore[arg-type]  # None is for no change
        require_client_authentication=settings.tls_client_ca is not None,
    )


class _CertificateFiles:
    """The PEM files, and whether they have changed since they were last read."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._paths = {name: getattr(settings, name) for name in _FILES if getattr(settings, name)}
        self._read_at: tuple[int, ...] = ()

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold now."""
        self._read_at = self._stamps()
        pem = {name: self._read(name) for name in self._paths}
        return grpc.ssl_server_certificate_configuration(
            [(pem["tls_key"], pem["tls_cert"])], root_certificates=pem.get("tls_client_ca")
        )

    def changed_configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files hold now, if it changed; grpcio asks at each handshake."""
        try:
            if self._stamps() == self._read_at:
                return None
            configuration = self.configuration()
        except (SettingsError, OSError) as error:
            logger.warning("keeping the old certificate: %s", error)
            return None
        logger.info("read the certificate again")
        return configuration

    def _read(self, name: str) -> bytes:
        path = self._paths[name]
        try:
            content = pathlib.Path(path).read_bytes()
        except OSError as error:
            message = f"can't read {path}: {error.strerror}"
            raise SettingsError(message, field=flag_of(name)) from error
        if b"-----BEGIN " not in content:
            raise SettingsError(f"{path} is no PEM file", field=flag_of(name))
        return content

    def _stamps(self) -> tuple[int, ...]:
        stamps = []
        for path in self._paths.values():
            try:
                stamps.append(pathlib.Path(path).stat().st_mtime_ns)
            except OSError:
                stamps.append(-1)
        return tuple(stamps)
