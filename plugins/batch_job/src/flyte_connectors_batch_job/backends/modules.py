"""Whether an interpreter has the modules that a function imports, asked before its job is submitted.

Only an interpreter of the operator's is asked: the service runs no program that a request names. For others, and those
in images, the first step of the job says the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job.backends.local.launch import INHERITED
from flyte_connectors_batch_job.settings import function_python

if TYPE_CHECKING:
    from flyte_connectors_batch_job.config import BatchJobConfig

_RUNNER = "flyte_connectors_batch_job"
_SECONDS = 10.0
_MOST_KNOWN = 256
_PROGRAM = """
import importlib.util, json, sys
sys.path = [entry for entry in sys.path if entry]
def is_there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        return True
missing = [name for name in sys.argv[1:] if not is_there(name)]
print(json.dumps([missing, sys.path]))
"""


class _Answer(NamedTuple):
    missing: list[str]
    path: list[str]
    changed: list[int]


_known: dict[tuple[str, ...], _Answer] = {}


def check(config: BatchJobConfig) -> None:
    """Raise InvalidRequestError, which names them, if modules that a function imports are missing."""
    function, python = config.function, config.python
    if function is None or python is None or function.environment or not function.requires:
        return
    if python not in (sys.executable, function_python()) or not Path(python).is_absolute():
        return
    names = sorted({*function.requires, _RUNNER})
    absent = _missing(python, names, {**_inherited(), **config.env})
    if absent:
        where = f"{function.module}:{function.name} needs what {python} does not have: {', '.join(absent)}"
        raise InvalidRequestError(f"{where}; install it there, or choose another `python`", field="custom.function")


def _missing(python: str, names: Sequence[str], variables: dict[str, str]) -> list[str]:
    """The modules that an interpreter does not find; none if it can't be asked."""
    settings = [f"{name}={value}" for name, value in sorted(variables.items()) if name.startswith("PYTHON")]
    key = (python, *settings, "", *names)
    answer = _known.get(key)
    if answer is None or answer.changed != _changed([python, *answer.path]):
        answer = _asked(python, names, variables)
        if answer is None:
            return []
        while len(_known) >= _MOST_KNOWN:
            _known.pop(next(iter(_known)), None)
        _known[key] = answer
    return answer.missing


def _asked(python: str, names: Sequence[str], variables: dict[str, str]) -> _Answer | None:
    try:
        done = subprocess.run(  # noqa: S603  (an interpreter of the operator's)
            [python, "-c", _PROGRAM, *names],
            cwd="/",
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
        missing, path = json.loads(done.stdout)
        return _Answer(missing, path, _changed([python, *path]))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None  # which the job will say


def _changed(paths: Sequence[str]) -> list[int]:
    """When each file or folder was changed last; 0 for what is not there."""
    found = []
    for path in paths:
        try:
            found.append(Path(path).stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return found


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in INHERITED if name in os.environ}
