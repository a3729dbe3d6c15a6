"""`python -m flyte_connectors_model_training.service` is the command, too."""

from __future__ import annotations

import sys

from flyte_connectors_model_training.service.cli import main

if __name__ == "__main__":
    sys.exit(main())
