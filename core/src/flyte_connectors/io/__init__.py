"""References to stored data (files, folders, tables), and the storage behind them."""

from __future__ import annotations

from flyte_connectors._lazy_names import lazy_names

__getattr__, __dir__ = lazy_names(__name__)
