"""Debian's registry on loopback, and buildah told to speak plain HTTP to it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 10.0

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}
http: {{addr: "{address}"}}
"""


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Its address while the block runs; `folder/registries.conf` is for buildah."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(_CONFIG.format(folder=folder, address=address))
    registries = f'[[registry]]\nlocation = "{address}"\ninsecure = true\n'
    (folder / "registries.conf").write_text(registries)
    command = ["docker-registry", "serve", str(config)]
    log = folder / "log"
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            _wait(process, address, log)
            yield address
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _, port = address.partition(":")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except ConnectionError:
            time.sleep(0.05)
        else:
            return
    message = f"the registry did not start: {log.read_text()}"
    raise AssertionError(message)
