"""What goes into an image, and the name it gets."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_deploy.containerfile import containerfile

if TYPE_CHECKING:
    from flyte_connectors_deploy.sources import Sources

DISTRIBUTION = "flyte-connectors"
DEFAULT_NAME = "flyte-connectors"
PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))

# https://github.com/distribution/reference: host with port, then path components
_REGISTRY = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_NAME = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_PACKAGE = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?\s*(?:[\[<>=!~;@ ].*)?")


def plugin_packages(plugins: Iterable[str]) -> list[str]:
    """The requirements that install `plugins`.

    Args:
        plugins: Extras of `flyte-connectors`, such as `bigquery` or `batch_job`.

    Raises:
        InvalidRequestError: an extra does not exist; pip and uv only warn about that.
    """
    metadata = importlib.metadata.metadata(DISTRIBUTION)
    known = metadata.get_all("Provides-Extra") or []
    extras = {plugin: re.sub(r"[-_.]+", "-", plugin).lower() for plugin in plugins}
    for plugin, extra in extras.items():
        if extra not in known:
            required = " ".join(metadata.get_all("Requires-Dist") or [])
            available = [name for name in sorted(known) if f"{DISTRIBUTION}-{name}" in required]
            message = f"unknown plugin {plugin!r}; available: {', '.join(available)}"
            raise InvalidRequestError(message, field="plugins")
    return [f"{DISTRIBUTION}[{extra}]" for extra in extras.values()]


@dataclasses.dataclass(frozen=True)
class Image:
    """A container image with the connector service; immutable, each `with_` gives another.

    Attributes:
        base: Reference of the image that it starts from; has `python3` with `venv` and `pip`.
        python_version: Of the base.
        registry: Where it is pushed, such as `ghcr.io/my-org`; None keeps it here.
        name: Its name in the registry.
        packages: Requirements (PEP 508) installed besides `flyte-connectors`.
        pre: Whether pre-releases may be picked.
        env_vars: Environment variables and their values.
    """

    base: str
    python_version: tuple[int, int]
    registry: str | None = None
    name: str = DEFAULT_NAME
    packages: tuple[str, ...] = ()
    pre: bool = False
    env_vars: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.registry is not None and not _REGISTRY.fullmatch(self.registry):
            message = f"{self.registry!r} is not a valid registry: use a form like ghcr.io/my-org"
            raise InvalidRequestError(message, field="image.registry")
        if not _NAME.fullmatch(self.name):
            message = f"{self.name!r} is not a valid image name: use a-z, 0-9, -, . and _"
            raise InvalidRequestError(message, field="image.name")
        for package in self.packages:
            if not _PACKAGE.fullmatch(package):
                message = f"{package!r} is not a valid requirement: use a form like flyte-connectors[bigquery]"
                raise InvalidRequestError(message, field="image.packages")

    @classmethod
    def from_debian_base(
        cls,
        python_version: tuple[int, int] | None = None,
        registry: str | None = None,
        name: str | None = None,
    ) -> Image:
        """An image that starts from Python on Debian 12 (`python:X.Y-slim-bookworm`).

        Args:
            python_version: Such as `(3, 12)`; the running Python's by default.
            registry: Where it is pushed, such as `ghcr.io/my-org`.
            name: Its name in the registry.

        Raises:
            InvalidRequestError: a value can't be.
        """
        version = python_version or (sys.version_info[0], sys.version_info[1])
        if tuple(version) not in PYTHONS:
            known = ", ".join(str(python) for python in PYTHONS)
            message = f"{version!r} is not supported: use one of {known}"
            raise InvalidRequestError(message, field="image.python_version")
        base = f"docker.io/library/python:{version[0]}.{version[1]}-slim-bookworm"
        return cls(base, (version[0], version[1]), registry, name or DEFAULT_NAME)

    @classmethod
    def from_base(
        cls,
        image_uri: str,
        python_version: tuple[int, int] | None = None,
        registry: str | None = None,
        name: str | None = None,
    ) -> Image:
        """An image that starts from another one; arguments as of `from_debian_base`."""
        version = python_version or (sys.version_info[0], sys.version_info[1])
        return cls(image_uri, version, registry, name or DEFAULT_NAME)

    def with_pip_packages(self, *packages: str, pre: bool = False) -> Image:
        """Install packages as well.

        Args:
            packages: Requirements (PEP 508), such as `flyte-connectors[bigquery]`.
            pre: Whether pre-releases may be picked, of any package.

        Raises:
            InvalidRequestError: one is not a valid requirement.
        """
        together = (*self.packages, *packages)
        return dataclasses.replace(self, packages=together, pre=self.pre or pre)

    def with_env_vars(self, env_vars: Mapping[str, str]) -> Image:
        """Set environment variables as well."""
        merged = {**dict(self.env_vars), **env_vars}
        return dataclasses.replace(self, env_vars=tuple(sorted(merged.items())))

    @property
    def requirements(self) -> tuple[str, ...]:
        """What is installed: the packages, and `flyte-connectors[official]` in any case.

        The small plugin hosts connectors of the official SDK where some are among the packages, answers Flyte 1's
        back end whole, and has the command that the official chart starts.
        """
        return tuple(sorted({f"{DISTRIBUTION}[official]", *self.packages}))

    @property
    def labels(self) -> dict[str, str]:
        """Its OCI annotations (https://github.com/opencontainers/image-spec, annotations.md)."""
        return {
            "org.opencontainers.image.title": self.name,
            "org.opencontainers.image.description": "Connector service for Flyte",
            "org.opencontainers.image.base.name": self.base,
            "org.opencontainers.image.licenses": "Apache-2.0",
        }

    def uri(self, sources: Sources | None = None) -> str:
        """Name and tag; the tag is a digest of this description and of the author's files."""
        digest = hashlib.sha256(containerfile(self).encode())
        digest.update("\n".join((*self.requirements, str(self.pre))).encode())
        for file in sources.files if sources else ():
            digest.update(b"\0" + str(file).encode() + b"\0")
            digest.update((sources.root / file).read_bytes() if sources else b"")
        path = f"{self.registry}/{self.name}" if self.registry else self.name
        return f"{path}:{digest.hexdigest()[:16]}"
