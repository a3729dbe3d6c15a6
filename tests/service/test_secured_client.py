"""A client of a service that wants TLS and a token."""

from __future__ import annotations

from pathlib import Path

import pytest
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import (
    AuthenticationError,
    InvalidRequestError,
)

from tests.hardening.certificates import Authority
from tests.service.hosting import hosting

AUTHORITY, STRANGER = Authority("ours"), Authority("somebody else's")
TOKEN = "t0ken-of-the-client"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """What the service is told: certificate, key and token; and the certificates of both sides."""
    pair = AUTHORITY.sign()
    contents = {
        "tls_cert": pair.certificate,
        "tls_key": pair.key,
        "auth_token_file": f"{TOKEN}\n".encode(),
        "ca": AUTHORITY.certificate,
        "strange_ca": STRANGER.certificate,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


async def test_tls_and_token_come_from_the_environment(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As `run`, `logs` and `cancel` use it."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ENDPOINT_CA", files["ca"])
    monkeypatch.setenv("FLYTE_CONNECTORS_ENDPOINT_TOKEN", TOKEN)
    async with (
        hosting(**_service(files)) as service,
        RemoteService.from_environment(service.address) as client,
    ):
        assert (await client.list_connectors()).connectors


async def test_what_is_missing_is_told(files: dict[str, str]) -> None:
    """No token, a certificate of somebody else, plain text, or no certificates at all."""
    async with hosting(**_service(files)) as service:
        async with RemoteService(service.address, ca=files["ca"]) as client:
            with pytest.raises(AuthenticationError, match="missing or invalid bearer token"):
                await client.list_connectors()
        async with RemoteService(service.address, ca=files["strange_ca"], token=TOKEN) as client:
            with pytest.raises(InvalidRequestError, match=service.address):
                await client.list_connectors()
        async with RemoteService(service.address, token=TOKEN) as client:
            with pytest.raises(InvalidRequestError, match=service.address):
                await client.list_connectors()
        with pytest.raises(InvalidRequestError, match="ENDPOINT_CA: can't read"):
            RemoteService(service.address, ca=files["ca"] + ".none")


def _service(files: dict[str, str]) -> dict[str, str]:
    return {name: files[name] for name in ("tls_cert", "tls_key", "auth_token_file")}
