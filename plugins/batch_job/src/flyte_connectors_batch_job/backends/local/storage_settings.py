"""The service's settings for storage, credentials included, on their way to the process that copies files.

With them go its secrets, on their way to the jobs that name them. They go through pipes into the memory of keepers, which no other process can read, and stand in no file and in no
program's environment. A keeper hands them to those that it starts.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "GCS_", "GCP_", "OBJECT_STORE_")
NAMES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"),
    "FLYTE_BATCH_JOB_FILE_LIMIT",
)
SECRETS = ("FLYTE_SECRET_", "FLYTE_CONNECTORS_SECRETS_DIR")
"""What `job_secrets` reads."""

NONE = -1

_MOST_BYTES = 60 * 1024  # what a pipe takes without a reader, pipe(7)
_MOST_SECRETS_BYTES = 30 * 1024
_READ_BYTES = 64 * 1024


class TooLargeError(OSError):
    """The settings do not fit in a pipe."""


def of_environment() -> dict[str, str]:
    """Those of this process; without the secrets if these are too large to be handed on."""
    settings, secrets = {}, {}
    for name, value in os.environ.items():
        if name.startswith(SECRETS):
            secrets[name] = value
        elif name.startswith(PREFIXES) or name in NAMES:
            settings[name] = value
    is_too_much = len(json.dumps(secrets)) > _MOST_SECRETS_BYTES
    return settings if is_too_much else {**settings, **secrets}


def send(settings: Mapping[str, str]) -> int:
    """A descriptor to read settings from, once. Raises TooLargeError."""
    data = json.dumps(settings).encode()
    if len(data) > _MOST_BYTES:
        names = ", ".join(sorted(settings, key=lambda name: -len(settings[name]))[:1])
        message = f"the settings for storage hold {len(data)} bytes (the largest: {names})"
        raise TooLargeError(None, message)
    readable, writable = os.pipe()
    with open(writable, "wb") as file:
        file.write(data)
    return readable


def receive(descriptor: int) -> dict[str, str]:
    """The settings; empty if there are none."""
    if descriptor == NONE:
        return {}
    with open(descriptor, "rb", buffering=0) as file:
        data = b""
        while part := file.read(_READ_BYTES):
            data += part
    settings: dict[str, str] = json.loads(data)
    return settings
