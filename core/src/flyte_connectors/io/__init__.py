"""References to stored data (files, folders, tables), and the storage behind them."""

from __future__ import annotations

from flyte_connectors.io.references import DataFrame, Dir, File

__all__ = ["DataFrame", "Dir", "File"]
