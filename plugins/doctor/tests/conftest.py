"""An installation to examine: its variables, its files, and distributions with faults."""

from __future__ import annotations

import datetime
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
        servers: Those that its tests have started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[http.server.ThreadingHTTPServer] = []
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

    def cluster(self, status: int) -> dict[str, Any]:
        """The kubeconfig of an API server that gives every request one status."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None: ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.servers.append(server)
        return {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "u", "user": {"token": "token"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }

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
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    for server in made.servers:
        server.shutdown()
        server.server_close()


Plant = Callable[[Installation], list[str]]
