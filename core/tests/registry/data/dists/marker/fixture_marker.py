"""A plugin that leaves a trace when it is imported."""

import os
import pathlib

pathlib.Path(os.environ["FIXTURE_MARKER"]).write_text("imported")
