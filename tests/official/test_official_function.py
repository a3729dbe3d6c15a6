"""Our functions deployed with the official SDK: those of a container, and those that run as jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import flyte
import pytest
from flyte.models import SerializationContext as OfficialContext
from flyte_connectors import TaskEnvironment
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_official.offering.official_task import as_official_task
from flyteidl2.task.common_pb2 import Outputs

from tests.official import our_functions

ROOT = Path(__file__).parents[2]


def arguments(task: object) -> list[str]:
    """The command of the task's container."""
    context = OfficialContext(version="v1", project="p", domain="d", org="o", root_dir=ROOT)
    return list(as_official_task(task).container_args(context))  # type: ignore[arg-type]


def test_a_function_runs_here(tmp_path: Path) -> None:
    """With the SDK's files in place of ours."""
    (tmp_path / "in.txt").write_text("abc")
    task = as_official_task(our_functions.repeated)
    flyte.TaskEnvironment.from_task("ours", task)
    flyte.init()
    run = flyte.with_runcontext("local").run(task, file=flyte.io.File(path=str(tmp_path / "in.txt")))
    file, size = run.outputs()
    assert size == 3
    assert type(file) is flyte.io.File
    assert Path(file.path).read_text() == "abcabc"


def test_the_entry_point_of_the_sdk_calls_it(tmp_path: Path) -> None:
    """By the arguments that are sent for its container, once the back end has filled them in."""
    (tmp_path / "in.txt").write_text("abc")
    inputs = {"file": our_functions.File(path=str(tmp_path / "in.txt")), "times": 3}
    message = our_functions.repeated.interface.write_inputs("repeated", inputs)
    (tmp_path / "inputs.pb").write_bytes(message.SerializeToString())
    filled = {
        "{{.input}}": str(tmp_path / "inputs.pb"),
        "{{.outputPrefix}}": str(tmp_path),
        "{{.rawOutputDataPrefix}}": str(tmp_path),
        "{{.runName}}": "r1",
        "{{.actionName}}": "a0",
    }
    known = [filled.get(word, word) for word in arguments(our_functions.repeated)]
    left = [place for place, word in enumerate(known) if word.startswith("{{")]
    command = [word for place, word in enumerate(known) if not {place, place + 1} & set(left)]
    assert command[0] == "a0"
    more = ["--run-base-dir", str(tmp_path), "--image-cache", "", "--project", "p", "--domain", "d"]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "a0"), *more, "--org", "o", *command[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_U_EP_OVERRIDE": "127.0.0.1:1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outputs = Outputs.FromString((tmp_path / "outputs.pb").read_bytes())
    assert outputs.literals[1].value.scalar.primitive.integer == 3
    assert (tmp_path / "in.repeated").read_text() == "abc" * 3


def test_a_function_of_a_job_is_a_task_of_its_connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code is stored, and its container is the job's."""
    monkeypatch.setenv("FLYTE_CONNECTORS_OUTPUT_PREFIX", tmp_path.as_uri())
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(tmp_path / "spool"))
    task = as_official_task(our_functions.doubled)
    env = flyte.TaskEnvironment.from_task("jobs", task)
    custom = task.custom_config(OfficialContext(version="v1"))
    assert list(env.tasks) == ["jobs.doubled"]
    assert task.task_type == "batch_job"
    assert custom["function"]["code"].startswith(f"{tmp_path.as_uri()}/code/")
    flyte.init()
    assert flyte.with_runcontext("local").run(task, n=4).outputs()[0] == 8


def test_a_function_that_no_container_could_import_is_refused() -> None:
    """When it is sent."""

    @TaskEnvironment("ours").task
    def inner(number: int) -> int:
        return number

    with pytest.raises(InvalidRequestError, match=r"inner': it can't be imported in a container"):
        arguments(inner)
