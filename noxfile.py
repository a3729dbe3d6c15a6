"""Everything that is done to this repository; `nox -l` lists it. The sessions are in `sessions/`, by what they are for.

The packages are found in `core/` and `plugins/*/`: a new folder joins every session by itself, on the
Python versions that it classifies itself for. Tests run against built wheels, never against the source
tree. `nox -- --changed [REF]` leaves out what no change since REF (usually main) can affect.
"""

from __future__ import annotations

import os
import pathlib
import sys

import nox

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # the program nox does not look here by itself

from sessions import checks, costs, engines, faults, machines, packages, peers, releasing, summary, tests

__all__ = ["checks", "costs", "engines", "faults", "machines", "peers", "releasing", "tests"]

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = packages.IN_CI
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # thousands of processes would each compile all that they import
summary.print_at_the_end(missing=[python for python in packages.PYTHONS if python not in packages.INSTALLED])

# In 14 to 17 minutes on two cores.
nox.options.sessions = [
    "lint",
    "docs",
    "typing",
    *(f"tests({name}, {python})" for name in packages.PACKAGES for python in packages.usual_pythons(name)),
    f"tests(core, {packages.INSTALLED[0]}, lowest)",
    "product",
    "slurm",
    "guard",
]
