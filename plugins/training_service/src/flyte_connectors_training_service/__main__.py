"""`python -m flyte_connectors_training_service` is the command `flyte-model-training`."""

from __future__ import annotations

import sys

from flyte_connectors_training_service.cli import main

if __name__ == "__main__":
    sys.exit(main())
