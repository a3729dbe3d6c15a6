"""The programs that build images on this machine: buildah and docker, run as commands."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Protocol

from flyte_connectors_deploy.commands import CommandError, require, run_command

LOCAL = ("buildah", "docker")
_INSTALL = "apt-get install buildah, or install docker"


class Builder(Protocol):
    """Builds a context into an image, and pushes it."""

    async def build(self, uri: str, context: pathlib.Path) -> None:
        """Build the Containerfile of `context`."""

    async def push(self, uri: str) -> str:
        """Push the image; returns its digest, such as `sha256:...`."""
        ...


def find_builder(name: str) -> Builder:
    """The builder that `name` means; `local` is the first that is installed.

    Raises:
        CommandError: it is unknown, or not installed.
    """
    if name == "local":
        name = next((program for program in LOCAL if shutil.which(program)), LOCAL[0])
    if name == "buildah":
        return Buildah(require("buildah", _INSTALL))
    if name == "docker":
        return Docker(require("docker", _INSTALL))
    raise CommandError(f"builder {name!r} is unknown: use local, {', '.join(LOCAL)} or remote")


class Buildah:
    """https://github.com/containers/buildah: needs no daemon."""

    def __init__(self, program: str) -> None:
        self._program = program

    async def build(self, uri: str, context: pathlib.Path) -> None:
        """Build with all times at the epoch; docker's format, as OCI's has no health check."""
        options = ("--format", "docker", "--timestamp", "0", "--tag", uri)
        file = str(context / "Containerfile")
        await run_command(
            [self._program, "build", *options, "--file", file, str(context)],
            what=f"building {uri}",
            show=True,
        )

    async def push(self, uri: str) -> str:
        """Push to the registry in the name, in OCI's format: Docker's names a random container."""
        options = ("--format", "oci", "--digestfile", "/dev/stdout")
        digest = await run_command(
            [self._program, "push", *options, uri, f"docker://{uri}"],
            what=f"pushing {uri}",
        )
        return digest.split()[-1]


class Docker:
    """Docker with BuildKit."""

    def __init__(self, program: str) -> None:
        self._program = program

    async def build(self, uri: str, context: pathlib.Path) -> None:
        """Build with all times at the epoch."""
        variables = {**os.environ, "DOCKER_BUILDKIT": "1", "SOURCE_DATE_EPOCH": "0"}
        file = str(context / "Containerfile")
        await run_command(
            [self._program, "build", "--tag", uri, "--file", file, str(context)],
            what=f"building {uri}",
            variables=variables,
            show=True,
        )

    async def push(self, uri: str) -> str:
        """Push to the registry in the name."""
        await run_command([self._program, "push", uri], what=f"pushing {uri}")
        form = "{{index .RepoDigests 0}}"
        pushed = await run_command([self._program, "image", "inspect", "--format", form, uri], what=f"looking at {uri}")
        return pushed.strip().partition("@")[2]
