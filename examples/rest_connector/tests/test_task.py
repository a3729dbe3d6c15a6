"""Tasks run through their connector, as in a workflow."""

from __future__ import annotations

from flyte_connectors_render import (
    RenderConfig,
    RenderTask,
)
from flyte_connectors_render.fake_service import FakeService


def test_a_task_gives_the_outputs_of_its_job(fake_service: FakeService) -> None:
    fake_service.seconds = 0.01
    draw = RenderTask("draw", RenderConfig(samples=128))
    assert draw(scene="a tree") == "https://pictures.example.org/r1.png"
