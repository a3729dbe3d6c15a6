"""The wrapper as engines run it: one text, in a process that has nothing of the service's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stores
from batch_jobs import is_running, wait_for
from flyte_connectors import File
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ServiceUnavailableError
from test_files import FILE, TEXT, WHERE, task

from flyte_connectors_batch_job.request import job_request
from flyte_connectors_batch_job.wrapper import outcomes, packing

if TYPE_CHECKING:
    from flyte_connectors_batch_job.wrapper.outcomes import Outcome

BARE = ["env", "-i", f"PATH={os.environ['PATH']}", "HOME=/nowhere"]


class Wrapped:
    """Runs jobs by the wrapper."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = str(folder / "outcome.json")
        self.environment: dict[str, str] = {}
        self.program: list[str] = [sys.executable, "-I", "-S"]

    def text(self, script: str, inputs: dict[str, Any] | None = None, **given: Any) -> str:
        """The text that an engine gets."""
        index = given.pop("index_variable", None)
        uri = given.pop("outcome", self.uri)
        request = job_request(task(script, **given), inputs, str(self.folder / "stored"))
        return packing.script("the-job", request, outcome=uri, folder=str(self.folder), index_variable=index)

    def start(self, text: str) -> subprocess.Popen[str]:
        """Start it as an engine does."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return subprocess.Popen(
            [*BARE, *variables, *self.program, "-c", text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, inputs: dict[str, Any] | None = None, **given: Any) -> Outcome:
        """Run a job to its end. Its exit code, output and errors are attributes of this object."""
        process = self.start(self.text(script, inputs, **given))
        self.out, self.err = process.communicate(timeout=60)
        self.code = process.returncode
        outcome = outcomes.read(self.uri)
        assert outcome, self.err
        return outcome


@pytest.fixture
def wrapped(tmp_path: Path) -> Wrapped:
    """The wrapper, with a folder for all it writes."""
    return Wrapped(tmp_path)


def test_a_job_runs_with_its_files(wrapped: Wrapped, tmp_path: Path) -> None:
    """Nothing is installed where it runs; its folder is gone afterwards."""
    (tmp_path / "words.txt").write_text("one two\n")
    script = (
        f'wc -w < "$BATCH_JOB_INPUT_F" > {WHERE}; echo "$BATCH_JOB_ID"; echo oops >&2;'
        ' echo \'{"n": "x"}\' > "$BATCH_JOB_OUTPUTS"'
    )
    inputs = {"f": File(str(tmp_path / "words.txt"))}
    outcome = wrapped.run(script, inputs, outputs={"f": FILE, "n": TEXT})
    uri = f"{tmp_path}/stored/files/f/f"
    assert outcome.state == (Phase.SUCCEEDED, None, {"f": uri, "n": "x"}, None)
    assert (wrapped.code, wrapped.out, wrapped.err) == (0, "the-job\n", "oops\n")
    assert Path(uri).read_text() == "2\n"
    assert {path.name for path in tmp_path.iterdir()} == {"words.txt", "stored", "outcome.json"}
    assert outcome.usage["cpu_seconds"] < outcome.usage["wall_seconds"] + 0.5
    assert 0 < outcome.usage["peak_memory_bytes"] < 100 << 20


def test_the_last_line_is_the_output_of_a_job_that_writes_none(wrapped: Wrapped) -> None:
    """As on every back end."""
    outcome = wrapped.run("echo a; printf b", outputs={"x": TEXT})
    assert outcome.state.outputs == {"x": "b"}


@pytest.mark.parametrize(
    ("script", "code", "phase", "message"),
    [
        ("echo why >&2; exit 3", 3, Phase.FAILED, "the job ended with exit code 3: why"),
        ("exit 75", 75, Phase.RETRYABLE_FAILED, "the job ended with exit code 75"),
        ("kill -9 $$", 137, Phase.FAILED, "the job was killed by signal 9 (SIGKILL)"),
        ("#!/nowhere\n", 125, Phase.FAILED, "can't start "),
        ("true", 125, Phase.FAILED, "output 'f': the job ended without writing 'f'"),
        (f"ln -s /etc/passwd {WHERE}", 125, Phase.FAILED, "output 'f': 'f' is a symbolic link"),
        ("echo x > $BATCH_JOB_OUTPUTS", 125, Phase.FAILED, "$BATCH_JOB_OUTPUTS is not valid JSON"),
    ],
)
def test_how_a_job_ends_is_in_its_outcome(wrapped: Wrapped, script: str, code: int, phase: Phase, message: str) -> None:
    """The exit code tells the engine, the outcome everyone else."""
    outcome = wrapped.run(script, outputs={"f": FILE}, retry_exit_codes=[75])
    assert outcome.state.phase == phase
    assert (outcome.state.message or "").startswith(message)
    assert wrapped.code == code
    assert outcome.exit_code == (None if code == 125 and "start" in message else outcome.exit_code)


def test_an_input_that_is_not_there_fails_the_job_before_it_starts(wrapped: Wrapped) -> None:
    """The command has no exit code then."""
    outcome = wrapped.run("echo started", {"f": File("/nowhere/x")})
    assert outcome.state.message == "input 'f': /nowhere/x not found"
    assert (outcome.exit_code, wrapped.out, wrapped.code) == (None, "", 125)


def test_a_job_that_the_engine_ends_may_be_retried(wrapped: Wrapped, tmp_path: Path) -> None:
    """Its processes get the signal, and none is left."""
    script = f"trap 'echo bye; exit 0' TERM; sleep 60 & echo $! > {tmp_path}/kid; wait"
    process = wrapped.start(wrapped.text(script))
    kid = int(wait_for(lambda: (p := tmp_path / "kid").exists() and p.read_text().strip()))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    outcome = outcomes.read(wrapped.uri)
    assert outcome
    assert outcome.state[:2] == (Phase.RETRYABLE_FAILED, "the engine ended the job with SIGTERM")
    assert out == "bye\n"
    assert not is_running(kid)


def test_daemons_of_the_command_are_ended(wrapped: Wrapped, tmp_path: Path) -> None:
    """Before its outputs are stored: nothing changes them any more."""
    script = f"setsid sleep 60 > /dev/null 2>&1 & echo $! > {tmp_path}/kid; touch {WHERE}"
    started = time.monotonic()
    assert wrapped.run(script, outputs={"f": FILE}).state.phase == Phase.SUCCEEDED
    assert time.monotonic() - started < 30
    assert not is_running(int((tmp_path / "kid").read_text()))


def test_jobs_of_an_array_keep_out_of_each_others_way(wrapped: Wrapped, tmp_path: Path) -> None:
    """By the index that the engine gives them."""
    where = str(tmp_path / "outcome-{index}.json")
    text = wrapped.text(
        f"echo $BATCH_JOB_INDEX > {WHERE}",
        outputs={"f": FILE},
        outcome=where,
        index_variable="ENGINES_INDEX",
    )
    for index in ("0", "1"):
        wrapped.environment = {"ENGINES_INDEX": index}
        process = wrapped.start(text)
        process.communicate(timeout=60)
        outcome = outcomes.read(where.replace("{index}", index))
        assert outcome
        uri = (outcome.state.outputs or {})["f"]
        assert uri == f"{tmp_path}/stored/files/{index}/f/f"
        assert Path(uri).read_text() == f"{index}\n"


def test_an_outcome_may_be_in_an_object_store(wrapped: Wrapped, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the service and the machine of the job have nothing in common but that."""
    wrapped.program = [sys.executable]
    with stores.serving() as url:
        stores.client(url).create_bucket(Bucket=stores.BUCKET)
        wrapped.environment = stores.environment(url)
        for name, value in wrapped.environment.items():
            monkeypatch.setenv(name, value)
        wrapped.uri = f"s3://{stores.BUCKET}/outcome"
        assert outcomes.read(wrapped.uri) is None
        assert wrapped.run("true").state.phase == Phase.SUCCEEDED
        assert wrapped.err == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"state": "x"}', b'{"state": []}', b"[" * 100_000, bytes(5 << 20)],
)
def test_what_is_no_outcome_is_a_failure(wrapped: Wrapped, content: bytes) -> None:
    """The job could have written it."""
    Path(wrapped.uri).write_bytes(content)
    outcome = outcomes.read(wrapped.uri)
    assert outcome
    assert outcome.state.phase == Phase.FAILED


def test_an_outcome_that_can_not_be_read_now_is_asked_for_again(wrapped: Wrapped) -> None:
    """It may be there tomorrow."""
    Path(wrapped.uri).mkdir()
    with pytest.raises(ServiceUnavailableError):
        outcomes.read(wrapped.uri)


def test_the_text_fits_where_engines_put_it(wrapped: Wrapped) -> None:
    """In one argument of a program, which may have 128 KiB."""
    assert len(wrapped.text("true")) < 64 * 1024
    json.dumps(wrapped.text("true"))
