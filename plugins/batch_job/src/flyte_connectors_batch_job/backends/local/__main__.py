"""Entry of the keeper's process: `python -I -S <this directory> <job directory> <three descriptors>`.

Started by its path and without `site`, it is independent of how the package was installed and skips
whatever the environment does at start-up; the standard library is all it needs.
"""

import os
import sys

_LEVELS = 4  # from this file up to what the package is imported from

sys.path[0:1] = []
_folder = os.path.abspath(__file__)
for _ in range(_LEVELS):
    _folder = os.path.dirname(_folder)
sys.path.append(_folder)

from flyte_connectors_batch_job.backends.local.keeper import main  # noqa: E402  (the path first)

main(sys.argv[1], *map(int, sys.argv[2:]))
os._exit(0)  # nothing is left to tidy up: that would cost each job 10 ms
