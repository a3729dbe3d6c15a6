"""The logger that connector and task modules share."""

from __future__ import annotations

import logging

logger = logging.getLogger("flyte_connectors.user")
