"""Tasks run through their connector, as in a workflow."""

from __future__ import annotations

{% if not cookiecutter.fake_service %}
from fake_service import FakeService

{% endif %}
from {{ cookiecutter.__package }} import (
    {{ cookiecutter.__class }}Config,
    {% if cookiecutter.connector == 'both' %}
    {{ cookiecutter.__class }}EstimateTask,
    {% endif %}
    {{ cookiecutter.__class }}Task,
)
{% if cookiecutter.fake_service %}
from {{ cookiecutter.__fake_module }} import FakeService
{% endif %}
{% if cookiecutter.__jobs %}


def test_a_task_gives_the_outputs_of_its_job(fake_service: FakeService) -> None:
    fake_service.seconds_per_text = 0.01
    say = {{ cookiecutter.__class }}Task("say", {{ cookiecutter.__class }}Config(repeat=3))
    assert say(text="Hello") == "said 'Hello' 3 times"
{% endif %}
{% if cookiecutter.__quick %}


def test_an_estimate_takes_no_job(fake_service: FakeService) -> None:
    fake_service.seconds_per_text = 0.5
    ask = {{ cookiecutter.__quick_class }}Task("ask", {{ cookiecutter.__class }}Config(repeat=3))
    assert ask() == 1.5
{% endif %}
