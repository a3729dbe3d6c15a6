"""What most connectors need besides the contract: a toolbox for the authors of plugins.

read_custom, write_custom    a task's configuration, a dataclass, through `TaskTemplate.custom`
"""

from __future__ import annotations

from flyte_connectors.authoring.custom import read_custom, write_custom

__all__ = ["read_custom", "write_custom"]
