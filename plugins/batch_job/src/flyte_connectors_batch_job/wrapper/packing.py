"""The wrapper as one text, which needs nothing but Python on the machine that runs it.

Engines carry the text of a job to the machine that runs it: Slurm a batch script, Kubernetes the arguments of a
container. So the wrapper is always the one of the service that submitted the job, nothing has to be
installed there, and no file system has to be shared.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_connectors import _masking
from flyte_connectors.errors import MASK

from flyte_connectors_batch_job.settings import file_limit

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.interface import JobRequest

PACKAGE = "flyte_connectors_batch_job"
_CORE = "flyte_connectors"
PYTHON = "/usr/bin/env python3"

_PACKED = (
    "quantities",
    *(
        f"backends.local.{name}"
        for name in (*("cgroup", "files", "job_secrets", "kernel", "limits", "log", "outputs", "processes", "tree"),)
    ),
    *(
        f"wrapper.{name}"
        for name in (
            *("copying", "endings", "faults", "forked", "objects", "plan", "preparing"),
            *("run", "staging", "storage", "uris", "web"),
        )
    ),
)
_PROGRAM = '''\
#!{python}
"""Batch job {job_id} of Flyte, packed by flyte-connectors-batch-job: fetches files, runs the command, stores outputs."""
import base64, importlib.util, json, sys, zlib

def unpack(text):
    return json.loads(zlib.decompress(base64.b64decode(text)))

SOURCES = unpack("{sources}")
JOB = unpack("{job}")

class Sources:
    """Imports the modules in SOURCES, and packages of their names."""
    def find_spec(self, name, path=None, target=None):
        if any(known == name or known.startswith(name + ".") for known in SOURCES):
            return importlib.util.spec_from_loader(name, self, is_package=name not in SOURCES)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        source = SOURCES.get(module.__name__, "")
        exec(compile(source, module.__name__, "exec"), module.__dict__)

sys.meta_path.insert(0, Sources())
from {package}.wrapper.run import main
sys.exit(main(JOB))
'''


def spec_of(request: JobRequest) -> dict[str, Any]:
    """What the wrapper has to know of a job: `command`, `script`, `env`, `working_directory`, `inputs`,
    `outputs`, `line_output`, `files` and `retry_exit_codes`.
    """  # noqa: D205  (the summary takes two lines)
    config = request.config
    return {
        "command": None if config.command is None else list(config.command),
        "script": config.script,
        "env": dict(config.env),
        "working_directory": config.working_directory,
        "inputs": request.inputs,
        "outputs": list(request.outputs),
        "line_output": request.line_output,
        "files": request.files,
        "retry_exit_codes": list(config.retry_exit_codes),
    }


def script(  # noqa: PLR0913  (each is one thing that engines differ in)
    job_id: str,
    request: JobRequest,
    *,
    outcome: str,
    folder: str | None = None,
    index_variable: str | None = None,
    python: str = PYTHON,
) -> str:
    """A Python program that runs a job. An engine runs it as a script, or as `python3 -c <text>`.

    Args:
        job_id: The job's id.
        request: The job.
        outcome: Path or URI to write the outcome to, see `run`; for an array with `{index}` in it.
        folder: Directory in which the job's folder is made; by default the machine's for temporary files.
        index_variable: Environment variable in which the engine gives a job of an array its index.
        python: Interpreter for the first line: an absolute path, perhaps with an argument. Python 3.10 or
            later; with object stores, obstore has to be installed for it.
    """
    spec = {
        **spec_of(request),
        "id": job_id,
        "outcome": outcome,
        "folder": folder,
        "index_variable": index_variable,
        "limit_bytes": file_limit(),
    }
    sources = _sources(with_mask=bool(request.config.secrets))
    return _PROGRAM.format(python=python, job_id=job_id, package=PACKAGE, sources=sources, job=_packed(spec))


@functools.cache
def _sources(*, with_mask: bool) -> str:
    sources = {}
    if with_mask:
        sources[f"{_CORE}.errors"] = f"MASK = {MASK!r}\n"
        sources[_masking.__name__] = Path(_masking.__file__).read_text(encoding="utf-8")
    for module in _PACKED:
        spec = importlib.util.find_spec(f"{PACKAGE}.{module}")
        assert spec
        assert spec.origin
        sources[f"{PACKAGE}.{module}"] = Path(spec.origin).read_text(encoding="utf-8")
    return _packed(sources)


def _packed(content: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(content).encode(), 9)).decode()
