"""An installation to examine: its variables, its files, and distributions with faults."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Installation:
    """What `flyte-connectors doctor` examines.

    Attributes:
        folder: Where its files are.
        environment: Its variables.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLYTE_", "BIGQUERY_"))}
        (folder / "site").mkdir()
        self.environment = {
            **kept,
            "PYTHONPATH": str(folder / "site"),
            "FLYTE_BATCH_JOB_SPOOL": str(folder / "spool"),
            "FLYTE_CONNECTORS_STATE_DIR": str(folder / "state"),
            "FLYTE_CONNECTORS_ALLOW": "batch_job,doctor",
        }

    def write(self, name: str, text: str) -> str:
        """A file of this installation; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def install(self, name: str, source: str, target: str = "") -> None:
        """A distribution with one plugin, which is allowed."""
        self.environment["FLYTE_CONNECTORS_ALLOW"] += f",{name}"
        (self.folder / "site" / f"{name}.py").write_text(source)
        info = self.folder / "site" / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[flyte.connectors]\n{name} = {name}{target}\n")

    def certificate(
        self,
        name: str = "tls",
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = 90 * DAY,
    ) -> tuple[str, str]:
        """Paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .sign(key, hashes.SHA256())
        )
        pem = built.public_bytes(serialization.Encoding.PEM).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        return self.write(f"{name}.crt", pem), self.write(f"{name}.key", private)

    def doctor(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return subprocess.run(
            [sys.executable, "-m", "flyte_connectors", "doctor", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


Plant = Callable[[Installation], list[str]]
