"""A task for the service."""

from flyte_connectors_render import RenderConfig, RenderTask

draw = RenderTask("draw", RenderConfig(samples=128))
