"""Installed distributions, made by hand."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent


def install(folder: Path, name: str, source: str, attribute: str = "", *, extra: str = "") -> None:
    """A distribution with one module and one entry point, as an installer would leave it."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(dedent(source))
    info = folder / f"{module}-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
    point = f"{module} = {module}{attribute}" + (f" [{extra}]" if extra else "")
    (info / "entry_points.txt").write_text(f"[flyte.connectors]\n{point}\n")
