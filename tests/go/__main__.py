"""`python -m tests.go`: build the client, drive two replicas with it, restart them under its load.

Needs Go and gRPC of Debian: `apt-get install golang-go golang-google-grpc-dev golang-google-protobuf-dev`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flyte_connectors import NativeInterface, TaskTemplate

HERE = Path(__file__).parent
LIBRARIES = "/usr/share/gocode"
LOAD_SECONDS = 20.0


class Replica:
    """A service process on a port of its own."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._start()

    def _start(self) -> None:
        words = ["serve", "--module", str(HERE / "jobs.py"), "--allow", "", "--metrics-port", "0"]
        port = self.address.rpartition(":")[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flyte_connectors", *words, "--port", port],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on"), line

    def stop(self) -> None:
        """Drain and end it."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0

    def restart(self) -> None:
        """As a rolling update does."""
        self.stop()
        self._start()


def build(folder: Path) -> Path:
    """The client; its GOPATH has Debian's libraries and nothing else."""
    source = folder / "src" / "client"
    source.mkdir(parents=True)
    shutil.copy(HERE / "client.go", source / "main.go")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{folder}:{LIBRARIES}"}
    environment["GOCACHE"] = str(folder / "cache")
    program = folder / "client"
    subprocess.run(["go", "build", "-o", str(program), "client"], env=environment, check=True)
    return program


def main() -> int:
    """0 if all checks hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        client = build(folder)
        interface = NativeInterface({}, {"key": str})
        template = folder / "template"
        template.write_bytes(TaskTemplate("go", interface, "go_job").to_proto().SerializeToString())
        replicas = [Replica(), Replica()]
        try:
            targets = ",".join(replica.address for replica in replicas)
            command = [str(client), "-targets", targets, "-template", str(template)]
            checked = subprocess.run(command, check=False).returncode
            load = subprocess.Popen([*command, "-mode", "load", "-seconds", str(LOAD_SECONDS)])
            for replica in replicas:
                time.sleep(LOAD_SECONDS / 4)
                replica.restart()
            loaded = load.wait(LOAD_SECONDS * 3)
            return checked or loaded
        finally:
            for replica in replicas:
                replica.stop()


if __name__ == "__main__":
    sys.exit(main())
