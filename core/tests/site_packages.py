"""A folder of installed distributions that tests make."""

from __future__ import annotations

import pathlib


class Site:
    """A folder of installed distributions, one module or package each.

    Args:
        folder: Is on `sys.path`.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir()

    def install(self, source: str, attribute: str = "", *, name: str = "fixture_wrapper") -> None:
        """A distribution whose entry point names its module and `attribute`."""
        (self.folder / f"{name}.py").write_text(source)
        self.declare(name, f"{name}{attribute}")

    def install_package(self, name: str, **sources: str) -> None:
        """A distribution with a package, whose entry point names the module `plugin` in it."""
        (self.folder / name).mkdir()
        for module, source in {"__init__": "", **sources}.items():
            (self.folder / name / f"{module}.py").write_text(source)
        self.declare(name, f"{name}.plugin")

    def declare(self, name: str, target: str, group: str = "flyte.connectors") -> None:
        """The metadata of a distribution with one entry point."""
        info = self.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
