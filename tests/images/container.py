"""Run an image as a cluster would: its own user, a disk that can't be written, `/tmp` apart."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.images.debian import output

SECONDS = 30
VOLUME = "/spool"
"""Where a container's one volume is: writable for the image's user, and gone with the container."""

_READY = re.compile(r"listening on [\w.]+:(\d+)")
# In a mount name space of its own, and without a fork: a signal reaches the service itself.
_MOUNTS = """
set -e
root=$1 volume=$2
shift 2
mount --bind "$root" "$root"
mount --bind "$volume" "$root/spool"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$@"
"""


def config_of(image: str) -> dict[str, Any]:
    """User, environment, labels and so on, as the image has them."""
    told = json.loads(output("buildah", "inspect", "--type", "image", image))
    config: dict[str, Any] = told["Docker"]["config"]
    return config


def layer_bytes(image: str, folder: Path) -> list[int]:
    """Size of each layer, unpacked, the base's first."""
    output("buildah", "push", "--quiet", image, f"oci:{folder}:it")

    def blob(digest: str) -> Path:
        return folder / "blobs" / digest.replace(":", "/")

    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    sizes = []
    for layer in manifest["layers"]:
        with gzip.open(blob(layer["digest"])) as unpacked:
            sizes.append(unpacked.seek(0, io.SEEK_END))
    return sizes


@dataclasses.dataclass
class Container:
    """A new container of an image.

    Attributes:
        root: Its root file system, as seen from outside.
    """

    image: str
    root: Path
    volume: Path

    def command(self, *arguments: str, **variables: str) -> list[str]:
        """The command line that runs `arguments` in it as the image says."""
        config = config_of(self.image)
        values = {**dict(entry.split("=", 1) for entry in config["Env"]), **variables}
        environment = [f"{name}={value}" for name, value in values.items()]
        return [
            *("unshare", "--mount", "sh", "-c", _MOUNTS, "sh", str(self.root), str(self.volume)),
            *("--groups=", "--userspec", config["User"], str(self.root)),
            *("env", "--ignore-environment", "-C", config["WorkingDir"], *environment, *arguments),
        ]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `arguments` in it to their end."""
        return subprocess.run(
            self.command(*arguments, **variables),
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip

    @contextlib.contextmanager
    def serving(self, *options: str, instead: Sequence[str] = (), **variables: str) -> Iterator[Service]:
        """The image's own command, or another one `instead`, with `options`, ended by SIGTERM."""
        config = config_of(self.image)
        ports = {"FLYTE_CONNECTORS_PORT": "0", "FLYTE_CONNECTORS_METRICS_PORT": "0"}
        own = instead or (*config["Entrypoint"], *config["Cmd"])
        command = self.command(*own, *options, **ports, **variables)
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with process:
            try:
                assert process.stdout
                line = process.stdout.readline()
                ready = _READY.search(line)
                assert ready, f"the service did not start: {line!r}"
                yield Service(process, time.monotonic() - began, f"127.0.0.1:{ready[1]}", line)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise


@dataclasses.dataclass
class Service:
    """The service in a container.

    Attributes:
        seconds: What its start took.
        address: Where it answers gRPC.
        line: What it said once it was ready.
    """

    process: subprocess.Popen[str]
    seconds: float
    address: str
    line: str


@contextlib.contextmanager
def container_of(image: str) -> Iterator[Container]:
    """A new container."""
    name = output("buildah", "from", image).strip()
    volume = Path(tempfile.mkdtemp(prefix="volume-"))
    try:
        root = Path(output("buildah", "mount", name).strip())
        (root / VOLUME.lstrip("/")).mkdir()
        user, _, group = config_of(image)["User"].partition(":")
        os.chown(volume, int(user), int(group))
        yield Container(image, root, volume)
    finally:
        output("buildah", "rm", name)
        shutil.rmtree(volume)
