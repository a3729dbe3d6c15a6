"""What most connectors need besides the contract: a toolbox for the authors of plugins.

read_custom, write_custom    a task's configuration, a dataclass, through `TaskTemplate.custom`
    phase_of, COMMON_STATES      the phase for a state that a service reports
"""

from __future__ import annotations

from flyte_connectors.authoring.custom import read_custom, write_custom
from flyte_connectors.authoring.phases import COMMON_STATES, phase_of

__all__ = ["COMMON_STATES", "phase_of", "read_custom", "write_custom"]
