"""`run`: a task, here or on a service, with its data on stdout and everything else on stderr."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.cli.command import TASKS, Command, one_line
from tests.fakes.job_service import JobService, wait_until
from tests.fakes.serve_process import ServeProcess

NESTED = "tests.fakes.nested_tasks"
BATCH = """
from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

greet = BatchJobTask(
    name="greet",
    plugin_config=BatchJobConfig(script='echo one; echo two >&2; echo "hello $BATCH_JOB_INPUT_WHO"'),
    inputs={"who": str},
    outputs={"result": str},
)
"""


@pytest.fixture(params=["local", "remote"])
def where(request: pytest.FixtureRequest) -> list[str]:
    """Options that decide where the connectors are."""
    if request.param == "local":
        return []
    service: ServeProcess = request.getfixturevalue("service")
    return ["--endpoint", service.address]


def test_outputs_are_data_and_progress_is_not(command: Command, where: list[str]) -> None:
    """The same on both ways: outputs by name, the log's lines once, phases, run name."""
    ended = command("run", *where, TASKS, "echo", "--some-text", "a b", "--count", "7")
    assert (ended.returncode, ended.stdout) == (0, "count = 7\nsome_text = a b\n")
    said = ended.stderr.splitlines()
    assert said[0].startswith("run r")
    assert said.count("first line") == said.count("second line") == 1
    assert "SUCCEEDED all is well" in said
    assert said[-1].startswith("succeeded after ")
    assert "\x1b" not in ended.stderr


def test_json_is_for_programs(command: Command) -> None:
    """Only the outputs, with a default filled in; `--quiet` leaves the run's name alone."""
    ended = command("run", "--json", "--quiet", TASKS, "echo", "--some_text=x")
    assert json.loads(ended.stdout) == {"count": 3, "some_text": "x"}
    assert re.fullmatch(r"run r\w+ of 'echo'\n", ended.stderr)


def test_options_may_also_come_last(command: Command) -> None:
    """As people type them."""
    ended = command("run", TASKS, "quick", "--n", "2", "--json", "--quiet")
    assert json.loads(ended.stdout) == {"n": 2}


def test_a_failed_task_ends_with_its_reason(command: Command, where: list[str]) -> None:
    """Exit code 1, and the last line is the job's own word."""
    ended = command("run", *where, TASKS, "broken")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("flyte-connectors: task 'broken' failed: division by zero\n")
    assert "Traceback" not in ended.stderr


def test_retries_are_the_tasks_own(command: Command, jobs: JobService) -> None:
    """A new job for each attempt, and the reason of the last one."""
    ended = command("run", TASKS, "flaky")
    assert ended.returncode == 1
    assert "machine lost" in ended.stderr.splitlines()[-1]
    assert len(jobs.jobs) == 3


def test_a_timeout_cancels_the_job(command: Command, jobs: JobService) -> None:
    """And is told in the last line."""
    ended = command("run", TASKS, "hasty")
    assert ended.returncode == 1
    assert ended.stderr.endswith("timed out after 0.3 s; its job was cancelled\n")
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((TASKS, "echo"), "inputs.some_text: missing: task 'echo' requires it"),
        (
            (TASKS, "echo", "--some-text", "x", "--count", "y"),
            "inputs.count: expected int, got 'y'",
        ),
        ((TASKS, "nope"), f"nope: no such task in {TASKS}; available: echo, quick"),
        ((TASKS, "ecko"), f"ecko: no such task in {TASKS}; did you mean 'echo'?"),
        (("no/such/file.py", "echo"), "does not exist"),
        (("no_such_module", "echo"), "No module named 'no_such_module'"),
    ],
)
def test_what_is_wrong_with_the_request_is_one_line(
    command: Command, jobs: JobService, arguments: tuple[str, ...], reason: str
) -> None:
    """With the field or the name, and no job."""
    assert reason in one_line(command("run", *arguments))
    assert jobs.jobs == []


def test_an_unknown_task_type_says_what_is_known(command: Command, where: list[str]) -> None:
    """The last line is the service's word."""
    ended = command("run", *where, TASKS, "homeless")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "no connector for task type 'nothing' version 0" in last
    assert "'fake_job'" in last


def test_unknown_options_are_wrong_usage(command: Command, jobs: JobService) -> None:
    """Exit code 2, with the inputs that there are."""
    ended = command("run", TASKS, "echo", "--nope", "3")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--some_text" in ended.stderr
    assert "unrecognized arguments: --nope" in ended.stderr
    assert jobs.jobs == []


def test_a_tasks_help_shows_its_inputs(command: Command) -> None:
    """Their types, and which are required."""
    ended = command("run", TASKS, "echo", "--help")
    assert ended.returncode == 0
    for word in ("--some_text str", "required", "--count int", "default 3"):
        assert word in ended.stdout


def test_a_file_that_raises_is_named(command: Command, tmp_path: Path) -> None:
    """With the error and its line of the user's code, in one line."""
    file = tmp_path / "raises.py"
    file.write_text("1 / 0\n")
    line = one_line(command("run", str(file), "task"))
    assert line == f"{file}: ZeroDivisionError while importing it: division by zero ({file}:1)"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("x = 1\ndef f(:\n", "SyntaxError while importing it: invalid syntax ({file}:2)"),
        ("import json\n\njson.loads('x')\n", "(char 0) ({file}:3)"),
        ("\nimport not_there\n", "No module named 'not_there' ({file}:2)"),
        ("raise SystemExit(3)\n", "SystemExit while importing it: 3 ({file}:1)"),
        ("import broken_helper\n", "({folder}/broken_helper.py:2)"),
    ],
)
def test_the_line_that_fails_to_import_is_named(command: Command, tmp_path: Path, code: str, reason: str) -> None:
    """The user's own line, also where a library raised the error."""
    (tmp_path / "broken_helper.py").write_text("\nint('x')\n")
    file = tmp_path / "broken.py"
    file.write_text(code)
    line = one_line(command("run", str(file), "task"))
    assert reason.format(file=file, folder=tmp_path) in line


FUNCTIONS = """
from typing import Annotated, Literal, Optional
import flyte_connectors

env = flyte_connectors.TaskEnvironment("mine")

@env.task
def inner(n: int) -> int:
    return {}[n]

@env.task
def fails(n: int = 1) -> int:
    "Fails in 100% of runs."
    try:
        return inner(n)
    except KeyError as error:
        raise ValueError("no such n") from error

@env.task
async def tell(
    mode: Literal["fast", "slow"] = "fast",
    share: str = "50% of %(prog)s",
    flag: Annotated[bool, "a note"] = True,
    numbers: Optional[list[int]] = None,
) -> str:
    "Tell what was given; 5% of %(prog)s."
    print("this is talk")
    return repr((mode, share, flag, numbers))

@env.task
def taken(json: int, endpoint: str, help: bool = False) -> str:
    return repr((json, endpoint, help))
"""


@pytest.fixture
def functions(tmp_path: Path) -> str:
    """A file with tasks made of functions."""
    file = tmp_path / "functions.py"
    file.write_text(FUNCTIONS)
    return str(file)


def test_an_error_in_a_task_shows_the_users_code(command: Command, functions: str) -> None:
    """With its causes, the framework's frames left out, and a last line that says it all."""
    ended = command("run", functions, "fails")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "KeyError: 1" in ended.stderr
    assert f'File "{functions}", line 17, in fails' in ended.stderr
    assert "/flyte_connectors/" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last == "flyte-connectors: task 'mine.fails' failed: ValueError: no such n"


def test_whole_tracebacks_are_shown_on_demand(command: Command, functions: str) -> None:
    """With the frames of the framework."""
    ended = command("run", functions, "fails", "--traceback")
    assert ended.returncode == 1
    assert "/flyte_connectors/tasks/" in ended.stderr


def test_inputs_of_any_type_are_given_as_text(command: Command, functions: str) -> None:
    """Choices, switches and lists; what the task prints is no data."""
    arguments = ("--mode", "slow", "--flag", "false", "--numbers", "[1, 2]", "--share=%s")
    ended = command("run", functions, "tell", *arguments)
    assert (ended.returncode, ended.stdout) == (0, "o0 = ('slow', '%s', False, [1, 2])\n")
    assert "this is talk\n" in ended.stderr


def test_percent_signs_are_shown_in_help(command: Command, functions: str) -> None:
    """In defaults and in descriptions."""
    ended = command("run", functions, "tell", "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Tell what was given; 5% of %(prog)s." in ended.stdout
    assert "default '50% of %(prog)s'" in ended.stdout
    assert "--mode fast|slow" in ended.stdout


def test_an_input_goes_before_an_option_of_its_name(command: Command, functions: str) -> None:
    """After the task; before it, the option is meant."""
    inputs = ("--json", "7", "--endpoint", "x", "--help", "yes")
    ended = command("run", functions, "taken", *inputs)
    assert (ended.returncode, ended.stdout) == (0, "o0 = (7, 'x', True)\n")
    ended = command("run", "--json", functions, "taken", *inputs)
    assert json.loads(ended.stdout) == {"o0": "(7, 'x', True)"}


def test_without_a_task_those_of_the_file_are_listed(command: Command, functions: str) -> None:
    """As wrong usage, or as help where that is asked for."""
    ended = command("run", functions)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("error: a TASK is required after FILE\n")
    helped = command("run", functions, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    for name in ("fails +Fails in 100% of runs.", "inner", "taken", "tell"):
        assert re.search(f"^  {name}", helped.stdout, re.MULTILINE), name
        assert re.search(f"^  {name}", ended.stderr, re.MULTILINE), name


def test_the_endpoint_of_the_flag_goes_before_the_variables(
    command: Command, service: ServeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the flag stands; an empty one means this process."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ENDPOINT", "127.0.0.1:1")
    for arguments in (
        ("--endpoint", service.address, TASKS, "quick", "--n", "2"),
        (TASKS, "quick", "--n", "2", "--endpoint", service.address),
        (TASKS, "quick", "--n", "2", "--endpoint", ""),
    ):
        assert command("run", *arguments).stdout == "n = 2\n"
    monkeypatch.setenv("FLYTE_CONNECTORS_ENDPOINT", service.address)
    assert command("run", TASKS, "quick", "--n", "2").stdout == "n = 2\n"
    (last, *_) = json.loads(command("runs", "--json").stdout)
    assert last["endpoint"] == service.address


@pytest.mark.parametrize(
    ("task", "result"),
    [
        ("plain", 6),
        ("awaiting", 6),
        ("gathering", 9),
        ("plain_in_async", 6),
        ("async_in_plain", 6),
        ("own_loop", 6),
        ("threads", 6),
        ("in_thread", 6),
        ("run_in_loop", 6),
    ],
)
def test_tasks_call_tasks_in_every_way(
    command: Command, where: list[str], jobs: JobService, task: str, result: int
) -> None:
    """Plain and async functions, their own loops and threads, here and on a service alike."""
    ended = command("run", *where, NESTED, task, "--n", "3")
    assert (ended.returncode, ended.stdout) == (0, f"o0 = {result}\n"), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("task", ["hanging_threads", "hanging_thread"])
def test_ctrl_c_reaches_the_jobs_of_a_tasks_own_threads(
    command: Command, where: list[str], jobs: JobService, task: str
) -> None:
    """Those that run are cancelled, and no more are started."""
    running = command.start("run", *where, NESTED, task, "--n", "4")
    count = 2 if task == "hanging_threads" else 1
    wait_until(lambda: len(jobs.calls("get")) > count, "the first polls")
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 130
    assert [jobs.job(key)["phase"] for key in jobs.jobs] == ["ABORTED"] * count


def test_a_real_job_runs_from_a_file(command: Command, tmp_path: Path) -> None:
    """A batch job: its lines appear once each, its result is the last of them."""
    file = tmp_path / "greeting.py"
    file.write_text(BATCH)
    ended = command("run", str(file), "greet", "--who", "you")
    assert (ended.returncode, ended.stdout) == (0, "result = hello you\n")
    lines = [line[9:] for line in ended.stderr.splitlines() if line[2:3] == ":"]
    assert sorted(lines) == ["[stderr] two", "hello you", "one"]
