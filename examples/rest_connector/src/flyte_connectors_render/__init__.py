"""Render for Flyte: what workflow authors import.

The connectors are found by their entry points. Importing this package imports no client.
"""

from __future__ import annotations

from flyte_connectors_render.config import RenderConfig
from flyte_connectors_render.task import RenderTask

__all__ = [
    "RenderConfig",
    "RenderTask",
]
