"""Functions with the packages of a lock of `uv`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from etl import jobs as etl
from flyte_connectors import TaskEnvironment
from flyte_connectors.errors import InvalidRequestError, TaskFailedError

from flyte_connectors_batch_job import BatchJobConfig

if TYPE_CHECKING:
    from batch_jobs import Jobs

ROOT = Path(__file__).parents[4]
PROJECT = """[project]
name = "locked"
version = "0"
requires-python = ">=3.10"
dependencies = [
    "cowsay==6.1", "flyte-connectors", "flyte-connectors-batch-job", "flyte-connectors-functions", "pydantic",
]

[tool.uv.sources]
"""


def where_is(lock: Path, **config: Any) -> Any:
    """A function with the packages of this lock."""
    settings = BatchJobConfig(uv_lock=str(lock), timeout_seconds=120, **config)
    return TaskEnvironment("locked", plugin_config=settings).task(etl.where_is.function)


def test_a_lock_that_does_not_exist_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    """Before a job starts; so is one without its project."""
    lock = tmp_path / "uv.lock"
    with pytest.raises(InvalidRequestError, match=r"plugin_config\.uv_lock: .*uv\.lock does not"):
        where_is(lock)("json")
    lock.touch()
    with pytest.raises(InvalidRequestError, match=r"pyproject\.toml does not exist"):
        where_is(lock)("json")
    assert not list(Path(jobs.spool.root).glob("[!.]*/spec.json"))


def test_a_machine_without_uv_is_named(tmp_path: Path) -> None:
    """In one line."""
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    with pytest.raises(TaskFailedError, match="uv is not installed where the job runs"):
        where_is(tmp_path / "uv.lock", env={"PATH": "/nowhere"})("json")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_function_has_the_packages_of_its_lock(jobs: Jobs, tmp_path: Path) -> None:
    """Which this interpreter does not have; nothing of them is left in the job's folder."""
    if not shutil.which("uv"):
        pytest.skip("needs uv")
    sources = {"": "core", "-functions": "plugins/functions", "-batch-job": "plugins/batch_job"}
    text = "".join(f'flyte-connectors{name} = {{ path = "{ROOT / path}" }}\n' for name, path in sources.items())
    (tmp_path / "pyproject.toml").write_text(PROJECT + text)
    subprocess.run(["uv", "lock", "--quiet"], cwd=tmp_path, check=True)
    with pytest.raises(ModuleNotFoundError):
        etl.where_is.function("cowsay")
    index = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_"))}
    found = where_is(tmp_path / "uv.lock", env=index)("cowsay")
    assert "/environment/.venv/" in found
    assert not list(Path(jobs.spool.root).glob("[!.]*/job/environment"))
