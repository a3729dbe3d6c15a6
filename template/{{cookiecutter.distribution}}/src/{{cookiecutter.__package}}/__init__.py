"""{{ cookiecutter.service }} for Flyte: what workflow authors import.

The connectors are found by their entry points. Importing this package imports no client.
"""

from __future__ import annotations

from {{ cookiecutter.__package }}.config import {{ cookiecutter.__class }}Config
{% if cookiecutter.connector == 'both' %}
from {{ cookiecutter.__package }}.task import (
    {{ cookiecutter.__class }}EstimateTask,
    {{ cookiecutter.__class }}Task,
)
{% else %}
from {{ cookiecutter.__package }}.task import {{ cookiecutter.__class }}Task
{% endif %}

__all__ = [
    "{{ cookiecutter.__class }}Config",
    {% if cookiecutter.connector == 'both' %}
    "{{ cookiecutter.__class }}EstimateTask",
    {% endif %}
    "{{ cookiecutter.__class }}Task",
]
