"""`builder="remote"`: Flyte's back end builds, asked through the official SDK (2.12).

Its image service takes layers, no Containerfile: base, variables, packages and files are handed over.
Packages are resolved there, so there is no lock, and the manifests say what the image runs. The
SDK's own configuration says which back end is asked.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

from flyte_connectors_deploy.commands import CommandError
from flyte_connectors_deploy.containerfile import APP, variables_of
from flyte_connectors_deploy.image import Image
from flyte_connectors_deploy.sources import Sources


async def build_remotely(image: Image, sources: Sources | None, find_links: str | None) -> str:
    """Build `image` in the back end and its registry; returns what a cluster pulls.

    Raises:
        CommandError: the official SDK is missing, not configured, or refuses.
    """
    if find_links:
        message = "builder 'remote' can't see the wheels of --find-links: put them on an index"
        raise CommandError(message)
    flyte = official_sdk()
    initialized = importlib.import_module("flyte._initialize").is_initialized
    engine = importlib.import_module("flyte.extend").ImageBuildEngine
    try:
        if not initialized():
            await flyte.init_from_config.aio(image_builder="remote")
        built = await engine.build(official_image(flyte, image, sources), builder="remote")
    except Exception as error:  # of the SDK, its client, its configuration
        reason = " ".join(str(error).split()) or type(error).__name__
        message = f"building {image.name} in Flyte's back end failed: {reason}"
        raise CommandError(message) from error
    return str(built.uri)


def official_sdk() -> Any:
    """The official `flyte` package, never this project's stand-in for it.

    Raises:
        CommandError: it is not installed.
    """
    try:
        importlib.metadata.version("flyte")
    except importlib.metadata.PackageNotFoundError as error:
        message = (
            "builder 'remote' builds in Flyte's back end through the official SDK: "
            "pip install flyte and configure it (flyte create config), or use builder 'local'"
        )
        raise CommandError(message) from error
    return importlib.import_module("flyte")


def official_image(flyte: Any, image: Image, sources: Sources | None) -> Any:
    """`image` as the SDK's own `flyte.Image`.

    Args:
        flyte: The official SDK.
        image: What goes into it.
        sources: The author's files, copied to `/app`.
    """
    official = flyte.Image.from_base(image.base).clone(
        registry=image.registry,
        name=image.name,
        python_version=image.python_version,
        extendable=True,
    )
    official = official.with_env_vars(variables_of(image))
    official = official.with_pip_packages(*image.requirements, pre=image.pre)
    for file in sources.files if sources else ():
        official = official.with_source_file(sources.root / file, f"{APP}/{file}")  # type: ignore[union-attr]
    return official
