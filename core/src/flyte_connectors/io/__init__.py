"""References to stored data that tasks pass around, and where the data is."""

from __future__ import annotations

from flyte_connectors.io.references import DataFrame, Dir, File

__all__ = ["DataFrame", "Dir", "File"]
