"""Entry of the supervisor's process: `python -I -S <this directory> <job directory> <descriptor>`.

Started by its path and without `site`, it is independent of how the package was installed and skips
whatever the environment does at start-up; the standard library is all it needs.
"""

import os
import sys

sys.path[0:1] = []
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from flyte_connectors_batch_job.runner.supervisor import main  # noqa: E402  (the path comes first)

main(sys.argv[1], int(sys.argv[2]))
