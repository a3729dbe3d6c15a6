"""Functions that can't run as jobs: each is refused in one line, before a job starts where that is possible."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from etl import jobs as etl
from flyte_connectors import File, TaskEnvironment
from flyte_connectors.errors import ConnectorError, InvalidRequestError, TaskFailedError
from flyte_connectors_functions import bundle, requirements

from flyte_connectors_batch_job import BatchJobConfig
from flyte_connectors_batch_job.backends import modules

if TYPE_CHECKING:
    from batch_jobs import Jobs

env = TaskEnvironment("refused", plugin_config=BatchJobConfig())


def no_job(jobs: Jobs) -> bool:
    """Whether nothing was submitted."""
    root = Path(jobs.spool.root)
    return not root.exists() or not [path for path in root.glob("[!.]*") if path.is_dir()]


def nested() -> Any:
    """A task of a function in a function."""

    @env.task
    def inner() -> None: ...

    return inner


def named(name: str) -> Any:
    """A task of a function that its module does not have by this name."""

    def function() -> None: ...

    function.__qualname__ = name
    return env.task(name=f"as_{name}")(function)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (env.task(name="anonymous")(lambda: None), "a lambda has no name to import it by"),
        (nested(), "inner is defined inside of nested: move it to the top of its module"),
        (named("absent"), "there is no absent in module"),
        (named("env"), f"env in module {__name__} is another object"),
    ],
)
def test_a_function_that_a_job_could_not_import(jobs: Jobs, task: Any, message: str) -> None:
    """The error says what to change."""
    with pytest.raises(InvalidRequestError) as caught:
        task()
    assert f"the function of task '{task.name}' can't run as a job: " in str(caught.value)
    assert message in str(caught.value)
    assert no_job(jobs)


@pytest.mark.parametrize(
    ("prefix", "file", "message"),
    [
        ("", "main.py", "it is defined in the program itself: import it from a module, or use"),
        ("In = []\n", None, "it is defined in a notebook or an interactive session"),
    ],
)
def test_a_function_of_the_program_itself(tmp_path: Path, prefix: str, file: str | None, message: str) -> None:
    """`python main.py`, or a notebook."""
    source = (
        f"{prefix}from flyte_connectors import TaskEnvironment\n"
        "from flyte_connectors_batch_job import BatchJobConfig\n"
        "env = TaskEnvironment('e', plugin_config=BatchJobConfig())\n"
        "@env.task\ndef f() -> None: ...\nf()\n"
    )
    if file:
        (tmp_path / file).write_text(source)
    arguments = [file] if file else ["-c", source]
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert message in done.stderr.splitlines()[-1]


def test_an_argument_that_can_not_travel(jobs: Jobs, tmp_path: Path) -> None:
    """By the name of the input."""
    with pytest.raises(InvalidRequestError, match=r"inputs\.n: expected int, got '3'"):
        etl.doubled("3")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"inputs\.rows: the file .* does not exist"):
        etl.clean(File(str(tmp_path / "gone")))
    assert no_job(jobs)


@pytest.mark.parametrize("field", ["command", "script", "array"])
def test_a_configuration_that_says_what_to_run(field: str) -> None:
    """Where the function is declared."""
    config = BatchJobConfig(**{field: {"command": ["ls"], "script": "ls", "array": 2}[field]})
    with pytest.raises(InvalidRequestError, match=f"plugin_config.{field}: must not be set"):
        env.task(plugin_config=config)(etl.doubled.function)


def failure_of(task: Any, *args: Any) -> str:
    """The message with which a job fails."""
    with pytest.raises((TaskFailedError, ConnectorError)) as caught:
        task(*args)
    return str(caught.value)


@pytest.fixture
def needs_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that imports what is there for this process alone."""
    (tmp_path / "needs_more.py").write_text(
        "from flyte_connectors import TaskEnvironment\n"
        "from flyte_connectors_batch_job import BatchJobConfig\n"
        "import only_here\n"
        "try:\n    import optional\nexcept ImportError:\n    optional = None\n"
        "env = TaskEnvironment('e', plugin_config=BatchJobConfig())\n"
        "@env.task\ndef f() -> None:\n    from only_there import something\n"
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "only_here.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("needs_more")
    del sys.modules["needs_more"], sys.modules["only_here"]
    requirements.required.cache_clear()
    bundle._content.cache_clear()


MISSING = "needs_more:f needs what {python} does not have: only_here, only_there; install it there"


def test_modules_that_are_missing_there(jobs: Jobs, needs_more: Any) -> None:
    """All of them are named before a job starts, with the interpreter; those in `try` may be missing."""
    with pytest.raises(InvalidRequestError) as caught:
        needs_more.f()
    assert MISSING.format(python=sys.executable) in str(caught.value)
    assert no_job(jobs)


def test_modules_that_an_interpreter_of_the_task_lacks(needs_more: Any, tmp_path: Path) -> None:
    """The service runs none that a task names: the first step of the job says it."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    config = BatchJobConfig(python=str(python), env={"PYTHONPATH": os.pathsep.join(sys.path[2:])})
    text = failure_of(needs_more.env.task(plugin_config=config)(needs_more.f.function))
    assert MISSING.format(python=python) in text


def test_modules_that_are_installed_later(jobs: Jobs, needs_more: Any, tmp_path: Path) -> None:
    """The answer of an interpreter is kept until what it is made of has changed."""
    folder = tmp_path / "installed"
    folder.mkdir()
    config = BatchJobConfig(env={"PYTHONPATH": str(folder)})
    task = needs_more.env.task(plugin_config=config)(needs_more.f.function)
    with pytest.raises(InvalidRequestError, match="only_here, only_there"):
        task()
    (folder / "only_here.py").touch()
    with pytest.raises(InvalidRequestError, match="does not have: only_there;"):
        task()
    (folder / "only_there.py").write_text("something = 1\n")
    assert task() is None


def test_a_repeated_create_asks_for_no_modules(jobs: Jobs, needs_more: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job is there, whatever was uninstalled since."""
    template = needs_more.f.to_proto()
    with monkeypatch.context() as installed:
        installed.setattr(modules, "check", lambda _: None)
        meta = jobs.connector.create(template, "", {}, idempotency_key="one")
    assert jobs.connector.create(template, "", {}, idempotency_key="one") == meta
    with pytest.raises(InvalidRequestError, match="only_here"):
        jobs.connector.create(template, "", {}, idempotency_key="two")


def test_an_interpreter_without_the_plugin(tmp_path: Path) -> None:
    """What it lacks is named."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    config = BatchJobConfig(python=str(bare))
    text = failure_of(env.task(plugin_config=config)(etl.nothing.function))
    assert "No module named 'flyte_connectors" in text


def test_code_that_was_changed_since_the_start() -> None:
    """A new attempt runs what the first one ran, or nothing."""
    stored = bundle.stored("etl.jobs")
    path = Path(stored.uri.removeprefix("file://"))
    path.write_bytes(path.read_bytes() + b"x")
    text = failure_of(etl.nothing)
    assert "the code of task 'etl.nothing' was changed since the task was started" in text


def test_code_that_is_gone() -> None:
    """As for any input."""
    stored = bundle.stored("etl.jobs")
    Path(stored.uri.removeprefix("file://")).unlink()
    assert f"input 'call.code': {stored.uri} not found" in failure_of(etl.nothing)
