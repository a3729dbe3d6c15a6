"""`python -m flyte_connectors` is the command `flyte-connectors`."""

import sys

from flyte_connectors.cli import main

sys.exit(main())
