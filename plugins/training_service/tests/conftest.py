"""The service as a real process, and data sets to train on."""

from __future__ import annotations

import hypothesis
from flyte_connectors_training_service.testing import (
    ServiceProcess,
    digits,
    large,
    new_service,
    service,
)

__all__ = ["ServiceProcess", "digits", "large", "new_service", "service"]

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
