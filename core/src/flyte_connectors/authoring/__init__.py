"""A toolbox for authors of plugins: what most connectors need besides the contract.

read_custom, write_custom    a task's configuration, a dataclass, through `TaskTemplate.custom`
    phase_of, COMMON_STATES      the phase for a state that a service reports
    read_log_token, log_page     the pages of `get_logs`, whose tokens are positions
    metrics_response             the reply of `get_metrics`, in the form that consoles draw
"""

from __future__ import annotations

from flyte_connectors.authoring.custom import read_custom, write_custom
from flyte_connectors.authoring.log_pages import log_page, read_log_token
from flyte_connectors.authoring.metrics import metrics_response
from flyte_connectors.authoring.phases import COMMON_STATES, phase_of

__all__ = [
    "COMMON_STATES",
    "log_page",
    "metrics_response",
    "phase_of",
    "read_custom",
    "read_log_token",
    "write_custom",
]
