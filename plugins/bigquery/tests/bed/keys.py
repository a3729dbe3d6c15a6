"""Credentials as Google Cloud issues them, whose tokens come from the proxy."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bed.proxy import Fault, Reply

if TYPE_CHECKING:
    from bed.proxy import Front


def service_account_key(front: Front, account: str = "runner@p1.iam.gserviceaccount.com") -> str:
    """The JSON key of a service account."""
    return json.dumps(
        {
            "type": "service_account",
            "client_email": account,
            "private_key": _private_key(),
            "token_uri": f"{front.url}/token",
        }
    )


def issue(front: Front, token: str = "issued-token") -> None:
    """Give out `token` for every key."""
    body = json.dumps({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})
    front.faults.append(Fault(lambda _h, _f: Reply(200, body.encode()), path="/token"))


@functools.cache
def _private_key() -> str:
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
