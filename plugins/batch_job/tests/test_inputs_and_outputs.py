"""How values reach a job, and how they come back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_batch_job.backends.local.outputs import MAX_BYTES
from flyte_connectors_batch_job.inputs import to_json
from flyte_connectors_batch_job.wrapper.preparing import MAX_INPUT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from batch_jobs import Jobs

    from flyte_connectors_batch_job.backends.local.spool import Spool

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON))
def test_json_values_are_passed_unchanged(inputs: dict[str, Any]) -> None:
    """What is JSON already stays what it is."""
    assert to_json(inputs) == inputs


def test_times_are_passed_in_standard_forms() -> None:
    """Datetimes in ISO 8601, durations in seconds, at any depth."""
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    inputs = {"at": [moment], "for": {"x": dt.timedelta(minutes=1.5)}}
    assert to_json(inputs) == {"at": ["2026-01-02T03:04:05+00:00"], "for": {"x": 90.0}}


@pytest.mark.parametrize("value", [b"x", object(), float("nan"), [float("inf")], {1, 2}])
def test_what_json_lacks_is_refused_by_name(jobs: Jobs, spool: Spool, value: object) -> None:
    """The error names the input, and no job is left."""
    with pytest.raises(InvalidRequestError, match=r"inputs\.odd: can't be passed to a batch job"):
        jobs.start("true", key="odd", inputs={"odd": value})
    assert not spool.job("odd").exists()


def test_a_job_reads_its_inputs_from_a_file(jobs: Jobs) -> None:
    """All of them, as one JSON object."""
    inputs = {"n": 3, "names": ["a", "b"], "deep": {"x": None}}
    script = "#!/usr/bin/env python3\nimport os\nprint(open(os.environ['BATCH_JOB_INPUTS']).read())"
    resource = jobs.run(script, inputs=inputs, outputs={"seen": "STRING"})
    assert resource.outputs == {"seen": '{"n": 3, "names": ["a", "b"], "deep": {"x": null}}'}


def test_scalars_are_variables_too(jobs: Jobs) -> None:
    """Strings as they are, numbers and booleans as JSON; other values have no variable."""
    meta = jobs.start(
        "env | grep ^BATCH_JOB_INPUT_ | sort",
        inputs={"text": "a b", "n": 3, "x": 1.5, "on": True, "none": None, "many": [1]},
    )
    jobs.end(meta)
    assert jobs.all_logs(meta) == [
        "BATCH_JOB_INPUT_N=3",
        "BATCH_JOB_INPUT_ON=true",
        "BATCH_JOB_INPUT_TEXT=a b",
        "BATCH_JOB_INPUT_X=1.5",
    ]


def test_an_input_is_never_run_as_code(jobs: Jobs, tmp_path: Path) -> None:
    """Whatever an input holds, it is data for the shell."""
    evil = f"$(touch {tmp_path}/owned); `touch {tmp_path}/owned`; touch {tmp_path}/owned"
    resource = jobs.run('echo "$BATCH_JOB_INPUT_NAME"', inputs={"name": evil}, outputs={"out": "STRING"})
    assert resource.outputs == {"out": evil}
    assert not (tmp_path / "owned").exists()


def test_an_input_too_long_for_a_variable_is_in_the_file(jobs: Jobs) -> None:
    """The kernel limits variables; the job starts all the same."""
    resource = jobs.run(
        'echo "${BATCH_JOB_INPUT_BIG-unset}"; wc -c < "$BATCH_JOB_INPUTS"',
        inputs={"big": "x" * (MAX_INPUT_BYTES + 1), "nul": "a\0b"},
        outputs={"size": "STRING"},
    )
    assert resource.outputs is not None
    assert int(resource.outputs["size"]) > MAX_INPUT_BYTES


def test_the_services_environment_stays_its_own(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job sees neither the service's credentials nor its Python settings."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    meta = jobs.start("env", env={"MINE": "yes"})
    jobs.end(meta)
    names = {line.partition("=")[0] for line in jobs.all_logs(meta)}
    assert {"MINE", "PATH", "BATCH_JOB_ID"} <= names
    assert not names & {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "FLYTE_BATCH_JOB_SPOOL"}


def test_a_job_runs_where_it_is_told(jobs: Jobs, tmp_path: Path) -> None:
    """`working_directory`, or else a new directory of the job's own."""
    told = jobs.run("pwd", working_directory=str(tmp_path), outputs={"at": "STRING"}, key="told")
    own = jobs.run("pwd; ls", outputs={"at": "STRING"}, key="own")
    assert told.outputs == {"at": str(tmp_path)}
    assert own.outputs == {"at": f"{jobs.spool.root}/own/job/work"}


def test_outputs_come_from_the_file(jobs: Jobs) -> None:
    """Any JSON values, by their declared names."""
    outputs = {"n": "INTEGER", "names": "STRUCT", "text": "STRING"}
    script = 'echo \'{"n": 3, "names": ["a"], "text": null}\' > "$BATCH_JOB_OUTPUTS"'
    resource = jobs.run(script, outputs=outputs)
    assert resource.outputs == {"n": 3, "names": ["a"], "text": None}


def test_the_file_wins_over_stdout(jobs: Jobs) -> None:
    """The last line of stdout counts only where there is no file."""
    script = 'echo \'{"text": "file"}\' > "$BATCH_JOB_OUTPUTS"; echo line'
    assert jobs.run(script, outputs={"text": "STRING"}).outputs == {"text": "file"}


@pytest.mark.parametrize(
    ("script", "declared", "message"),
    [
        ("true", {"r": "STRING"}, "ended without its output 'r': write it to $BATCH_JOB_OUTPUTS"),
        ("echo 3", {"n": "INTEGER"}, "ended without its output 'n'"),
        ("echo a", {"a": "STRING", "b": "STRING"}, "ended without its output 'a'"),
        (
            'echo \'{"a": 1, "c": 2}\' > $BATCH_JOB_OUTPUTS',
            {"a": "INTEGER", "b": "INTEGER"},
            "wrote the undeclared output 'c' (declared: a, b)",
        ),
        ("echo '{\"a\": 1}' > $BATCH_JOB_OUTPUTS", {}, "undeclared output 'a' (declared: none)"),
        ("echo '[1]' > $BATCH_JOB_OUTPUTS", {"a": "STRING"}, "holds a JSON list, expected an obj"),
        ("echo '{' > $BATCH_JOB_OUTPUTS", {"a": "STRING"}, "is not valid JSON: "),
        ("printf '\\377' > $BATCH_JOB_OUTPUTS", {"a": "STRING"}, "is not valid JSON: "),
        (
            "mkdir $BATCH_JOB_OUTPUTS",
            {"a": "STRING"},
            "$BATCH_JOB_OUTPUTS is a directory, not a regular file",
        ),
        (
            f"head -c {MAX_BYTES + 1} /dev/zero > $BATCH_JOB_OUTPUTS",
            {"a": "STRING"},
            f"holds more than {MAX_BYTES} bytes",
        ),
        (
            "printf '%0100000d' 0 | tr 0 '[' > $BATCH_JOB_OUTPUTS",
            {"a": "STRING"},
            "is not valid JSON: ",
        ),
    ],
)
def test_wrong_outputs_fail_the_job_and_say_why(
    jobs: Jobs, script: str, declared: dict[str, str], message: str
) -> None:
    """A job that ends well but does not keep its promise has failed."""
    resource = jobs.run(script, outputs=declared)
    assert resource.phase == Phase.FAILED
    assert message in (resource.message or "")
