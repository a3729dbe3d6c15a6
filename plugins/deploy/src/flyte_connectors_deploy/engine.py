"""Build an image: its context on disk, the lock, the builder, the registry."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import tempfile

from flyte_connectors_deploy.builders import find_builder
from flyte_connectors_deploy.commands import CommandError
from flyte_connectors_deploy.containerfile import containerfile
from flyte_connectors_deploy.image import Image
from flyte_connectors_deploy.lock import lock_packages
from flyte_connectors_deploy.remote_builder import build_remotely
from flyte_connectors_deploy.sources import Sources


@dataclasses.dataclass(frozen=True)
class ImageBuild:
    """An image that has been built.

    Attributes:
        uri: Its name and tag.
        digest: Of what was pushed, `sha256:...`; None if it stayed here.
    """

    uri: str
    digest: str | None = None

    @property
    def reference(self) -> str:
        """What a cluster pulls: exactly this image, where it was pushed."""
        return f"{self.uri.rpartition(':')[0]}@{self.digest}" if self.digest else self.uri


class ImageBuildEngine:
    """Builds images."""

    @classmethod
    async def build(
        cls,
        image: Image,
        builder: str = "local",
        *,
        sources: Sources | None = None,
        push: bool = False,
        find_links: str | None = None,
    ) -> ImageBuild:
        """Build `image`; progress is shown on standard error.

        Args:
            image: What goes into it.
            builder: `buildah`, `docker`, or `local` for whichever is installed; `remote` for Flyte's
                back end, which pushes in any case.
            sources: The author's files, copied to `/app`.
            push: Whether to push it to its registry.
            find_links: Folder with wheels that are on no index.

        Raises:
            CommandError: the builder is unknown or missing, a package does not resolve, the build
                fails, or the registry refuses.
        """
        if builder == "remote":
            return ImageBuild(await build_remotely(image, sources, find_links))
        program = find_builder(builder)
        uri = image.uri(sources)
        if push and image.registry is None:
            raise CommandError(f"image {uri} has no registry to be pushed to: set registry")
        with tempfile.TemporaryDirectory(prefix="flyte-connectors-image-") as folder:
            context = pathlib.Path(folder)
            await lock_packages(image, context, find_links)
            _copy(sources, context / "app")
            (context / "Containerfile").write_text(containerfile(image))
            await program.build(uri, context)
        return ImageBuild(uri, await program.push(uri) if push else None)


def _copy(sources: Sources | None, folder: pathlib.Path) -> None:
    folder.mkdir()
    for file in sources.files if sources else ():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sources.root / file, target)  # type: ignore[union-attr]
